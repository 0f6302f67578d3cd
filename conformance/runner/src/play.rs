// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plays one host: boots, listens, stops, and boots again until every case has its result.

use crate::hosts::{End, Event, Host};
use crate::judge::{Judge, Limits};
use crate::slowness::Clock;
use crate::verdict::{CaseResult, Verdict};
use std::fmt;
use std::num::NonZero;
use std::time::Duration;
use tenon_conformance::Case;

/// The longest wait without a look at the clock.
const PAUSE: Duration = Duration::from_millis(100);

/// A share of a run: the K-th of N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    k: usize,
    n: NonZero<usize>,
}

impl Part {
    /// The share that `K/N` names, K from 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (k, n) = text.split_once('/')?;
        let (k, n) = (k.parse::<usize>().ok()?, n.parse().ok()?);
        (1..=NonZero::get(n)).contains(&k).then_some(Self { k, n })
    }

    /// The share of a list: neighbours, because a boot runs cases in their order.
    fn of<T>(self, mut all: Vec<T>) -> Vec<T> {
        let (len, n) = (all.len(), self.n.get());
        let at = |k: usize| len / n * k + k.min(len % n);
        all.truncate(at(self.k));
        all.split_off(at(self.k - 1))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.k, self.n)
    }
}

/// What a run asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// A part of a name: a case runs if its name contains it.
    pub filter: Option<String>,
    /// Nothing but this case.
    pub only: Option<&'static str>,
    /// A share of these alone.
    pub part: Option<Part>,
    /// Seed of random cases and of sessions.
    pub seed: u64,
    /// How long things may take.
    pub limits: Limits,
}

impl Wish {
    /// The cases that are asked for, in order.
    #[must_use]
    pub fn cases(&self) -> Vec<&'static Case> {
        let takes = |case: &&Case| {
            self.filter.as_ref().is_none_or(|filter| case.name.contains(filter.as_str()))
                && self.only.is_none_or(|only| case.name == only)
        };
        let cases = tenon_conformance::all().filter(takes).collect();
        match self.part {
            Some(part) => part.of(cases),
            None => cases,
        }
    }

    fn command_line(&self, from: &Case) -> String {
        let mut line = format!("seed={:x} from={} {}", self.seed, from.name, crate::console::PARAMETER);
        let words = [("filter", self.filter.as_deref()), ("only", self.only)];
        for (key, value) in words.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            line.extend([" ", key, "=", value]);
        }
        line
    }
}

/// What came of a host.
#[derive(Clone, Debug)]
pub struct Played {
    /// The architecture that the guest reported.
    pub arch: Option<String>,
    /// A result for each case.
    pub results: Vec<CaseResult>,
}

/// Plays a host once. `watch` is told about the case that runs, whenever that may have changed.
///
/// # Errors
///
/// Why there is no machine, when the first one cannot be booted.
pub fn play(host: &mut dyn Host, wish: &Wish, watch: &mut dyn FnMut(&Judge)) -> Result<Played, String> {
    let cases = wish.cases().into_iter().filter(|case| host.has(case.name)).collect();
    run(host, wish, cases, &mut Clock::wall(), watch)
}

/// Plays these cases, which are the last ones of those that are asked for.
pub(crate) fn run(
    host: &mut dyn Host,
    wish: &Wish,
    cases: Vec<&'static Case>,
    clock: &mut Clock,
    watch: &mut dyn FnMut(&Judge),
) -> Result<Played, String> {
    let mut judge = Judge::new(cases, wish.limits);
    if wish.part.is_some() {
        judge.stop_behind_last();
    }
    while let Some(case) = judge.next() {
        let mut machine = match host.boot(&wish.command_line(case)) {
            Ok(machine) => machine,
            Err(reason) if judge.results().is_empty() => return Err(reason),
            Err(reason) => {
                judge.give_up(&format!("not run: {reason}"));
                break;
            }
        };
        judge.booted(clock.elapsed());
        while !judge.is_over() {
            watch(&judge);
            let now = clock.elapsed();
            let end = wish.limits.host.saturating_add(judge.booting(now));
            match machine.next(judge.deadline().min(end).saturating_sub(now).min(PAUSE)) {
                Some(Event::Bytes(bytes)) => judge.bytes(clock.elapsed(), &bytes),
                Some(Event::Ended(End::NotBooted(reason))) if judge.results().is_empty() => {
                    return Err(reason);
                }
                Some(Event::Crash(crash)) => judge.crash(crash),
                Some(Event::Ended(end)) => judge.ended(clock.elapsed(), &end),
                None => {}
            }
            // Also after bytes: a machine that never stops talking says nothing.
            if judge.is_out(clock.elapsed()) {
                break;
            }
            if !judge.is_over() && clock.elapsed() >= judge.deadline() {
                judge.overdue();
            }
        }
        drop(machine);
        let is_out = judge.is_out(clock.elapsed());
        judge.stopped();
        if is_out {
            judge.out_of_time();
        }
    }
    watch(&judge);
    let arch = judge.arch().map(str::to_owned);
    let mut results = judge.finish();
    for result in results.iter_mut().filter(|result| result.verdict == Verdict::Fail) {
        if let Some(why) = host.excuse(&result.name) {
            (result.verdict, result.detail) = (Verdict::Skip, why.to_owned());
        }
    }
    Ok(Played { arch, results })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole() {
        for n in 1..12 {
            let shares = (1..=n).map(|k| Part::parse(&format!("{k}/{n}")).expect("a share"));
            let all: Vec<_> = shares.flat_map(|part| part.of((0..10).collect())).collect();
            assert_eq!(all, (0..10).collect::<Vec<_>>(), "in {n} shares");
        }
        for text in ["0/3", "4/3", "1/0", "/", "1", "-1/2", "1/2/3"] {
            assert_eq!(Part::parse(text), None, "{text}");
        }
    }
}
