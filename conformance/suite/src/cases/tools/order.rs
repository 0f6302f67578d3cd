// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a case asks of whoever runs its machine, by a write to the console (REP-5).

use super::{INLINE, op};
use crate::case::{Fail, Outcome, check, equal};
use crate::env::Env;
use crate::raw::{self, Bound};

/// Whoever runs the machine does what follows.
const DC2: u8 = 0x12;
/// Whoever runs the machine sends back what follows.
const ENQ: u8 = 0x05;
const LEN: usize = 18;

/// That somebody follows the console.
pub(in crate::cases) fn followed(env: &dyn Env) -> Outcome {
    match env.param("console") {
        Some("echo") => Ok(()),
        _ => Err(Fail::Error("nobody follows the console: boot the machine under test with console=echo")),
    }
}

/// The words of a write by value that orders `what`, with an echo of one byte.
pub(in crate::cases) fn words(what: u8, number: u64) -> [u64; 7] {
    text(what, number, &[ENQ, b'!'])
}

/// The same without an echo.
pub(in crate::cases) fn bare(what: u8, number: u64) -> [u64; 7] {
    text(what, number, &[])
}

fn text(what: u8, number: u64, behind: &[u8]) -> [u64; 7] {
    let mut text = [0u8; 48];
    (text[0], text[1]) = (DC2, what);
    for (index, digit) in text[2..LEN].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (60 - index * 4) & 15) as usize];
    }
    text[LEN..LEN + behind.len()].copy_from_slice(behind);
    let mut words = [0; 7];
    words[0] = INLINE | (((LEN + behind.len()) as u64) << 32);
    for (word, bytes) in words[1..].iter_mut().zip(text.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// Orders, and waits for nothing.
pub(in crate::cases) fn order(bound: &mut Bound, what: u8, number: u64) -> Outcome {
    let done = bound.call_words(op::CONSOLE_WRITE, text(what, number, &[]))?;
    check(done.status == 0 && done.value == LEN as u64, "the console's output has no room")
}

/// Orders, and waits until it is done: the echo comes behind it.
pub(in crate::cases) fn order_and_wait(bound: &mut Bound, what: u8, number: u64) -> Outcome {
    let (_, at) = raw::pages(bound.env, 64, 64)?;
    let done = bound.call_words(op::CONSOLE_WRITE, words(what, number))?;
    equal(u64::from(done.status), 0, "CONSOLE_WRITE by value")?;
    equal(done.value, LEN as u64 + 2, "bytes accepted of an empty console")?;
    bound.submit(op::CONSOLE_READ, 0, [0, at, 8, 0, 0, 0, 0]);
    bound.kick();
    let done = bound.wait_longer("what was asked for is not done: no echo")?;
    equal(u64::from(done.status), 0, "CONSOLE_READ")?;
    equal(done.value, 1, "bytes read back")
}
