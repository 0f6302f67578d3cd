// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C header: the same description as the norm's tables, for implementations in other languages.

mod inline;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use tenon_abi::layout::{Field, LAYOUT, NUMBERS, Struct};
use tenon_abi::operation::OPERATIONS;
use tenon_abi::{Features, VERSION, call, control, discovery, event, lifecycle};

use crate::failure::{Context, Failure};
use crate::project;

/// Where the header stands.
pub(crate) const PATH: &str = "bindings/c/tenon.h";

/// The languages that it has to be clean in: a step's name, the compiler, its language, its dialect.
const LANGUAGES: [(&str, &str, &str, &str); 2] =
    [("header-c", "cc", "c", "-std=c11"), ("header-cxx", "c++", "c++", "-std=c++17")];

/// Nothing but the header itself, and every warning an error.
const STRICT: [&str; 8] = [
    "-ffreestanding",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
    // Nobody calls the functions where the header is all there is.
    "-Wno-unused-function",
    "-fsyntax-only",
    "-x",
];

const HEAD: &str = include_str!("header/head.txt");

const TAIL: &str = "
#ifdef __cplusplus
}
#endif

#endif
";

/// Numbers that stand alone: name, value, clause, meaning.
const SINGLE: &[(&str, u64, &str, &str)] = &[
    ("MAJOR", VERSION.major as u64, "NEG-1", "major version of this header"),
    ("MINOR", VERSION.minor as u64, "NEG-1", "minor version of this header"),
    ("RECORD_MAGIC", discovery::MAGIC, "DISC-1", "`Tenon\\0DR`"),
    ("CONTROL_MAGIC", control::MAGIC, "SES-3", "`Tenon\\0CR`"),
    ("CPUID_FIRST", discovery::CPUID_FIRST as u64, "DISC-4", "first leaf that a guest looks at"),
    ("CPUID_STEP", discovery::CPUID_STEP as u64, "DISC-4", "distance between the leaves"),
    ("CPUID_TRIES", discovery::CPUID_TRIES as u64, "DISC-4", "how many leaves are looked at"),
    ("CPUID_EBX", discovery::CPUID_SIGNATURE[0] as u64, "DISC-4", "`Mort`"),
    ("CPUID_ECX", discovery::CPUID_SIGNATURE[1] as u64, "DISC-4", "`iseT`"),
    ("CPUID_EDX", discovery::CPUID_SIGNATURE[2] as u64, "DISC-4", "`enon`"),
    ("OFFSET_BITS", 48, "GEN-3", "bits of an address below its region number"),
    ("MAX_DEPTH", call::MAX_DEPTH as u64, "CALL-1", "the largest call queue that exists"),
    ("INLINE_MAX", call::INLINE_MAX as u64, "CALL-10", "bytes of the largest inline payload"),
    ("CLASSES", event::CLASSES as u64, "EVT-2", "event rings of a vCPU"),
    ("MAX_EVENTS", event::MAX_ENTRIES as u64, "EVT-2", "entries of the largest event ring that exists"),
    ("HINTED_PORTS", event::HINTED_PORTS as u64, "EVT-15", "ports below this have a mask hint"),
    ("CRASH_TEXT_MAX", lifecycle::CRASH_TEXT_MAX as u64, "LIFE-4", "bytes of the longest text of a crash"),
];

/// The header's text.
pub(crate) fn text() -> String {
    // In two pieces, as this file has a licence line of its own.
    let mut text = concat!("// SPDX", "-License-Identifier: MIT OR Apache-2.0\n").to_owned();
    text.push_str(HEAD);
    text.push('\n');
    for (name, value, clause, doc) in SINGLE {
        number(&mut text, name, literal(*value, false), doc, clause);
    }
    for group in NUMBERS {
        let prefix = words(group.name).to_uppercase();
        let _ = write!(text, "\n// {}\n", group.name);
        for item in group.numbers {
            let name = format!("{prefix}_{}", item.name);
            number(&mut text, &name, literal(item.value, WIDE.contains(&group.name)), item.doc, item.clause);
        }
    }
    features(&mut text);
    operations(&mut text);
    for item in LAYOUT {
        structure(&mut text, item);
    }
    inline::write(&mut text);
    text.push_str(TAIL);
    text
}

/// What each minor version knows: a host offers no more in a session of that version.
fn features(text: &mut String) {
    text.push_str(
        "\n// The features that a minor version has [NEG-2]\n#define TENON_FEATURES_OF_MINOR(minor) (",
    );
    for minor in 0..VERSION.minor {
        let known = literal(Features::of_minor(minor).bits(), true);
        let _ = write!(text, "(minor) == {minor} ? {known} : ");
    }
    let _ = writeln!(text, "{})", literal(Features::all().bits(), true));
}

/// The operations as an X-macro: a host in C makes its gating, its checks and its dispatch from it.
fn operations(text: &mut String) {
    text.push_str(
        "\n// Every operation, for a macro X(name, number, needs, arguments, traits, check 0, ..., check 5). needs: features\n\
         // that must all have been negotiated [NEG-7]. arguments: how many are used. \
         traits: TENON_TRAITS_... A check\n\
         // is TENON_CHECK_... without its prefix.\n\
         #define TENON_OPERATIONS(X)",
    );
    for row in OPERATIONS {
        let (name, number) = (row.name, literal(row.op.0.into(), false));
        let (needs, traits) = (literal(row.needs.bits(), true), literal(row.traits.bits().into(), false));
        let checks = row.checks.map(|check| format!("{check:?}")).join(", ");
        let used = row.arguments.len();
        let _ = write!(text, " \\\n    X({name}, {number}, {needs}, {used}, {traits}, {checks})");
    }
    text.push('\n');
}

