// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words of the norm: terms that mean one thing, phrases that have to be read twice, packed words that are
//! whole.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::project::Source;

/// Phrases that the text does without, and what to write instead.
const AVOID: [(&str, &str); 9] = [
    ("the norm", "this text"),
    ("who breaks", "a guest (or host) that breaks"),
    ("whoever breaks", "a guest (or host) that breaks"),
    ("lets go", "stops using"),
    ("let go", "no longer used"),
    ("leads an interrupt", "routes an interrupt"),
    ("last one of them", "the thing itself"),
    ("are again", "the verb: recover, restart, repeat"),
    ("for ever", "until when, or in every version"),
];

/// A field of a packed word: `turn (32 bits)`.
static WIDTH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\((\d+) bits\)").expect("a constant pattern"));

/// The heading of the glossary.
const GLOSSARY: &str = "## Terms";

/// Phrases to avoid, packed words with a gap, terms that are explained twice.
pub(crate) fn check(spec: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let mut terms = BTreeSet::new();
    let mut glossary = false;
    for (number, line) in (1..).zip(spec.text.lines()) {
        let mut tell = |problem: String| problems.push(format!("{}:{number}: {problem}", spec.path));
        let lower = line.to_lowercase();
        for (phrase, better) in AVOID {
            if lower.contains(phrase) {
                tell(format!("`{phrase}`: write {better}"));
            }
        }
        let widths: Vec<u64> = WIDTH.captures_iter(line).filter_map(|width| width[1].parse().ok()).collect();
        let whole: u64 = widths.iter().sum();
        if widths.len() > 1 && ![16, 32, 64].contains(&whole) {
            tell(format!("the fields of a packed word have {whole} bits together"));
        }
        if line.starts_with('#') {
            glossary = line == GLOSSARY;
        }
        let row = line.strip_prefix("| ").and_then(|row| row.split_once(" |"));
        if let (true, Some((names, _))) = (glossary, row) {
            for name in names.split(", ").filter(|name| !terms.insert((*name).to_owned())) {
                tell(format!("the term `{name}` is explained twice"));
            }
        }
    }
    if terms.is_empty() {
        problems.push(format!("{}: no glossary under `{GLOSSARY}`", spec.path));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    const TERMS: &str = "## Terms\n\n| term | meaning |\n| --- | --- |\n| host | a side |\n";

    fn problems(text: &str) -> Vec<String> {
        check(&source("docs/abi.md", &format!("{TERMS}{text}")))
    }

    #[test]
    fn phrases_that_are_avoided_are_found() {
        assert_eq!(problems("A guest that breaks it harms itself.\n"), Vec::<String>::new());
        for (phrase, better) in AVOID {
            assert_one(&problems(&format!("Then {phrase} of it.\n")), better);
        }
        assert_one(&problems("Fine.\nWho breaks it harms itself.\n"), "docs/abi.md:7: `who breaks`");
    }

    #[test]
    fn packed_words_are_whole() {
        assert_eq!(
            problems("A (16 bits), b (16 bits), c (32 bits).\nA code (48 bits).\n"),
            Vec::<String>::new()
        );
        assert_one(&problems("A (16 bits), c (32 bits).\n"), "have 48 bits together");
    }

    #[test]
    fn a_term_is_explained_once() {
        assert_eq!(problems("| guest, kernel | a side |\n"), Vec::<String>::new());
        assert_one(
            &problems("| guest, host | a side |\n"),
            "docs/abi.md:6: the term `host` is explained twice",
        );
        // Other tables have rows of their own.
        assert_eq!(problems("## Other\n| host | a side |\n"), Vec::<String>::new());
        assert_one(&check(&source("docs/abi.md", "# Title\n")), "no glossary");
    }
}
