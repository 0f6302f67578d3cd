// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules for every text file: one licence line, and nothing about the machine that the file was written on.
//! For Rust also: no file too long, no comment too wide.

use std::sync::LazyLock;

use regex::Regex;

use crate::project::Source;

const LICENCE: &str = "MIT OR Apache-2.0";

/// Files that carry the licence line.
const CODE: &[&str] = &["S", "asm", "c", "h", "ld", "py", "rs", "s", "sh", "toml", "yaml", "yml"];

/// Folders that are somebody's own: a path into one means nothing to others.
const PRIVATE: &[&str] = &["home", "root", "work", "Users"];

/// Lines of a Rust file, at most: a reader keeps no more in mind.
const MOST_LINES: usize = 500;

/// Columns of a comment, at most: `max_width` of rustfmt.toml, which rustfmt holds for code alone.
const MOST_COLUMNS: usize = 110;

static SPDX: LazyLock<Regex> = LazyLock::new(|| {
    // The tag is split so that this line is not taken for a licence line.
    let pattern = concat!(r"^\s*(?://|#|/\*|;)\s*SPDX", r"-License-Identifier:\s*(.*?)\s*(?:\*/)?\s*$");
    Regex::new(pattern).expect("a constant pattern")
});

static PRIVATE_PATH: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(r"(?:^|[\s\x22'`(=:,])(/(?:{})/[\w.-]+)", PRIVATE.join("|"));
    Regex::new(&pattern).expect("a constant pattern")
});

/// Breaches in one file.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    if CODE.contains(&source.extension()) || source.text.starts_with("#!") {
        problems.extend(licence(source));
    }
    if source.extension() == "rs" {
        problems.extend(size(source));
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        if let Some(found) = PRIVATE_PATH.captures(line) {
            problems.push(format!("{}:{number}: names a private path: {}", source.path, &found[1]));
        }
    }
    problems
}

/// A file that is too long, comments that are too wide.
fn size(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        problems.push(format!("{}: {lines} lines, at most {MOST_LINES}", source.path));
    }
    let mut is_code = false;
    for (number, line) in (1..).zip(source.text.lines()) {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            is_code = false;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        if comment.starts_with("```") {
            is_code = !is_code;
        }
        // A row of a table and one long word cannot be broken, and code is as its language wants it.
        let whole = is_code || comment.starts_with('|') || !comment.contains(' ');
        let columns = line.chars().count();
        if columns > MOST_COLUMNS && !whole {
            let place = format!("{}:{number}", source.path);
            problems.push(format!("{place}: a comment of {columns} columns, at most {MOST_COLUMNS}"));
        }
    }
    problems
}

fn licence(source: &Source) -> Vec<String> {
    // A script's first line belongs to the kernel.
    let expected_line = if source.text.starts_with("#!/") { 2 } else { 1 };
    let found: Vec<(usize, String)> = (1..)
        .zip(source.text.lines())
        .filter_map(|(number, line)| SPDX.captures(line).map(|found| (number, found[1].to_owned())))
        .collect();
    match found.as_slice() {
        [(line, licence)] if *line == expected_line && licence == LICENCE => Vec::new(),
        [(line, licence)] => {
            vec![format!(
                "{}:{line}: the licence line is line {expected_line} and says {LICENCE}, not {licence}",
                source.path
            )]
        }
        [] => vec![format!("{}:{expected_line}: no SPDX licence line", source.path)],
        [_, (second, _), ..] => vec![format!("{}:{second}: a second SPDX licence line", source.path)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    /// Built here, so that this file has one licence line.
    fn tagged(mark: &str, licence: &str) -> String {
        format!("{mark} SPDX{}: {licence}\n", "-License-Identifier")
    }

    #[test]
    fn good_files_pass() {
        let line = tagged("//", LICENCE);
        assert!(check(&source("a.rs", &line)).is_empty());
        let script = format!("#!/bin/sh\n{}", tagged("#", LICENCE));
        assert!(check(&source(".ci/run", &script)).is_empty());
        assert!(
            check(&source("a.ld", &format!("/* SPDX{}: {LICENCE} */\n", "-License-Identifier"))).is_empty()
        );
        assert!(check(&source("notes.txt", "no code, no licence line\n")).is_empty());
    }

    #[test]
    fn the_licence_line_is_there_once_and_first() {
        let line = tagged("//", LICENCE);
        assert_one(&check(&source("a.rs", "fn main() {}\n")), "no SPDX");
        assert_one(&check(&source("a.rs", &format!("{line}{line}"))), "second SPDX");
        assert_one(&check(&source("a.rs", &format!("\n{line}"))), "a.rs:2:");
        assert_one(&check(&source("a.rs", &tagged("//", "MIT"))), "not MIT");
        assert_one(&check(&source("run", "#!/bin/sh\n")), "run:2: no SPDX");
    }

    #[test]
    fn long_files_and_wide_comments_are_found() {
        let with = |text: &str| check(&source("a.rs", &format!("{}{text}", tagged("//", LICENCE))));
        assert!(with(&"\n".repeat(MOST_LINES - 1)).is_empty());
        assert_one(&with(&"\n".repeat(MOST_LINES)), "a.rs: 501 lines");
        let words = "word ".repeat(30);
        assert!(with(&format!("let x = \"{words}\";\n/// | {words} |\n// {}\n", "w".repeat(120))).is_empty());
        assert!(with(&format!("/// ```\n/// {words}\n/// ```\n")).is_empty());
        for mark in ["//", "///", "    //!"] {
            assert_one(&with(&format!("{mark} {words}\n")), "a.rs:2: a comment of");
        }
        assert_one(&with(&format!("/// ```\n/// x\n/// ```\n/// {words}\n")), "a.rs:5: a comment of");
    }

    #[test]
    fn private_paths_are_found() {
        for folder in PRIVATE {
            let text = format!("see /{folder}/project/file");
            assert_one(&check(&source("a.md", &text)), "private path");
        }
        assert!(check(&source("a.md", "a/work/b, https://example.org/home/x and /tmp/x")).is_empty());
    }
}
