// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcalls in the midst of calls: at every access to shared memory that a call makes, and wherever the shim
//! lets one in (CALL-2, CALL-7, EVT-13).
#![allow(
    unsafe_code,
    reason = "a platform is an unsafe trait: this one has an interrupt at each of its steps"
)]

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::event::bind::TWO_VCPUS;
use crate::cases::event::shim::{lend, with_vcpu};
use crate::cases::tools::{Upcalls, arm, bind_port, case, signal, want_entry};
use crate::kit;
use crate::raw::{self, full_fence};
use crate::shim::{SuitePlatform, failed};
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tenon_abi::{Op, Submission};
use tenon_guest::{Conduit, Error, Found, Platform, Session, Vcpu, Wish};
use tenon_rings::call::{Outcome as Answer, Parts, Queue};
use tenon_rings::{Mapping, Site, Submitter, Words};

/// The cases.
pub const CASES: &[Case] = &[
    case(
        "call.upcall-at-every-access",
        &["CALL-2", "CALL-7", "EVT-9", "EVT-11"],
        UPCALL_FROM_TWO,
        every_access,
    ),
    case("call.upcall-at-every-step", &["CALL-7", "EVT-13"], Needs::NONE, every_step),
];

const UPCALL_FROM_TWO: Needs = Needs { features: Needs::UPCALL.features, ..TWO_VCPUS };

/// No call of one submission makes as many accesses where the host answers within the kick; where it does
/// not, the looks of its waiter are enough of them.
const ACCESSES_MAX: u32 = 48;

/// Memory in which something happens before one access.
#[derive(Clone, Copy)]
struct Watched<'a> {
    inner: Mapping,
    /// Accesses that pass before it happens.
    left: &'a Cell<u32>,
    happens: &'a dyn Fn(),
}

impl Watched<'_> {
    fn access(&self) {
        // Counted down before, as what happens there may come back here.
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        if left == 0 {
            (self.happens)();
        }
    }
}

impl Words for Watched<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        self.access();
        self.inner.load(index, site)
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        self.access();
        self.inner.store(index, value, site);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        Some(Self { inner: self.inner.slice(first, len)?, ..*self })
    }
}

const PORT: u32 = 5;

/// A call through the rings, with an event and its upcall before each of its accesses in turn. The event is
/// raised by the other vCPU's queue, so that the host looks at a submission of which only a part is there, if
/// it looks at other queues than the one that was kicked.
fn every_access(ctx: &Ctx) -> Outcome {
    kit::share_nothing();
    let (scratch, shift) = raw::open(ctx.env)?;
    let bound = raw::bind(ctx.env, scratch, shift, 0, 4, [8, 8])?;
    let mut other = raw::bind(ctx.env, scratch, shift, 1, 4, [8, 8])?;
    bind_port(&mut other, PORT, 0, 0)?;
    let upcalls = Upcalls::count(ctx.env, 0);
    upcalls.set(&mut other, 0)?;
    let (other, position, raised) = (RefCell::new(other), Cell::new(0), Cell::new(Ok(())));
    let happens = || {
        arm(&bound, 0, position.get());
        raised.set(signal(&mut other.borrow_mut(), PORT));
    };
    let left = Cell::new(u32::MAX);
    let part = |words: Mapping, offset: usize, len: usize| {
        let inner = words.slice(offset / 8, len / 8).ok_or(Fail::Error("the areas are too small"))?;
        Ok(Watched { inner, left: &left, happens: &happens })
    };
    let (submissions, completions) = (part(bound.guest.0, 0x200, 4 * 64)?, part(bound.host, 0x80, 4 * 16)?);
    let broken = |_| Fail::Error("the rings");
    let mut parts = Parts::bare(submissions, completions).map_err(broken)?;
    parts.kick = part(bound.host, 0x20, 8)?;
    let queue = Queue::new(parts, bound.seed, 4);
    let mut calls: Submitter<_, 4> = queue.and_then(|mut queue| queue.submitter()).map_err(broken)?;
    for access in 0..ACCESSES_MAX {
        upcalls.forget();
        left.set(access);
        let answer = one_call(ctx, &mut calls, u64::from(access))?;
        equal(u64::from(answer.status.0), 0, "a call with an upcall in its midst")?;
        equal(answer.value, u64::from(access), "its value")?;
        if left.replace(u32::MAX) <= access {
            // The call made fewer accesses than that: all of them have had their upcall.
            return check(access > 8, "a call of no accesses");
        }
        raised.replace(Ok(()))?;
        upcalls.want("no upcall for an event in the midst of a call")?;
        want_entry(&bound, 0, position.get(), PORT)?;
        position.set(position.get() + 1);
        bound.take_until(0, position.get());
    }
    Ok(())
}

