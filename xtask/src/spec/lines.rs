// SPDX-License-Identifier: MIT OR Apache-2.0
//! The form of the norm's lines: how long they are, and that each holds one sentence or one item of a list.

use std::sync::LazyLock;

use regex::Regex;

use crate::project::Source;

/// Columns of the longest line; generated tables are as long as their words need.
const LONGEST: usize = 200;

/// What stands before the text of an item: `- ` or `1. `.
static MARK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*(?:[-*] |\d+\. )?").expect("a constant pattern"));

/// A full stop with another sentence behind it. A file that a clause names belongs to the sentence before.
static TWO: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\w`*)\]]\. +[A-Z`*(0-9]").expect("a constant pattern"));

/// The end of a sentence or of an item.
static END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:[.:;]|\[static: [^\]]+\])$").expect("a constant pattern"));

/// Lines that are too long, or hold more or less than one sentence.
pub(crate) fn check(spec: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut generated, mut verbatim) = (false, false);
    for (number, line) in (1..).zip(spec.text.lines()) {
        if line.starts_with("<!-- generated: ") {
            generated = true;
        } else if line.starts_with("<!-- end") {
            generated = false;
        }
        if generated {
            continue;
        }
        let columns = line.chars().count();
        if columns > LONGEST {
            problems.push(format!("{}:{number}: {columns} columns, at most {LONGEST}", spec.path));
        }
        let fence = line.trim_start().starts_with("```");
        verbatim ^= fence;
        let text = MARK.replace(line, "");
        if verbatim || fence || text.is_empty() || text.starts_with(['|', '#', '<']) {
            continue;
        }
        if TWO.is_match(&text) {
            problems.push(format!("{}:{number}: more than one sentence", spec.path));
        }
        if !END.is_match(&text) {
            problems.push(format!("{}:{number}: a sentence goes on in the next line", spec.path));
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
        let long = |columns: usize| "x".repeat(columns - 1) + ".";
        assert_eq!(problems(&long(LONGEST)), Vec::<String>::new());
        assert_one(&problems(&format!("a.\n{}\n", long(201))), "docs/abi.md:2: 201 columns, at most 200");
        assert_one(&problems(&format!("| {} |\n", long(201))), "205 columns");
        let table = format!("<!-- generated: A -->\n| {} |\n<!-- end -->\n", long(201));
        assert_eq!(problems(&table), Vec::<String>::new());
        assert_one(&problems(&format!("{table}{}\n", long(201))), "docs/abi.md:4: 201 columns");
    }

    #[test]
    fn a_line_has_one_sentence() {
        let fine = [
            "# Heading\n\n| One. Two. |\n<!-- note -->\n",
            "- **A-1** (S; both) One. [static: a.rs]\n  Version 0.1, and so on.\n",
            "In order:\n1. `one`;\n2. Two.\n- Three.\n",
            "```text\nOne. Two\n```\nThree.\n",
        ];
        for text in fine {
            assert_eq!(problems(text), Vec::<String>::new());
        }
        assert_one(&problems("One.\nTwo. Three.\n"), "docs/abi.md:2: more than one sentence");
        assert_one(&problems("- **A-1** (W; both) It is `x`. `y` is another.\n"), "more than one sentence");
        assert_one(&problems("1. One. Two.\n"), "more than one sentence");
    }

    #[test]
    fn a_sentence_has_one_line() {
        assert_one(&problems("One,\ntwo.\n"), "docs/abi.md:1: a sentence goes on in the next line");
        assert_one(&problems("- **A-1** (S; both) One\n  two.\n"), "docs/abi.md:1: a sentence goes on");
    }
}
