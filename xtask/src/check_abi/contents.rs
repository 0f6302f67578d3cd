// SPDX-License-Identifier: MIT OR Apache-2.0
//! A crate's front page names its modules in a table: no module may be missing there.

use std::sync::LazyLock;

use regex::Regex;

use crate::project::Source;

/// What the table begins with.
const HEAD: &str = "//! | module |";

static MODULE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^(?:pub(?:\(crate\))? )?mod (\w+);").expect("a constant pattern"));

static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`(?:mod@)?(\w+)`").expect("a constant pattern"));

/// Modules of a front page that its table does not name.
pub(super) fn check(source: &Source) -> Vec<String> {
    if !source.path.ends_with("lib.rs") {
        return Vec::new();
    }
    let table = || source.text.lines().skip_while(|line| !line.starts_with(HEAD));
    if table().next().is_none() {
        return Vec::new();
    }
    let rows = || table().take_while(|line| line.starts_with("//! |"));
    let named: Vec<&str> = rows()
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| NAME.captures_iter(cell).filter_map(|found| found.get(1)))
        .map(|name| name.as_str())
        .collect();
    let modules = MODULE.captures_iter(&source.text).filter_map(|found| found.get(1));
    modules
        .map(|module| module.as_str())
        .filter(|module| !named.contains(module))
        .map(|module| format!("{}: its table of modules has no row of `{module}`", source.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::check_abi::testing::{assert_one, source};

    #[test]
    fn a_module_without_a_row_is_found() {
        let text = "//! | module | what |\n//! | --- | --- |\n//! | [`one`], `two` | `three` |\n//!\n//! `four`\n\
                    mod one;\npub mod two;\n#[cfg(test)]\nmod tests {}\n";
        assert!(check(&source("a/src/lib.rs", text)).is_empty());
        assert_one(&check(&source("a/src/lib.rs", &format!("{text}mod three;\n"))), "no row of `three`");
        assert_one(&check(&source("a/src/lib.rs", &format!("{text}pub(crate) mod four;\n"))), "`four`");
        let other = source("a/src/other.rs", &format!("{text}mod three;\n"));
        assert!(check(&other).is_empty());
        assert!(check(&source("a/src/lib.rs", "//! No table.\nmod one;\n")).is_empty());
    }
}
