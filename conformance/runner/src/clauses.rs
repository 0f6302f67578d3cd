// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clauses of the spec, read from its text: what a report counts against.

use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeSet;

const SPEC: &str = include_str!("../../../docs/abi.md");

/// The side that a clause binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The hypervisor's.
    Host,
    /// The kernel's.
    Guest,
    /// Either.
    Both,
}

/// What the spec says in front of a clause's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `CALL-7` for example.
    pub id: &'static str,
    /// The letters of the evidence that it needs.
    pub evidence: &'static str,
    /// Whom it binds.
    pub binds: Side,
}

/// The ids of clauses in a report, which the spec has to have.
///
/// # Errors
///
/// They are no list of ids, or the spec has no such clause.
pub fn of_spec<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<&'static str>, D::Error> {
    let find = |id: String| {
        let mark = marks().find(|mark| mark.id == id);
        mark.map(|mark| mark.id).ok_or_else(|| de::Error::custom(format!("the spec has no clause {id}")))
    };
    Vec::<String>::deserialize(from)?.into_iter().map(find).collect()
}

/// Each clause's id with its text, in the order of the spec.
pub fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let clauses = SPEC.split("\n- **").skip(1).map(|text| text.split("\n\n").next().unwrap_or(text));
    clauses.filter_map(|text| {
        let (id, rest) = text.split_once("**")?;
        let (_, text) = rest.split_once(") ")?;
        marks().any(|mark| mark.id == id).then_some((id, text))
    })
}

/// Every clause, in the order of the text.
pub fn marks() -> impl Iterator<Item = Mark> {
    SPEC.lines().filter_map(mark)
}

/// Every clause id.
#[must_use]
pub fn all() -> BTreeSet<&'static str> {
    marks().map(|mark| mark.id).collect()
}

/// Those of class W: what a case can hold a host or a guest to.
#[must_use]
pub fn wire() -> BTreeSet<&'static str> {
    marks().filter(|mark| mark.evidence.contains('W')).map(|mark| mark.id).collect()
}

/// The clause that a line begins: `- **CALL-7** (W; both) …`.
fn mark(line: &'static str) -> Option<Mark> {
    let (id, rest) = line.strip_prefix("- **")?.split_once("**")?;
    let (chapter, number) = id.split_once('-')?;
    let is_id = chapter.bytes().all(|byte| byte.is_ascii_uppercase()) && number.parse::<u32>().is_ok();
    let (evidence, side) = rest.strip_prefix(" (")?.split_once(')')?.0.split_once("; ")?;
    let binds = match side {
        "host" => Side::Host,
        "guest" => Side::Guest,
        "both" => Side::Both,
        _ => return None,
    };
    is_id.then_some(Mark { id, evidence, binds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_has_clauses() {
        let all = all();
        assert!(all.len() > 100, "{} clauses", all.len());
        assert!(all.contains("CALL-7") && all.contains("ORD-2"));
        let wire = wire();
        assert!(wire.contains("CALL-7") && wire.contains("STR-2") && !wire.contains("ORD-2"));
    }

    #[test]
    fn each_clause_has_its_text() {
        let texts: Vec<_> = texts().collect();
        assert_eq!(texts.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>(), all());
        let flush = texts.iter().find(|(id, _)| *id == "BLK-6").expect("a clause").1;
        assert!(flush.starts_with("FLUSH: every WRITE") && !flush.contains("**"), "{flush}");
    }

    #[test]
    fn each_clause_says_whom_it_binds() {
        let binds = |id| marks().find(|mark| mark.id == id).map(|mark| mark.binds);
        assert_eq!(binds("GEN-7"), Some(Side::Host));
        assert_eq!(binds("GEN-8"), Some(Side::Guest));
        assert_eq!(binds("CALL-2"), Some(Side::Both));
        // A clause whose mark cannot be read would be missing from every count.
        let written = SPEC.lines().filter(|line| line.starts_with("- **")).count();
        assert_eq!(marks().count(), written);
    }

    #[test]
    fn every_case_cites_clauses_of_the_spec() {
        let all = all();
        for case in tenon_conformance::all() {
            assert!(!case.clauses.is_empty(), "{} cites nothing", case.name);
            for clause in case.clauses {
                assert!(all.contains(clause), "{} cites {clause}, which the spec does not have", case.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_fit_a_command_line() {
        let mut names = BTreeSet::new();
        for case in tenon_conformance::all() {
            assert!(names.insert(case.name), "two cases are called {}", case.name);
            assert!(!case.name.contains(|c: char| c.is_whitespace() || c == '='), "{}", case.name);
        }
    }
}
