// SPDX-License-Identifier: MIT OR Apache-2.0
//! What raw cases of several chapters share: the spec's numbers, calls with an expected status, waiting,
//! counted upcalls.
//!
//! A host may serve a kick late, so what must come is waited for, and what must not come is looked for only
//! after a later call has been completed and some time has passed.

pub(super) mod order;
pub(super) mod second;

use crate::case::{Case, Ctx, Fail, Lacks, Needs, Outcome, check};
use crate::env::Env;
use crate::kit;
use crate::raw::{self, Bound, Done, LONGER, full_fence, load, store};
use core::sync::atomic::{AtomicU32, Ordering};

/// Operations, as the spec prints them.
pub(crate) mod op {
    pub(crate) const NOP: u16 = 0x0100;
    pub(crate) const PROBE: u16 = 0x0101;
    pub(crate) const CANCEL: u16 = 0x0102;
    pub(crate) const EVENT_BIND: u16 = 0x0200;
    pub(crate) const EVENT_UNBIND: u16 = 0x0201;
    pub(crate) const EVENT_MOVE: u16 = 0x0202;
    pub(crate) const EVENT_SIGNAL: u16 = 0x0203;
    pub(crate) const EVENT_BIND_DIRECT: u16 = 0x0204;
    pub(crate) const REGION_QUERY: u16 = 0x0300;
    pub(crate) const PAGE: u16 = 0x0400;
    pub(crate) const VCPU_START: u16 = 0x0500;
    pub(crate) const VCPU_STOP: u16 = 0x0501;
    pub(crate) const VCPU_UPCALL: u16 = 0x0502;
    pub(crate) const CONSOLE_WRITE: u16 = 0x0600;
    pub(crate) const CONSOLE_READ: u16 = 0x0601;
    pub(crate) const CLOCK_READ: u16 = 0x0700;
    pub(crate) const TIMER_SET: u16 = 0x0701;
    pub(crate) const TIMER_CANCEL: u16 = 0x0702;
    pub(crate) const EXIT: u16 = 0x0800;
    pub(crate) const RESTART: u16 = 0x0801;
    pub(crate) const CRASH: u16 = 0x0802;
    pub(crate) const REPAIRED: u16 = 0x0803;
    pub(crate) const SUSPEND_WATCH: u16 = 0x0804;
    pub(crate) const SUSPEND_READY: u16 = 0x0805;
    pub(crate) const MEMORY_INFO: u16 = 0x0900;
    pub(crate) const MEMORY_WATCH: u16 = 0x0901;
    pub(crate) const GIVE: u16 = 0x0902;
    pub(crate) const TAKE: u16 = 0x0903;
    pub(crate) const HINT: u16 = 0x0904;
    pub(crate) const SHARE: u16 = 0x0910;
    pub(crate) const UNSHARE: u16 = 0x0911;
    pub(crate) const ENTROPY: u16 = 0x0a00;
    pub(crate) const METER_READ: u16 = 0x0b00;
    pub(crate) const DEVICE_LIMITS: u16 = 0x0c00;
    pub(crate) const DEVICE_WATCH: u16 = 0x0c01;
    pub(crate) const DEVICE_QUERY: u16 = 0x0c02;
    pub(crate) const DEVICE_OPEN: u16 = 0x0c03;
    pub(crate) const DEVICE_CLOSE: u16 = 0x0c04;
    pub(crate) const QUEUE_OPEN: u16 = 0x0c05;
    pub(crate) const QUEUE_CLOSE: u16 = 0x0c06;
    pub(crate) const NET_FILTER: u16 = 0x0c10;
    pub(crate) const READ: u16 = 0x0d00;
    pub(crate) const WRITE: u16 = 0x0d01;
    pub(crate) const FLUSH: u16 = 0x0d02;
    pub(crate) const DISCARD: u16 = 0x0d03;
    pub(crate) const ZERO: u16 = 0x0d04;
}

/// Status codes, as the spec prints them.
pub(super) mod status {
    pub(in crate::cases) const OK: u16 = 0;
    pub(in crate::cases) const NOT_SUPPORTED: u16 = 1;
    pub(in crate::cases) const BAD_ARGUMENT: u16 = 2;
    pub(in crate::cases) const BAD_RESERVED: u16 = 3;
    pub(in crate::cases) const BAD_REGION: u16 = 4;
    pub(in crate::cases) const BAD_RANGE: u16 = 5;
    pub(in crate::cases) const TOO_LONG: u16 = 6;
    pub(in crate::cases) const NO_CAPACITY: u16 = 7;
    pub(in crate::cases) const EXISTS: u16 = 8;
    pub(in crate::cases) const NOT_FOUND: u16 = 9;
    pub(in crate::cases) const BAD_STATE: u16 = 10;
    pub(in crate::cases) const BAD_FEATURES: u16 = 13;
    pub(in crate::cases) const CANCELLED: u16 = 14;
    pub(in crate::cases) const INDETERMINATE: u16 = 15;
    pub(in crate::cases) const DENIED: u16 = 16;
    pub(in crate::cases) const BAD_ALIGNMENT: u16 = 17;
    pub(in crate::cases) const IO_ERROR: u16 = 18;
    pub(in crate::cases) const READ_ONLY: u16 = 20;
    pub(in crate::cases) const REMOVED: u16 = 21;
}

