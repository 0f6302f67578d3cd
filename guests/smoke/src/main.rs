// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tries what the run time has of an architecture: parameters, memory, the clock, faults, interrupts. Any
//! machine that boots images will do; what it finds is a line each, and `smoke: passed` the last one.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "provokes faults and looks at fresh pages")]

use core::sync::atomic::{AtomicU32, Ordering};
use tenon_guest_rt as rt;

rt::entry!(main);
rt::panic_terse!();

/// Memory that no machine of ours has, mapped nowhere.
const NOWHERE: u64 = 5 << 30;
const VECTOR: u8 = rt::interrupts::FIRST_VECTOR;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A name, and whether it is as it should be.
type Check = (&'static [u8], fn() -> bool);

fn main() -> u32 {
    let checks: [Check; 7] = [
        (b"parameters", parameters),
        (b"memory", memory),
        (b"clock", clock),
        (b"fault", fault),
        (b"mask", mask),
        (b"sleep", sleep),
        (b"registers", registers),
    ];
    rt::set_upcall_handler(|_, vector| {
        TAKEN.fetch_add(if vector == VECTOR { 1 } else { 1000 }, Ordering::Relaxed);
    });
    rt::serial_write(b"smoke: ");
    rt::serial_write(rt::NAME.as_bytes());
    rt::serial_write(b"\n");
    let mut failed = 0;
    for (name, check) in checks {
        let good = check();
        failed += u32::from(!good);
        rt::serial_write(b"smoke: ");
        rt::serial_write(name);
        rt::serial_write(if good { b" ok\n" } else { b" FAILED\n" });
    }
    let some = TAKEN.load(Ordering::Relaxed) != 0;
    rt::serial_write(if some { b"smoke: interrupts were taken\n" } else { b"smoke: no interrupts here\n" });
    rt::serial_write(if failed == 0 { b"smoke: passed\n" } else { b"smoke: failed\n" });
    failed
}

fn parameters() -> bool {
    rt::Params::get("smoke") == Some("yes") && rt::Params::number("number") == Some(0x1234)
}

fn memory() -> bool {
    let mark = rt::mark();
    let Some(page) = rt::alloc_pages(32, 1 << 16) else { return false };
    // SAFETY: 128 KiB that were just handed out.
    let bytes = unsafe { core::slice::from_raw_parts_mut(page, 32 * rt::memory::PAGE_SIZE) };
    let clean = page.addr() % (1 << 16) == 0 && bytes.iter().all(|byte| *byte == 0);
    bytes.fill(0xa5);
    // SAFETY: nobody uses the pages any more.
    unsafe { rt::release(mark) };
    let again = rt::alloc_pages(32, 1 << 16);
    // SAFETY: the same pages, handed out again.
    let cleared = |page: *mut u8| unsafe { (0..64).all(|at| page.add(at * 2048).read_volatile() == 0) };
    // More than there is, and more than there can be.
    clean
        && again.is_some_and(cleared)
        && rt::alloc_pages(1 << 30, 4096).is_none()
        && rt::alloc_pages(usize::MAX, 4096).is_none()
}

fn clock() -> bool {
    let start = rt::ticks();
    let mut looks = 0_u32;
    while rt::ticks().wrapping_sub(start) < 100 * rt::ticks_per_microsecond() && looks < 100_000_000 {
        looks += 1;
    }
    looks > 0 && looks < 100_000_000
}

fn fault() -> bool {
    let mut word = 0_u32;
    // SAFETY: nothing lies at the one place, and the other is this function's own.
    let (bad, good) =
        unsafe { (rt::try_store_u32(NOWHERE, 7), rt::try_store_u32((&raw mut word).addr() as u64, 7)) };
    // SAFETY: as above.
    let again = unsafe { rt::try_store_u32(NOWHERE + 4096, 7) };
    // SAFETY: the word is alive, and changed behind the compiler's back.
    let word = unsafe { (&raw const word).read_volatile() };
    bad.is_err_and(|fault| fault.address == NOWHERE) && again.is_err() && good.is_ok() && word == 7
}

fn mask() -> bool {
    let before = TAKEN.load(Ordering::Relaxed);
    rt::irq_disable();
    let can = rt::raise(VECTOR);
    settle();
    let masked = !rt::irqs_enabled() && TAKEN.load(Ordering::Relaxed) == before;
    rt::irq_enable();
    settle();
    let taken = TAKEN.load(Ordering::Relaxed) - before;
    let enabled = rt::irqs_enabled();
    rt::irq_disable();
    // Without an interrupt controller there are none.
    masked && enabled && taken == u32::from(can)
}

fn sleep() -> bool {
    let before = TAKEN.load(Ordering::Relaxed);
    if !rt::raise(VECTOR) {
        return true;
    }
    // It came before the sleep: the sleep ends all the same.
    while TAKEN.load(Ordering::Relaxed) == before {
        rt::wait_for_interrupt();
    }
    !rt::irqs_enabled() && TAKEN.load(Ordering::Relaxed) == before + 1
}

/// Interrupts in the middle of a computation leave no trace in it.
fn registers() -> bool {
    let before = TAKEN.load(Ordering::Relaxed);
    let undisturbed = mix(false);
    rt::irq_enable();
    let disturbed = mix(true);
    settle();
    rt::irq_disable();
    undisturbed == disturbed && (!rt::raise(VECTOR) || TAKEN.load(Ordering::Relaxed) > before)
}

fn mix(with_interrupts: bool) -> [u64; 12] {
    let mut words = [0x9e37_79b9_7f4a_7c15_u64; 12];
    for round in 0..200_u64 {
        if with_interrupts {
            rt::raise(VECTOR);
        }
        for place in 0..12 {
            words[place] =
                words[place].rotate_left(7).wrapping_mul(words[(place + 5) % 12] | 1).wrapping_add(round);
        }
    }
    words
}

/// What is on its way has arrived.
fn settle() {
    let start = rt::ticks();
    while rt::ticks().wrapping_sub(start) < 200 * rt::ticks_per_microsecond() {
        core::hint::spin_loop();
    }
}
