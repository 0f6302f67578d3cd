// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host that a case plays itself, to lie to the shim: a window in the case's own pages, and doorbells that
//! run the case's code.
#![allow(unsafe_code, reason = "a platform is an unsafe trait")]

use crate::case::Fail;
use crate::env::Env;
use crate::raw::{self, load, store};
use crate::shim::{SuitePlatform, failed};
use core::cell::Cell;
use tenon_abi::Granule;
use tenon_guest::{Conduit, Found, Pages, Platform, Session, Vcpu, Wish};
use tenon_rings::{Mapping, Words};

/// Depth of the queue under a fake host.
pub(crate) const DEPTH: usize = 4;

/// Where the host-written area lies in the fake window.
const HOST_AREA: usize = 0x1000;

/// What happens at a kick.
pub(crate) type Script = fn(&Fake, u32);

/// A host that is played.
pub(crate) struct Fake {
    env: &'static dyn Env,
    pub(crate) window: Mapping,
    /// Where the shim writes its control requests.
    scratch: Mapping,
    /// The guest-written area, once there is one.
    pub(crate) guest: Cell<Option<Mapping>>,
    /// What a kick does.
    pub(crate) script: Cell<Script>,
    /// What BIND answers.
    pub(crate) bind_value: Cell<u64>,
    /// The status of every control request.
    pub(crate) status: Cell<u64>,
    /// Whether control requests are answered.
    pub(crate) deaf: Cell<bool>,
    /// Control requests that were handed over.
    pub(crate) requests: Cell<u32>,
    /// Words of the guest-written area that were not zero when BIND came.
    pub(crate) dirty: Cell<usize>,
    /// Position of the next completion.
    pub(crate) completed: Cell<u32>,
    pages: Cell<Option<Pages>>,
}

/// The seed of a fake session.
const SEED: u32 = 0x0001_2344;

impl Fake {
    pub(crate) fn new(env: &'static dyn Env) -> Result<Self, Fail> {
        let (window, _) = raw::pages(env, 0x2000, 0x1000)?;
        // Magic; version 0.1 and size; WINDOW and CONSOLE; 4 KiB; limits as small as they may be.
        let fixed = [
            (0x00, u64::from_le_bytes(*b"Tenon\0DR")),
            (0x08, (1 << 16) | (256 << 32)),
            (0x10, 0x21),
            (0x18, 1 << 12),
            (0x38, 0x2000),
            (0x40, 1 | (64 << 32)),
            (0x48, 256 | (64 << 32)),
            (0x50, 4096),
            (0x58, 1 << 40),
            (0x80, (7 << 32) | u64::from(SEED)),
        ];
        for (offset, value) in fixed {
            store(&window, offset, value);
        }
        let pages = SuitePlatform::new(env).pages(0x1000, Granule::K4)?;
        Ok(Self {
            env,
            window,
            scratch: pages.mapping(),
            guest: Cell::new(None),
            script: Cell::new(|_, _| {}),
            bind_value: Cell::new(HOST_AREA as u64),
            status: Cell::new(0),
            deaf: Cell::new(false),
            requests: Cell::new(0),
            dirty: Cell::new(0),
            completed: Cell::new(0),
            pages: Cell::new(Some(pages)),
        })
    }

