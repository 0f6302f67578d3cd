// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest says on its serial port, and when.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use crate::quiet::{Seat, named, seat, switches};
use crate::row::{median, tenth};

/// The thread of the only vCPU.
const VCPU: &str = "vcpu-0";
/// The fewest rounds that a median is taken of.
pub const ROUNDS: usize = 21;

/// A line of the guest's.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its first word.
    pub word: String,
    /// The numbers behind it.
    pub numbers: Vec<u64>,
    /// When it came.
    pub at: Instant,
    /// The vCPU's thread kept its processor since the last line.
    pub quiet: bool,
}

/// Takes the serial port's text, on a thread of its own: what it sees of the vCPU's thread is a little late.
#[derive(Debug)]
pub struct Listener {
    lines: Sender<Line>,
    text: Vec<u8>,
    /// The vCPU's thread and its switches at the last line.
    seated: Option<(i32, u64)>,
}

impl Listener {
    /// A listener, and where its lines come out.
    #[must_use]
    pub fn new() -> (Self, Receiver<Line>) {
        let (lines, heard) = channel();
        (Self { lines, text: Vec::new(), seated: None }, heard)
    }

    fn line(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let word = words.next().unwrap_or_default().to_owned();
        let numbers = words.filter_map(|number| number.parse().ok()).collect();
        let at = Instant::now();
        let quiet = match &mut self.seated {
            None => {
                self.seated = named(VCPU).map(|thread| {
                    seat(thread, Seat::Guest);
                    (thread, switches(thread))
                });
                false
            }
            Some((thread, before)) => {
                let now = switches(*thread);
                std::mem::replace(before, now) == now
            }
        };
        // Whoever listened may have heard enough.
        let _ = self.lines.send(Line { word, numbers, at, quiet });
    }
}

impl Write for Listener {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        while let Some(end) = self.text.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            self.line(&String::from_utf8_lossy(&line));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Medians of the guest's two ways, in microseconds an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Medians {
    /// Tenon's way.
    pub ours: f64,
    /// The bare way.
    pub theirs: f64,
}

/// The medians of a guest's rounds. Rounds during which the vCPU was switched away do not count, unless too
/// few are left: then a warning is printed.
///
/// # Errors
///
/// One line, if the guest did not say enough.
pub fn medians(name: &str, lines: &[Line]) -> Result<Medians, String> {
    let (scale, rounds) = rounds(lines)?;
    let mut counted: Vec<&Line> = rounds.iter().copied().filter(|line| line.quiet).collect();
    if counted.len() < ROUNDS {
        eprintln!(
            "{name}: only {} of {} rounds were undisturbed: all are counted",
            counted.len(),
            rounds.len()
        );
        counted = rounds;
    }
    let of = |place: usize| median(times(&counted, place, scale));
    match (of(0), of(1)) {
        (Some(ours), Some(theirs)) if counted.len() >= ROUNDS => Ok(Medians { ours, theirs }),
        _ => Err(format!("the guest reported {} rounds, fewer than {ROUNDS}", counted.len())),
    }
}

/// What the fastest tenth of a guest's rounds is below, for either way by itself. Others who use the
/// processors make a round longer and never shorter, so where they always do, this is what is left to
/// compare.
///
/// # Errors
///
/// As [`medians`].
pub fn fastest(lines: &[Line]) -> Result<Medians, String> {
    let (scale, rounds) = rounds(lines)?;
    if rounds.len() < ROUNDS {
        return Err(format!("the guest reported {} rounds, fewer than {ROUNDS}", rounds.len()));
    }
    let of = |place: usize| tenth(times(&rounds, place, scale)).unwrap_or(f64::NAN);
    Ok(Medians { ours: of(0), theirs: of(1) })
}

/// Microseconds an operation of one way, in each round.
fn times(rounds: &[&Line], place: usize, scale: f64) -> Vec<f64> {
    rounds.iter().filter_map(|line| line.numbers.get(place)).map(|&ticks| ticks as f64 * scale).collect()
}

/// The guest's clock against ours, over the whole run, and the rounds.
fn rounds(lines: &[Line]) -> Result<(f64, Vec<&Line>), String> {
    let (Some(begin), Some(end)) =
        (lines.iter().find(|line| line.word == "block"), lines.iter().rfind(|line| line.word == "round"))
    else {
        return Err("the guest reported no rounds".into());
    };
    let ([block, start], [_, _, stop]) = (begin.numbers.as_slice(), end.numbers.as_slice()) else {
        return Err("the guest's report is cut off".into());
    };
    let micros = end.at.duration_since(begin.at).as_secs_f64() * 1e6;
    let scale = micros / stop.saturating_sub(*start) as f64 / *block as f64;
    Ok((scale, lines.iter().filter(|line| line.word == "round" && line.numbers.len() == 3).collect()))
}
