// SPDX-License-Identifier: MIT OR Apache-2.0
//! What came of guests, as a table for people and for programs.

use super::judge::{Judged, Verdict};
use super::watch::Finding;
use crate::clauses::{self, Side};
use crate::report::Format;
use std::fmt::Write;

/// What a clause that binds guests came to.
fn row(judged: &Judged, clause: &str) -> (&'static str, String) {
    match judged.findings.get(clause) {
        None => ("not seen", String::new()),
        Some(Finding::Held) => ("held", String::new()),
        Some(Finding::Broken(how)) => ("broken", how.clone()),
    }
}

fn verdict(judged: &Judged) -> (&'static str, &str) {
    match &judged.verdict {
        Verdict::Pass => ("pass", ""),
        Verdict::Fail => ("fail", ""),
        Verdict::Error(why) => ("error", why),
    }
}

/// Every clause that binds guests.
fn all() -> impl Iterator<Item = &'static str> {
    clauses::marks().filter(|mark| mark.binds != Side::Host).map(|mark| mark.id)
}

/// The report.
#[must_use]
pub fn text(guests: &[Judged], seed: u64, format: Format) -> String {
    if format == Format::Json {
        let guests: Vec<_> = guests.iter().map(json).collect();
        return format!("{}\n", serde_json::json!({ "seed": format!("{seed:x}"), "guests": guests }));
    }
    let mut text = String::new();
    for judged in guests {
        // A string takes whatever it is given.
        let _ = human(&mut text, judged);
    }
    let _ = writeln!(text, "seed {seed:x}");
    text
}

fn human(text: &mut String, judged: &Judged) -> std::fmt::Result {
    let (word, why) = verdict(judged);
    if !why.is_empty() {
        return writeln!(text, "{}: {word}: {why}", judged.name);
    }
    let [plain, unkind, lying] = judged.boots;
    writeln!(text, "{}: {word}; boots: {plain} plain, {unkind} unkind, {lying} lying", judged.name)?;
    let mut counts = [0_usize; 3];
    for clause in all() {
        let (word, how) = row(judged, clause);
        let place = usize::from(word == "broken") + 2 * usize::from(word == "not seen");
        if let Some(count) = counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
        if word != "not seen" {
            writeln!(text, "  {clause:8} {word:6} {how}")?;
        }
    }
    let [held, broken, unseen] = counts;
    writeln!(text, "  clauses that bind guests: {held} held, {broken} broken, {unseen} not seen")?;
    writeln!(text, "  watched: shared pages of calls and events, and stores to the window (KVM)")?;
    for (end, count) in &judged.ends {
        writeln!(text, "  ended {count} times: {end}")?;
    }
    Ok(())
}

fn json(judged: &Judged) -> serde_json::Value {
    let (word, why) = verdict(judged);
    let clauses: Vec<_> = all()
        .map(|clause| {
            let (word, how) = row(judged, clause);
            serde_json::json!({ "clause": clause, "verdict": word, "detail": how })
        })
        .collect();
    serde_json::json!({
        "guest": judged.name, "verdict": word, "reason": why, "boots": judged.boots,
        "ends": judged.ends, "clauses": clauses,
    })
}

/// Whether every guest passed.
#[must_use]
pub fn is_good(guests: &[Judged]) -> bool {
    guests.iter().all(|judged| judged.verdict == Verdict::Pass)
}
