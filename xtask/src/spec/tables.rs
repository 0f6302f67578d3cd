// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of the norm that are made from the ABI's own description.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tenon_abi::Features;
use tenon_abi::layout::{Group, LAYOUT, NUMBERS, Struct};
use tenon_abi::operation::OPERATIONS;
use tenon_abi::packed::WORDS;

use crate::project::Source;

const BEGIN: &str = "<!-- generated: ";
const BEGIN_END: &str = " -->";
const END: &str = "<!-- end -->";
/// The one table of all packed words.
const PACKED: &str = "packed words";

/// What differs between the text and the description.
pub(crate) fn check(spec: &Source) -> Vec<String> {
    let (expected, mut problems) = regenerate(spec);
    if let Some((line, _)) =
        (1..).zip(spec.text.lines().zip(expected.lines())).find(|(_, (found, expected))| found != expected)
    {
        problems.push(format!("{}:{line}: a generated table is stale: cargo xtask spec --write", spec.path));
    } else if spec.text != expected {
        problems.push(format!("{}: a generated table is stale: cargo xtask spec --write", spec.path));
    }
    problems
}

/// The text with every table made anew, and the marks that are wrong.
pub(crate) fn regenerate(spec: &Source) -> (String, Vec<String>) {
    let mut problems = Vec::new();
    let mut placed = BTreeSet::new();
    let mut text = String::new();
    // The line of the mark whose old table is being left out.
    let mut open: Option<usize> = None;
    for (number, line) in (1..).zip(spec.text.split_inclusive('\n')) {
        let mark = line.trim_end();
        let name = mark.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(BEGIN_END));
        if let Some(begun) = open {
            if mark == END {
                open = None;
                text.push_str(line);
            } else if name.is_some() {
                problems.push(format!("{}:{begun}: no `{END}` before the next table", spec.path));
                return (spec.text.clone(), problems);
            }
            continue;
        }
        text.push_str(line);
        let Some(name) = name else { continue };
        match table(name) {
            Some(table) => {
                placed.insert(name);
                text.push_str(&table);
                open = Some(number);
            }
            None => problems.push(format!("{}:{number}: tenon-abi describes no `{name}`", spec.path)),
        }
    }
    if let Some(begun) = open {
        problems.push(format!("{}:{begun}: no `{END}`", spec.path));
        return (spec.text.clone(), problems);
    }
    for name in described().filter(|name| !placed.contains(name)) {
        problems.push(format!("{}: no table of `{name}`: {BEGIN}{name}{BEGIN_END}", spec.path));
    }
    (text, problems)
}

/// The name of each table that the text has to have.
fn described() -> impl Iterator<Item = &'static str> {
    let structures = LAYOUT.iter().map(|item| item.name);
    structures.chain(NUMBERS.iter().map(|group| group.name)).chain([PACKED, VERSION])
}

fn table(name: &str) -> Option<String> {
    match name {
        VERSION => return Some(version()),
        "Op" => return Some(operations()),
        "Features" => return Some(features()),
        _ => {}
    }
    if name == PACKED {
        return Some(packed());
    }
    let structure = LAYOUT.iter().find(|item| item.name == name).map(structure);
    structure.or_else(|| NUMBERS.iter().find(|group| group.name == name).map(numbers))
}

fn structure(item: &Struct) -> String {
    let mut table = format!("\n`{}`, {} bytes: {}\n\n", item.name, item.size, item.doc);
    table.push_str("| offset | field | type | meaning | clause |\n| --- | --- | --- | --- | --- |\n");
    for field in item.fields {
        let (offset, name, ty, doc) = (field.offset, field.name, field.ty, cell(field.doc));
        let _ = writeln!(table, "| {offset:#04x} | `{name}` | {ty} | {doc} | {} |", field.clause);
    }
    table.push('\n');
    table
}

fn numbers(group: &Group) -> String {
    let hex = group.numbers.iter().any(|number| number.value > 0xff);
    let mut table = format!("\n| `{}` | value | meaning | clause |\n| --- | --- | --- | --- |\n", group.name);
    for number in group.numbers {
        let value = if hex { format!("{:#06x}", number.value) } else { number.value.to_string() };
        let _ = writeln!(table, "| {} | {value} | {} | {} |", number.name, cell(number.doc), number.clause);
    }
    table.push('\n');
    table
}

/// The version that the text describes.
const VERSION: &str = "Version";

fn version() -> String {
    let tenon_abi::Version { major, minor } = tenon_abi::VERSION;
    format!("\nVersion {major}.{minor}.\n\n")
}

