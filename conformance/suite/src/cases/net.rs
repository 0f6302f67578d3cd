// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network interfaces. The machine's sends each frame back on the pair that it came by.
//!
//! | module | what |
//! | --- | --- |
//! | `ring` | both rings of a pair, by hand |
//! | [`echo`] | frames there and back (NET-3, NET-4, NET-8) |
//! | [`header`] | what stands before a frame (NET-5 to NET-7, NET-12) |
//! | [`drops`] | frames that are dropped, and rings that go on (NET-4, NET-8) |
//! | [`misuse`] | opening rings, corrupt rings, filters (NET-3, NET-9) |
//! | [`state`] | the link, the end (NET-2) |
//! | [`repaired`] | generations (NET-11) |
//! | [`shim`] | the same by the shim |

pub mod drops;
pub mod echo;
pub mod header;
pub mod misuse;
pub mod repaired;
mod ring;
pub mod shim;
pub mod state;

use crate::case::{Ctx, Fail, Outcome, check, equal};
use crate::cases::device::rig::{Info, NET_KIND, NO_PORT, Rig};
use crate::raw::LONGER;
use core::sync::atomic::{AtomicU64, Ordering};
use ring::{HEADER, Receiver, Sender};

/// Bytes of the arena: two pairs of rings of the longest frames.
const ARENA: usize = 5 << 19;

/// Features of an interface, as the spec prints them.
const CSUM_TO_HOST: u64 = 1;
const CSUM_TO_GUEST: u64 = 2;
const SEGMENT_TO_HOST: u64 = 4;
const SEGMENT_TO_GUEST: u64 = 8;

/// An interface that is open, with one pair of rings.
struct Card {
    rig: Rig,
    info: Info,
    features: u64,
    out: Sender,
    back: Receiver,
}

impl Card {
    /// Without features.
    fn new(ctx: &Ctx) -> Result<Self, Fail> {
        Self::with(ctx, 0)
    }

    /// With those of these features that the interface offers.
    fn with(ctx: &Ctx, features: u64) -> Result<Self, Fail> {
        let mut rig = Rig::with(ctx, ARENA)?;
        let info = rig.find(NET_KIND)?;
        let features = info.features & features;
        rig.open(&info, features, NO_PORT)?;
        let out = Sender::open(&mut rig, &info, 0, words(&info, features, SEGMENT_TO_HOST), NO_PORT)?;
        let back = Receiver::open(&mut rig, &info, 0, words(&info, features, SEGMENT_TO_GUEST), NO_PORT)?;
        Ok(Self { rig, info, features, out, back })
    }

    /// Sends a frame of so many bytes of a pattern, behind this header.
    fn send(&mut self, header: [u64; 2], len: usize, key: u64) -> Outcome {
        self.out.send(header, len, |at| pattern(key, at))
    }

    /// The next frame has to be this one, with this header.
    fn comes(&mut self, header: [u64; 2], len: usize, key: u64, what: &'static str) -> Outcome {
        self.back.wait(what)?;
        self.back.is(header, len, |at| pattern(key, at))?;
        self.back.release();
        Ok(())
    }

    /// Sends a frame without a header's features, and wants it back.
    fn echoes(&mut self, len: usize, key: u64) -> Outcome {
        self.send([0; 2], len, key)?;
        self.comes([0; 2], len, key, "the frame does not come back")
    }

    /// What was sent before this was dropped: the next frame that comes back is this one.
    fn only(&mut self, key: u64) -> Outcome {
        self.send([0; 2], 60, key)?;
        self.comes([0; 2], 60, key, "the ring does not go on")
    }

    /// The longest frame without segments.
    fn longest(&self) -> usize {
        self.info.own32(8) as usize + 18
    }
}

/// Words of the smallest ring that holds four of the longest records. The frames of the cases come from this
/// interface from now on.
fn words(info: &Info, features: u64, segments: u64) -> u32 {
    ADDRESS.store(info.own[0], Ordering::Relaxed);
    let longest = if features & segments != 0 { info.own32(0x0c) } else { info.own32(8) + 18 };
    let record = (longest as usize + HEADER).div_ceil(8) + 1;
    (4 * record as u32).next_power_of_two()
}

/// The address of the interface that cases work with: a host may refuse frames from others (NET-10).
static ADDRESS: AtomicU64 = AtomicU64::new(2);

/// A byte of a frame: an Ethernet header from the interface to all, and a pattern behind it, which begins
/// with the key.
fn pattern(key: u64, at: usize) -> u8 {
    match at {
        0..6 => 0xff,
        6..12 => (ADDRESS.load(Ordering::Relaxed) >> (8 * (at - 6))) as u8,
        12 => 0x88,
        13 => 0xb5,
        14 => key as u8,
        _ => (key.wrapping_mul(0x9e37_79b9).wrapping_add(at as u64 * 31) >> 3) as u8,
    }
}

/// Another device of the machine carries something, where there is one: for cases about devices that hang.
pub(in crate::cases) fn carries(rig: &mut Rig) -> Outcome {
    let Ok(info) = rig.find(NET_KIND) else { return Ok(()) };
    rig.open(&info, 0, NO_PORT)?;
    let mut out = Sender::open(rig, &info, 0, words(&info, 0, 1), NO_PORT)?;
    let mut back = Receiver::open(rig, &info, 0, words(&info, 0, 1), NO_PORT)?;
    for key in 0..8 {
        out.send([0; 2], 100, |at| pattern(key, at))?;
        back.wait("another device does not go on")?;
        back.is([0; 2], 100, |at| pattern(key, at))?;
        back.release();
    }
    rig.close(&info)
}

/// A frame that must not come: looks for a while, behind something that has to.
fn nothing_more(card: &mut Card, what: &'static str) -> Outcome {
    for _ in 0..LONGER * 10 {
        card.rig.bound.env.relax();
    }
    check(!card.back.there()?, what)?;
    equal(card.back.state().0.into(), 1, "the state of the ring to the guest")
}
