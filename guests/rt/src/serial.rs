// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text out of the first serial port, independent of Tenon.

use core::fmt;

pub use crate::arch::serial_write;

/// The serial port as a sink for `write!`.
///
/// Every fragment that the formatter produces becomes a write of its own; collect a line first where exits
/// count.
#[derive(Clone, Copy, Debug)]
pub struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial_write(text.as_bytes());
        Ok(())
    }
}

/// Writes `value` as hexadecimal digits behind `0x`, without `core::fmt`.
pub(crate) fn write_hex(value: u64) {
    let mut text = *b"0x0000000000000000";
    for (place, byte) in text.iter_mut().skip(2).enumerate() {
        let digit = ((value >> (60 - 4 * place)) & 15) as u8;
        *byte = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
    }
    let zeros = text.iter().skip(2).take_while(|&&byte| byte == b'0').count().min(15);
    serial_write(b"0x");
    serial_write(text.get(2 + zeros..).unwrap_or_default());
}