/// The features, with the minor versions that brought them.
fn features() -> String {
    let mut table = String::from(
        "\n| `Features` | value | since | meaning | clause |\n| --- | --- | --- | --- | --- |\n",
    );
    for (number, (_, since)) in Features::NUMBERS.iter().zip(Features::SINCE) {
        let (name, value, doc) = (number.name, number.value, cell(number.doc));
        let since = format!("{}.{since}", tenon_abi::VERSION.major);
        let _ = writeln!(table, "| {name} | {value} | {since} | {doc} | {} |", number.clause);
    }
    table.push('\n');
    table
}

/// The operations, with all that their rows say.
fn operations() -> String {
    let mut table = String::from(
        "\n| `Op` | value | arguments | needs | traits | meaning | clause |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in OPERATIONS {
        let arguments: Vec<String> =
            row.arguments.iter().zip(row.checks).map(|(name, check)| format!("{name}: {check:?}")).collect();
        let (arguments, needs) = (arguments.join(", "), names(row.needs.iter_names()));
        let (traits, doc) = (names(row.traits.iter_names()), cell(row.doc));
        let (name, value) = (row.name, row.op.0);
        let _ = writeln!(
            table,
            "| {name} | {value:#06x} | {arguments} | {needs} | {traits} | {doc} | {} |",
            row.clause
        );
    }
    table.push('\n');
    table
}

/// A row for each field of each packed word.
fn packed() -> String {
    let mut table =
        "\n| word | bits | field | meaning | clause |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for word in WORDS {
        let mut place = format!("`{}`: {}", word.name, cell(word.doc));
        for (shift, field) in word.placed() {
            let (last, name, doc) = (shift + field.bits - 1, field.name, cell(field.doc));
            let _ = writeln!(table, "| {place} | {shift} to {last} | `{name}` | {doc} | {} |", word.clause);
            // The word stands in its first row.
            place.clear();
        }
    }
    table.push('\n');
    table
}

fn names<T>(flags: impl Iterator<Item = (&'static str, T)>) -> String {
    flags.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    /// A norm in which every table has its place.
    fn complete() -> String {
        described().fold(String::from("# Norm\n"), |text, name| {
            format!("{text}{BEGIN}{name}{BEGIN_END}\n{END}\nafter\n")
        })
    }

    #[test]
    fn what_is_written_is_what_is_checked() {
        let empty = source("docs/abi.md", &complete());
        assert_one(&check(&empty), "is stale");
        let (text, problems) = regenerate(&empty);
        assert_eq!(problems, Vec::<String>::new());
        let written = source("docs/abi.md", &text);
        assert_eq!(check(&written), Vec::<String>::new());
        assert_eq!(text.matches("after\n").count(), LAYOUT.len() + NUMBERS.len() + 2);
        let record =
            LAYOUT.iter().find(|item| item.name == "Submission").expect("the submission is described");
        assert!(text.contains(record.doc), "{text}");
        assert!(text.contains("| 0x38 | `tail` | U64 |"), "{text}");
        let write = "| CONSOLE_WRITE | 0x0600 | address: ADDRESS, len: LENGTH | CONSOLE | PAYLOAD, EMERGENCY_INLINE |";
        assert!(text.contains(write), "{text}");
        assert!(text.contains("` of a submission | 0 to 15 | `op` |"), "{text}");
        assert!(text.contains("|  | 32 to 63 | `turn` |"), "{text}");
    }

    #[test]
    fn a_changed_number_is_stale() {
        let (text, _) = regenerate(&source("docs/abi.md", &complete()));
        let changed = text.replacen("| 0x38 |", "| 0x3c |", 1);
        assert_one(&check(&source("docs/abi.md", &changed)), "is stale");
    }

    #[test]
    fn every_table_has_a_place_and_every_place_a_table() {
        let (text, _) = regenerate(&source("docs/abi.md", &complete()));
        let lost = text.replace(&format!("{BEGIN}Op{BEGIN_END}"), "");
        assert!(
            check(&source("docs/abi.md", &lost)).iter().any(|problem| problem.contains("no table of `Op`"))
        );
        let unknown = format!("{text}{BEGIN}Nothing{BEGIN_END}\n");
        assert_one(&check(&source("docs/abi.md", &unknown)), "describes no `Nothing`");
        let unclosed = format!("{}{BEGIN}Op{BEGIN_END}\n", text);
        assert_one(&check(&source("docs/abi.md", &unclosed)), "no `<!-- end -->`");
    }
}