    /// The shim's session with this host. Once for each fake.
    pub(crate) fn open(&self) -> Result<Session<'_, Self>, tenon_guest::Error> {
        let found = Found::at(self.window)?;
        let mut scratch = self.pages.take().ok_or(tenon_guest::Error::BadMemory)?;
        Session::open(self, found, &mut scratch, Wish::default())
    }

    /// Pages for a vCPU, its area dirty from top to bottom.
    pub(crate) fn vcpu_pages(&self) -> Result<Pages, Fail> {
        let pages = SuitePlatform::new(self.env).pages(0x1000, Granule::K4)?;
        let mapping = pages.mapping();
        let len = 0x200 + DEPTH * 64;
        for offset in (0..len).step_by(8) {
            store(&mapping, offset, u64::MAX);
        }
        self.guest.set(mapping.slice(0, len / 8));
        Ok(pages)
    }

    /// The shim's vCPU with this host.
    pub(crate) fn attach(&self) -> Result<Vcpu<'_, Self, DEPTH>, Fail> {
        let session = self.open().map_err(|error| failed("a session with the fake host", error))?;
        let mut pages = self.vcpu_pages()?;
        session.bind(0, &mut pages, [8, 8]).map_err(|error| failed("a vCPU with the fake host", error))
    }

    /// The tail of the submission at a position.
    pub(crate) fn submitted(&self, position: u32) -> u64 {
        let slot = position as usize % DEPTH;
        self.guest.get().map_or(0, |guest| load(&guest, 0x200 + slot * 64 + 56))
    }

    /// The id of the submission at a position.
    pub(crate) fn id(&self, position: u32) -> u16 {
        (self.submitted(position) >> 16) as u16
    }

    /// Writes the completion of the next position, with a turn that is off by `skew`.
    pub(crate) fn write(&self, status: u16, id: u16, value: u64, skew: u32) {
        let position = self.completed.get();
        let at = HOST_AREA + 0x80 + position as usize % DEPTH * 16;
        let turn = SEED.wrapping_add(position).wrapping_add(1).wrapping_add(skew);
        store(&self.window, at, value);
        store(&self.window, at + 8, u64::from(status) | (u64::from(id) << 16) | (u64::from(turn) << 32));
    }

    /// As [`Self::write`] with the right turn, and goes on.
    pub(crate) fn complete(&self, status: u16, id: u16, value: u64) {
        self.write(status, id, value, 0);
        self.completed.set(self.completed.get().wrapping_add(1));
    }

    /// Answers the emergency lane's submission at position 0 with OK and a value.
    pub(crate) fn complete_emergency(&self, value: u64) {
        store(&self.window, HOST_AREA + 0x40, value);
        store(&self.window, HOST_AREA + 0x48, u64::from(SEED + 1) << 32);
    }

    /// Any word anywhere in the host-written area.
    pub(crate) fn scribble(&self, word: usize, value: u64) {
        store(&self.window, HOST_AREA + word % 0x40 * 8, value);
    }

    /// The turn of the next completion.
    pub(crate) fn turn(&self) -> u32 {
        SEED.wrapping_add(self.completed.get()).wrapping_add(1)
    }
}

impl Conduit for Fake {
    fn kick(&self, queue: u32) {
        (self.script.get())(self, queue);
    }

    fn bind(&self, _frame: u32) {
        self.requests.set(self.requests.get() + 1);
        if self.deaf.get() {
            return;
        }
        let head = load(&self.scratch, 8);
        let (mut value, status) = (0, self.status.get());
        match head & 0xffff {
            1 if status == 0 => {
                store(&self.window, 0x90, load(&self.scratch, 0x20));
                store(&self.window, 0x88, (1 << 16) | (12 << 32) | (1 << 48));
            }
            2 => {
                value = self.bind_value.get();
                let guest = self.guest.get();
                let words = guest.map_or(0, |guest| guest.byte_len() / 8);
                let dirty = (0..words).filter(|index| guest.is_some_and(|at| load(&at, index * 8) != 0));
                self.dirty.set(dirty.count());
            }
            _ => store(&self.window, 0x88, 0),
        }
        store(&self.window, 0x98, value);
        store(&self.window, 0xa0, status | (head & !0xffff_ffff));
    }
}

// SAFETY: no interrupt handler of a case uses Tenon while a fake host is attached; the doorbells are those of
// the host that wrote the record, which is this one; its pages are the environment's.
unsafe impl Platform for Fake {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        self.env.enter()
    }

    fn leave(&self, token: usize) {
        self.env.leave(token);
    }

    fn relax(&self) {}

    // This host answers at once or never.
    fn patience(&self) -> u32 {
        8
    }
}
