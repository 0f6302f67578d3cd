// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trials of time on the KVM machine: the page TIME against the host's clock, and many timers at once.

use crate::hosts::kvm::{Wanted, trial};
use crate::hosts::{Event, Image, Machine};
use crate::judge::line::Lines;
use crate::slowness::is_over;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tenon_host::Services;

/// vCPUs of a trial.
const CPUS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);
/// What a trial has beside the time that it is to take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of a trial: what is said of it, and whether it is good.
pub type Outcome = Result<(String, bool), String>;

/// Reads the page on all vCPUs for so many seconds, and holds it against the host's clock at least `kicks`
/// times.
///
/// # Errors
///
/// Why there is no machine, or why it ended before it was through, in one line.
pub fn run(machine: Wanted<'_>, seconds: u64, kicks: u64) -> Outcome {
    let mut services = Services::ready();
    services.entropy = Some(Box::new(host_clocks));
    let parameters = format!("clocks={} kicks={kicks}", seconds.saturating_mul(1000));
    let lines = lines(trial(machine, CPUS, services, &parameters)?, seconds, "clocked")?;
    let line = lines.iter().find(|line| line.starts_with("clocks ")).ok_or("the guest has not reported")?;
    let number = |key: &str| number(line, key);
    let (reads, back, did) = (number("reads")?, number("back")?, number("kicks")?);
    let (low, high) = (number("low")?, number("high")?);
    let (utc, call, error, unread) = (number("utc")?, number("call")?, number("error")?, number("unread")?);
    // One distance between both clocks fits all kicks.
    let good = back == 0 && did >= i64::try_from(kicks).unwrap_or(i64::MAX) && low <= high && utc + call == 0;
    let text = format!(
        "{} vCPUs read the page {reads} times in {seconds} s, {back} steps back, {unread} looks in vain; {did} \
         kicks: the host's monotonic clock outside of the readings in {}, UTC in {utc}, a clock by call in \
         {call}; the error at most {error} ns, {} ns left between the readings that are closest",
        number("cpus")?,
        if low <= high { "none" } else { "some" },
        high.saturating_sub(low),
    );
    Ok((text, good))
}

/// On a machine whose host shares no counter with its guest: brackets the host's clock for so many seconds,
/// and at least so many times, and holds the host's clock by call against it.
///
/// # Errors
///
/// As [`run`].
pub fn bracketed(host: &str, image: Option<&Image>, seconds: u64, kicks: u64) -> Outcome {
    let parameters = format!("clocks={} kicks={kicks}", seconds.saturating_mul(1000));
    let lines = lines(crate::hosts::by_name(host, image)?.boot(&parameters)?, seconds, "clocked")?;
    let line =
        lines.iter().find(|line| line.starts_with("bracketed ")).ok_or("the guest has not reported")?;
    let number = |key: &str| number(line, key);
    let (back, did, call) = (number("back")?, number("kicks")?, number("call")?);
    let good = back == 0 && call == 0 && did >= i64::try_from(kicks).unwrap_or(i64::MAX);
    let text = format!(
        "the clock that the guest brackets, {} readings in {seconds} s, {back} steps back; {did} kicks: the host's \
         clock outside of the readings in {call}; the error of half of them less than {} ns, of all at most {} ns",
        number("reads")?,
        number("half")?,
        number("error")?,
    );
    Ok((text, good))
}

/// Sets so many timers on all vCPUs, with deadlines that are drawn from `seed`.
///
/// # Errors
///
/// As [`run`].
pub fn timers(machine: Wanted<'_>, count: u64, seed: u64) -> Outcome {
    let parameters = format!("timers={count} seed={seed:x}");
    let lines = lines(trial(machine, CPUS, Services::ready(), &parameters)?, 60, "timed")?;
    let line = lines.iter().find(|line| line.starts_with("timers ")).ok_or("the guest has not reported")?;
    let number = |key: &str| number(line, key);
    let (set, taken, early, twice) = (number("set")?, number("taken")?, number("early")?, number("twice")?);
    let wanted = i64::try_from(count).unwrap_or(i64::MAX);
    let good = early + twice + number("lost")? == 0 && set >= wanted && taken == set;
    let mut text = format!(
        "{set} timers on {} vCPUs: {taken} taken, {early} early, {twice} twice, {} lost; the worst {} ns late",
        number("cpus")?,
        set - taken - early,
        number("worst")?
    );
    let buckets = lines.iter().filter_map(|line| line.strip_prefix("late ")?.split_once(' '));
    for (log, timers) in buckets {
        let _ = write!(text, "\n  less than {} late: {timers}", below(log.parse().unwrap_or(u32::MAX)));
    }
    text += &beside();
    Ok((text, good))
}

