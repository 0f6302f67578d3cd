// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both ends of a queue.

use super::{End, Shared, race};
use crate::ends;
use crate::noise::Noise;
use std::collections::VecDeque;
use tenon_abi::{Op, Status, Submission, Tail, turn};
use tenon_rings::call::Outcome;
use tenon_rings::{Completer, Error, Mapping, Submitter, Ticket};

/// Depth of the queues.
const D: usize = 8;

struct Guest {
    end: Submitter<Mapping, D>,
    tickets: VecDeque<Ticket>,
    results: u64,
}

impl End for Guest {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let call = Submission::new(Op::NOP, [noise.word(); 6]);
        let result = match noise.below(8) {
            0..=2 => self.end.submit(call).map(|ticket| {
                assert!(usize::from(ticket.id()) < D, "an id out of range");
                assert!(self.tickets.iter().all(|held| held.id() != ticket.id()), "an id twice");
                self.tickets.push_back(ticket);
            }),
            3 | 4 => match self.tickets.pop_front() {
                Some(ticket) => self.poll(|end| end.poll(ticket)),
                None => self.end.reap().map(drop),
            },
            5 => {
                if let Some(ticket) = self.tickets.pop_back() {
                    self.end.abandon(ticket);
                }
                Ok(())
            }
            6 => self.poll(|end| end.call(&call, std::thread::yield_now)),
            _ => {
                let mut results = [Ok(0); 2];
                let mut patience = 0..20;
                let done = self.end.exchange(&mut results, |_| call, || {}, || patience.next().is_some());
                self.results +=
                    results.iter().filter(|result| **result != Err(Status::INDETERMINATE)).count() as u64;
                done
            }
        };
        assert!(self.end.in_flight() <= D);
        match result {
            Err(Error::Corrupt(corrupt)) => {
                assert_eq!(self.end.corrupt(), Some(corrupt));
                assert_eq!(self.end.submit(call), Err(Error::Corrupt(corrupt)), "not latched");
                false
            }
            _ => true,
        }
    }

    fn stands(&self) -> (u32, u64) {
        (self.end.reaped(), self.results)
    }
}

impl Guest {
    fn poll(
        &mut self,
        poll: impl FnOnce(&mut Submitter<Mapping, D>) -> Result<Result<Outcome, Ticket>, Error>,
    ) -> Result<(), Error> {
        match poll(&mut self.end)? {
            Ok(_) => self.results += 1,
            Err(ticket) => self.tickets.push_front(ticket),
        }
        Ok(())
    }
}

/// Mostly what a host could say there, at the right moment or nearly.
fn tail(noise: &mut Noise, depth: usize, seed: u32, position: u32) -> u64 {
    let (code, id) = (noise.pick(&[0, 0, Op::NOP.0, 7, u16::MAX]), noise.below(depth) as u16);
    let id = if noise.below(64) == 0 { noise.word() as u16 } else { id };
    let late = if noise.below(8) == 0 { noise.below(3) as u32 } else { 0 };
    Tail { code, id, turn: turn(seed, position.wrapping_sub(late)) }.to_word()
}

#[test]
fn a_submitter() {
    let shared = Shared::new(10 * D);
    let make = |seed| {
        Some(Guest {
            end: ends::submitter(shared.mapping(0..8 * D), shared.mapping(8 * D..10 * D), seed, 0),
            tickets: VecDeque::new(),
            results: 0,
        })
    };
    race("submitter", &shared, make, |noise, seed, stood| {
        let position = stood.wrapping_add(noise.below(3) as u32);
        let slot = 8 * D + position as usize % D * 2;
        match noise.below(4) {
            0 => (8 * D + noise.below(2 * D), noise.word()),
            1 => (slot, noise.word()),
            _ => (slot + 1, tail(noise, D, seed, position)),
        }
    });
}

struct Host {
    end: Completer<Mapping>,
    fetched: VecDeque<u16>,
    results: u64,
}

impl End for Host {
    fn step(&mut self, noise: &mut Noise) -> bool {
        let result = match noise.below(6) {
            0..=2 => self.end.fetch(),
            3 => {
                let budget = noise.below(3) as u32;
                let run = self.end.answer(budget, Op::NOP, |submission| {
                    assert!(usize::from(submission.id()) < D, "an id out of range");
                    Ok(submission.args[0].get())
                });
                assert!(run.answered <= budget, "beyond its budget");
                self.results += u64::from(run.answered);
                run.next.and_then(|next| self.end.fetch_next(next.ok_or(Error::Empty)?))
            }
            _ => {
                if let Some(id) = self.fetched.pop_front() {
                    assert!(self.end.complete(id, Status::OK, 1));
                }
                return true;
            }
        };
        match result {
            Ok(fetched) => {
                assert!(usize::from(fetched.id) < D && !self.fetched.contains(&fetched.id), "an id twice");
                assert_eq!((fetched.submission.id(), fetched.submission.op()), (fetched.id, fetched.op));
                self.fetched.push_back(fetched.id);
                self.results += 1;
            }
            Err(Error::Corrupt(corrupt)) => {
                assert_eq!(self.end.fetch().err(), Some(Error::Corrupt(corrupt)), "not latched");
                // What was fetched is completed, breach or not.
                assert!(self.fetched.drain(..).all(|id| self.end.complete(id, Status::OK, 1)));
                return false;
            }
            Err(_) => {}
        }
        assert_eq!(self.end.in_flight() as usize, self.fetched.len());
        true
    }

    fn stands(&self) -> (u32, u64) {
        (self.end.state().fetched, self.results)
    }
}

#[test]
fn a_completer() {
    let shared = Shared::new(10 * D);
    let make = |seed| {
        Some(Host {
            end: ends::completer(shared.mapping(0..8 * D), shared.mapping(8 * D..10 * D), seed, D as u32, 0),
            fetched: VecDeque::new(),
            results: 0,
        })
    };
    race("completer", &shared, make, |noise, seed, stood| {
        let position = stood.wrapping_add(noise.below(3) as u32);
        match noise.below(3) {
            0 => (noise.below(8 * D), noise.word()),
            _ => (position as usize % D * 8 + 7, tail(noise, D, seed, position)),
        }
    });
}
