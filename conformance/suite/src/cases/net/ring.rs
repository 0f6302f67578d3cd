// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rings of a pair by hand (NET-3, STR-1 to STR-13).

use crate::case::{Fail, Outcome, check, equal};
use crate::cases::device::rig::{Info, Rig, clear};
use crate::cases::tools::{expect, op, status, wait_longer};
use crate::env::Env;
use crate::raw::{full_fence, load, store};
use tenon_rings::Mapping;

/// Bytes of the header before each frame.
pub(super) const HEADER: usize = 16;
/// The length that marks a skip.
const SKIP: u32 = u32::MAX;

/// One ring, as the guest has it.
pub(super) struct Side {
    pub(super) env: &'static dyn Env,
    /// The guest's control page, the host's, and the data, with their wire addresses.
    pub(super) own: (Mapping, u64),
    pub(super) host: (Mapping, u64),
    pub(super) data: (Mapping, u64),
    pub(super) words: u32,
    pub(super) seed: u32,
    pub(super) bell: u32,
    /// How many words the guest has come to, from the start.
    pub(super) at: u32,
}

impl Side {
    fn new(rig: &mut Rig, words: u32) -> Result<Self, Fail> {
        Ok(Self {
            env: rig.bound.env,
            own: rig.arena.take(64)?,
            host: rig.arena.take(64)?,
            data: rig.arena.take(words as usize * 8)?,
            words,
            seed: rig.bound.seed,
            bell: 0,
            at: 0,
        })
    }

    /// QUEUE_OPEN, and the guest comes to the ring.
    pub(super) fn open(&mut self, rig: &mut Rig, info: &Info, index: u32, port: u64) -> Outcome {
        clear(&self.own.0);
        let args = [info.queue(index), self.words.into(), port, self.own.1, self.host.1, self.data.1];
        let bell = expect(&mut rig.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN of a ring")?;
        (self.bell, self.at, self.seed) = (bell as u32, 0, rig.bound.seed);
        self.come(self.words.into());
        Ok(())
    }

    /// Comes to the ring with this shape (STR-3).
    fn come(&self, shape: u64) {
        store(&self.own.0, 0x08, self.position(0));
        store(&self.own.0, 0x10, shape);
        store(&self.own.0, 0x00, self.position(0));
        store(&self.own.0, 0x18, 1);
    }

    /// A position with the seed (STR-4).
    pub(super) fn position(&self, units: u32) -> u64 {
        u64::from(self.seed.wrapping_add(units)) | u64::from(self.seed) << 32
    }

    /// How far the host has come, if its word is whole.
    pub(super) fn host_at(&self) -> Result<u32, Fail> {
        let word = load(&self.host.0, 0);
        if word >> 32 != u64::from(self.seed) || load(&self.host.0, 0x10) == 0 {
            return Ok(0);
        }
        let units = (word as u32).wrapping_sub(self.seed);
        let gone = units.wrapping_sub(self.at);
        if gone.wrapping_add(self.words) > 2 * self.words {
            return Err(Fail::Failed(
                "a position of the host's that cannot be",
                units.into(),
                self.at.into(),
            ));
        }
        Ok(units)
    }

    /// The host's state word: state and reason.
    pub(super) fn state(&self) -> (u16, u16) {
        let word = load(&self.host.0, 0x18);
        (word as u16, (word >> 16) as u16)
    }

    /// Waits until the host has latched the ring corrupt: its reason.
    pub(super) fn corrupt(&self) -> Result<u16, Fail> {
        let latched = wait_longer(self.env, || self.state().0 == 2);
        if latched { Ok(self.state().1) } else { Err(Fail::Failed("the ring is not corrupt", 0, 0)) }
    }

    /// The word of the data at this position.
    fn place(&self, units: u32) -> u32 {
        self.seed.wrapping_add(units) & (self.words - 1)
    }

    /// The header of a record there (STR-7).
    pub(super) fn head(&self, units: u32, bytes: u32) -> u64 {
        let turn = self.seed.wrapping_add(self.seed).wrapping_add(units).wrapping_add(1);
        u64::from(bytes) | u64::from(turn) << 32
    }

    pub(super) fn put(&self, units: u32, word: u64) {
        store(&self.data.0, self.place(units) as usize * 8, word);
    }

    /// Stores the position, and kicks: a wake-up that nobody waits for is legal.
    pub(super) fn publish(&self) {
        store(&self.own.0, 0, self.position(self.at));
        full_fence();
        self.env.kick(self.bell);
    }

    /// The ring is closed: the guest's part is its own again.
    pub(super) fn closed(&self) -> Outcome {
        equal(self.state().0.into(), 0, "the state word of a closed ring")
    }
}

/// The ring to the host.
pub(super) struct Sender(pub(super) Side);

impl Sender {
    pub(super) fn open(rig: &mut Rig, info: &Info, pair: u32, words: u32, port: u64) -> Result<Self, Fail> {
        let mut side = Side::new(rig, words)?;
        side.open(rig, info, 2 * pair, port)?;
        Ok(Self(side))
    }

