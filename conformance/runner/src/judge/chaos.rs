// SPDX-License-Identifier: MIT OR Apache-2.0
//! Machines whose reports are damaged at random (REP-10, REP-12, REP-13): each history has a number, from
//! which it comes again.

use super::{Judge, Limits, STRAYS_MAX};
use crate::hosts::End;
use crate::verdict::{CaseResult, Verdict};
use std::time::Duration;
use tenon_conformance::case::{Case, Ends, Needs};
use tenon_conformance::report::Line;

const fn case(name: &'static str, ends: Option<Ends>) -> Case {
    Case { name, clauses: &["CALL-1"], needs: Needs::NONE, ends, run: |_| Ok(()) }
}

static CASES: [Case; 6] = [
    case("t.a", None),
    case("t.b", None),
    case("t.leaves", Some(Ends::Exit(3))),
    case("t.c", None),
    case("t.again", Some(Ends::Restart)),
    case("t.d", None),
];

/// Which of them the machine says have failed, in history `number`: it never says that they passed.
fn fails(number: u64, index: usize) -> bool {
    Random(number ^ (index as u64) << 32).below(3) == 0
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// What a machine does to its report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Other output between the lines, and in front of them.
    Noise,
    /// That, and bytes lost, flipped and doubled, lines lost, doubled and swapped, kernel output in the
    /// middle of lines.
    Everything,
}

const NOISE: [&[u8]; 6] = [
    b"SeaBIOS (version 1.16)\r\n",
    b"[    0.000000] Linux version\n",
    b"~TN \n",
    b"\xff\x00\x1b[2J~TN 000001 00000000 verdict t.a pass 1 \n",
    b"no newline ",
    b"\n\n",
];

/// The lines of a boot from case `from` on, and how the machine ended.
fn boot(number: u64, from: usize) -> (Vec<Vec<u8>>, Option<End>) {
    let mut lines = vec![format!("hello 1 arch=x seed=1 cases={}", CASES.len() - from)];
    for (index, case) in CASES.iter().enumerate().skip(from) {
        let name = case.name;
        lines.push(format!("begin {name}"));
        match (fails(number, index), case.ends) {
            (true, _) => lines.push(format!("verdict {name} fail 3 wrong")),
            (false, None) => lines.push(format!("verdict {name} pass 3 ")),
            (false, Some(ends)) => {
                let (word, end) = match ends {
                    Ends::Restart => ("restart".to_owned(), End::Restart),
                    _ => ("exit=3".to_owned(), End::Exit(3)),
                };
                lines.push(format!("ends {name} {word}"));
                return (framed(&lines), Some(end));
            }
        }
    }
    lines.push("done".to_owned());
    (framed(&lines), None)
}

fn framed(lines: &[String]) -> Vec<Vec<u8>> {
    let framed = (0..).zip(lines).map(|(sequence, line)| Line::new(sequence, format_args!("{line}")));
    framed.map(|line| line.as_bytes().to_vec()).collect()
}

fn spoil(random: &mut Random, mut lines: Vec<Vec<u8>>, damage: Damage) -> Vec<u8> {
    if damage == Damage::Everything && random.below(2) == 0 {
        let (at, other) = (random.below(lines.len()), random.below(lines.len()));
        match random.below(3) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[other].clone()),
            _ => lines.swap(at, other),
        }
    }
    let mut bytes = Vec::new();
    for line in lines {
        if random.below(3) == 0 {
            bytes.extend_from_slice(NOISE[random.below(NOISE.len())]);
        }
        bytes.extend(line);
    }
    if damage == Damage::Everything {
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match random.below(4) {
                0 => drop(bytes.remove(at)),
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.insert(at, bytes[at]),
                _ => drop(bytes.splice(at..at, NOISE[random.below(NOISE.len())].iter().copied())),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if random.below(8) == 0 {
            bytes.truncate(random.below(bytes.len().max(1)));
        }
        if random.below(16) == 0 {
            let strays = (0..100).map(|index| Line::new(index, format_args!("begin stray.{index}")));
            bytes.extend(strays.flat_map(|line| line.as_bytes().to_vec()));
        }
    }
    bytes
}

/// Plays history `number`: results, and how often it was booted.
fn play(number: u64, damage: Damage) -> (Vec<CaseResult>, usize) {
    let mut random = Random(number);
    let limits = Limits::scaled(1.0).expect("one is a scale");
    let mut judge = Judge::new(CASES.iter().collect(), limits);
    let (mut now, mut boots) = (Duration::ZERO, 0);
    while let Some(next) = judge.next() {
        let from = CASES.iter().position(|case| case.name == next.name).expect("a case");
        let (lines, end) = boot(number, from);
        boots += 1;
        assert!(boots <= CASES.len(), "history {number}: more boots than cases");
        judge.booted(now);
        let bytes = spoil(&mut random, lines, damage);
        for chunk in bytes.chunks(1 + random.below(300)) {
            now += Duration::from_millis(1);
            judge.bytes(now, chunk);
        }
        if !judge.is_over() {
            match end {
                Some(end) => judge.ended(now, &end),
                None => judge.overdue(),
            }
        }
        judge.stopped();
    }
    (judge.finish(), boots)
}

#[test]
fn noise_changes_nothing() {
    for number in 0..2000 {
        let (results, _) = play(number, Damage::Noise);
        let verdicts: Vec<_> = results.iter().map(|result| result.verdict).collect();
        let expected = |index| if fails(number, index) { Verdict::Fail } else { Verdict::Pass };
        assert_eq!(
            verdicts,
            (0..CASES.len()).map(expected).collect::<Vec<_>>(),
            "history {number}: {results:?}"
        );
    }
}

#[test]
fn no_damage_makes_a_pass_of_a_failure_and_each_case_has_one_result() {
    for number in 0..20_000 {
        let (results, _) = play(number, Damage::Everything);
        assert!(results.len() <= CASES.len() + STRAYS_MAX, "history {number}: {} results", results.len());
        for (index, case) in CASES.iter().enumerate() {
            let result = &results[index];
            assert_eq!(result.name, case.name, "history {number}");
            let made_up = fails(number, index) && matches!(result.verdict, Verdict::Pass | Verdict::Warn);
            assert!(!made_up, "history {number}: {result:?}");
            assert!(result.detail.len() < 512, "history {number}: {} bytes of detail", result.detail.len());
        }
        let strays = &results[CASES.len()..];
        assert!(strays.iter().all(|stray| stray.verdict == Verdict::Error), "history {number}: {strays:?}");
    }
}
