// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and doorbells against bare exits and bare doorbells (CALL-24).

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use tenon_guest_images::BENCH;
use tenon_host::kvm::{Error, KICK_PORT, Outcome, Vmm, VmmConfig};
use tenon_rings::{Site, Words};
use vmm_sys_util::eventfd::EventFd;

use crate::host::{BARE_BELL, BARE_PORT, machine};
use crate::listen::{Line, Listener, Medians, medians};
use crate::quiet::{Seat, sit};

/// Longer than any run, however busy the machine is.
pub const LIMIT: Duration = Duration::from_secs(60);
/// The value of a bare doorbell.
const RING: u32 = 1;

/// Why there is no number.
#[derive(Debug)]
pub enum Trouble {
    /// This machine cannot run a guest.
    Absent(String),
    /// It can, and it went wrong.
    Broken(String),
}

impl From<Error> for Trouble {
    fn from(why: Error) -> Self {
        match why {
            Error::NoDevice | Error::NoPermission | Error::Missing(_) => Self::Absent(why.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// What a guest said, if it ended well.
pub(crate) fn heard(outcome: &Outcome, lines: &Receiver<Line>) -> Result<Vec<Line>, Trouble> {
    match outcome {
        Outcome::Left(0) => Ok(lines.try_iter().collect()),
        other => Err(Trouble::Broken(format!("the guest ended badly: {other:?}"))),
    }
}

/// What a guest said on the ready machine.
pub(crate) fn ready(command_line: &str) -> Result<Vec<Line>, Trouble> {
    let (listener, lines) = Listener::new();
    let vmm = Vmm::new(VmmConfig {
        limit: LIMIT,
        console: Box::new(|_| Vec::new()),
        serial: Box::new(listener),
        ..VmmConfig::default()
    })?;
    heard(&vmm.run(BENCH.bytes, command_line)?, &lines)
}

/// Exits for one call, and for one batch of 32 (CALL-24).
///
/// Each is the difference of two whole runs, counted when the guest has ended: what a guest prints comes out
/// on a thread of its own, and would be late.
///
/// # Errors
///
/// [`Trouble`].
pub fn exits(rounds: u64) -> Result<(f64, f64), Trouble> {
    let base = count(0, 0)?;
    let each = |count: u64| (count as f64 - base as f64) / rounds as f64;
    Ok((each(count(rounds, 0)?), each(count(0, rounds)?)))
}

/// Exits of a guest that makes so many calls and batches, from its start to its end.
fn count(calls: u64, batches: u64) -> Result<u64, Trouble> {
    let (machine, host) = machine(&format!("mode=native bench=exits calls={calls} batches={batches}"))?;
    let (listener, lines) = Listener::new();
    let outcome = machine.run(Arc::clone(&host) as _, Box::new(listener), LIMIT)?;
    heard(&outcome, &lines)?;
    Ok(host.exits())
}

/// A NOP call of a guest on the ready machine against its bare exit.
///
/// # Errors
///
/// [`Trouble`].
pub fn call(name: &str, level: &str, rounds: u64) -> Result<Medians, Trouble> {
    let lines = ready(&format!("{level} serial=burst bench=call rounds={rounds} bare={BARE_PORT}"))?;
    Ok(medians(name, &lines)?)
}

/// A submission with its eventfd doorbell against a bare eventfd doorbell. For either a thread waits, answers
/// in memory, and waits again.
///
/// # Errors
///
/// [`Trouble`].
pub fn doorbell(name: &str, rounds: u64) -> Result<Medians, Trouble> {
    let (machine, host) = machine(&format!("mode=native bench=doorbell rounds={rounds} bare={BARE_BELL}"))?;
    let event = || EventFd::new(0).map_err(|why| Trouble::Broken(format!("no eventfd: {why}")));
    let (ours, theirs) = (event()?, event()?);
    machine.add_doorbell(KICK_PORT, 0, &ours)?;
    machine.add_doorbell(BARE_BELL, RING, &theirs)?;
    let control = machine.control();
    let (listener, lines) = Listener::new();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            sit(Seat::Host);
            while ours.read().is_ok() && !control.is_ending() {
                host.serve(0);
            }
        });
        scope.spawn(|| {
            sit(Seat::Host);
            let mut answers = 0;
            while theirs.read().is_ok() && !control.is_ending() {
                answers += 1;
                if let Some(page) = host.page() {
                    page.store(0, answers, Site::ControlPublish);
                }
            }
        });
        let outcome = machine.run(Arc::clone(&host) as _, Box::new(listener), LIMIT);
        // The machine has ended, or never began: either thread wakes, sees it and leaves.
        control.end(Outcome::Ended);
        let _ = (ours.write(1), theirs.write(1));
        outcome
    })?;
    Ok(medians(name, &heard(&outcome, &lines)?)?)
}
