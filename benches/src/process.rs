// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest and a host in one thread: no lock, no trap, nothing but the shim and the core, so that their
//! instructions can be counted.
#![allow(unsafe_code, reason = "a platform is an unsafe trait, and memory comes as addresses")]

use std::cell::{Cell, RefCell};

use tenon_abi::{Op, Status, Submission};
use tenon_guest::{Conduit, Error, Found, Pages, Platform, Session, Vcpu, Wish};
use tenon_host::loopback::{Piece, Ram};
use tenon_host::{Config, Domain, Memory};
use tenon_rings::{Mapping, Words};

/// More than the depth of the queue, so that one entry serves whatever a kick announces.
const BUDGET: u32 = 256;
/// Scratch and the vCPU's area, each at a multiple of the largest granule.
const SCRATCH: usize = 0;
const AREA: usize = 1 << 16;
const LEN: usize = 1 << 16;

/// Memory as a machine has it: plain mappings, here of memory that lives as long as the process.
pub struct Plain {
    ram: Mapping,
    window: Mapping,
}

impl Plain {
    fn of(arena: &Ram) -> Self {
        let leak = |piece: Piece| -> &'static Piece { Box::leak(Box::new(piece)) };
        Self { ram: leak(arena.memory().clone()).forever(), window: leak(arena.window()).forever() }
    }
}

impl Memory for Plain {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        if region == 0 { u64::try_from(self.ram.byte_len()).ok() } else { None }
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Mapping> {
        self.region_len(region)?;
        self.ram.slice(usize::try_from(offset / 8).ok()?, usize::try_from(len / 8).ok()?)
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        region == 0 && usize::try_from(offset).is_ok_and(|offset| self.ram.read(offset, out))
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        region == 0 && usize::try_from(offset).is_ok_and(|offset| self.ram.write(offset, data))
    }

    fn window(&self) -> Mapping {
        self.window
    }
}

/// A kernel whose doorbell is a function, with a guard as cheap as a kernel's own: a count.
pub struct Kernel {
    host: RefCell<Domain<Plain>>,
    guarded: Cell<usize>,
}

impl Conduit for Kernel {
    #[inline(always)]
    fn kick(&self, queue: u32) {
        host_kick(&self.host, queue);
    }

    fn bind(&self, frame: u32) {
        self.host.borrow_mut().control(frame);
    }
}

// SAFETY: there is one thread and no interrupt, so nothing comes between; the doorbell is that of the host
// that wrote the record; the pages are pieces of the arena, handed out at their offsets.
unsafe impl Platform for Kernel {
    type Conduit = Self;

    #[inline(always)]
    fn conduit(&self) -> &Self {
        self
    }

    #[inline(always)]
    fn enter(&self) -> usize {
        let before = self.guarded.get();
        self.guarded.set(before.wrapping_add(1));
        before
    }

    #[inline(always)]
    fn leave(&self, token: usize) {
        self.guarded.set(token);
    }
}

/// The host's whole answer to a doorbell. Counted from its first instruction to its last.
#[inline(never)]
pub fn host_kick(host: &RefCell<Domain<Plain>>, queue: u32) {
    let mut domain = host.borrow_mut();
    let served = domain.serve(queue, BUDGET);
    // What an attachment does after each entry; a NOP asks for nothing.
    while domain.next_action().is_some() {}
    assert!(!served.again, "the budget is larger than the queue");
}

/// One call of the operation `OP`, as a guest makes it. Counted without what lies in [`host_kick`].
#[inline(never)]
pub fn guest_call<const OP: u16>(vcpu: &Vcpu<'_, Kernel>, argument: u64) -> Result<u64, Error> {
    vcpu.call(Op(OP), [argument])
}

/// A batch of calls of the operation `OP`, one for each of `results`, whose argument grows by `step`. Counted
/// without what lies in [`host_kick`].
#[inline(never)]
pub fn guest_batch<const OP: u16>(
    vcpu: &Vcpu<'_, Kernel>,
    (argument, step): (u64, u64),
    results: &mut [Result<u64, Status>],
) -> Result<(), Error> {
    vcpu.call_all(results, |index| {
        let argument = argument.wrapping_add(step.wrapping_mul(index as u64));
        Submission::new(Op(OP), [argument, 0, 0, 0, 0, 0])
    })
}

/// Puts guest and host together and runs `body` with the guest's vCPU.
///
/// # Errors
///
/// One line: what the host could not be made of, or what the guest was refused.
pub fn with_vcpu<T>(body: impl FnOnce(&Vcpu<'_, Kernel>) -> Result<T, Error>) -> Result<T, String> {
    with_session(|_, vcpu| body(vcpu))
}

/// As [`with_vcpu`], with the session too.
///
/// # Errors
///
/// As [`with_vcpu`].
pub fn with_session<T>(
    body: impl FnOnce(&Session<'_, Kernel>, &Vcpu<'_, Kernel>) -> Result<T, Error>,
) -> Result<T, String> {
    let mut config = Config::new(tenon_host::Conduit::call(true), 1, 1);
    config.max_ports = 64;
    let window_len = usize::try_from(config.window_len).map_err(|why| why.to_string())?;
    let memory = Plain::of(&Ram::new(2 * LEN, window_len).map_err(|why| why.to_string())?);
    let (ram, window) = (memory.ram, memory.window);
    let host = Domain::new(config, memory).map_err(|why| why.to_string())?;
    let kernel = Kernel { host: RefCell::new(host), guarded: Cell::new(0) };
    let pages = |offset: usize| {
        // SAFETY: the two pieces lie in the memory behind each other and are handed out once each; it is
        // never freed.
        unsafe { Pages::new(ram.base().wrapping_add(offset), LEN, offset as u64) }
    };
    let run = || {
        let found = Found::at(window)?;
        let session = Session::open(&kernel, found, &mut pages(SCRATCH)?, Wish::default())?;
        let vcpu = session.bind(0, &mut pages(AREA)?, [256, 256])?;
        body(&session, &vcpu)
    };
    run().map_err(|why: Error| why.to_string())
}
