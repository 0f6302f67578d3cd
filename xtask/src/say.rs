// SPDX-License-Identifier: MIT OR Apache-2.0
//! `print!` and `println!` for the chores: whoever reads may go away (`cargo xtask spec | head`).

use std::fmt::Arguments;
use std::io::Write as _;

/// In place of the standard library's, which panics when nobody reads any more.
macro_rules! print {
    ($($text:tt)*) => { $crate::say::say(format_args!($($text)*)) };
}

/// As above, with the end of a line.
macro_rules! println {
    ($($text:tt)*) => { $crate::say::say(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes to standard output, or ends: a report that nobody gets is no answer, which is exit code 2.
pub(crate) fn say(text: Arguments<'_>) {
    let written = std::io::stdout().write_fmt(text);
    let Err(error) = written else { return };
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        eprintln!("error: standard output: {error}");
    }
    std::process::exit(2)
}
