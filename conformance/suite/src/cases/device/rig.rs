// SPDX-License-Identifier: MIT OR Apache-2.0
//! What cases about devices work with, by the offsets of the text: a bound vCPU, what DEVICE_QUERY says, an
//! arena, and request queues by hand.

use crate::case::{Ctx, Fail, Lacks, Needs, Outcome, check, equal};
use crate::cases::tools::{expect, op, status, wait_longer, wait_until};
use crate::env::Env;
use crate::raw::{self, Bound, Done, LONGER, full_fence, load, store};
use tenon_abi::Features;
use tenon_rings::{Mapping, Words};

/// What cases about any device need.
pub(in crate::cases) const DEVICES: Needs = Needs { features: Features::DEVICES, ..Needs::NONE };
/// What cases about disks need.
pub(in crate::cases) const DISK: Needs =
    Needs { features: Features::DEVICES.union(Features::BLOCK), ..Needs::NONE };
/// The same, with ports.
pub(in crate::cases) const DISK_EVENTS: Needs =
    Needs { features: DISK.features.union(Features::EVENTS), ..Needs::NONE };
/// What cases about network interfaces need.
pub(in crate::cases) const NET: Needs =
    Needs { features: Features::DEVICES.union(Features::NET), ..Needs::NONE };

/// Kinds of devices, as the spec prints them.
pub(in crate::cases) const BLOCK_KIND: u32 = 1;
pub(in crate::cases) const NET_KIND: u32 = 2;
/// No port.
pub(in crate::cases) const NO_PORT: u64 = 0xffff_ffff;
/// The flags REMOVED and OPEN of `DeviceInfo`.
pub(in crate::cases) const REMOVED_FLAG: u32 = 1;
pub(in crate::cases) const OPEN_FLAG: u32 = 2;
/// Bytes of a usual arena.
pub(in crate::cases) const ARENA: usize = 1 << 19;

/// What DEVICE_QUERY says of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cases) struct Info {
    pub(in crate::cases) number: u64,
    pub(in crate::cases) kind: u32,
    pub(in crate::cases) flags: u32,
    pub(in crate::cases) incarnation: u32,
    pub(in crate::cases) max_queues: u32,
    pub(in crate::cases) change: u64,
    pub(in crate::cases) features: u64,
    pub(in crate::cases) max_depth: u32,
    pub(in crate::cases) own: [u64; 8],
}

impl Info {
    /// The first argument of DEVICE_OPEN.
    pub(in crate::cases) const fn name(&self) -> u64 {
        self.number | (self.incarnation as u64) << 32
    }

    /// The first argument of QUEUE_OPEN and QUEUE_CLOSE.
    pub(in crate::cases) const fn queue(&self, index: u32) -> u64 {
        self.number | (index as u64) << 32
    }

    /// A U32 of what the kind tells, at this offset.
    pub(in crate::cases) const fn own32(&self, offset: usize) -> u32 {
        (self.own[offset / 8] >> (offset % 8 * 8)) as u32
    }

    /// The depth that cases use: not more than 64.
    pub(in crate::cases) fn depth(&self) -> u32 {
        self.max_depth.min(64)
    }
}

/// Memory for a device, handed out from its front in whole granules.
#[derive(Clone, Copy)]
pub(in crate::cases) struct Arena {
    pub(in crate::cases) memory: Mapping,
    pub(in crate::cases) at: u64,
    pub(in crate::cases) unit: usize,
    used: usize,
}

impl Arena {
    /// Cleared memory of the guest's own, shared with nobody.
    pub(in crate::cases) fn new(env: &dyn Env, len: usize) -> Result<Self, Fail> {
        let (memory, at) = env.pages(len, 1 << 16).ok_or(Fail::Error("no pages left"))?;
        Ok(Self { memory, at, unit: 1 << raw::granule_shift(env), used: 0 })
    }

    /// Bytes of it.
    pub(in crate::cases) const fn len(&self) -> u64 {
        self.memory.byte_len() as u64
    }

    /// A piece that nobody else gets.
    pub(in crate::cases) fn take(&mut self, len: usize) -> Result<(Mapping, u64), Fail> {
        let len = len.next_multiple_of(self.unit);
        let piece = self.memory.slice(self.used / 8, len / 8).ok_or(Fail::Error("the arena is full"))?;
        let at = self.at + self.used as u64;
        self.used += len;
        Ok((piece, at))
    }
}

