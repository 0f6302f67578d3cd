// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framed lines among whatever else a machine prints, in bounded memory (REP-13).

use tenon_conformance::report::{PREFIX, parse};

/// Noise beyond this length is forgotten while its line lasts.
const NOISE_MAX: usize = 4096;

/// Of a line of noise so many bytes are kept for people.
const HINT_MAX: usize = 120;

/// Collects bytes into lines.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    /// The last line of noise that was not empty.
    noise: String,
}

impl Lines {
    /// Takes one byte; a framed line that is intact comes out with its newline.
    pub(crate) fn push(&mut self, byte: u8) -> Option<(u32, String)> {
        if byte != b'\n' {
            if self.line.len() >= NOISE_MAX {
                self.line.clear();
            }
            self.line.push(byte);
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        // Noise without a newline may stand before it.
        let framed = parse(line).or_else(|| {
            let start = line.windows(PREFIX.len()).rposition(|window| window == PREFIX)?;
            parse(line.get(start..)?)
        });
        if framed.is_none() && !line.trim_ascii().is_empty() {
            let kept = line.trim_ascii().get(..HINT_MAX).unwrap_or(line.trim_ascii());
            self.noise = String::from_utf8_lossy(kept).into_owned();
        }
        framed.map(|(sequence, payload)| (sequence, payload.to_owned()))
    }

    /// What the machine printed last, as the end of a sentence.
    pub(super) fn hint(&self) -> String {
        if self.noise.is_empty() { String::new() } else { format!("; it printed last: {}", self.noise) }
    }
}
