// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs again what timed out: alone, with twice the time, in seconds of a quiet machine. Only a second
//! time-out fails (REP-14).

use crate::hosts::Host;
use crate::judge::{HUNG_MAX, Judge};
use crate::play::{Played, Wish, run};
use crate::slowness::Clock;
use crate::verdict::{CaseResult, First, Time, Verdict};

/// Whether a row has cases that are to be run again.
#[must_use]
pub fn is_due(played: &Played) -> bool {
    played.results.iter().any(|result| result.time == Time::Out)
}

/// Runs again what timed out in a row. Where that was the machine's slowness, the cases come to their turn
/// that the row was stopped before.
/// Nothing else may run meanwhile.
pub fn settle(host: &mut dyn Host, wish: &Wish, played: &mut Played, watch: &mut dyn FnMut(&Judge)) {
    let wish = Wish { limits: wish.limits.doubled(), ..wish.clone() };
    if !each(host, &wish, played, watch) {
        return;
    }
    let Some(first) = played.results.iter().position(|result| result.time == Time::NotRun) else { return };
    let cases = wish.cases().split_off(first);
    let Ok(rest) = run(host, &wish, cases, &mut Clock::quiet(), watch) else { return };
    played.arch = played.arch.take().or(rest.arch);
    // The row's own results end where the cases do; strays of both runs come behind.
    let strays = played.results.split_off(wish.cases().len());
    played.results.truncate(first);
    played.results.extend(rest.results);
    played.results.extend(strays);
    each(host, &wish, played, watch);
}

/// Runs again each case that timed out, up to so many in a row that do so twice; whether the row may go on.
fn each(host: &mut dyn Host, wish: &Wish, played: &mut Played, watch: &mut dyn FnMut(&Judge)) -> bool {
    let mut hung = 0;
    for index in 0..played.results.len() {
        let Some(result) = played.results.get(index).filter(|result| result.time == Time::Out) else {
            continue;
        };
        let Some(case) = tenon_conformance::all().find(|case| case.name == result.name) else { continue };
        if hung == HUNG_MAX {
            give_up(&mut played.results);
            break;
        }
        let alone = Wish { only: Some(case.name), filter: None, part: None, ..wish.clone() };
        let mut clock = Clock::quiet();
        let Ok(second) = run(host, &alone, vec![case], &mut clock, watch) else { return false };
        played.arch = played.arch.take().or(second.arch);
        let mut second = second.results.into_iter();
        let Some(again) = second.next() else { continue };
        hung = if again.time == Time::Out { hung + 1 } else { 0 };
        replace(&mut played.results, index, again, clock.slowness());
        played.results.extend(second);
    }
    hung == 0
}

/// What was not tried again is nobody's verdict.
fn give_up(results: &mut [CaseResult]) {
    for result in results.iter_mut().filter(|result| result.time == Time::Out) {
        result.verdict = Verdict::Error;
        result.detail = format!(
            "{}; not run again, after {HUNG_MAX} others timed out twice; `--timeout-scale` gives each of them more time",
            result.detail
        );
        result.time = Time::Kept;
    }
}

/// Puts the second run's result in the place of the first one's, which it names.
fn replace(results: &mut [CaseResult], index: usize, mut again: CaseResult, slowness: f64) {
    let Some((result, rest)) = results.get_mut(index..).and_then(<[_]>::split_first_mut) else { return };
    let first = First { detail: result.detail.clone(), micros: result.micros, slowness };
    if again.time == Time::Out {
        // Whose fault it is was known before: nobody's, where no boot said anything.
        again.verdict = result.verdict;
        for same in rest.iter_mut().filter(|same| same.detail == first.detail && same.time == Time::NotRun) {
            (same.detail, same.first) = (again.detail.clone(), Some(first.clone()));
        }
    }
    again.time = Time::Kept;
    again.first = Some(first);
    *result = again;
}

#[cfg(test)]
mod tests;
