// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that is measured of devices, as rows (`crate::row`). A row's value is a time, so that less is
//! better, and a target of so many times virtio's requests is a ratio of one to that.

use super::frames::frames;
use super::guest::{Found, Plan};
use super::reads::reads;
use crate::call::Trouble;
use crate::quiet::{Seat, sit};
use crate::row::{Row, Skip};

/// Rounds, and requests in each: together what five times 10,000 are.
const ROUNDS: [u64; 2] = [25, 2000];
const DISK: usize = 1 << 20;

/// Measures and prints. Only rows whose names contain `only`.
///
/// # Errors
///
/// A guest that ended badly.
pub fn run(only: &str) -> Result<(), String> {
    // Threads that are started from here on sit where this one does.
    sit(Seat::Host);
    for polled in [true, false] {
        for depth in [1, 32] {
            let how = if polled { "polling" } else { "asleep when idle" };
            let name = format!("block, 4 KiB random reads, RAM disk of 1 MiB, depth {depth}, {how}");
            let times = match (polled, depth) {
                (true, 1) => 1.5,
                (true, _) => 1.8,
                (false, 1) => 1.0,
                (false, _) => 1.5,
            };
            let plan =
                Plan { polled, rounds: [ROUNDS[0], if polled || depth > 1 { ROUNDS[1] } else { 400 }] };
            measure(only, &name, times, || {
                // virtio's better way is what counts.
                let [direct, indirect] = [false, true].map(|way| reads(&name, plan, depth, DISK, way));
                let (direct, indirect) = (direct?, indirect?);
                let ratio = |found: &Found| found.medians.ours / found.medians.theirs;
                Ok(if ratio(&direct) > ratio(&indirect) { direct } else { indirect })
            })?;
        }
    }
    for polled in [true, false] {
        for (bytes, fast) in [(1500, 2.0), (64, 2.5)] {
            let how = if polled { "polling" } else { "asleep when idle" };
            let name = format!("net, frames of {bytes} B to the host, {how}");
            let times = if polled { fast } else { 1.2 };
            let plan = Plan { polled, rounds: [ROUNDS[0], 5000] };
            measure(only, &name, times, || frames(&name, plan, bytes))?;
        }
    }
    Ok(())
}

fn measure(
    only: &str,
    name: &str,
    times: f64,
    find: impl FnOnce() -> Result<Found, Trouble>,
) -> Result<(), String> {
    if !name.contains(only) {
        return Ok(());
    }
    match find() {
        Ok(found) => rows(name, found, times),
        Err(Trouble::Absent(reason)) => println!("{}", Skip { name: name.to_owned(), reason }),
        Err(Trouble::Broken(why)) => return Err(format!("{name}: {why}")),
    }
    Ok(())
}

/// The time, and what was counted.
fn rows(name: &str, Found { medians, caused: [ours, theirs] }: Found, times: f64) {
    let row = |what: &str, unit: &'static str, ours: f64, value: f64, most: Option<f64>| {
        let name = format!("{name}{what}");
        println!("{}", Row { name, ours, unit, reference: "virtio", reference_value: value, most });
    };
    row("", "ns", medians.ours * 1e3, medians.theirs * 1e3, Some(1.0 / times));
    for (what, ours, theirs) in [
        (": exits", ours.exits(), theirs.exits()),
        (": doorbells", ours.doorbells, theirs.doorbells),
        (": interrupts", ours.interrupts, theirs.interrupts),
    ] {
        row(what, "a request", ours, theirs, None);
    }
}
