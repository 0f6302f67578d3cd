// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts that write anything, anywhere in their parts, at any moment: nothing panics or waits for ever, no
//! word outside of the arena is written, and no memory comes back twice.

use std::collections::BTreeSet;

use tenon_abi::Status;
use tenon_guest::block::{Block, Io, Token};
use tenon_guest::net::Header;
use tenon_guest::{Buffer, Error};
use tenon_rings::{Site, Words};

use super::model::{Model, buffer, card, disk, open};
use crate::host::{GRANULE, Host};
use crate::lies::{host, open as open_session};

/// Runs of each test, and steps of each run.
const RUNS: u64 = 60;
const STEPS: u32 = 120;

/// Numbers that differ from run to run and are the same each time (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }

    /// A word that looks like something, or like nothing.
    fn word(&mut self, now: u64) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => now ^ 1 << self.below(64),
            3 => now.wrapping_add(self.below(8)),
            4 => self.below(16) << 16 | (now & !0xffff_ffff),
            _ => self.below(u64::MAX),
        }
    }
}

/// Writes a word of the host's part, which has so many.
fn scribble(model: &Model<'_>, chance: &mut Chance, index: u32, words: u64) {
    let word = chance.below(words);
    let at = model.host_parts.borrow()[&index] + word * 8;
    let now = model.arena.load(at as usize / 8, Site::Status);
    model.spoil(index, word * 8, chance.word(now));
}

/// What requests own, by address: in the kernel's hands, or in the queue's.
struct Pool {
    free: Vec<Buffer>,
    out: BTreeSet<u64>,
}

impl Pool {
    fn take(&mut self) -> Option<Buffer> {
        let buffer = self.free.pop()?;
        assert!(self.out.insert(buffer.address()));
        Some(buffer)
    }

    fn put(&mut self, buffer: Buffer) {
        assert!(self.out.remove(&buffer.address()), "memory came back twice");
        self.free.push(buffer);
    }
}

fn requests(seed: u64) -> usize {
    let mut chance = Chance(seed | 1);
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    let mut block: Block<'_, Host, Buffer, 4> = device.block(&model, 0, None, &mut pages).expect("it opens");
    let mut pool = Pool { free: (0..8).map(|_| buffer(&mut pages, 4096)).collect(), out: BTreeSet::new() };
    let mut tokens: Vec<Token> = Vec::new();
    let mut results = 0;
    for _ in 0..STEPS {
        match chance.below(9) {
            0 | 1 => {
                if let Some(into) = pool.take() {
                    match block.submit(Io::Read { offset: 0, into }) {
                        Ok(token) => tokens.push(token),
                        Err((_, io)) => pool.put(io.into_payload().expect("it comes back")),
                    }
                }
            }
            2 => {
                // Served honestly, as far as the guest's words are the host's to read.
                model.serve(0);
            }
            3 if !tokens.is_empty() => {
                let at = chance.below(tokens.len() as u64) as usize;
                match block.poll(tokens[at]) {
                    Ok(done) => {
                        tokens.swap_remove(at);
                        done.payload.into_iter().for_each(|memory| pool.put(memory));
                        results += 1;
                    }
                    Err(Error::Pending | Error::Corrupt(_)) => {}
                    Err(error) => panic!("{error:?} of a request without a result"),
                }
            }
            4 => {
                if let Ok(Some(done)) = block.next_done() {
                    let at = tokens.iter().position(|token| *token == done.token).expect("it was submitted");
                    tokens.swap_remove(at);
                    done.payload.into_iter().for_each(|memory| pool.put(memory));
                    results += 1;
                }
            }
            5 if !tokens.is_empty() => {
                let at = chance.below(tokens.len() as u64) as usize;
                if chance.below(2) == 0 {
                    block.give_up(tokens.swap_remove(at));
                } else {
                    let _ = block.cancel(tokens[at]);
                }
            }
            6 => {
                if let Ok(Some(memory)) = block.reclaim() {
                    pool.put(memory);
                }
            }
            7 => {
                let _ = block.arm();
            }
            _ => scribble(&model, &mut chance, 0, 8 + 4 * 2),
        }
    }
    // Whatever it was told, all of it comes back once the queue is closed.
    block.close(&model).expect("it closes");
    block.finish(Status::INDETERMINATE);
    for token in tokens {
        let done = block.poll(token);
        if let Ok(done) = done {
            done.payload.into_iter().for_each(|memory| pool.put(memory));
        }
    }
    while let Ok(Some(memory)) = block.reclaim() {
        pool.put(memory);
    }
    model.assert_contained();
    assert_eq!((pool.free.len(), pool.out.len()), (8, 0), "all memory is back");
    results
}

#[test]
fn a_disk_that_writes_anything_harms_nobody() {
    let results: usize = (1..=RUNS).map(|run| requests(run.wrapping_mul(0x9e37_79b9_7f4a_7c15))).sum();
    assert!(results > RUNS as usize, "hardly anything was done: {results}");
}

fn frames(seed: u64) -> usize {
    let mut chance = Chance(seed | 1);
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, card(0b11111));
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    let mut sender = device.sender(&model, 0, 16_384, None, &mut pages).expect("it opens");
    let mut receiver = device.receiver(&model, 0, 16_384, None, &mut pages).expect("it opens");
    // Where the records to the guest lie: behind the sender's 34 granules and two of the receiver's.
    let data = 36 * GRANULE / 8;
    let mut results = 0;
    for _ in 0..STEPS {
        match chance.below(8) {
            0 => drop(sender.send(&vec![7; chance.below(2000) as usize])),
            1 => drop(sender.flush()),
            2 | 3 => {
                let record = vec![0; chance.below(1600) as usize];
                if let Some(super::model::End::ToGuest(producer)) = model.ends.borrow_mut().get_mut(&1) {
                    let _ = producer.write(&record);
                    let _ = producer.flush();
                }
            }
            4 => {
                let taken = receiver.drain(9, |header, frame| {
                    let cut = header.segments.map_or(0, |cut| usize::from(cut.header_len));
                    let sum =
                        header.checksum.map_or(0, |sum| usize::from(sum.start) + usize::from(sum.offset) + 2);
                    assert!((14..=20_000).contains(&frame.len()));
                    assert!(cut < frame.len() && sum <= frame.len(), "{header:?} of {} bytes", frame.len());
                    results += 1;
                });
                let _ = taken;
            }
            5 => drop(receiver.arm().and(sender.arm(1500))),
            6 => {
                let index = chance.below(2) as u32;
                scribble(&model, &mut chance, index, 8);
            }
            _ => {
                let word = data + chance.below(2000) as usize;
                let now = model.arena.load(word, Site::Status);
                model.arena.store(word, chance.word(now), Site::Status);
            }
        }
    }
    let _ = sender.send_parts(&Header::default(), &[&[0; 60]]);
    sender.close(&model).expect("it closes");
    receiver.close(&model).expect("it closes");
    assert!(sender.release().is_ok() && receiver.release().is_ok());
    model.assert_contained();
    results
}

#[test]
fn an_interface_that_writes_anything_harms_nobody() {
    let results: usize = (1..=RUNS).map(|run| frames(run.wrapping_mul(0x9e37_79b9_7f4a_7c15))).sum();
    assert!(results > RUNS as usize, "hardly anything was taken: {results}");
}