/// A session with a bound vCPU, a page for answers, and an arena.
pub(in crate::cases) struct Rig {
    pub(in crate::cases) bound: Bound,
    pub(in crate::cases) page: (Mapping, u64),
    pub(in crate::cases) arena: Arena,
}

impl Rig {
    pub(in crate::cases) fn new(ctx: &Ctx) -> Result<Self, Fail> {
        Self::with(ctx, ARENA)
    }

    /// With an arena of so many bytes.
    pub(in crate::cases) fn with(ctx: &Ctx, len: usize) -> Result<Self, Fail> {
        Self::over(raw::attach(ctx.env)?, len)
    }

    /// With a vCPU that is bound.
    pub(in crate::cases) fn over(bound: Bound, len: usize) -> Result<Self, Fail> {
        let page = raw::pages(bound.env, 4096, 4096)?;
        Ok(Self { page, arena: Arena::new(bound.env, len)?, bound })
    }

    /// What DEVICE_LIMITS says: devices, and queues at once.
    pub(in crate::cases) fn limits(&mut self) -> Result<(u32, u32), Fail> {
        let value = expect(&mut self.bound, op::DEVICE_LIMITS, &[], status::OK, "DEVICE_LIMITS")?;
        Ok((value as u32, (value >> 32) as u32))
    }

    /// What is known of a device, if it is there.
    pub(in crate::cases) fn query(&mut self, number: u64) -> Result<Option<Info>, Fail> {
        let (page, at) = self.page;
        let done = self.bound.call(op::DEVICE_QUERY, [number, at, 128, 0, 0, 0])?;
        match done.status {
            status::NOT_FOUND => return Ok(None),
            status::OK => equal(done.value, 128, "bytes of DeviceInfo")?,
            other => return Err(Fail::Failed("DEVICE_QUERY", other.into(), number)),
        }
        let word = |at: usize| load(&page, at);
        Ok(Some(Info {
            number,
            kind: word(0) as u32,
            flags: (word(0) >> 32) as u32,
            incarnation: word(0x08) as u32,
            max_queues: (word(0x08) >> 32) as u32,
            change: word(0x10),
            features: word(0x18),
            max_depth: word(0x30) as u32,
            own: core::array::from_fn(|index| word(0x40 + index * 8)),
        }))
    }

    /// What is known of a device that is there.
    pub(in crate::cases) fn info(&mut self, number: u64) -> Result<Info, Fail> {
        self.query(number)?.ok_or(Fail::Failed("the device is not there", number, 0))
    }

    /// The first device of a kind.
    pub(in crate::cases) fn find(&mut self, kind: u32) -> Result<Info, Fail> {
        let (devices, _) = self.limits()?;
        for number in 0..u64::from(devices.min(256)) {
            if let Some(info) = self.query(number)?
                && info.kind == kind
                && info.flags & REMOVED_FLAG == 0
            {
                return Ok(info);
            }
        }
        Err(Fail::Skip(Lacks::Device(if kind == BLOCK_KIND { "disk" } else { "network interface" })))
    }

    /// Opens a device over the arena, which has to succeed.
    pub(in crate::cases) fn open(&mut self, info: &Info, features: u64, port: u64) -> Outcome {
        let args = [info.name(), features, self.arena.at, self.arena.len(), port];
        expect(&mut self.bound, op::DEVICE_OPEN, &args, status::OK, "DEVICE_OPEN").map(|_| ())
    }

    /// Closes a device, which has to succeed.
    pub(in crate::cases) fn close(&mut self, info: &Info) -> Outcome {
        self.late(op::DEVICE_CLOSE, info.number, "DEVICE_CLOSE")
    }

    /// Closes a queue, which has to succeed.
    pub(in crate::cases) fn close_queue(&mut self, info: &Info, index: u32) -> Outcome {
        self.late(op::QUEUE_CLOSE, info.queue(index), "QUEUE_CLOSE")
    }

