// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serial ports whose registers are memory: the one that the device tree names.
#![allow(unsafe_code, reason = "device registers")]

use super::chosen::UART;
use crate::firmware::UartKind;
use crate::params::Params;
use crate::platform;

/// A transmitter that stays busy for so many looks is taken to be absent.
const TRIES: u32 = 100_000;

/// Writes `bytes` to the serial port.
///
/// As a rule each byte waits until the transmitter has room, as a real one needs. A monitor whose port takes
/// any amount says so by the boot parameter `serial=burst`: then no status is read.
pub fn serial_write(bytes: &[u8]) {
    let uart = platform::get().uart.unwrap_or(UART);
    let (status, busy, ready) = match uart.kind {
        UartKind::Pl011 => (0x18, 1 << 5, 0),
        UartKind::Ns16550 => (5_u64 << uart.shift, 1 << 5, 1 << 5),
    };
    let status = uart.address.wrapping_add(status);
    let tries = if Params::get("serial") == Some("burst") { 0 } else { TRIES };
    for &byte in bytes {
        // SAFETY: registers of the serial port, mapped one to one, which belongs to this line of text alone.
        unsafe {
            for _ in 0..tries {
                if (status as *const u8).read_volatile() & busy == ready {
                    break;
                }
            }
            (uart.address as *mut u8).write_volatile(byte);
        }
    }
}