/// Where the bucket ends that begins with this power of two.
fn below(log: u32) -> String {
    let until = log.checked_add(1).and_then(|log| 2_u64.checked_pow(log)).unwrap_or(u64::MAX);
    format!("{:.1?}", Duration::from_nanos(until))
}

/// How late timers of Tenon are one at a time, and a bare timerfd whose thread writes an irqfd, in turns.
/// Nothing is judged by it: a machine that is too busy for it says so.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn beside() -> String {
    use tenon_benches::call::Trouble;
    /// Timers of each: four times as many.
    const ROUNDS: u64 = 51;
    match tenon_benches::timer::timers("timers", ROUNDS) {
        Ok(found) => pairs(&found.late),
        Err(Trouble::Absent(why) | Trouble::Broken(why)) => none(&why),
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn beside() -> String {
    none("that machine needs Linux on x86-64")
}

fn none(why: &str) -> String {
    format!("\n  beside a bare timerfd: not measured: {why}")
}

/// Both distributions, of microseconds.
#[cfg(any(test, all(target_os = "linux", target_arch = "x86_64")))]
fn pairs(late: &[Vec<f64>; 2]) -> String {
    let [ours, bare] = late;
    let mut text = format!(
        "\n  one at a time, {} of Tenon's and {} of a bare timerfd with an irqfd:",
        ours.len(),
        bare.len()
    );
    let log = |us: &f64| Duration::from_secs_f64(us / 1e6).as_nanos().max(1).ilog2();
    for bucket in 0..u64::BITS {
        let [ours, bare] = [ours, bare].map(|of| of.iter().filter(|us| log(us) == bucket).count());
        if ours + bare != 0 {
            let _ = write!(text, "\n  less than {} late: {ours}, {bare} of the bare", below(bucket));
        }
    }
    text
}

/// The lines of a trial that takes so many seconds.
fn lines(mut running: Box<dyn Machine>, seconds: u64, last: &str) -> Result<Vec<String>, String> {
    listen(&mut *running, PATIENCE.saturating_add(Duration::from_secs(seconds)), last)
}

/// The framed lines of a guest until the one that begins with this word. The machine goes on.
///
/// # Errors
///
/// What the guest says instead, or how its machine ended, in one line.
pub fn listen(running: &mut dyn Machine, patience: Duration, last: &str) -> Result<Vec<String>, String> {
    let start = Instant::now();
    let (mut lines, mut said) = (Lines::default(), Vec::new());
    while !is_over(start, patience) {
        let bytes = match running.next(PAUSE) {
            Some(Event::Bytes(bytes)) => bytes,
            Some(Event::Ended(end)) => return Err(end.to_string()),
            _ => continue,
        };
        for (_, payload) in bytes.iter().filter_map(|&byte| lines.push(byte)) {
            match payload.split_once(' ').map_or(&*payload, |(word, _)| word) {
                word if word == last => return Ok(said),
                "failed" | "absent" => return Err(payload),
                _ => said.push(payload),
            }
        }
    }
    Err(format!("the guest is not through within {} s: {said:?}", patience.as_secs()))
}

fn number(line: &str, key: &str) -> Result<i64, String> {
    let word = line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    word.and_then(|word| word.parse().ok()).ok_or_else(|| format!("no number {key} in `{line}`"))
}

/// This system's monotonic clock that nobody slews, and UTC: in place of random bytes, at the moment at which
/// the guest's call is served.
fn host_clocks(bytes: &mut [u8]) -> bool {
    let raw = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicRaw);
    let utc = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let words = [raw, utc].map(|time| time.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec));
    for (place, byte) in bytes.iter_mut().zip(words.map(i64::to_le_bytes).as_flattened()) {
        *place = *byte;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn both_distributions_are_told_bucket_by_bucket() {
        let text = pairs(&[vec![1.0, 1.5, 40.0], vec![1.0, 0.0]]);
        let lines: Vec<&str> = text.lines().map(str::trim).skip(1).collect();
        assert_eq!(
            lines,
            [
                "one at a time, 3 of Tenon's and 2 of a bare timerfd with an irqfd:",
                "less than 2.0ns late: 0, 1 of the bare",
                "less than 1.0µs late: 1, 1 of the bare",
                "less than 2.0µs late: 1, 0 of the bare",
                "less than 65.5µs late: 1, 0 of the bare",
            ]
        );
    }
}
