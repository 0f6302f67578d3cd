// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbered clauses of the norm.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use crate::project::Source;

/// A list item that means to be a clause, well-formed or not.
static ATTEMPT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*[-*] \*\*[A-Za-z]+-\d+").expect("a constant pattern"));

static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^- \*\*([A-Z]+)-(\d+)\*\* \(([WMST](?:, ?[WMST])*); (host|guest|both)\) (.+)";
    Regex::new(pattern).expect("a constant pattern")
});

/// The evidence that a clause needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Wire,
    Model,
    Static,
    Timed,
}

impl Class {
    /// Every class, in the order of the norm's introduction.
    pub(crate) const ALL: [Self; 4] = [Self::Wire, Self::Model, Self::Static, Self::Timed];

    fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.to_string() == letter.to_string())
    }

    /// What the letter stands for.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Wire => "(wire case)",
            Self::Model => "(model)",
            Self::Static => "(static check)",
            Self::Timed => "(timed)",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wire => "W",
            Self::Model => "M",
            Self::Static => "S",
            Self::Timed => "T",
        })
    }
}

/// The side that a clause binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Host,
    Guest,
    Both,
}

impl Side {
    fn from_word(word: &str) -> Option<Self> {
        [Self::Host, Self::Guest, Self::Both].into_iter().find(|side| side.word() == word)
    }

    /// The word of the norm.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Guest => "guest",
            Self::Both => "both",
        }
    }
}

/// One clause.
#[derive(Debug)]
pub(crate) struct Clause {
    /// Chapter and number, as in `CALL-7`.
    pub(crate) id: String,
    /// The chapter.
    pub(crate) prefix: String,
    /// The evidence that it needs; not empty.
    pub(crate) classes: Vec<Class>,
    /// The side that it binds.
    pub(crate) side: Side,
    /// All its text, the lines joined.
    pub(crate) text: String,
    /// Where it begins.
    pub(crate) line: usize,
}

/// The clauses in order, and what is wrong with their form and numbers.
pub(crate) fn parse(spec: &Source) -> (Vec<Clause>, Vec<String>) {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut problems = Vec::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut open = false;
    for (line, text) in (1..).zip(spec.text.lines()) {
        let parts = CLAUSE.captures(text).and_then(|found| Some((Side::from_word(&found[4])?, found)));
        let Some((side, found)) = parts else {
            if ATTEMPT.is_match(text) {
                problems.push(format!("{}:{line}: not the form `- **CALL-7** (W; both) text`", spec.path));
            }
            // An indented line continues the item above it, also behind an empty one; anything else ends it.
            if text.trim().is_empty() {
                continue;
            }
            open &= text.starts_with("  ");
            if open && let Some(clause) = clauses.last_mut() {
                clause.text.push(' ');
                clause.text.push_str(text.trim());
            }
            continue;
        };
        let (prefix, digits) = (found[1].to_owned(), &found[2]);
        let id = format!("{prefix}-{digits}");
        let expected = last.get(&prefix).map_or(1, |number| number + 1);
        // Leading zeroes would give one clause two names.
        if expected.to_string() != digits {
            problems.push(format!("{}:{line}: {id} stands where {prefix}-{expected} is due", spec.path));
        }
        if let Some(first) = clauses.iter().find(|clause| clause.id == id) {
            problems.push(format!("{}:{line}: {id} is defined in line {} already", spec.path, first.line));
        }
        last.insert(prefix.clone(), digits.parse().unwrap_or(expected));
        let classes = found[3].chars().filter_map(Class::from_letter).collect();
        clauses.push(Clause { id, prefix, classes, side, text: found[5].trim().to_owned(), line });
        open = true;
    }
    if clauses.is_empty() {
        problems.push(format!("{}: no clauses", spec.path));
    }
    (clauses, problems)
}

/// The clauses for programs.
pub(crate) fn json(clauses: &[Clause]) -> serde_json::Value {
    let object = |clause: &Clause| {
        let evidence: Vec<String> = clause.classes.iter().map(Class::to_string).collect();
        serde_json::json!({
            "id": clause.id,
            "evidence": evidence,
            "binds": clause.side.word(),
            "line": clause.line,
            "text": clause.text,
        })
    };
    clauses.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn problems(text: &str) -> Vec<String> {
        parse(&source("docs/abi.md", text)).1
    }

    #[test]
    fn clauses_have_id_classes_and_all_their_text() {
        let text = "# X\n\n- **CALL-1** (M, W; both) One\n  two [static: a.rs]\n\nnot this\n- **CALL-2** (T; both) Three\n- **EVT-1** (S; both) Four\n";
        let (clauses, problems) = parse(&source("docs/abi.md", text));
        assert_eq!(problems, Vec::<String>::new());
        let ids: Vec<&str> = clauses.iter().map(|clause| clause.id.as_str()).collect();
        assert_eq!(ids, ["CALL-1", "CALL-2", "EVT-1"]);
        assert_eq!(clauses[0].classes, [Class::Model, Class::Wire]);
        assert_eq!(clauses[0].text, "One two [static: a.rs]");
        assert_eq!(clauses[0].line, 3);
        assert_eq!(clauses[0].side, Side::Both);
    }

    #[test]
    fn numbers_have_no_gaps_and_no_twins() {
        assert_one(
            &problems("- **A-1** (W; both) x\n- **A-3** (W; both) x\n"),
            "A-3 stands where A-2 is due",
        );
        assert_one(&problems("- **A-2** (W; both) x\n"), "A-1 is due");
        assert_one(&problems("- **A-01** (W; both) x\n"), "A-1 is due");
        let twins = problems("- **A-1** (W; both) x\n- **A-1** (W; both) y\n");
        assert!(twins.iter().any(|problem| problem.contains("defined in line 1 already")), "{twins:?}");
    }

    #[test]
    fn the_form_is_fixed() {
        assert_one(&problems("- **A-1** (W; both) x\n- **A-2** x\n"), "docs/abi.md:2: not the form");
        assert_one(&problems("- **A-1** (W; both) x\n- **A-2** (Q; both) x\n"), "not the form");
        assert_one(&problems("- **A-1** (W; both) x\n* **A-2** (W; both) x\n"), "not the form");
        assert_one(&problems("nothing\n"), "no clauses");
        // Whom a clause binds has to stand there, in one of three words.
        assert_one(&problems("- **A-1** (W; both) x\n- **A-2** (W) x\n"), "docs/abi.md:2: not the form");
        assert_one(&problems("- **A-1** (W; both) x\n- **A-2** (W; all) x\n"), "not the form");
    }

    #[test]
    fn programs_learn_whom_a_clause_binds() {
        let (clauses, _) = parse(&source("docs/abi.md", "x\n- **A-1** (M,W; guest) One\n  two\n"));
        let expected = serde_json::json!([
            { "id": "A-1", "evidence": ["M", "W"], "binds": "guest", "line": 2, "text": "One two" }
        ]);
        assert_eq!(json(&clauses), expected);
    }

    #[test]
    fn lists_belong_to_their_clause() {
        let text = "- **A-1** (W; host) One:\n  - two;\n  - three.\n\n  Four.\n- **A-2** (W; guest) x\n\nNo more\n  of it\n";
        let (clauses, problems) = parse(&source("docs/abi.md", text));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(clauses[0].text, "One: - two; - three. Four.");
        assert_eq!(clauses[1].text, "x");
        assert_eq!([clauses[0].side, clauses[1].side], [Side::Host, Side::Guest]);
    }
}