    /// Whether there is room for a record of so many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> Result<bool, Fail> {
        let used = self.0.at.wrapping_sub(self.0.host_at()?);
        Ok(used + self.needs(bytes) <= self.0.words)
    }

    /// Words that a record takes, with a skip before it.
    fn needs(&self, bytes: usize) -> u32 {
        let record = 1 + bytes.div_ceil(8) as u32;
        let left = self.0.words - self.0.place(self.0.at);
        if record > left { left + record } else { record }
    }

    /// Writes a record of any bytes, without publishing it. The caller knows that there is room.
    pub(super) fn write(&mut self, bytes: usize, byte: impl Fn(usize) -> u8) {
        let side = &mut self.0;
        let left = side.words - side.place(side.at);
        if 1 + bytes.div_ceil(8) as u32 > left {
            side.put(side.at, side.head(side.at, SKIP));
            side.at = side.at.wrapping_add(left);
        }
        for index in 0..bytes.div_ceil(8) {
            let mut word = [0u8; 8];
            for (offset, to) in word.iter_mut().enumerate() {
                if index * 8 + offset < bytes {
                    *to = byte(index * 8 + offset);
                }
            }
            side.put(side.at.wrapping_add(1 + index as u32), u64::from_le_bytes(word));
        }
        side.put(side.at, side.head(side.at, bytes as u32));
        side.at = side.at.wrapping_add(1 + bytes.div_ceil(8) as u32);
    }

    /// A record of any bytes, when there is room for it.
    pub(super) fn record(&mut self, bytes: usize, byte: impl Fn(usize) -> u8) -> Outcome {
        let mut room = Ok(true);
        wait_longer(self.0.env, || {
            room = self.has_room(bytes);
            !matches!(room, Ok(false))
        });
        check(room?, "the host takes nothing from its ring")?;
        self.write(bytes, byte);
        self.0.publish();
        Ok(())
    }

    /// A frame behind a header.
    pub(super) fn send(&mut self, header: [u64; 2], len: usize, byte: impl Fn(usize) -> u8) -> Outcome {
        self.record(HEADER + len, |at| match at.checked_sub(HEADER) {
            Some(at) => byte(at),
            None => header[at / 8].to_le_bytes()[at % 8],
        })
    }

    /// Waits until the host has taken all of it.
    pub(super) fn drained(&self) -> Outcome {
        let mut at = Ok(0);
        wait_longer(self.0.env, || {
            at = self.0.host_at();
            !matches!(at, Ok(at) if at != self.0.at)
        });
        equal(at?.into(), self.0.at.into(), "what the host has taken from its ring")
    }
}

/// The ring to the guest.
pub(super) struct Receiver(pub(super) Side);

