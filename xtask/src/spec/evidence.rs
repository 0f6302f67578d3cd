// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who cites which clause, and which clauses nobody has shown to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};
use regex::Regex;

use super::SPEC;
use super::clauses::{Class, Clause};
use crate::project::Source;

static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b([A-Z]+)-(\d+)\b").expect("a constant pattern"));

static LITERAL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^"([A-Z]+-\d+)"$"#).expect("a constant pattern"));

static STATIC: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[static: ([^\]\s]+)\]").expect("a constant pattern"));

/// Conformance cases.
const CASES: &str = "conformance/suite/src/";
/// Models of the rings.
const MODELS: &str = "ring-buffers/tests/";
/// Timed measurements.
const BENCHES: [&str; 2] = ["benches/", "xtask/src/bench"];
/// The chores cite clauses that do not exist, in their own tests.
const CHORES: &str = "xtask/";

/// What was found.
pub(crate) struct Evidence {
    pub(crate) tallies: BTreeMap<Class, Tally>,
    pub(crate) problems: Vec<String>,
}

/// Clauses that need a class of evidence, and those that have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) clauses: usize,
    pub(crate) cited: usize,
}

/// Holds every clause against the files that have to cite it, and every citation against the clauses.
pub(crate) fn check(clauses: &[Clause], sources: &[Source]) -> Evidence {
    let mut problems = Vec::new();
    let literals = case_literals(sources, &mut problems);
    let models = mentions(sources, |path| path.starts_with(MODELS));
    let benches = mentions(sources, |path| BENCHES.iter().any(|folder| path.starts_with(folder)));

    let mut tallies: BTreeMap<Class, Tally> =
        Class::ALL.into_iter().map(|class| (class, Tally::default())).collect();
    for clause in clauses {
        for class in &clause.classes {
            let missing = match class {
                Class::Wire if literals.contains(&clause.id) => None,
                Class::Wire => Some(format!("no case in {CASES} cites it")),
                Class::Model if models.contains(&clause.id) => None,
                Class::Model => Some(format!("no model in {MODELS} cites it")),
                Class::Timed if benches.contains(&clause.id) => None,
                Class::Timed => Some(format!("nothing in {} or {}* cites it", BENCHES[0], BENCHES[1])),
                Class::Static => static_gap(clause, sources),
            };
            let tally = tallies.entry(*class).or_default();
            tally.clauses += 1;
            match missing {
                None => tally.cited += 1,
                Some(text) => {
                    problems.push(format!("{SPEC}:{}: {} ({class}): {text}", clause.line, clause.id))
                }
            }
        }
    }
    problems.extend(strangers(clauses, sources));
    Evidence { tallies, problems }
}

/// Why a clause of class S has no evidence: the file that it names has to exist and to say where it keeps the
/// clause.
fn static_gap(clause: &Clause, sources: &[Source]) -> Option<String> {
    let Some(path) = STATIC.captures(&clause.text).map(|found| found[1].to_owned()) else {
        return Some("names no file: [static: path/to/file]".to_owned());
    };
    let Some(source) = sources.iter().find(|source| source.path == path) else {
        return Some(format!("{path} does not exist"));
    };
    (!ids(&source.text).any(|(_, id)| id == clause.id)).then(|| format!("{path} does not cite it"))
}

/// Whole string literals that are clause ids: what a case declares, not what a comment mentions.
fn case_literals(sources: &[Source], problems: &mut Vec<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.starts_with(CASES) && source.extension() == "rs")
    {
        match TokenStream::from_str(&source.text) {
            Ok(tokens) => collect_literals(tokens, &mut found),
            Err(error) => problems.push(format!("{}: {error}", source.path)),
        }
    }
    found
}

