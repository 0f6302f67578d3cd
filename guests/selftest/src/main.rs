// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exercises the guest run time itself. The machine's side of it is `host-backend/tests/kvm_boot.rs`: a
//! 32-bit write to [`ASK`] asks for one of the actions below.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "port I/O, and stores that are meant to fault")]

use core::fmt::Write as _;
use core::sync::atomic::{AtomicU32, Ordering};

use tenon_guest_rt as rt;
use tenon_guest_rt::{Params, Serial};

rt::entry!(main);
rt::panic_with_message!();

const ASK: u16 = 0x510;
/// The second word of an action that has one.
const ASK_ARGUMENT: u16 = 0x514;
const RAISE_ON_0: u32 = 1;
const RAISE_ON_1: u32 = 2;
const RAISE_ON_0_LATER: u32 = 3;
/// Again and again, until [`ENOUGH`].
const RAISE_ON_0_REPEATEDLY: u32 = 4;
/// Start CPU 1 at the address in [`ASK_ARGUMENT`], with argument 1.
const START_1: u32 = 5;
/// Park the CPU that asks.
const PARK_ME: u32 = 6;
const ENOUGH: u32 = 7;

/// More ticks than any of these steps may take (seconds, at the frequencies of today's counters).
const PATIENCE: u64 = 10_000_000_000;

static TAKEN: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
static SECONDARY: AtomicU32 = AtomicU32::new(0);

fn out(port: u16, value: u32) {
    // SAFETY: these ports belong to the test's machine, which touches no memory of the image.
    unsafe {
        core::arch::asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags))
    };
}

fn upcall(cpu: usize, vector: u8) {
    assert_eq!(vector, 0x30 + cpu as u8);
    assert!(!rt::irqs_enabled());
    TAKEN[cpu].fetch_add(1, Ordering::Relaxed);
}

fn taken(cpu: usize) -> u32 {
    TAKEN[cpu].load(Ordering::Relaxed)
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = rt::ticks();
    while !condition() {
        assert!(rt::ticks() - start < PATIENCE, "waited too long: {what}");
        core::hint::spin_loop();
    }
}

fn pause() {
    let start = rt::ticks();
    while rt::ticks() - start < 30_000_000 {}
}

fn main() -> u32 {
    match Params::get("test") {
        Some("fault") => {
            // SAFETY: not a canonical address: faults.
            unsafe { core::arch::asm!("mov dword ptr [{}], 1", in(reg) 1_u64 << 63, options(nostack)) };
            return 1;
        }
        Some("panic") => panic!("on request"),
        Some("spin") => loop {
            core::hint::spin_loop();
        },
        Some("sleep") => rt::interrupts::halt_for_ever(),
        _ => {}
    }
    for (name, step) in STEPS {
        step();
        let _ = writeln!(Serial, "ok {name}");
    }
    0
}

const STEPS: [(&str, fn()); 9] = [
    ("memory", memory),
    ("faults", faults),
    ("user-mode", user_mode),
    ("window", window),
    ("interrupt", interrupt),
    ("masked", masked),
    ("sleep", sleep),
    ("registers", registers),
    ("secondary", secondary),
];

fn memory() {
    assert!(rt::memory_end() >= 16 << 20);
    let mark = rt::mark();
    let big = rt::alloc_pages(2048, 64 << 10).expect("8 MiB");
    assert_eq!(big.addr() % (64 << 10), 0);
    // SAFETY: the first page of an allocation that nobody else knows.
    unsafe {
        assert_eq!(big.cast::<u64>().read(), 0);
        big.cast::<u64>().write_volatile(!0);
    }
    assert!(rt::alloc_pages(1 << 20, 4096).is_none());
    // SAFETY: `big` is not used again.
    unsafe { rt::release(mark) };
    let again = rt::alloc_pages(1, 64 << 10).expect("a page");
    assert_eq!(again, big);
    // SAFETY: as above.
    unsafe {
        assert_eq!(again.cast::<u64>().read(), 0);
        rt::release(mark);
    }
}

