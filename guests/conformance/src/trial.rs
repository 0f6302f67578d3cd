// SPDX-License-Identifier: MIT OR Apache-2.0
//! What trials of time share: the page TIME by the spec's offsets, and further CPUs.
#![allow(unsafe_code, reason = "reads the host's page on every CPU")]

use core::sync::atomic::{AtomicPtr, Ordering};
use tenon_abi::{Clock, TimeCopy};
use tenon_conformance::env::Env;
use tenon_conformance::raw::{self, Bound, load};
use tenon_conformance::{Fail, report::Line};
use tenon_guest::time::{Counter, Processor};
use tenon_rings::{Mapping, Words};

/// Operations, as the spec prints them.
pub(crate) mod op {
    pub(crate) const EVENT_BIND: u16 = 0x0200;
    pub(crate) const PAGE: u16 = 0x0400;
    pub(crate) const VCPU_START: u16 = 0x0500;
    pub(crate) const VCPU_UPCALL: u16 = 0x0502;
    pub(crate) const CLOCK_READ: u16 = 0x0700;
    pub(crate) const TIMER_SET: u16 = 0x0701;
    pub(crate) const ENTROPY: u16 = 0x0a00;
}

/// Most CPUs of a trial.
pub(crate) const CPUS: usize = 4;
/// Bytes of the page that are read.
const PAGE_LEN: usize = 0x140;
/// Looks at a page that changes.
const LOOKS: u32 = 1000;

/// Numbers the lines of a trial's report.
pub(crate) struct Report {
    env: &'static dyn Env,
    sequence: u32,
}

impl Report {
    pub(crate) fn new(env: &'static dyn Env) -> Self {
        Self { env, sequence: 0 }
    }

    pub(crate) fn say(&mut self, payload: core::fmt::Arguments<'_>) {
        self.env.report(Line::new(self.sequence, payload).as_bytes());
        self.sequence += 1;
    }
}

/// A call that must be done; its value.
pub(crate) fn call(bound: &mut Bound, op: u16, args: [u64; 6]) -> Result<u64, Fail> {
    let done = bound.call(op, args)?;
    if done.status == 0 { Ok(done.value) } else { Err(Fail::Failed("a call", op.into(), done.status.into())) }
}

/// The page TIME.
static PAGE: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// Asks where the page lies; from then on every CPU can read it.
pub(crate) fn find_page(bound: &mut Bound) -> Result<(), Fail> {
    let at = call(bound, op::PAGE, [1, 0, 0, 0, 0, 0])? as usize;
    let words =
        bound.env.window().slice(at / 8, PAGE_LEN / 8).ok_or(Fail::Failed("no page", at as u64, 0))?;
    PAGE.store(words.base(), Ordering::Release);
    match read() {
        Some(_) => Ok(()),
        None => Err(Fail::Failed("the page tells no counter that this processor has", 0, 0)),
    }
}

/// What the page tells of one moment.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) running: u64,
    pub(crate) utc: Option<u64>,
    pub(crate) error: u64,
    pub(crate) utc_error: u64,
}

/// Reads the page: sequence, copy, counter, sequence (PAGE-4). `None` where it tells no counter, or changes
/// without an end.
pub(crate) fn read() -> Option<Now> {
    // SAFETY: `find_page` stores the address of so many bytes of the window, which stays mapped.
    let page = unsafe { Mapping::new(PAGE.load(Ordering::Acquire), PAGE_LEN) }?;
    for _ in 0..LOOKS {
        let sequence = load(&page, 0);
        let from = if sequence & 1 == 0 { 0x40 } else { 0xc0 };
        let words: [u64; 16] = core::array::from_fn(|index| load(&page, from + index * 8));
        let counter = Processor.read();
        raw::full_fence();
        if load(&page, 0) != sequence {
            continue;
        }
        let copy: TimeCopy = tenon_abi_copy(words);
        if copy.counter_kind.get() != Processor.kind().0 {
            return None;
        }
        return Some(Now {
            running: copy.read(Clock::RUNNING, counter)?,
            utc: copy.read(Clock::UTC, counter),
            error: copy.error(Clock::RUNNING, counter),
            utc_error: copy.error(Clock::UTC, counter),
        });
    }
    None
}

fn tenon_abi_copy(words: [u64; 16]) -> TimeCopy {
    // SAFETY: both are 128 bytes without padding, and every value of the words is one of the copy's fields.
    unsafe { core::mem::transmute(words.map(u64::to_le)) }
}

/// Starts CPUs 1 to `cpus` - 1, each with `run`.
pub(crate) fn start(bound: &mut Bound, cpus: usize, run: fn(u32)) -> Result<(), Fail> {
    for cpu in 1..cpus as u32 {
        let (entry, argument) = bound.env.secondary(cpu, run).ok_or(Fail::Error("no such CPU"))?;
        call(bound, op::VCPU_START, [cpu.into(), entry, argument, 0, 0, 0])?;
    }
    Ok(())
}

/// CPUs that the host offers, and that a trial has.
pub(crate) fn cpus(env: &dyn Env) -> usize {
    (raw::record(env).max_vcpus.get() as usize).min(CPUS)
}