impl Receiver {
    pub(super) fn open(rig: &mut Rig, info: &Info, pair: u32, words: u32, port: u64) -> Result<Self, Fail> {
        let mut side = Side::new(rig, words)?;
        side.open(rig, info, 2 * pair + 1, port)?;
        Ok(Self(side))
    }

    pub(super) fn state(&self) -> (u16, u16) {
        self.0.state()
    }

    /// Whether a record is there. A skip before it is taken.
    pub(super) fn there(&mut self) -> Result<bool, Fail> {
        let side = &mut self.0;
        let published = side.host_at()?.wrapping_sub(side.at);
        if published == 0 {
            return Ok(false);
        }
        let place = side.place(side.at);
        let head = load(&side.data.0, place as usize * 8);
        check(head >> 32 == side.head(side.at, 0) >> 32, "the turn of a record to the guest")?;
        if head as u32 == SKIP {
            check(place != 0 && side.words - place < published, "a skip without a record behind it")?;
            side.at = side.at.wrapping_add(side.words - place);
            return self.there();
        }
        let record = 1 + (head as u32).div_ceil(8);
        let fits = record <= side.words / 4 && record <= side.words - place && record <= published;
        check(fits && head as u32 >= HEADER as u32, "a record that no ring may hold")?;
        Ok(true)
    }

    /// Waits for a record.
    pub(super) fn wait(&mut self, what: &'static str) -> Outcome {
        let mut found = Ok(false);
        let env = self.0.env;
        wait_longer(env, || {
            found = self.there();
            !matches!(found, Ok(false))
        });
        check(found?, what)
    }

    /// Bytes of the frame that is there, and its header.
    pub(super) fn frame(&self) -> (usize, [u64; 2]) {
        let side = &self.0;
        let place = side.place(side.at) as usize * 8;
        let bytes = load(&side.data.0, place) as u32 as usize;
        (bytes - HEADER, [load(&side.data.0, place + 8), load(&side.data.0, place + 16)])
    }

    /// A byte of the frame that is there.
    pub(super) fn byte(&self, at: usize) -> u8 {
        let side = &self.0;
        let from = side.place(side.at) as usize * 8 + 8 + HEADER + at;
        load(&side.data.0, from & !7).to_le_bytes()[from % 8]
    }

    /// The frame that is there has to be this one, filled up with zeros.
    pub(super) fn is(&self, header: [u64; 2], len: usize, byte: impl Fn(usize) -> u8) -> Outcome {
        let (found, head) = self.frame();
        equal(found as u64, len as u64, "the length of a frame")?;
        equal(head[0], header[0], "the header of a frame, its first word")?;
        equal(head[1], header[1], "the header of a frame, its second word")?;
        let place = self.0.place(self.0.at) as usize * 8 + 8 + HEADER;
        for from in (0..len).step_by(8) {
            let word = load(&self.0.data.0, place + from).to_le_bytes();
            for (offset, found) in word.into_iter().enumerate() {
                let wanted = if from + offset < len { byte(from + offset) } else { 0 };
                equal(found.into(), wanted.into(), "a byte of a frame")?;
            }
        }
        Ok(())
    }

    /// Goes on behind the record that is there, and releases it.
    pub(super) fn release(&mut self) {
        let side = &mut self.0;
        let head = load(&side.data.0, side.place(side.at) as usize * 8);
        side.at = side.at.wrapping_add(1 + (head as u32).div_ceil(8));
        side.publish();
    }

    /// Arms the ring for the next record, and fences.
    pub(super) fn arm(&self) {
        store(&self.0.own.0, 0x08, self.0.position(self.0.at.wrapping_add(1)));
        full_fence();
    }

    /// The data as a whole, for whoever looks whether it changes.
    pub(super) fn sum(&self) -> u64 {
        let data = &self.0.data.0;
        (0..data.byte_len()).step_by(8).fold(0, |sum: u64, at| sum.rotate_left(1) ^ load(data, at))
    }
}