fn one_call(ctx: &Ctx, calls: &mut Submitter<Watched<'_>, 4>, value: u64) -> Result<Answer, Fail> {
    let broken =
        |_| Fail::Failed("the host broke the protocol of a call with an upcall in its midst", value, 0);
    let mut ticket = calls.submit(Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0])).map_err(broken)?;
    if calls.wants_kick() {
        full_fence();
        ctx.env.kick(0);
    }
    for _ in 0..ctx.env.patience() {
        match calls.poll(ticket).map_err(broken)? {
            Ok(answer) => return Ok(answer),
            Err(same) => ticket = same,
        }
        ctx.env.relax();
    }
    calls.abandon(ticket);
    Err(Fail::Failed("no completion of a call with an upcall in its midst", value, 0))
}

/// The suite's platform, with an interrupt at each of its steps.
struct Stepped<'h> {
    inner: SuitePlatform,
    masked: Cell<u32>,
    /// Taken while it runs: nothing interrupts it.
    interrupt: Cell<Option<&'h dyn Fn()>>,
}

impl Stepped<'_> {
    fn step(&self) {
        // Where it is masked, it comes with the last `leave`.
        if self.masked.get() == 0
            && let Some(interrupt) = self.interrupt.take()
        {
            interrupt();
            self.interrupt.set(Some(interrupt));
        }
    }
}

impl Conduit for Stepped<'_> {
    fn kick(&self, queue: u32) {
        self.step();
        Conduit::kick(&self.inner, queue);
        self.step();
    }

    fn bind(&self, frame: u32) {
        Conduit::bind(&self.inner, frame);
    }
}

// SAFETY: all duties are passed on to the suite's own platform; what interrupts does so only where that one
// masks nothing, on the same CPU.
unsafe impl Platform for Stepped<'_> {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        self.step();
        self.masked.set(self.masked.get() + 1);
        self.inner.enter()
    }

    fn leave(&self, token: usize) {
        self.inner.leave(token);
        self.masked.set(self.masked.get() - 1);
        self.step();
    }

    fn relax(&self) {
        self.inner.relax();
        self.step();
    }

    fn patience(&self) -> u32 {
        self.inner.patience()
    }
}

/// What a call from an interrupt carries.
const MARK: u64 = 0x0dd_ba11;

/// An interrupt that makes a call itself, wherever a call of the shim's can be interrupted.
fn every_step(ctx: &Ctx) -> Outcome {
    let inner = SuitePlatform::new(ctx.env);
    let platform = Stepped { inner, masked: Cell::new(0), interrupt: Cell::new(None) };
    let shim = |error| failed("the shim", error);
    let found = Found::at(ctx.env.window()).map_err(shim)?;
    let session = Session::open(&platform, found, &mut inner.scratch()?, Wish::default()).map_err(shim)?;
    let vcpu: Vcpu<'_, _> =
        session.bind(0, &mut inner.areas(session.granule())?, [256, 256]).map_err(shim)?;
    let (count, wrong) = (Cell::new(0), Cell::new(false));
    let interrupt = || {
        count.set(count.get() + 1);
        wrong.set(wrong.get() || vcpu.call(Op::NOP, [MARK]) != Ok(MARK));
    };
    for value in [1, 2] {
        platform.interrupt.set(Some(&interrupt));
        let result = vcpu.call(Op::NOP, [value]);
        platform.interrupt.set(None);
        check(result == Ok(value), "a call that was interrupted")?;
    }
    check(count.get() >= 4, "fewer interrupts than steps")?;
    check(!wrong.get(), "a call from an interrupt")?;
    every_instruction(ctx)
}

static INTERRUPTS: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicBool = AtomicBool::new(false);

/// The same between all instructions, where the environment can do that: finer, but not more than the text
/// asks for.
fn every_instruction(ctx: &Ctx) -> Outcome {
    fn interrupt() {
        with_vcpu(|vcpu| {
            INTERRUPTS.fetch_add(1, Ordering::AcqRel);
            WRONG.fetch_or(vcpu.call(Op::NOP, [MARK]) != Ok(MARK), Ordering::AcqRel);
        });
    }
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    INTERRUPTS.store(0, Ordering::Release);
    WRONG.store(false, Ordering::Release);
    let mut results = [Err(Error::Pending); 2];
    let steps = lend(&vcpu, || {
        ctx.env.step_through(
            &mut || {
                for (result, value) in results.iter_mut().zip([1u64, 2]) {
                    *result = vcpu.call(Op::NOP, [value]);
                }
            },
            interrupt,
        )
    });
    if steps.is_none() {
        return Ok(());
    }
    check(results == [Ok(1), Ok(2)], "a call that was interrupted between two instructions")?;
    check(INTERRUPTS.load(Ordering::Acquire) > 0, "no interrupt between two instructions")?;
    check(!WRONG.load(Ordering::Acquire), "a call from an interrupt between two instructions")
}
