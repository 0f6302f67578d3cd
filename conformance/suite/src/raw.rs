// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wire by the spec's offsets alone: what raw cases are written with. Nothing here uses `tenon-guest`,
//! nor the rings of `tenon-rings`: only its mapped memory, as plain words.
//!
//! Numbers stand here as the spec prints them, on purpose not as the constants of `tenon-abi`: an error in
//! those must show.

use crate::case::Fail;
use crate::env::Env;
use crate::kit;
use crate::since;
use core::sync::atomic::{Ordering, fence};
use tenon_abi::Record;
use tenon_rings::{Mapping, Site, Words};

/// So many times the usual patience, where another CPU has to do something: most of the time that the runner
/// gives a case.
pub(crate) const LONGER: u32 = 8;

/// Bytes that a request needs of its frame, which begins on the largest granule: to clear all of it is what
/// an emulated guest would do most.
pub(crate) const REQUEST_LEN: usize = 4096;

/// A full fence.
pub fn full_fence() {
    fence(Ordering::SeqCst);
}

/// Loads the U64 at byte `offset`.
#[must_use]
pub fn load(memory: &Mapping, offset: usize) -> u64 {
    let value = memory.load(offset / 8, Site::Status);
    fence(Ordering::Acquire);
    value
}

/// Stores a U64 at byte `offset`; everything stored before is visible first.
pub fn store(memory: &Mapping, offset: usize, value: u64) {
    fence(Ordering::Release);
    memory.store(offset / 8, value, Site::Status);
}

/// The record as it is now.
#[must_use]
pub fn record(env: &dyn Env) -> Record {
    let window = env.window();
    let mut words = [0u64; 32];
    for (index, word) in words.iter_mut().enumerate() {
        *word = load(&window, index * 8).to_le();
    }
    zerocopy::transmute!(words)
}

/// A control request by the table of the chapter on sessions: 16 words, all zero but magic.
#[derive(Clone, Copy)]
pub struct Control(pub [u64; 16]);

impl Control {
    /// A request of the current session with a fresh ticket.
    #[must_use]
    pub fn new(env: &dyn Env, op: u16) -> Self {
        let window = env.window();
        let ticket = (load(&window, 0xa0) >> 32) as u32;
        let session = (load(&window, 0x80) >> 32) as u32;
        let mut words = [0; 16];
        words[0] = u64::from_le_bytes(*b"Tenon\0CR");
        words[1] = u64::from(op) | (u64::from(ticket.wrapping_add(1)) << 32);
        words[2] = u64::from(session);
        Self(words)
    }

    /// NEGOTIATE for the newest version that host and suite know, with these features and this granule.
    #[must_use]
    pub fn negotiate(env: &dyn Env, features: u64, shift: u32) -> Self {
        let mut request = Self::new(env, 1);
        request.0[3] = (since::minor(env) << 16) | (u64::from(shift) << 32);
        request.0[4] = features;
        request
    }

    /// BIND of a vCPU with a depth, two ring sizes and its guest-written area.
    #[must_use]
    pub fn bind(env: &dyn Env, vcpu: u32, depth: u32, events: [u32; 2], guest_area: u64) -> Self {
        let mut request = Self::new(env, 2);
        request.0[2] |= u64::from(vcpu) << 32;
        request.0[5] = u64::from(depth) | (u64::from(events[0]) << 32);
        request.0[6] = u64::from(events[1]);
        request.0[7] = guest_area;
        request
    }

    /// RESET.
    #[must_use]
    pub fn reset(env: &dyn Env) -> Self {
        Self::new(env, 3)
    }

    /// Writes the request to `page`, whose region-0 offset is `at`, hands it over, and waits for its ticket:
    /// status and value; `None` without an answer within the environment's patience.
    #[must_use]
    pub fn send(&self, env: &dyn Env, page: &Mapping, at: u64, shift: u32) -> Option<(u16, u64)> {
        for (index, word) in self.0.iter().enumerate() {
            store(page, index * 8, *word);
        }
        full_fence();
        env.bind((at >> shift) as u32);
        let window = env.window();
        for _ in 0..env.patience() {
            let result = load(&window, 0xa0);
            if result >> 32 == self.0[1] >> 32 {
                return Some((result as u16, load(&window, 0x98)));
            }
            env.relax();
        }
        None
    }
}

/// The granule that counts now, as log2: the session's, or the smallest offered.
#[must_use]
pub fn granule_shift(env: &dyn Env) -> u32 {
    let active = load(&env.window(), 0x88);
    if is_open(env) {
        ((active >> 32) & 0xffff) as u32
    } else {
        (load(&env.window(), 0x18) as u32).trailing_zeros()
    }
}

/// Whether a session is open.
pub(crate) fn is_open(env: &dyn Env) -> bool {
    load(&env.window(), 0x88) >> 48 == 1
}