    /// A call that completes when others have done their part.
    fn late(&mut self, op: u16, arg: u64, what: &'static str) -> Outcome {
        self.bound.submit(op, 0, [0, arg, 0, 0, 0, 0, 0]);
        self.bound.kick();
        let done = self.bound.wait_longer(what)?;
        equal(done.status.into(), status::OK.into(), what)?;
        equal(done.value, 0, "its value")
    }

    /// The first disk, open over the arena.
    pub(in crate::cases) fn disk(&mut self) -> Result<Info, Fail> {
        let info = self.find(BLOCK_KIND)?;
        self.open(&info, 0, NO_PORT)?;
        Ok(info)
    }

    /// Opens a request queue.
    pub(in crate::cases) fn requests(
        &mut self,
        info: &Info,
        index: u32,
        depth: u32,
        port: u64,
    ) -> Result<Queue, Fail> {
        let guest = self.arena.take(0x40 + depth as usize * 64)?;
        let host = self.arena.take(0x40 + depth as usize * 16)?;
        let mut queue = Queue {
            env: self.bound.env,
            guest,
            host,
            depth,
            seed: self.bound.seed,
            bell: 0,
            next: 0,
            reaped: 0,
        };
        self.again(info, index, port, &mut queue)?;
        Ok(queue)
    }

    /// Opens a request queue where it was before.
    pub(in crate::cases) fn again(
        &mut self,
        info: &Info,
        index: u32,
        port: u64,
        queue: &mut Queue,
    ) -> Outcome {
        clear(&queue.guest.0);
        let args = [info.queue(index), queue.depth.into(), port, queue.guest.1, queue.host.1];
        let bell = expect(&mut self.bound, op::QUEUE_OPEN, &args, status::OK, "QUEUE_OPEN")?;
        let vcpus = u64::from(raw::record(self.bound.env).max_vcpus.get());
        check(bell >= 2 * vcpus && bell < 1 << 32, "the number of a queue's kicks")?;
        (queue.bell, queue.next, queue.reaped, queue.seed) = (bell as u32, 0, 0, self.bound.seed);
        Ok(())
    }

    /// The first disk with one queue of the usual depth.
    pub(in crate::cases) fn disk_queue(ctx: &Ctx) -> Result<(Self, Info, Queue), Fail> {
        let mut rig = Self::new(ctx)?;
        let info = rig.disk()?;
        let queue = rig.requests(&info, 0, info.depth(), NO_PORT)?;
        Ok((rig, info, queue))
    }
}

/// Clears memory.
pub(in crate::cases) fn clear(memory: &Mapping) {
    (0..memory.byte_len()).step_by(8).for_each(|at| store(memory, at, 0));
}

/// A request queue by hand (DEV-9).
pub(in crate::cases) struct Queue {
    pub(in crate::cases) env: &'static dyn Env,
    /// The guest's part and the host's, with their wire addresses.
    pub(in crate::cases) guest: (Mapping, u64),
    pub(in crate::cases) host: (Mapping, u64),
    pub(in crate::cases) depth: u32,
    pub(in crate::cases) seed: u32,
    /// What a kick carries.
    pub(in crate::cases) bell: u32,
    /// Positions of the next submission and of the next completion.
    pub(in crate::cases) next: u32,
    pub(in crate::cases) reaped: u32,
}

impl Queue {
    /// Publishes a submission without a kick.
    pub(in crate::cases) fn submit(&mut self, op: u16, id: u16, args: [u64; 6]) {
        let [a, b, c, d, e, f] = args;
        self.submit_words(op, id, [0, a, b, c, d, e, f]);
    }

    /// As [`Self::submit`], with flags and count.
    pub(in crate::cases) fn submit_words(&mut self, op: u16, id: u16, words: [u64; 7]) {
        let turn = self.seed.wrapping_add(self.next).wrapping_add(1);
        self.submit_with_turn(op, id, words, turn);
        self.next = self.next.wrapping_add(1);
    }

    /// With any turn, and without moving on.
    pub(in crate::cases) fn submit_with_turn(&self, op: u16, id: u16, words: [u64; 7], turn: u32) {
        let at = 0x40 + (self.next & (self.depth - 1)) as usize * 64;
        for (index, word) in words.iter().enumerate() {
            store(&self.guest.0, at + index * 8, *word);
        }
        let tail = u64::from(op) | u64::from(id) << 16 | u64::from(turn) << 32;
        store(&self.guest.0, at + 56, tail);
    }