/// Groups whose numbers fill 64 bits on the wire: their complement has to.
const WIDE: [&str; 1] = ["Features"];

/// A number as C has it; `wide`: with 64 bits, however small it is.
fn literal(value: u64, wide: bool) -> String {
    if !wide && u32::try_from(value).is_ok() {
        format!("{value:#x}u")
    } else {
        format!("UINT64_C({value:#x})")
    }
}

fn number(text: &mut String, name: &str, value: String, doc: &str, clause: &str) {
    let _ = writeln!(text, "#define TENON_{name} {value} // {doc} [{clause}]");
}

fn structure(text: &mut String, item: &Struct) {
    let name = format!("tenon_{}", words(item.name));
    let _ = write!(text, "\n// {}\nstruct {name} {{\n", item.doc);
    for field in item.fields {
        let (ty, suffix) = c_type(field);
        let (field_name, doc, clause) = (field.name, field.doc, field.clause);
        let _ = writeln!(text, "    {ty} {field_name}{suffix}; // {doc} [{clause}]");
    }
    text.push_str("};\n");
    let _ =
        writeln!(text, "TENON_STATIC_ASSERT(sizeof(struct {name}) == {:#x}, \"{name}: size\");", item.size);
    for Field { name: field, offset, .. } in item.fields {
        let _ = writeln!(
            text,
            "TENON_STATIC_ASSERT(offsetof(struct {name}, {field}) == {offset:#x}, \"{name}.{field}\");"
        );
    }
}

/// A field's C type, and what stands behind its name. A type that is unknown here becomes one that no
/// compiler knows.
fn c_type(field: &Field) -> (String, String) {
    let (element, count) = match field.ty.strip_prefix('[').and_then(|ty| ty.strip_suffix(']')) {
        Some(array) => array.split_once(';').unwrap_or((array, "")),
        None => (field.ty, ""),
    };
    let ty = match element.trim().strip_prefix('U') {
        Some(bits) => format!("uint{bits}_t"),
        None => element.trim().to_owned(),
    };
    (ty, if count.is_empty() { String::new() } else { format!("[{}]", count.trim()) })
}

/// `TwoWords` as `two_words`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// A compiler's look at the header.
pub(crate) struct Look {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// Why it cannot be taken on this machine.
    pub(crate) missing: Option<String>,
}

/// One look for each language.
pub(crate) fn looks(file: &Path) -> [Look; 2] {
    LANGUAGES.map(|(name, compiler, language, dialect)| {
        let mut command = Command::new(compiler);
        command.arg(dialect).args(STRICT).arg(language).arg(file);
        let missing = project::find_program(compiler).is_none().then(|| format!("there is no {compiler}"));
        Look { name, command, missing }
    })
}

/// What is wrong with the header as it stands, and what could not be looked at, with the reason.
pub(crate) fn check(found: Option<&str>) -> Result<(Vec<String>, Vec<String>), Failure> {
    if found != Some(text().as_str()) {
        return Ok((vec![format!("{PATH} is missing or stale: cargo xtask spec --write")], Vec::new()));
    }
    let (mut problems, mut skipped) = (Vec::new(), Vec::new());
    for look in looks(&project::root().join(PATH)) {
        match &look.missing {
            Some(reason) => skipped.push(format!("{}: {reason}", look.name)),
            None => problems.extend(complaint(look)?.map(|first| format!("{PATH}: {first}"))),
        }
    }
    Ok((problems, skipped))
}

/// The first complaint of a compiler, if it has one.
fn complaint(mut look: Look) -> Result<Option<String>, Failure> {
    let output = look.command.output().context(look.name)?;
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = complaints.lines().find(|line| line.contains("error")).unwrap_or("it does not compile");
    Ok((!output.status.success()).then(|| first.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_item_is_in_the_header() {
        let text = text();
        for field in LAYOUT.iter().flat_map(|item| item.fields) {
            assert!(text.contains(&format!(", {}) == {:#x},", field.name, field.offset)), "{}", field.name);
        }
        assert!(text.contains("#define TENON_OP_CONSOLE_WRITE 0x600u //"), "{text}");
        assert!(text.contains("    uint64_t args[6]; // "), "{text}");
        assert!(
            text.lines().all(|line| line.is_ascii() && !(line.contains("//") && line.ends_with('\\'))),
            "a compiler may stumble on it"
        );
        let mut names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("#define ")?.split(' ').next()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        // The assertion's name is there for both languages.
        assert_eq!(names.len(), count - 1, "a name is defined twice");
    }

    #[test]
    fn a_stale_header_is_found() {
        let stale = text().replacen("0x600u", "0x601u", 1);
        for found in [None, Some(stale.as_str())] {
            let (problems, _) = check(found).expect("nothing is compiled");
            crate::check_abi::testing::assert_one(&problems, "is missing or stale");
        }
    }

    #[test]
    fn a_wrong_offset_does_not_compile() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tenon.h");
        let complaints = |text: String| {
            fs::write(&file, text).expect("a file");
            let looks = looks(&file).into_iter().filter(|look| look.missing.is_none());
            looks.map(|look| complaint(look).expect("it starts")).collect::<Vec<_>>()
        };
        assert!(complaints(text()).iter().all(Option::is_none));
        for complaint in complaints(text().replacen("uint32_t count;", "uint64_t count;", 1)) {
            assert!(complaint.is_some_and(|text| text.contains("tenon_submission")));
        }
    }
}
