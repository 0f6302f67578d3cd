// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sets timers and takes their events, against a doorbell behind which a bare timer of the host's ends in a
//! bare interrupt. Both are told when to ring, and the guest sleeps until then.
//!
//! What is timed of either is the guest's own work of setting it, and how much later than its deadline the
//! event is taken.
#![allow(unsafe_code, reason = "an interrupt handler finds its vCPU through a static")]

use crate::line::line;
use crate::number;
use crate::platform::{Bench, out, shared};
use crate::time::in_turns;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use tenon_abi::{Clock as Which, Op, PageKind, Submission};
use tenon_guest::time::{Clock, Counter, Processor};
use tenon_guest::{Error, Pages, Session, Vcpu};
use tenon_guest_rt as rt;

const UPCALL: u8 = 0x31;
const PORT: u32 = 1;
/// Timers of a block.
const BLOCK: u64 = 4;
/// Ticks until a timer's deadline: longer than either takes to be set.
const AHEAD: u64 = 1_000_000;
/// Latenesses that are kept of each way.
const KEPT: usize = 2048;

static VCPU: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
/// When the last event was taken; 0 while one is waited for.
static TAKEN: AtomicU64 = AtomicU64::new(0);
static LATE: [[AtomicU64; KEPT]; 2] = [const { [const { AtomicU64::new(0) }; KEPT] }; 2];

/// Times both in turns.
pub(crate) fn times(
    session: &Session<'_, Bench>,
    vcpu: &Vcpu<'_, Bench>,
    pages: &mut Pages,
) -> Result<(), Error> {
    let bare = number("bare") as u16;
    let [word, _] = shared(number("control") as u16)?;
    let page = session.page(vcpu, PageKind::TIME, pages)?;
    let clock = Clock::by_page(vcpu, &page, Processor)?;
    VCPU.store(core::ptr::from_ref(vcpu).cast_mut().cast(), Ordering::Release);
    vcpu.set_upcall(Some(UPCALL.into()))?;
    vcpu.bind_port(PORT, 0, 0)?;
    rt::set_upcall_handler(handle);
    rt::irq_enable();
    while !vcpu.arm()? {
        vcpu.take_events(|_| {})?;
    }
    let mut counts = [0, 0];
    let ours = || {
        TAKEN.store(0, Ordering::Release);
        let start = Processor.read();
        let deadline = start + AHEAD;
        let at = clock.copy().and_then(|copy| copy.read(Which::RUNNING, deadline)).ok_or(Error::Pending)?;
        let mut request = vcpu.request(Submission::new(Op::TIMER_SET, [PORT.into(), 0, at, 0, 0, 0]))?;
        let set = Processor.read() - start;
        let late = sleep(deadline);
        request.wait()?;
        keep(0, &mut counts, late);
        Ok(set + late)
    };
    let mut others = [0, 0];
    let theirs = || {
        TAKEN.store(0, Ordering::Release);
        let start = Processor.read();
        let deadline = start + AHEAD;
        word.store(deadline, Ordering::Release);
        out(bare, 1);
        let set = Processor.read() - start;
        let late = sleep(deadline);
        keep(1, &mut others, late);
        Ok(set + late)
    };
    let result = in_turns(number("rounds"), BLOCK, ours, theirs);
    rt::irq_disable();
    result?;
    for (way, kept) in LATE.iter().enumerate() {
        for some in kept.chunks(8) {
            let mut numbers = [way as u64; 9];
            numbers.iter_mut().skip(1).zip(some).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
            line("late", &numbers);
        }
    }
    Ok(())
}

/// Sleeps until an event was taken; how much later than its deadline that was.
fn sleep(deadline: u64) -> u64 {
    loop {
        rt::irq_disable();
        let taken = TAKEN.load(Ordering::Acquire);
        if taken == 0 {
            rt::wait_for_interrupt();
        }
        rt::irq_enable();
        if taken != 0 {
            // One that comes early is as far from its deadline.
            return taken.abs_diff(deadline);
        }
    }
}

fn keep(way: usize, counts: &mut [usize; 2], late: u64) {
    let [count, _] = counts;
    if let Some(place) = LATE.get(way).and_then(|kept| kept.get(*count)) {
        place.store(late, Ordering::Relaxed);
        *count += 1;
    }
}

fn handle(_: usize, vector: u8) {
    let taken = || TAKEN.store(Processor.read(), Ordering::Release);
    if vector != UPCALL {
        taken();
        return;
    }
    let vcpu = VCPU.load(Ordering::Acquire).cast::<Vcpu<'static, Bench>>();
    if vcpu.is_null() {
        return;
    }
    // SAFETY: `times` stored the vCPU before it set this handler, and masks interrupts before it returns. The
    // handler runs on the only CPU.
    let vcpu = unsafe { &*vcpu };
    while vcpu.take_events(|_| taken()).is_ok() && vcpu.arm() == Ok(false) {}
}
