// SPDX-License-Identifier: MIT OR Apache-2.0
//! A request of 4 KiB through both ends: the shim on one thread, a disk's worker on the other, beside a bare
//! copy of as much on one thread.
#![allow(unsafe_code, reason = "a bare copy asks nobody")]

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use tenon_abi::DeviceKind;
use tenon_devices::block::{Disk, Memory};
use tenon_guest::block::Io;
use tenon_guest::{Buffer, Error};
use tenon_host::device::{Arena, Backend, Bell, End, Home, Opened, Owed, QueueName, Ring};
use tenon_rings::Waiter;

use super::BLOCK;
use super::reads::contents;
use crate::disk::{self, DEPTH, with_disk};
use crate::listen::Medians;
use crate::quiet::{Seat, sit};
use crate::row::tenth;

const BYTES: usize = 1 << 20;
const BLOCKS: u64 = (BYTES / BLOCK) as u64;
/// Requests under way at a time.
const FLYING: usize = 32;
const ROUNDS: usize = 100;
const EACH: u64 = 1000;

/// Nanoseconds of a request, and of the bare copy: what the fastest tenth of the rounds is below.
///
/// # Errors
///
/// One line: what was refused, or answered wrongly.
pub fn ends() -> Result<Medians, String> {
    // Its thread sits where this one does when it begins.
    sit(Seat::Guest);
    let contents = contents(BYTES);
    let memory = Arc::new(Memory::new(contents.clone().into_boxed_slice()));
    let disk = Disk::in_memory(memory).map_err(|why| why.to_string())?;
    // Nobody kicks: it looks until it is told to end.
    let disk = disk.with_queues(1, DEPTH as u32).with_waiter(Waiter::new(u32::MAX, u32::MAX));
    let (_, mut queues, _control) = disk.start().map_err(|why| why.to_string())?;
    sit(Seat::Host);
    with_disk(|guest, (completer, state), (start, memory), buffers: &mut [_; FLYING]| {
        let name = QueueName { device: 0, index: 0 };
        let len = memory.byte_len() as u64;
        let arena = Arena::new(start, len, [(start, memory)], Arc::new(()));
        let ring = (Ring::Requests(completer), Owed::default());
        let end = End::detached(name, DeviceKind::BLOCK, arena, ring, state);
        let kick = eventfd(0, EventfdFlags::NONBLOCK).map_err(|_| Error::BadMemory)?;
        queues.opened(Opened { end, kick: Arc::new(kick), bell: Bell::new(|| ()), home: Home::new(drop) });
        let mut seed = 0x2545_f491_4f6c_dd1d;
        let mut times = [const { Vec::new() }; 2];
        let mut bare = vec![0u8; FLYING * BLOCK];
        for _ in 0..=ROUNDS {
            let before = Instant::now();
            read(guest, buffers, &mut seed)?;
            let between = Instant::now();
            copy(&contents, &mut bare, &mut seed);
            let each = |time: std::time::Duration| time.as_nanos() as f64 / EACH as f64;
            times[0].push(each(between - before));
            times[1].push(each(between.elapsed()));
        }
        let [ours, theirs] = times.map(|times| tenth(times).unwrap_or(f64::NAN));
        Ok(Medians { ours, theirs })
    })
}

fn next(seed: &mut u64) -> u64 {
    // A generator of Marsaglia's: three shifts.
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % BLOCKS
}

/// So many reads, as many under way as there are buffers.
fn read(guest: &mut disk::Disk<'_>, buffers: &mut [Option<Buffer>], seed: &mut u64) -> Result<(), Error> {
    let mut ask = |guest: &mut disk::Disk<'_>, into| {
        let asked = guest.push(Io::Read { offset: next(seed) * BLOCK as u64, into });
        asked.map(|_| ()).map_err(|(error, _)| error)
    };
    let (mut asked, mut done) = (0, 0);
    for buffer in buffers.iter_mut() {
        ask(guest, buffer.take().ok_or(Error::Full)?)?;
        asked += 1;
    }
    while done < EACH {
        let Some(answer) = guest.next_done()? else {
            spin_loop();
            continue;
        };
        answer.result.map_err(Error::Refused)?;
        let buffer = answer.payload.ok_or(Error::Pending)?;
        let mut word = [0; 8];
        // Each block begins with its number.
        if !buffer.read(0, &mut word) || u64::from_le_bytes(word) >= BLOCKS {
            return Err(Error::Pending);
        }
        done += 1;
        if asked < EACH {
            ask(guest, buffer)?;
            asked += 1;
        } else if let Some(free) = buffers.iter_mut().find(|place| place.is_none()) {
            *free = Some(buffer);
        }
    }
    Ok(())
}

fn copy(disk: &[u8], into: &mut [u8], seed: &mut u64) {
    for number in 0..EACH as usize {
        let (from, to) = (next(seed) as usize * BLOCK, number % FLYING * BLOCK);
        let (from, to) = (&disk[from..from + BLOCK], &mut into[to..to + BLOCK]);
        // SAFETY: both are so long, and apart.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr(), BLOCK) };
        black_box(to);
    }
}
