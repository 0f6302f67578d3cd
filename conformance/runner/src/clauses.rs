// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clauses of the spec, read from its text: what a report counts against.

use std::collections::BTreeSet;

const SPEC: &str = include_str!("../../../docs/abi.md");

/// Every clause id, `CALL-7` for example.
#[must_use]
pub fn all() -> BTreeSet<&'static str> {
    SPEC.lines().filter_map(id).map(|(id, _)| id).collect()
}

/// Those of class W: what a case can hold a host to.
#[must_use]
pub fn wire() -> BTreeSet<&'static str> {
    SPEC.lines().filter_map(id).filter(|(_, classes)| classes.contains('W')).map(|(id, _)| id).collect()
}

/// The id that a line defines, and the classes behind it: `- **CALL-7** (W) …`.
fn id(line: &'static str) -> Option<(&'static str, &'static str)> {
    let (id, rest) = line.strip_prefix("- **")?.split_once("**")?;
    let (chapter, number) = id.split_once('-')?;
    let is_id = chapter.bytes().all(|byte| byte.is_ascii_uppercase()) && number.parse::<u32>().is_ok();
    let (classes, _) = rest.strip_prefix(" (")?.split_once(')')?;
    is_id.then_some((id, classes))
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
