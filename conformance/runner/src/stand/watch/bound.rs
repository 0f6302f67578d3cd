// SPDX-License-Identifier: MIT OR Apache-2.0
//! The areas of a bound vCPU, as its guest writes them.

use super::{Findings, note};
use std::collections::BTreeSet;
use tenon_abi::vcpu::{guest, host};
use tenon_abi::{QueueState, Reason, Sizes, Status};

/// What an offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The window.
    Window,
    /// Region 0.
    Region,
}

/// A bound vCPU.
pub struct Bound {
    vcpu: u32,
    sizes: Sizes,
    guest: u64,
    host: (Part, u64),
    seed: u32,
    /// Positions behind the last submission that was fetched, and the last completion.
    fetched: u32,
    completed: u32,
    in_flight: BTreeSet<u16>,
    /// By ring: positions behind the last entry that was written, and that was taken.
    written: [u32; 2],
    taken: [u32; 2],
}

/// Offsets of a ring's `taken` and its armed word.
const RINGS: [(u64, u64); 2] = [(guest::TAKEN0, guest::ARMED0), (guest::TAKEN1, guest::ARMED1)];
/// Offset of the tail in a submission and in a completion.
const TAIL: (u64, u64) = (56, 8);

impl Bound {
    pub(super) fn new(vcpu: u32, sizes: Sizes, guest: u64, host: (Part, u64), seed: u32) -> Self {
        Self {
            vcpu,
            sizes,
            guest,
            host,
            seed,
            fetched: 0,
            completed: 0,
            in_flight: BTreeSet::new(),
            written: [0; 2],
            taken: [0; 2],
        }
    }

    /// What lies in region 0.
    pub(super) fn in_region(&self) -> Vec<(u64, u64)> {
        let mut areas = vec![(self.guest, self.sizes.guest_len())];
        if let (Part::Region, offset) = self.host {
            areas.push((offset, self.sizes.host_len()));
        }
        areas
    }

    /// The position whose turn is in the upper half of this word.
    const fn position(&self, word: u64) -> u32 {
        ((word >> 32) as u32).wrapping_sub(self.seed).wrapping_sub(1)
    }

    /// Looks at all that the guest writes.
    pub(super) fn look(&mut self, region: &dyn Fn(u64) -> Option<u64>, findings: &mut Findings) {
        let vcpu = self.vcpu;
        let load = |offset: u64| region(self.guest.saturating_add(offset)).unwrap_or(0);
        let armed = load(guest::COMPLETIONS_ARMED);
        if armed != 0 {
            note(findings, "CALL-16", armed >> 32 == 0, || {
                format!("vCPU {vcpu}: COMPLETIONS_ARMED is {armed:#x}")
            });
        }
        let mut taken_now = self.taken;
        for (class, (taken_at, armed_at)) in RINGS.into_iter().enumerate() {
            let (taken, armed) = (load(taken_at), load(armed_at));
            if armed != 0 {
                note(findings, "EVT-11", armed >> 32 == 0, || {
                    format!("vCPU {vcpu}: ARMED{class} is {armed:#x}")
                });
            }
            if taken == 0 {
                continue;
            }
            let (Some(before), Some(&written)) = (taken_now.get_mut(class), self.written.get(class)) else {
                continue;
            };
            let position = taken as u32;
            let moved = position.wrapping_sub(*before);
            let holds = taken >> 32 == 0 && moved <= written.wrapping_sub(*before);
            note(findings, "EVT-8", holds, || {
                format!("vCPU {vcpu}: TAKEN{class} is {taken:#x}, after {before:#x}, of {written:#x} written")
            });
            if holds {
                *before = position;
            }
        }
        self.taken = taken_now;
        let depth = self.sizes.depth;
        for slot in 0..depth {
            let at = guest::SUBMISSIONS.saturating_add(u64::from(slot).saturating_mul(64));
            let tail = load(at.saturating_add(TAIL.0));
            if tail == 0 {
                continue;
            }
            let (position, id) = (self.position(tail), tail >> 16 & 0xffff);
            let is_its_own = position & depth.wrapping_sub(1) == slot;
            note(findings, "CALL-4", is_its_own, || {
                format!("vCPU {vcpu}: the turn in slot {slot} is that of position {position:#x}")
            });
            note(findings, "CALL-6", id < u64::from(depth), || {
                format!("vCPU {vcpu}: slot {slot} has id {id}, of {depth}")
            });
            if is_its_own {
                // Ahead of what the host has completed by less than the depth, or from an earlier lap.
                let ahead = position.wrapping_sub(self.completed);
                let holds = ahead < depth || ahead > u32::MAX / 2;
                note(findings, "CALL-8", holds, || {
                    format!("vCPU {vcpu}: position {position:#x} while {:#x} are completed", self.completed)
                });
            }
        }
        let lane = load(guest::EMERGENCY.saturating_add(TAIL.0));
        if lane != 0 {
            note(findings, "CALL-23", lane >> 16 & 0xffff == 0, || {
                format!("vCPU {vcpu}: the emergency lane has id {}", lane >> 16 & 0xffff)
            });
        }
    }

