// SPDX-License-Identifier: MIT OR Apache-2.0
//! The counts of `docs/porting.md`: what each port took, held against its limit.

use std::sync::LazyLock;

use regex::Regex;

use crate::project::Source;

/// The page.
const PAGE: &str = "docs/porting.md";

static ROW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\| ([^|]+?) \| ((?:`[^`|]+` ?)+)\| (\d+) lines \|$").expect("a constant pattern")
});

/// A line for each port, and what is wrong.
pub(crate) fn check(sources: &[Source]) -> (Vec<String>, Vec<String>) {
    let Some(page) = sources.iter().find(|source| source.path == PAGE) else {
        return (Vec::new(), vec![format!("{PAGE} is missing")]);
    };
    let (mut counts, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(page.text.lines()) {
        let Some(row) = ROW.captures(line) else {
            if line.ends_with(" lines |") {
                problems.push(format!("{PAGE}:{number}: files in backticks, then a number of lines"));
            }
            continue;
        };
        let (port, limit) = (&row[1], row[3].parse::<usize>().unwrap_or(0));
        let (mut files, mut lines) = (0, 0);
        for path in row[2].split('`').map(str::trim).filter(|path| !path.is_empty()) {
            let is_folder = path.ends_with('/');
            let found = sources
                .iter()
                .filter(|source| if is_folder { source.path.starts_with(path) } else { source.path == path });
            let before = files;
            for source in found {
                (files, lines) = (files + 1, lines + source.text.lines().count());
            }
            if files == before {
                problems.push(format!("{PAGE}:{number}: {path} does not exist"));
            }
        }
        if lines > limit {
            problems.push(format!("{PAGE}:{number}: {port}: {lines} lines, at most {limit}"));
        }
        counts.push(format!("{port}: {lines} of {limit} lines in {files} files"));
    }
    (counts, problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn checked(rows: &str) -> (Vec<String>, Vec<String>) {
        let files = [("a/x.rs", "1\n2\n"), ("a/y/z.s", "1\n"), ("b.c", "1\n2\n3\n")];
        let mut sources: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
        sources.push(source(PAGE, rows));
        check(&sources)
    }

    #[test]
    fn files_and_folders_are_counted() {
        let (counts, problems) = checked("| one | `a/` `b.c` | 6 lines |\n| step | `a/` |\n");
        assert_eq!(counts, ["one: 6 of 6 lines in 3 files"]);
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn what_is_too_long_gone_or_unreadable_is_told() {
        assert_one(
            &checked("| one | `a/` `b.c` | 5 lines |\n").1,
            "docs/porting.md:1: one: 6 lines, at most 5",
        );
        assert_one(&checked("| one | `a/` `c.c` | 5 lines |\n").1, "c.c does not exist");
        assert_one(&checked("| one | a/x.rs | 5 lines |\n").1, "backticks");
        assert_one(&check(&[]).1, "docs/porting.md is missing");
    }
}
