// SPDX-License-Identifier: MIT OR Apache-2.0
//! The 16550 at the port where every PC has its first (REP-6).
#![allow(unsafe_code, reason = "port I/O")]

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

const DATA: u16 = 0x3f8;
const LINE_STATUS: u16 = DATA + 5;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
/// A transmitter that stays busy for so many looks is taken to be absent.
const TRIES: u32 = 100_000;
/// Bytes for one string instruction: KVM hands at most one page to its monitor at a time.
const BURST: usize = 1024;

static BURSTS: AtomicBool = AtomicBool::new(false);

/// Allows [`serial_write`] to write without asking the port whether it is ready (boot parameter
/// `serial=burst`).
pub(crate) fn allow_bursts() {
    BURSTS.store(true, Ordering::Relaxed);
}

/// Writes `bytes` to the serial port.
///
/// As a rule each byte waits until the transmitter is empty, as a real UART needs. A monitor whose port takes
/// any amount says so by the boot parameter `serial=burst`: then up to 1024 bytes go out by one string
/// instruction, which KVM reports in a single exit, and no status is read.
pub fn serial_write(bytes: &[u8]) {
    if BURSTS.load(Ordering::Relaxed) {
        for chunk in bytes.chunks(BURST) {
            // SAFETY: the instruction reads exactly `chunk`, and the port belongs to the serial line alone.
            unsafe {
                asm!("rep outsb", in("dx") DATA, inout("rsi") chunk.as_ptr() => _, inout("rcx") chunk.len() => _,
                    options(readonly, nostack, preserves_flags));
            }
        }
        return;
    }
    for &byte in bytes {
        let mut tries = TRIES;
        while status() & TRANSMITTER_EMPTY == 0 && tries > 0 {
            tries -= 1;
        }
        // SAFETY: a byte to the serial port's data register touches no memory.
        unsafe { asm!("out dx, al", in("dx") DATA, in("al") byte, options(nomem, nostack, preserves_flags)) };
    }
}

fn status() -> u8 {
    let status: u8;
    // SAFETY: reading the line status register touches no memory.
    unsafe {
        asm!("in al, dx", in("dx") LINE_STATUS, out("al") status, options(nomem, nostack, preserves_flags))
    };
    status
}