    pub(in crate::cases) fn kick(&self) {
        full_fence();
        self.env.kick(self.bell);
    }

    /// Waits until all is fetched that was submitted. A host that wants the next kick has fetched what is
    /// before it (CALL-26); one that says nothing of kicks has some time.
    pub(in crate::cases) fn wait_fetched(&self) {
        let next = 1 << 32 | u64::from(self.next);
        let _ = (0..3).any(|_| wait_until(self.env, || load(&self.host.0, 8) == next));
    }

    /// The next completion if it is there.
    pub(in crate::cases) fn look(&mut self) -> Option<Done> {
        let at = 0x40 + (self.reaped & (self.depth - 1)) as usize * 16;
        let tail = load(&self.host.0, at + 8);
        if (tail >> 32) as u32 != self.seed.wrapping_add(self.reaped).wrapping_add(1) {
            return None;
        }
        self.reaped = self.reaped.wrapping_add(1);
        Some(Done { status: tail as u16, id: (tail >> 16) as u16, value: load(&self.host.0, at) })
    }

    /// Waits for the next completion: a thread of the host's has to be scheduled for it.
    pub(in crate::cases) fn wait(&mut self) -> Result<Done, Fail> {
        for _ in 0..self.env.patience().saturating_mul(LONGER) {
            if let Some(done) = self.look() {
                return Ok(done);
            }
            self.env.relax();
        }
        Err(Fail::Failed("no completion on a device's queue", self.reaped.into(), self.next.into()))
    }

    /// One request with id 0 whose status must be `status`; its value.
    pub(in crate::cases) fn expect(
        &mut self,
        op: u16,
        args: &[u64],
        status: u16,
        what: &'static str,
    ) -> Result<u64, Fail> {
        let mut words = [0; 7];
        words[1..].iter_mut().zip(args).for_each(|(to, from)| *to = *from);
        self.expect_words(op, words, status, what)
    }

    /// As [`Self::expect`], with flags and count.
    pub(in crate::cases) fn expect_words(
        &mut self,
        op: u16,
        words: [u64; 7],
        status: u16,
        what: &'static str,
    ) -> Result<u64, Fail> {
        self.submit_words(op, 0, words);
        self.kick();
        let done = self.wait()?;
        equal(done.id.into(), 0, "the id of a completion")?;
        equal(done.status.into(), status.into(), what)?;
        check(status == status::OK || done.value == 0, "a value with a status other than OK")?;
        Ok(done.value)
    }

    /// NOP, which has to work.
    pub(in crate::cases) fn nop(&mut self, value: u64) -> Outcome {
        equal(self.expect(op::NOP, &[value], status::OK, "NOP")?, value, "NOP's value")
    }

    /// State, reason and position of the state word.
    pub(in crate::cases) fn state(&self) -> (u16, u16, u32) {
        let word = load(&self.host.0, 0);
        (word as u16, (word >> 16) as u16, (word >> 32) as u32)
    }

    /// Waits until the queue is latched corrupt: its reason and position.
    pub(in crate::cases) fn corrupt(&self) -> Result<(u16, u32), Fail> {
        if wait_longer(self.env, || self.state().0 != 1) && self.state().0 == 2 {
            return Ok((self.state().1, self.state().2));
        }
        Err(Fail::Failed("the queue is not latched corrupt", self.state().0.into(), 0))
    }

    /// Takes the completions of so many requests, with ids below `ids`: each once, and with a status that
    /// `takes` accepts.
    pub(in crate::cases) fn reap(&mut self, ids: u32, takes: impl Fn(Done) -> bool) -> Outcome {
        let mut seen = [0u64; 64];
        for _ in 0..ids {
            let done = self.wait()?;
            let (word, bit) = (usize::from(done.id) / 64, 1u64 << (done.id % 64));
            check(u32::from(done.id) < ids && word < 64, "a completion for an id that is not in flight")?;
            check(seen[word] & bit == 0, "a request is completed twice")?;
            seen[word] |= bit;
            if !takes(done) {
                return Err(Fail::Failed("a request of many", done.status.into(), done.value));
            }
        }
        check(self.look().is_none(), "a completion more than requests")
    }
}