    /// The host loads a word of its guest's: takes note where it is the next submission.
    pub(super) fn fetches(&mut self, part: Part, offset: u64, tail: u64, findings: &mut Findings) {
        let first = self.guest.saturating_add(guest::SUBMISSIONS).saturating_add(TAIL.0);
        let next = u64::from(self.fetched & self.sizes.depth.wrapping_sub(1)).saturating_mul(64);
        if part != Part::Region || offset != first.saturating_add(next) || self.position(tail) != self.fetched
        {
            return;
        }
        self.fetched = self.fetched.wrapping_add(1);
        let (vcpu, id) = (self.vcpu, (tail >> 16) as u16);
        note(findings, "CALL-2", true, String::new);
        note(findings, "CALL-6", self.in_flight.insert(id), || {
            format!("vCPU {vcpu}: id {id} is submitted again while it is in flight")
        });
    }

    /// The host stores a word to its area.
    pub(super) fn stored(&mut self, part: Part, offset: u64, value: u64, findings: &mut Findings) {
        let Some(at) = offset.checked_sub(self.host.1).filter(|_| part == self.host.0) else { return };
        let completions = host::COMPLETIONS..self.sizes.ring_offset(0);
        let ring = |class: u32| self.sizes.ring_offset(class);
        if at < host::KICK_WANTED {
            self.latched(at, value, findings);
        } else if completions.contains(&at) && at % 16 == TAIL.1 {
            let position = self.position(value);
            self.completed = self.completed.max(position.wrapping_add(1));
            self.in_flight.remove(&((value >> 16) as u16));
            self.refused(value, findings);
        } else if at >= ring(0) && at < self.sizes.host_len() {
            let behind = self.position(value).wrapping_add(1);
            if let Some(written) = self.written.get_mut(usize::from(at >= ring(1))) {
                *written = behind;
            }
        }
    }

    /// The host latches a queue or a ring: its guest broke a rule.
    fn latched(&self, at: u64, value: u64, findings: &mut Findings) {
        if value & 0xffff != u64::from(QueueState::CORRUPT.0) {
            return;
        }
        let reason = Reason((value >> 16) as u16);
        let clause = match reason {
            Reason::BAD_ID | Reason::DUPLICATE_ID => "CALL-6",
            Reason::BAD_TAKEN => "EVT-8",
            Reason::BAD_ARMED if at < host::EVENT_STATE0 => "CALL-16",
            Reason::BAD_ARMED => "EVT-11",
            _ => "GEN-8",
        };
        note(findings, clause, false, || {
            format!("vCPU {}: the host latched reason {} at {:#x}", self.vcpu, reason.0, value >> 32)
        });
    }

    /// A refusal that no sound guest gets, whatever its host offers.
    fn refused(&self, tail: u64, findings: &mut Findings) {
        let status = Status(tail as u16);
        for (clause, bad) in [
            ("GEN-5", Status::BAD_RESERVED),
            ("REG-3", Status::BAD_RANGE),
            ("GEN-3", Status::BAD_REGION),
            ("CALL-10", Status::TOO_LONG),
        ] {
            if status == bad {
                note(findings, clause, false, || {
                    format!("vCPU {}: a call was refused with status {}", self.vcpu, status.0)
                });
            }
        }
    }
}