fn faults() {
    // SAFETY: neither address is memory.
    unsafe {
        let fault = rt::try_store_u32(1 << 63, 1).expect_err("not canonical");
        assert_eq!(fault.vector, 13);
        let fault = rt::try_store_u32(5 << 32, 1).expect_err("not mapped");
        assert_eq!((fault.vector, fault.address), (14, 5 << 32));
        let mut word = 0_u32;
        rt::try_store_u32((&raw mut word).addr() as u64, 7).expect("the stack is memory");
        assert_eq!((&raw const word).read_volatile(), 7);
    }
}

fn user_mode() {
    let fault = rt::user_mode_out(ASK, RAISE_ON_0).expect_err("ports are closed to user mode");
    assert_eq!(fault.vector, 13);
}

fn window() {
    let Some(window) = Params::number("window") else { return };
    let word = window as *const u32;
    // SAFETY: the machine mapped the window there; stores to it are what this tries.
    unsafe {
        let before = word.read_volatile();
        let _ = rt::try_store_u32(window, !before);
        assert_eq!(word.read_volatile(), before, "the window was changed");
    }
}

fn interrupt() {
    rt::set_upcall_handler(upcall);
    assert!(!rt::irqs_enabled());
    rt::irq_enable();
    assert!(rt::irqs_enabled());
    out(ASK, RAISE_ON_0);
    until("an interrupt", || taken(0) == 1);
}

fn masked() {
    let outer = rt::irq_save();
    let inner = rt::irq_save();
    assert_eq!((outer, inner), (1, 0));
    out(ASK, RAISE_ON_0);
    pause();
    rt::irq_restore(inner);
    assert_eq!(taken(0), 1);
    rt::irq_restore(outer);
    until("the replay", || taken(0) == 2);
    assert!(rt::irqs_enabled());
}

fn sleep() {
    rt::irq_disable();
    out(ASK, RAISE_ON_0);
    until("an interrupt that came before the sleep", || {
        rt::wait_for_interrupt();
        assert!(!rt::irqs_enabled());
        taken(0) == 3
    });
    out(ASK, RAISE_ON_0_LATER);
    until("an interrupt that came during the sleep", || {
        rt::wait_for_interrupt();
        taken(0) == 4
    });
    rt::irq_enable();
}

/// Interrupts at any instruction leave the interrupted code as it was.
fn registers() {
    let start = taken(0);
    let expected = mix(1000);
    out(ASK, RAISE_ON_0_REPEATEDLY);
    until("a hundred interrupts", || {
        assert_eq!(mix(1000), expected);
        taken(0) - start >= 100
    });
    out(ASK, ENOUGH);
}

fn mix(rounds: u64) -> [u64; 8] {
    let mut words = [1_u64, 2, 3, 4, 5, 6, 7, 8];
    for round in 0..rounds {
        let carry = core::hint::black_box(round);
        words.rotate_left(1);
        for place in 1..8 {
            words[place] = words[place].wrapping_mul(words[place - 1] | 1).wrapping_add(carry);
        }
    }
    words
}

fn secondary() {
    let (entry, argument) = rt::prepare_secondary(1, second).expect("two CPUs");
    assert_eq!(argument, 1);
    assert!(rt::prepare_secondary(0, second).is_none());
    for round in 1..=2 {
        out(ASK_ARGUMENT, entry as u32);
        out(ASK, START_1);
        until("the second CPU", || SECONDARY.load(Ordering::Acquire) == round);
        if round == 1 {
            // The machine lets CPU 1 go when asked to start it again.
            pause();
        }
    }
}

extern "C" fn second(cpu: usize) {
    assert_eq!(cpu, 1);
    assert_eq!(rt::cpu_index(), 1);
    let before = taken(1);
    rt::irq_enable();
    out(ASK, RAISE_ON_1);
    until("an interrupt on CPU 1", || taken(1) == before + 1);
    rt::irq_disable();
    assert_eq!(rt::cpu_index(), 1);
    SECONDARY.fetch_add(1, Ordering::Release);
    out(ASK, PARK_ME);
}