/// Resets whatever session there is; whether an idle one is there afterwards.
#[must_use]
pub fn reset(env: &dyn Env) -> bool {
    let Some((page, at)) = env.pages(REQUEST_LEN, 1 << 16) else { return false };
    let shift = granule_shift(env);
    let answered = matches!(Control::reset(env).send(env, &page, at, shift), Some((0, _)));
    answered && load(&env.window(), 0x88) == 0
}

/// A vCPU that was bound by hand, with its positions.
pub struct Bound {
    /// The environment.
    pub env: &'static dyn Env,
    /// A page for control requests, and its region-0 offset.
    pub scratch: (Mapping, u64),
    /// The guest-written area, and its region-0 offset.
    pub guest: (Mapping, u64),
    /// The host-written area.
    pub host: Mapping,
    /// vCPU number.
    pub vcpu: u32,
    /// Depth of the call queue.
    pub depth: u32,
    /// Entries of the event rings.
    pub events: [u32; 2],
    /// The session's seed.
    pub seed: u32,
    /// Position of the next submission.
    pub next: u32,
    /// Position of the next completion.
    pub reaped: u32,
}

/// Pages for anything; in a closed domain they may hold payload, as long as there are such.
/// Fails as an error of the environment when there are none.
///
/// # Errors
///
/// [`Fail::Error`].
pub fn pages(env: &dyn Env, len: usize, align: usize) -> Result<(Mapping, u64), Fail> {
    let pages = kit::pages(env, len, align).or_else(|| env.pages(len, align));
    pages.ok_or(Fail::Error("no pages left"))
}

/// Negotiates the newest version that host and suite know, with everything that the host offers in it and the
/// smallest granule, by hand.
///
/// # Errors
///
/// [`Fail::Failed`] if it is refused or not answered.
pub fn open(env: &'static dyn Env) -> Result<((Mapping, u64), u32), Fail> {
    let scratch = pages(env, REQUEST_LEN, 1 << 16)?;
    let shift = granule_shift(env);
    let features = since::negotiable(env);
    match Control::negotiate(env, features, shift).send(env, &scratch.0, scratch.1, shift) {
        Some((0, _)) => Ok((scratch, shift)),
        Some((status, _)) => Err(Fail::Failed("NEGOTIATE refused", u64::from(status), 0)),
        None => Err(Fail::Failed("NEGOTIATE not answered", 0, 0)),
    }
}

/// Binds vCPU `vcpu` by hand in an open session.
///
/// # Errors
///
/// [`Fail::Failed`] if it is refused or not answered.
pub fn bind(
    env: &'static dyn Env,
    scratch: (Mapping, u64),
    shift: u32,
    vcpu: u32,
    depth: u32,
    events: [u32; 2],
) -> Result<Bound, Fail> {
    let guest = pages(env, 0x200 + depth as usize * 64, 1 << shift)?;
    let window = env.window();
    let mut request = Control::bind(env, vcpu, depth, events, guest.1);
    let ring0 = (0x80 + depth as usize * 16 + 63) & !63;
    let ring1 = ring0 + ((events[0] as usize * 8 + 63) & !63);
    let len = ring1 + ((events[1] as usize * 8 + 63) & !63);
    let in_window = load(&window, 0x90) & 1 != 0;
    let donated = if in_window { None } else { Some(pages(env, len, 1 << shift)?) };
    request.0[8] = donated.map_or(0, |(_, at)| at);
    let value = match request.send(env, &scratch.0, scratch.1, shift) {
        Some((0, value)) => value,
        Some((status, _)) => return Err(Fail::Failed("BIND refused", u64::from(status), 0)),
        None => return Err(Fail::Failed("BIND not answered", 0, 0)),
    };
    let host = match donated {
        Some((mapping, _)) => mapping,
        None => window.slice(value as usize / 8, len / 8).ok_or(Fail::Failed(
            "the host-written area lies outside the window",
            value,
            len as u64,
        ))?,
    };
    let seed = load(&window, 0x80) as u32;
    let mut bound = Bound { env, scratch, guest, host, vcpu, depth, events, seed, next: 0, reaped: 0 };
    kit::share(&mut bound)?;
    Ok(bound)
}

/// Negotiates and binds vCPU 0 with depth 64 and rings of 256, by hand.
///
/// # Errors
///
/// As [`open`] and [`bind`].
pub fn attach(env: &'static dyn Env) -> Result<Bound, Fail> {
    attach_with(env, 64, [256, 256])
}

/// As [`attach`], with other sizes.
///
/// # Errors
///
/// As [`open`] and [`bind`].
pub fn attach_with(env: &'static dyn Env, depth: u32, events: [u32; 2]) -> Result<Bound, Fail> {
    let (scratch, shift) = open(env)?;
    bind(env, scratch, shift, 0, depth, events)
}

/// A completion as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Status code.
    pub status: u16,
    /// Id.
    pub id: u16,
    /// Value.
    pub value: u64,
}

