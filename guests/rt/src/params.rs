// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boot command line: words of the form `key=value`, separated by spaces.
#![allow(unsafe_code, reason = "keeps the command line in a static")]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::firmware::line;

/// Longest command line that is kept; the rest is cut off.
pub const MAX_COMMAND_LINE: usize = 1024;

struct Line(UnsafeCell<[u8; MAX_COMMAND_LINE]>);

// SAFETY: written by the boot CPU before it publishes a length in `LENGTH` and starts any other CPU,
// read-only later.
unsafe impl Sync for Line {}

static LINE: Line = Line(UnsafeCell::new([0; MAX_COMMAND_LINE]));
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// A place in the image's file for the command line, for machines that pass none (REP-9).
#[repr(C)]
struct Place {
    mark: [u8; 16],
    line: [u8; MAX_COMMAND_LINE],
}

#[used]
static PLACE: Place = Place { mark: *b"~TENON-PARAMS-1~", line: [0; MAX_COMMAND_LINE] };

/// What was written into the image's file.
fn written() -> &'static [u8] {
    // The compiler has seen an empty line, and is not to rely on it.
    let place = core::hint::black_box(&PLACE);
    let end = place.line.iter().position(|&byte| byte == 0).unwrap_or(MAX_COMMAND_LINE);
    place.line.get(..end).unwrap_or_default()
}

/// The boot parameters.
#[derive(Debug)]
pub struct Params;

impl Params {
    /// The value of the first word that begins with `key=`; a word without `=` has the empty value.
    pub fn get(key: &str) -> Option<&'static str> {
        line::get(Self::line(), key)
    }

    /// [`Params::get`] as a decimal number or, after `0x`, a hexadecimal one.
    pub fn number(key: &str) -> Option<u64> {
        line::number(Self::line(), key)
    }

    /// The whole command line, where none was passed that in the image's file; empty where it is not UTF-8.
    pub fn line() -> &'static str {
        let length = LENGTH.load(Ordering::Acquire);
        // SAFETY: `LENGTH` is not zero only after `take` has written that many bytes, and nobody writes
        // again.
        let bytes = unsafe { core::slice::from_raw_parts(LINE.0.get().cast::<u8>().cast_const(), length) };
        core::str::from_utf8(if length == 0 { written() } else { bytes }).unwrap_or("")
    }
}

/// Keeps this command line. Only the boot CPU calls, once, before others run.
pub(crate) fn take(line: impl Iterator<Item = u8>) {
    let to = LINE.0.get().cast::<u8>();
    let mut length = 0;
    for byte in line.take(MAX_COMMAND_LINE) {
        // SAFETY: `length` is below the size of `LINE`, and nobody reads it before `LENGTH` is published.
        unsafe { to.add(length).write(byte) };
        length += 1;
    }
    LENGTH.store(length, Ordering::Release);
}
