// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes, flushes, and `kill -9` of the host at random: each write whose FLUSH completed is on the disk, and
//! no ghost of an older write lies over a newer one (BLK-5, BLK-6, BLK-11).
//!
//! `kvm …`: the guest runs on KVM, says what is durable, and dies with its host. The other trials: the host
//! serves one disk over memory that outlives it, and the guest submits again, in part, what has no result.
//!
//! | layer | what it does |
//! | --- | --- |
//! | uring, threads | a raw file: the kernel's page cache outlives the host |
//! | volatile | loses at the kill what was not synced |
//! | failing | as volatile, and the first sync fails: FLUSH says OK never again (BLK-7) |
//! | late | its I/O goes on after the kill, as that of a slow disk |
//!
//! Options: `--rounds N`, `--seed N`, and words of which one has to be in a trial's name. `cargo xtask
//! durability` runs all of them.

mod guest;
mod host;
#[cfg(all(feature = "vmm", target_arch = "x86_64"))]
mod kvm;
mod late;
mod pages;
#[path = "../../../guests/writer/src/pattern.rs"]
mod pattern;
mod random;
mod shared;
mod trial;
mod volatile;

use random::Random;
use std::env;
use std::fmt::Debug;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tenon_devices::block::{Access, Disk, Method};
use trial::{End, Mix, Trial};

const BOTH: Mix = Mix { flushes: true, durable: true };
/// A durable write syncs everything, and would hide a FLUSH that does not.
const FLUSHES: Mix = Mix { flushes: true, durable: false };
const DURABLE: Mix = Mix { flushes: false, durable: true };

/// Layers that have to keep what they promise.
const SOUND: [&str; 4] = ["uring", "threads", "volatile", "late=40"];
/// Hosts that have to fail, by their fault. Where I/O goes on for two seconds, the next host has been used
/// before it lands.
const FAULTY: [(&str, &str, Mix); 4] = [
    ("flush-without-sync", "volatile", FLUSHES),
    ("flush-that-lies", "volatile", FLUSHES),
    ("durable-write-not-synced", "volatile", DURABLE),
    ("disk-not-locked", "late=2000", BOTH),
];
/// How often a fault may hide. Only the last of them can, on a machine that takes seconds for what needs
/// milliseconds.
const ATTEMPTS: u64 = 5;
const ROUNDS: u64 = 4;

/// What came of a trial.
enum Verdict {
    Pass(String),
    Skip(String),
    Fail(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["host", how, memory, disk, seed] => {
            host::run(how, Path::new(memory), Path::new(disk), seed.parse().unwrap())
        }
        ["kernel", linger] => late::run(linger.parse().unwrap()),
        #[cfg(all(feature = "vmm", target_arch = "x86_64"))]
        ["kvm", how, disk, image, words] => kvm::run(how, Path::new(disk), Path::new(image), words),
        _ => trials(&arguments),
    }
}

