// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that is measured of devices, as rows (`crate::row`). A row's value is a time, so that less is
//! better, and a target of so many times virtio's requests is a ratio of one to that.

use super::along::along;
use super::ends::ends;
use super::frames::frames;
use super::guest::{Found, Plan, Virtio};
use super::reads::reads;
use crate::call::Trouble;
use crate::listen::Medians;
use crate::quiet::{Seat, sit};
use crate::row::{Row, Skip};

/// Rounds, and requests in each: together what five times 10,000 are.
const ROUNDS: [u64; 2] = [100, 500];
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
            let rounds = if polled || depth > 1 { ROUNDS } else { [50, 100] };
            measure(only, &name, times, &Virtio::ALL, |virtio| {
                reads(Plan { polled, rounds, virtio }, depth, DISK)
            })?;
        }
    }
    for polled in [true, false] {
        for (bytes, fast) in [(1500, 2.0), (64, 2.5)] {
            let how = if polled { "polling" } else { "asleep when idle" };
            let name = format!("net, frames of {bytes} B to the host, {how}");
            let times = if polled { fast } else { 1.2 };
            let rounds = [ROUNDS[0], 2000];
            // A frame has one descriptor: no table.
            let ways = Virtio::ALL.get(..2).unwrap_or_default();
            measure(only, &name, times, ways, |virtio| frames(Plan { polled, rounds, virtio }, bytes))?;
        }
    }
    let name = "block, 4 KiB reads through the ends, two threads, RAM disk of 1 MiB, depth 32";
    if name.contains(only) {
        let found = ends().map_err(|why| format!("{name}: {why}"))?;
        compare(name, found, "a bare copy (SPDK: 233 ns)", Some(1.5));
    }
    for (direct, how, most) in [(false, "page cache", Some(1.0 / 0.9)), (true, "O_DIRECT", None)] {
        let name = format!("block, 1 MiB reads one behind the other, {how}, depth 8, asleep when idle");
        if !name.contains(only) {
            continue;
        }
        match along(direct) {
            Ok(found) => compare(&name, found, "dd from the page cache", most),
            Err(Trouble::Absent(reason)) => println!("{}", Skip { name, reason }),
            Err(Trouble::Broken(why)) => return Err(format!("{name}: {why}")),
        }
    }
    Ok(())
}

fn compare(name: &str, Medians { ours, theirs }: Medians, reference: &'static str, most: Option<f64>) {
    let (name, unit) = (name.to_owned(), if reference.starts_with("dd") { "us" } else { "ns" });
    println!("{}", Row { name, ours, unit, reference, reference_value: theirs, most });
}

fn measure(
    only: &str,
    name: &str,
    times: f64,
    ways: &[Virtio],
    find: impl Fn(Virtio) -> Result<Found, Trouble>,
) -> Result<(), String> {
    if !name.contains(only) {
        return Ok(());
    }
    // virtio's best way is what counts.
    let mut worst: Option<Found> = None;
    let ratio = |found: &Found| found.medians.ours / found.medians.theirs;
    let all = ways.iter().try_for_each(|&way| {
        let found = find(way)?;
        if worst.as_ref().is_none_or(|worst| ratio(&found) > ratio(worst)) {
            worst = Some(found);
        }
        Ok(())
    });
    match all {
        Ok(()) => worst.into_iter().for_each(|found| rows(name, found, times)),
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
    if name.contains("depth 32, asleep") {
        let most = Some(1.0);
        let name = format!("{name}: exits, at most one for 16");
        let row = Row {
            name,
            ours: ours.exits(),
            unit: "a request",
            reference: "one for 16",
            reference_value: 1.0 / 16.0,
            most,
        };
        println!("{row}");
    }
    for (what, ours, theirs) in [
        (": exits", ours.exits(), theirs.exits()),
        (": doorbells", ours.doorbells, theirs.doorbells),
        (": interrupts", ours.interrupts, theirs.interrupts),
    ] {
        row(what, "a request", ours, theirs, None);
    }
}