/// The flag INLINE in a submission's first word; the count stands above it.
pub(super) const INLINE: u64 = 1;
/// Half the circle of positions, less one: as far ahead as an armed position can lie.
pub(super) const FAR: u32 = 0x7fff_ffff;
/// Looks between a completed call and the verdict that something else did not happen.
const QUIET: u32 = 100;

/// A case that does not end the machine.
pub(super) const fn case(
    name: &'static str,
    clauses: &'static [&'static str],
    needs: Needs,
    run: fn(&Ctx) -> Outcome,
) -> Case {
    Case { name, clauses, needs, ends: None, run }
}

/// A call whose status must be `status`; its value.
pub(super) fn expect(
    bound: &mut Bound,
    op: u16,
    args: &[u64],
    status: u16,
    what: &'static str,
) -> Result<u64, Fail> {
    let mut all = [0; 6];
    for (to, from) in all.iter_mut().zip(args) {
        *to = *from;
    }
    let done = bound.call(op, all)?;
    if done.status != status {
        return Err(Fail::Failed(what, u64::from(done.status), u64::from(status)));
    }
    if status != status::OK && done.value != 0 {
        return Err(Fail::Failed("a value with a status other than OK", done.value, u64::from(status)));
    }
    Ok(done.value)
}

/// Skips what is about payload anywhere in memory, where the host reaches what is shared alone (MEM-11).
pub(super) fn open_memory(env: &dyn Env) -> Outcome {
    if kit::is_closed(env) { Err(Fail::Skip(Lacks::OpenMemory)) } else { Ok(()) }
}

/// The offset behind the last byte of memory: behind it, region 0 may have a hole up to its end (MEM-3).
pub(super) fn end_of_memory(bound: &mut Bound) -> Result<u64, Fail> {
    if load(&bound.env.window(), 0x90) & (1 << 12) == 0 {
        return Ok(raw::record(bound.env).region0_len.get());
    }
    let desk = super::memory::Desk::new(bound.env)?;
    let info = desk.info(bound)?;
    Ok(desk.end(&info))
}

/// Binds a port to a vCPU and class.
pub(super) fn bind_port(bound: &mut Bound, port: u32, vcpu: u32, class: u32) -> Outcome {
    let args = [port, vcpu, class].map(u64::from);
    expect(bound, op::EVENT_BIND, &args, status::OK, "EVENT_BIND").map(|_| ())
}

/// Raises a port.
pub(super) fn signal(bound: &mut Bound, port: u32) -> Outcome {
    expect(bound, op::EVENT_SIGNAL, &[u64::from(port)], status::OK, "EVENT_SIGNAL").map(|_| ())
}

