// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report protocol: framed lines over a channel that is not Tenon (REP-1, REP-2).

use core::fmt::{self, Write};

/// The longest framed line in bytes, newline included.
pub const LINE_MAX: usize = 256;

/// The bytes with which a framed line starts.
pub const PREFIX: &[u8] = b"~TN ";

/// A line under construction. What does not fit is cut off, and the checksum covers what was sent.
pub struct Line {
    bytes: [u8; LINE_MAX],
    len: usize,
}

/// Bytes before the payload: prefix, sequence, space, checksum, space.
const HEADER: usize = 4 + 6 + 1 + 8 + 1;

impl Line {
    /// The framed line of one payload.
    #[must_use]
    pub fn new(sequence: u32, payload: fmt::Arguments<'_>) -> Self {
        let mut line = Self { bytes: [0; LINE_MAX], len: HEADER };
        // A payload that is too long is cut off.
        let _ = line.write_fmt(payload);
        let digits = hex(sequence & 0x00ff_ffff);
        line.put(0, PREFIX);
        line.put(4, &digits[2..]);
        line.put(10, b" ");
        let mut sum = Crc::new();
        sum.add(&digits[2..]);
        sum.add(b" ");
        sum.add(&line.bytes[HEADER..line.len]);
        line.put(11, &hex(sum.finish()));
        line.put(19, b" ");
        line.bytes[line.len] = b'\n';
        line.len += 1;
        line
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The whole line.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_MAX - 1 - self.len;
        let taken = &text.as_bytes()[..text.len().min(room)];
        self.put(self.len, taken);
        // A payload is one line of printable bytes, whatever a case says.
        for byte in &mut self.bytes[self.len..self.len + taken.len()] {
            if !(b' '..=b'~').contains(byte) {
                *byte = b'?';
            }
        }
        self.len += taken.len();
        if taken.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Sequence and payload of a framed line (without its newline), if it is one and its checksum is right.
#[must_use]
pub fn parse(line: &[u8]) -> Option<(u32, &str)> {
    let rest = line.strip_prefix(PREFIX)?;
    let (sequence, rest) = rest.split_at_checked(6)?;
    let (sum, rest) = rest.strip_prefix(b" ")?.split_at_checked(8)?;
    let payload = rest.strip_prefix(b" ")?;
    let mut crc = Crc::new();
    crc.add(sequence);
    crc.add(b" ");
    crc.add(payload);
    if unhex(sum)? != crc.finish() {
        return None;
    }
    Some((unhex(sequence)?, core::str::from_utf8(payload).ok()?))
}

fn hex(value: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (index, digit) in digits.iter_mut().enumerate() {
        let nibble = (value >> (28 - 4 * index)) & 15;
        *digit = b"0123456789abcdef"[nibble as usize];
    }
    digits
}

fn unhex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, &digit| {
        let nibble = (digit as char).to_digit(16)?;
        value.checked_mul(16)?.checked_add(nibble)
    })
}

/// CRC-32 as in IEEE 802.3. By a table: where a guest's instructions are emulated, a line took milliseconds
/// bit by bit.
struct Crc(u32);

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (0xedb8_8320 & (value & 1).wrapping_neg());
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

impl Crc {
    const fn new() -> Self {
        Self(u32::MAX)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 >> 8) ^ TABLE[usize::from(self.0 as u8 ^ byte)];
        }
    }

    const fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_went() {
        let line = Line::new(7, format_args!("verdict {} pass 12 ", "call.nop"));
        let text = line.as_bytes().strip_suffix(b"\n").expect("a newline");
        assert_eq!(parse(text), Some((7, "verdict call.nop pass 12 ")));
    }

    #[test]
    fn the_checksum_is_the_common_one() {
        let mut crc = Crc::new();
        crc.add(b"123456789");
        assert_eq!(crc.finish(), 0xcbf4_3926);
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let line = Line::new(0x00ab_cdef, format_args!("begin disc.record"));
        let text = line.as_bytes().strip_suffix(b"\n").expect("a newline");
        for at in 0..text.len() {
            let mut bad = [0; LINE_MAX];
            bad[..text.len()].copy_from_slice(text);
            bad[at] ^= 0x04;
            assert_eq!(parse(&bad[..text.len()]), None, "byte {at}");
        }
    }

    #[test]
    fn what_is_too_long_or_unprintable_stays_one_valid_line() {
        let long = [b'x'; 400];
        let line = Line::new(1, format_args!("a\nb\t{}", core::str::from_utf8(&long).expect("ascii")));
        assert_eq!(line.as_bytes().len(), LINE_MAX);
        let (_, payload) = parse(&line.as_bytes()[..LINE_MAX - 1]).expect("a valid line");
        assert!(payload.starts_with("a?b?xxx"));
    }
}