fn collect_literals(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_literals(group.stream(), found),
            TokenTree::Literal(literal) => {
                found.extend(LITERAL.captures(&literal.to_string()).map(|id| id[1].to_owned()));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Citations in the files of some folders, comments included.
fn mentions(sources: &[Source], wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let files = sources.iter().filter(|source| wanted(&source.path));
    files.flat_map(|source| ids(&source.text).map(|(_, id)| id.to_owned())).collect()
}

fn ids(text: &str) -> impl Iterator<Item = (usize, &str)> {
    ID.find_iter(text).map(|found| (found.start(), found.as_str()))
}

/// Citations of clauses that do not exist. Words like SHA-256 have no chapter; a case's literals need one.
fn strangers(clauses: &[Clause], sources: &[Source]) -> Vec<String> {
    let known: BTreeSet<&str> = clauses.iter().map(|clause| clause.id.as_str()).collect();
    let chapters: BTreeSet<&str> = clauses.iter().map(|clause| clause.prefix.as_str()).collect();
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| !source.path.starts_with(CHORES)) {
        let case = source.path.starts_with(CASES);
        for (offset, id) in ids(&source.text) {
            let chapter = id.split('-').next().unwrap_or_default();
            let quoted =
                source.text[..offset].ends_with('"') && source.text[offset + id.len()..].starts_with('"');
            if !known.contains(id) && (chapters.contains(chapter) || (case && quoted)) {
                problems.push(format!(
                    "{}:{}: {id} does not exist in {SPEC}",
                    source.path,
                    source.line_of(offset)
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};
    use crate::spec::clauses;

    /// The problems of a norm with these clauses and these further files.
    fn problems(spec: &str, files: &[(&str, &str)]) -> Vec<String> {
        let (clauses, _) = clauses::parse(&source(SPEC, spec));
        let sources: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
        check(&clauses, &sources).problems
    }

    #[test]
    fn each_class_has_its_place() {
        let spec =
            "- **A-1** (W,M; both) x\n- **A-2** (S; both) x [static: abi/src/a.rs]\n- **A-3** (T; both) x\n";
        let files = [
            ("conformance/suite/src/cases/a.rs", r#"case!(name, ["A-1"], body);"#),
            ("ring-buffers/tests/loom.rs", "// A-1: the fence\n"),
            ("abi/src/a.rs", "// A-2\n"),
            ("benches/call.rs", "// A-3\n"),
        ];
        assert_eq!(problems(spec, &files), Vec::<String>::new());
        let (clauses, _) = clauses::parse(&source(SPEC, spec));
        let tallies = check(&clauses, &[]).tallies;
        assert_eq!(tallies[&Class::Wire], Tally { clauses: 1, cited: 0 });
    }

    #[test]
    fn a_wire_clause_needs_a_case() {
        let spec = "- **A-1** (W; both) x\n";
        assert_one(&problems(spec, &[]), "docs/abi.md:1: A-1 (W): no case");
        // A comment, or a literal that only contains it, declares nothing.
        for text in ["// \"A-1\"\n", "fn f() -> &'static str { \"see A-1\" }\n"] {
            assert_one(&problems(spec, &[("conformance/suite/src/a.rs", text)]), "no case");
        }
        assert_one(&problems(spec, &[("ring-buffers/tests/a.rs", "const X: &str = \"A-1\";\n")]), "no case");
    }

    #[test]
    fn models_timings_and_static_checks_are_demanded() {
        assert_one(
            &problems(
                "- **A-1** (M; both) x\n",
                &[("conformance/suite/src/a.rs", "const X: &str = \"A-1\";")],
            ),
            "no model",
        );
        assert_one(&problems("- **A-1** (T; both) x\n", &[]), "nothing in benches/");
        assert_one(&problems("- **A-1** (S; both) x\n", &[]), "names no file");
        let spec = "- **A-1** (S; both) x [static: abi/src/a.rs]\n";
        assert_one(&problems(spec, &[]), "abi/src/a.rs does not exist");
        assert_one(&problems(spec, &[("abi/src/a.rs", "nothing\n")]), "abi/src/a.rs does not cite it");
    }

    #[test]
    fn citations_exist() {
        let spec = "- **A-1** (S; both) x [static: abi/src/a.rs]\n";
        let cite = |text: &'static str| [("abi/src/a.rs", text)];
        assert_eq!(problems(spec, &cite("A-1, SHA-256 and UTF-8")), Vec::<String>::new());
        assert_one(&problems(spec, &cite("A-1\nA-2")), "abi/src/a.rs:2: A-2 does not exist");
        let case = ("conformance/suite/src/b.rs", "const X: &str = \"B-1\";");
        assert_one(&problems(spec, &[("abi/src/a.rs", "A-1"), case]), "b.rs:1: B-1 does not exist");
    }
}