fn trials(arguments: &[String]) -> ExitCode {
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64);
    let (rounds, seed) = (option("--rounds").unwrap_or(ROUNDS), option("--seed").unwrap_or(clock));
    // A harness is given names as well.
    let is_word = |word: &&String| !word.starts_with('-') && word.parse::<u64>().is_err();
    let words: Vec<_> = arguments.iter().filter(is_word).collect();
    let mut all = shared_trials(rounds, seed);
    all.extend(kvm_trials(rounds, seed));
    if arguments.iter().any(|argument| argument == "--list") {
        all.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    all.retain(|(name, _)| words.is_empty() || words.iter().any(|word| name.contains(word.as_str())));
    println!("durability: {} trials, --rounds {rounds} --seed {seed}", all.len());
    let (mut passed, mut skipped, mut failed) = (0, 0, 0);
    for (name, run) in all {
        let begun = Instant::now();
        let (what, count, why) = match run() {
            Verdict::Pass(log) => ("pass", &mut passed, log),
            Verdict::Skip(why) => ("skipped", &mut skipped, why),
            Verdict::Fail(why) => ("FAILED", &mut failed, why),
        };
        *count += 1;
        println!("durability: {name}: {what}: {} ({:.1} s)", why.trim_end(), begun.elapsed().as_secs_f64());
    }
    println!("durability: {passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Named = (String, Box<dyn Fn() -> Verdict>);

fn shared_trials(rounds: u64, seed: u64) -> Vec<Named> {
    let mut all: Vec<Named> = Vec::new();
    for how in SOUND {
        let trial = Trial { how, mix: BOTH, fault: None, rounds, promises: (0, 40), seed };
        let run = move || {
            if how == "uring" && !has_uring() {
                return Verdict::Skip("the kernel has no io_uring to give".to_owned());
            }
            sound(rounds, trial.run())
        };
        all.push((how.to_owned(), Box::new(run)));
    }
    // Each sees the failure, or what is kept of it, until its latch is cleared.
    let (how, rounds) = ("failing", rounds + 2);
    let failing = Trial { how, mix: FLUSHES, fault: None, rounds, promises: (40, 80), seed };
    all.push((how.to_owned(), Box::new(move || sound(rounds, failing.run_failing()))));
    for fault in ["disk-latch-not-kept", "disk-latch-not-read"] {
        let trial = Trial { fault: Some(fault), rounds: 3, ..failing };
        let run = move |seed| Trial { seed, ..trial }.run_failing().map(drop);
        all.push((format!("{how} {fault}"), Box::new(move || seen(seed, "FLUSH says OK", run))));
    }
    for (fault, how, mix) in FAULTY {
        let trial = Trial { how, mix, fault: Some(fault), rounds: 2, promises: (40, 80), seed };
        let run = move || seen(seed, GHOST, |seed| Trial { seed, ..trial }.run().map(drop));
        all.push((format!("{how} {fault}"), Box::new(run)));
    }
    all
}

#[cfg(not(all(feature = "vmm", target_arch = "x86_64")))]
fn kvm_trials(_: u64, _: u64) -> Vec<Named> {
    let run = || Verdict::Skip("it needs the program tenon-vmm, on x86-64".to_owned());
    vec![("kvm".to_owned(), Box::new(run))]
}

#[cfg(all(feature = "vmm", target_arch = "x86_64"))]
fn kvm_trials(rounds: u64, seed: u64) -> Vec<Named> {
    let mut all: Vec<Named> = Vec::new();
    for how in [None, Some("volatile")] {
        let trial = kvm::Trial { how, fault: None, rounds, least: 0, seed };
        let run = move || sound(rounds, trial.run());
        all.push((format!("kvm {}", how.unwrap_or("tenon-vmm")), Box::new(run)));
    }
    for fault in ["flush-without-sync", "flush-that-lies"] {
        let trial = kvm::Trial { how: Some("volatile"), fault: Some(fault), rounds: 1, least: 8, seed };
        let run = move || seen(seed, GHOST, |seed| kvm::Trial { seed, ..trial }.run().map(drop));
        all.push((format!("kvm volatile {fault}"), Box::new(run)));
    }
    all
}

/// A trial that has to be good.
fn sound(rounds: u64, result: Result<impl Debug, End>) -> Verdict {
    match result {
        Ok(log) => Verdict::Pass(format!("{rounds} hosts killed; {log:?}")),
        Err(End::Skipped(why)) => Verdict::Skip(why),
        Err(End::Failed(why)) => Verdict::Fail(why),
    }
}

/// What a trial says of a page that holds what it may not.
const GHOST: &str = "holds version";

/// A trial that has to fail, and says so in these words.
fn seen(seed: u64, words: &str, run: impl Fn(u64) -> Result<(), End>) -> Verdict {
    if !tenon_rings::planted::BUILT {
        return Verdict::Skip("this build has no planted faults".to_owned());
    }
    let mut random = Random(seed);
    for _ in 0..ATTEMPTS {
        match run(random.below(u64::MAX)) {
            Ok(()) => {}
            Err(End::Skipped(why)) => return Verdict::Skip(why),
            Err(End::Failed(why)) if why.contains(words) => {
                return Verdict::Pass(format!("seen: {why}"));
            }
            Err(End::Failed(why)) => return Verdict::Fail(format!("for another reason: {why}")),
        }
    }
    Verdict::Fail("the fault is not seen".to_owned())
}

fn has_uring() -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    Disk::raw(file.path(), Access::default(), Method::Uring).is_ok()
}
