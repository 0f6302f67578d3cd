// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard output, which carries reports, and standard error, which carries what is said beside them.

use std::io::{self, ErrorKind, Write};

/// Writes a report, all of it. A reader that has gone has read what it wanted.
///
/// # Errors
///
/// Why it cannot be written, in one line.
pub fn print(text: &str) -> Result<(), String> {
    let mut output = io::stdout().lock();
    is_written(output.write_all(text.as_bytes()).and_then(|()| output.flush()))
}

/// What came of writing a report.
pub(crate) fn is_written(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("the report cannot be written: {error}")),
    }
}

/// One line on standard error, for whoever reads it.
pub fn complain(line: &str) {
    // In one piece; and where standard error cannot be written there is nobody left to tell.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
