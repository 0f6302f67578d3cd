// SPDX-License-Identifier: MIT OR Apache-2.0
//! The form of the norm's lines: how long they are, and that each holds one sentence.

use std::sync::LazyLock;

use regex::Regex;

use crate::project::Source;

/// Columns of the longest line; generated tables are as long as their words need.
const LONGEST: usize = 200;

/// A full stop with a sentence behind it. A file that a clause names belongs to the sentence before.
static TWO: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[a-z0-9`*)\]A-Z_]\. +(?:[A-Z`*(0-9])").expect("a constant pattern"));

/// Lines that are too long, or hold more than one sentence.
pub(crate) fn check(spec: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut generated, mut verbatim) = (false, false);
    for (number, line) in (1..).zip(spec.text.lines()) {
        if line.starts_with("<!-- generated: ") {
            generated = true;
        } else if line.starts_with("<!-- end") {
            generated = false;
        }
        verbatim ^= line.trim_start().starts_with("```");
        let columns = line.chars().count();
        if !generated && columns > LONGEST {
            problems.push(format!("{}:{number}: {columns} columns, at most {LONGEST}", spec.path));
        }
        let prose = !generated && !verbatim && !line.starts_with('|');
        if prose && TWO.is_match(line) {
            problems.push(format!("{}:{number}: more than one sentence", spec.path));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn problems(text: &str) -> Vec<String> {
        check(&source("docs/abi.md", text))
    }

    #[test]
    fn lines_have_a_longest() {
        let (fits, long) = ("x".repeat(LONGEST), "x".repeat(LONGEST + 1));
        assert_eq!(problems(&fits), Vec::<String>::new());
        assert_one(&problems(&format!("a\n{long}\n")), "docs/abi.md:2: 201 columns, at most 200");
        assert_one(&problems(&format!("| {long} |\n")), "205 columns");
        let table = format!("<!-- generated: A -->\n| {long} |\n<!-- end -->\n");
        assert_eq!(problems(&table), Vec::<String>::new());
        assert_one(&problems(&format!("{table}{long}\n")), "docs/abi.md:4: 201 columns");
    }

    #[test]
    fn a_line_has_one_sentence() {
        assert_eq!(
            problems("- **A-1** (S; both) One. [static: a.rs]\n  Version 0.1, and so on.\n"),
            Vec::<String>::new()
        );
        assert_one(&problems("One.\nTwo. Three.\n"), "docs/abi.md:2: more than one sentence");
        assert_one(&problems("- **A-1** (W; both) It is `x`. `y` is another.\n"), "more than one sentence");
        assert_eq!(problems("```text\nOne. Two.\n```\n| One. Two. |\n"), Vec::<String>::new());
    }
}