impl Bound {
    /// Writes a submission (eight words but the tail) with this op and id at the next position, without a
    /// kick.
    pub fn submit(&mut self, op: u16, id: u16, words: [u64; 7]) {
        let turn = self.seed.wrapping_add(self.next).wrapping_add(1);
        self.submit_with_turn(op, id, words, turn);
        self.next = self.next.wrapping_add(1);
    }

    /// As [`Self::submit`], with any turn, and without moving on.
    pub fn submit_with_turn(&self, op: u16, id: u16, words: [u64; 7], turn: u32) {
        let at = 0x200 + (self.next & (self.depth - 1)) as usize * 64;
        for (index, word) in words.iter().enumerate() {
            store(&self.guest.0, at + index * 8, *word);
        }
        let tail = u64::from(op) | (u64::from(id) << 16) | (u64::from(turn) << 32);
        store(&self.guest.0, at + 56, tail);
    }

    /// Kicks the call queue.
    pub fn kick(&self) {
        full_fence();
        self.env.kick(self.vcpu * 2);
    }

    /// The next completion if it is there.
    pub fn look(&mut self) -> Option<Done> {
        let at = 0x80 + (self.reaped & (self.depth - 1)) as usize * 16;
        let tail = load(&self.host, at + 8);
        if (tail >> 32) as u32 != self.seed.wrapping_add(self.reaped).wrapping_add(1) {
            return None;
        }
        self.reaped = self.reaped.wrapping_add(1);
        Some(Done { status: tail as u16, id: (tail >> 16) as u16, value: load(&self.host, at) })
    }

    /// Waits for the next completion.
    ///
    /// # Errors
    ///
    /// [`Fail::Failed`] when it does not come.
    pub fn wait(&mut self) -> Result<Done, Fail> {
        for _ in 0..self.env.patience() {
            if let Some(done) = self.look() {
                return Ok(done);
            }
            self.env.relax();
        }
        Err(Fail::Failed("no completion", u64::from(self.reaped), u64::from(self.next)))
    }

    /// As [`Self::wait`], for a completion that another CPU has to be scheduled for: several times as long.
    /// `what` is waited for.
    ///
    /// # Errors
    ///
    /// [`Fail::Failed`] when it does not come.
    pub fn wait_longer(&mut self, what: &'static str) -> Result<Done, Fail> {
        for _ in 1..LONGER {
            if let Ok(done) = self.wait() {
                return Ok(done);
            }
        }
        self.wait().map_err(|_| Fail::Failed(what, u64::from(self.reaped), u64::from(self.next)))
    }

    /// One call with id 0: submits, kicks, waits.
    ///
    /// # Errors
    ///
    /// [`Fail::Failed`] when there is no completion, or one for another id.
    pub fn call(&mut self, op: u16, args: [u64; 6]) -> Result<Done, Fail> {
        let [a, b, c, d, e, f] = args;
        self.call_words(op, [0, a, b, c, d, e, f])
    }

    /// As [`Self::call`], with the first word (flags and count) too.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn call_words(&mut self, op: u16, words: [u64; 7]) -> Result<Done, Fail> {
        self.submit(op, 0, words);
        self.kick();
        let done = self.wait()?;
        if done.id != 0 {
            return Err(Fail::Failed("completion for another id", u64::from(done.id), 0));
        }
        Ok(done)
    }

    /// State (low 16 bits), reason and position of a state word at `offset` of the host-written area.
    #[must_use]
    pub fn state(&self, offset: usize) -> (u16, u16, u32) {
        let word = load(&self.host, offset);
        (word as u16, (word >> 16) as u16, (word >> 32) as u32)
    }

    /// Byte offset of an entry in the host-written area.
    #[must_use]
    pub fn entry_offset(&self, class: usize, position: u32) -> usize {
        let ring0 = (0x80 + self.depth as usize * 16 + 63) & !63;
        let ring1 = ring0 + ((self.events[0] as usize * 8 + 63) & !63);
        let start = if class == 0 { ring0 } else { ring1 };
        start + (position & (self.events[class] - 1)) as usize * 8
    }

    /// The port of the entry at `position`, if it is there.
    #[must_use]
    pub fn entry(&self, class: usize, position: u32) -> Option<u32> {
        let word = load(&self.host, self.entry_offset(class, position));
        ((word >> 32) as u32 == self.seed.wrapping_add(position).wrapping_add(1)).then_some(word as u32)
    }

    /// Publishes `taken` and fences (EVT-8).
    pub fn take_until(&self, class: usize, position: u32) {
        store(&self.guest.0, 0x40 + class * 0x40, u64::from(position));
        full_fence();
    }

    /// Sends a control request with this session's granule.
    #[must_use]
    pub fn control(&self, request: Control) -> Option<(u16, u64)> {
        request.send(self.env, &self.scratch.0, self.scratch.1, granule_shift(self.env))
    }
}