/// The same operation with one argument each, kicked together in batches.
pub(super) fn batch(bound: &mut Bound, op: u16, args: impl IntoIterator<Item = [u64; 3]>) -> Outcome {
    let mut args = args.into_iter();
    loop {
        let mut count = 0;
        for [a, b, c] in args.by_ref().take(bound.depth as usize) {
            bound.submit(op, count, [0, a, b, c, 0, 0, 0]);
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        bound.kick();
        for _ in 0..count {
            let done = bound.wait()?;
            if done.status != status::OK {
                return Err(Fail::Failed("a call of a batch", u64::from(done.status), u64::from(op)));
            }
        }
    }
}

/// One call in the emergency lane, at a position that the caller counts; id 0, whatever the status.
pub(super) fn emergency(bound: &Bound, position: u32, op: u16, words: [u64; 7]) -> Result<Done, Fail> {
    emergency_post(bound, position, op, words);
    let turn = bound.seed.wrapping_add(position).wrapping_add(1);
    let mut tail = 0;
    let answered = wait_until(bound.env, || {
        tail = load(&bound.host, 0x48);
        (tail >> 32) as u32 == turn
    });
    if !answered {
        return Err(Fail::Failed("no completion in the emergency lane", u64::from(op), u64::from(position)));
    }
    Ok(Done { status: tail as u16, id: (tail >> 16) as u16, value: load(&bound.host, 0x40) })
}

/// Submits and kicks in the emergency lane.
pub(super) fn emergency_post(bound: &Bound, position: u32, op: u16, words: [u64; 7]) {
    for (index, word) in words.iter().enumerate() {
        store(&bound.guest.0, 0x180 + index * 8, *word);
    }
    let turn = bound.seed.wrapping_add(position).wrapping_add(1);
    store(&bound.guest.0, 0x1b8, u64::from(op) | (u64::from(turn) << 32));
    full_fence();
    bound.env.kick(bound.vcpu * 2 + 1);
}

/// Lets whatever is still going to happen happen: a call, and some time.
pub(super) fn settle(bound: &mut Bound) -> Outcome {
    expect(bound, op::NOP, &[0x5e77_1e00], status::OK, "NOP")?;
    rest(bound.env);
    Ok(())
}

/// Some time.
pub(super) fn rest(env: &dyn Env) {
    for _ in 0..QUIET {
        env.relax();
    }
}

/// Whether `done` becomes true within the environment's patience.
pub(super) fn wait_until(env: &dyn Env, mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..env.patience() {
        if done() {
            return true;
        }
        env.relax();
    }
    false
}

/// As [`wait_until`], for what another CPU has to be scheduled for: on a slow computer with one processor
/// that takes as long as it takes.
pub(super) fn wait_longer(env: &dyn Env, mut done: impl FnMut() -> bool) -> bool {
    (0..LONGER).any(|_| wait_until(env, &mut done))
}

/// Waits for the entry at `position` of a ring: it must name `port`.
pub(super) fn want_entry(bound: &Bound, class: usize, position: u32, port: u32) -> Outcome {
    let mut found = None;
    wait_until(bound.env, || {
        found = bound.entry(class, position);
        found.is_some()
    });
    match found {
        Some(found) if found == port => Ok(()),
        Some(found) => Err(Fail::Failed("an entry of another port", u64::from(found), u64::from(port))),
        None => Err(Fail::Failed("no entry (port, position)", u64::from(port), u64::from(position))),
    }
}

/// There must be no entry at `position`, even after a while.
pub(super) fn no_entry(bound: &mut Bound, class: usize, position: u32, what: &'static str) -> Outcome {
    settle(bound)?;
    match bound.entry(class, position) {
        None => Ok(()),
        Some(port) => Err(Fail::Failed(what, u64::from(port), u64::from(position))),
    }
}

/// Stores an armed position and fences (EVT-12).
pub(super) fn arm(bound: &Bound, class: usize, position: u32) {
    store(&bound.guest.0, 0x48 + class * 0x40, u64::from(position));
    full_fence();
}

/// How many interrupts a case may use at once.
const COUNTED: usize = 16;

/// Interrupts by their number, modulo [`COUNTED`].
static UPCALLS: [AtomicU32; COUNTED] = [const { AtomicU32::new(0) }; COUNTED];

fn counter(vector: u32) -> &'static AtomicU32 {
    &UPCALLS[vector as usize % COUNTED]
}

fn count_upcall(_: u32, vector: u32) {
    counter(vector).fetch_add(1, Ordering::AcqRel);
}

/// The first interrupt that a case may use: one that the host names and the environment can take (VCPU-8).
pub(super) fn first_vector(env: &dyn Env) -> u32 {
    env.first_vector().max(raw::record(env).irq_first.get())
}

/// Counted interrupts of one of the environment's vectors.
#[derive(Clone, Copy)]
pub(super) struct Upcalls {
    env: &'static dyn Env,
    vector: u32,
}

impl Upcalls {
    /// Begins to count the interrupts of the `index`th vector that a case may use.
    pub(super) fn count(env: &'static dyn Env, index: u32) -> Self {
        let this = Self { env, vector: first_vector(env).wrapping_add(index) };
        this.forget();
        env.set_handler(Some(count_upcall));
        this
    }

    /// Counts the upcalls of `vcpu`, after whatever setting the vector has owed.
    pub(super) fn of(bound: &mut Bound, vcpu: u32, index: u32) -> Result<Self, Fail> {
        let this = Self::count(bound.env, index);
        this.set(bound, vcpu)?;
        settle(bound)?;
        this.forget();
        Ok(this)
    }

    /// Makes this vector the upcall of `vcpu`.
    pub(super) fn set(&self, bound: &mut Bound, vcpu: u32) -> Outcome {
        let args = [u64::from(vcpu), self.vector()];
        expect(bound, op::VCPU_UPCALL, &args, status::OK, "VCPU_UPCALL").map(|_| ())
    }

    /// The vector.
    pub(super) fn vector(&self) -> u64 {
        u64::from(self.vector)
    }

    /// Counts from zero again.
    pub(super) fn forget(&self) {
        counter(self.vector).store(0, Ordering::Release);
    }

    /// How many have come.
    pub(super) fn seen(&self) -> u32 {
        counter(self.vector).load(Ordering::Acquire)
    }

    /// Waits for one.
    pub(super) fn want(&self, what: &'static str) -> Outcome {
        check(wait_until(self.env, || self.seen() > 0), what)
    }
}
