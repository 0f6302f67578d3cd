// SPDX-License-Identifier: MIT OR Apache-2.0
//! `vmm-smp`: boots `hello` from a path as strangers have them, and is judged by the suite.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::project;

pub(super) fn boots_hello(program: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir_in(project::target()).map_err(|why| why.to_string())?;
    let image = folder.path().join("hello, image");
    suite(&["image", "--name", "hello", "--arch", "x86_64", "--out"], &[&image])?;
    let output = Command::new(program).arg(&image).stdin(Stdio::null()).output();
    let output = output.map_err(|why| format!("{}: {why}", program.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("hello from CPL0\n") && errors.ends_with("~END exit=0\n") && output.status.success() {
        Ok(())
    } else {
        Err(format!("{}, it said: {}", output.status, errors.trim()))
    }
}

pub(super) fn passes_the_suite(program: &Path) -> Result<(), String> {
    let program = program.to_str().ok_or("its path is not UTF-8")?;
    let line = format!("{} {{image}} {{params}} serial=burst", quoted(program));
    let output = suite(&["--command", &line, "--name", "vmm-smp"], &[])?;
    let last = output.lines().last().unwrap_or_default();
    // Nothing done is no success.
    let passed = last.split_once(" passed, 0 failed").and_then(|(passed, _)| passed.parse().ok());
    if passed.is_some_and(|passed: u32| passed >= 200) { Ok(()) } else { Err(last.to_owned()) }
}

/// A word of a command line as the suite reads it: in quotes, and with its braces doubled.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''").replace('{', "{{").replace('}', "}}"))
}

/// What the suite's runner says; its exit code is the verdict.
fn suite(words: &[&str], paths: &[&Path]) -> Result<String, String> {
    let output = project::suite().args(words).args(paths).stdin(Stdio::null()).output();
    let output = output.map_err(|why| format!("cargo: {why}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted("/a b,c/it's {x}"), r"'/a b,c/it'\''s {{x}}'");
    }
}
