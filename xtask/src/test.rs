// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: the tests of `cargo test --workspace`, several programs at once.
//!
//! Cargo runs one test program after the other, and most of them wait for most of their time: for a machine,
//! a child, a clock. Here as many run at once as there are processors. What is built and run is the same.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::at_once::at_once;
use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// These begin first, because they end last.
const LONG: [&str; 4] = ["loom", "command", "broker", "faults"];

/// A test program.
struct Program {
    /// Its package and its name.
    name: String,
    path: PathBuf,
    /// Where cargo starts it.
    folder: PathBuf,
}

/// One that was run.
struct Finished {
    name: String,
    output: Output,
    seconds: f64,
}

/// Builds all and runs all, whatever fails.
pub(crate) fn run() -> Outcome {
    let mut cargo = project::cargo();
    let messages = project::messages(cargo.args(["test", "--workspace", "--no-run"]))?;
    let mut programs = programs(&messages);
    if programs.is_empty() {
        return Err(Failure::environment("cargo does not say where the tests are"));
    }
    programs.sort_by_key(|program| !LONG.iter().any(|long| program.name.ends_with(long)));
    let (mut tests, mut failed) = (0, Vec::new());
    at_once(programs, Program::run, |done| {
        let text = String::from_utf8_lossy(&done.output.stdout);
        let count = passed(&text);
        tests += count;
        if done.output.status.success() {
            println!("pass  {:<44} {count:4} tests {:6.1} s", done.name, done.seconds);
        } else {
            println!("FAIL  {:<44} {:6.1} s  {}", done.name, done.seconds, done.output.status);
            print!("{text}{}", String::from_utf8_lossy(&done.output.stderr));
            failed.push(done.name);
        }
        Ok(())
    })?;
    let mut docs = project::cargo();
    docs.args(["test", "--workspace", "--doc", "--quiet", "--no-fail-fast"]);
    let status = docs.stdin(Stdio::null()).status().context("cannot start cargo")?;
    if !status.success() {
        failed.push("documentation".to_owned());
    }
    println!("{tests} tests passed, those of the documentation aside; {} programs failed", failed.len());
    let failed: Vec<_> = failed.iter().map(|name| format!("test: {name} failed")).collect();
    if failed.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::Verdict(failed)) }
}

/// The test programs that cargo names.
fn programs(messages: &[Value]) -> Vec<Program> {
    let program = |message: &Value| {
        let path = message.get("executable")?.as_str()?;
        if message.pointer("/profile/test")? != &Value::Bool(true) {
            return None;
        }
        let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
        let package = folder.strip_prefix(project::root()).unwrap_or(&folder).display().to_string();
        let name = format!("{package}: {}", message.pointer("/target/name")?.as_str()?);
        Some(Program { name, path: path.into(), folder })
    };
    messages.iter().filter_map(program).collect()
}

/// How many tests a program says have passed.
fn passed(text: &str) -> usize {
    let counts = text.lines().filter_map(|line| line.strip_prefix("test result: "));
    let words = counts.filter_map(|rest| rest.split_once(". ")?.1.split_once(' ')?.0.parse::<usize>().ok());
    words.sum()
}

impl Program {
    fn run(self) -> Result<Finished, Failure> {
        let started = Instant::now();
        let mut command = Command::new(&self.path);
        // What cargo tells it.
        command.env("CARGO", project::cargo().get_program()).env("CARGO_MANIFEST_DIR", &self.folder);
        let output = command.arg("--quiet").current_dir(&self.folder).stdin(Stdio::null()).output();
        let output = output.context(self.path.display())?;
        Ok(Finished { name: self.name, output, seconds: started.elapsed().as_secs_f64() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn test_programs_are_found() {
        let message = |test: bool, executable: Value| {
            json!({
                "manifest_path": project::root().join("abi/Cargo.toml"),
                "target": { "name": "golden" },
                "profile": { "test": test },
                "executable": executable,
            })
        };
        let all =
            [message(true, json!("/x/golden-1")), message(false, json!("/x/a")), message(true, Value::Null)];
        let found = programs(&all);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "abi: golden");
        assert_eq!(found[0].folder, project::root().join("abi"));
    }

    #[test]
    fn what_passed_is_counted() {
        let text = "running 7 tests\n.......\ntest result: ok. 7 passed; 0 failed; 0 ignored\n";
        assert_eq!(passed(text), 7);
        assert_eq!(passed("test result: FAILED. 6 passed; 1 failed\n"), 6);
        assert_eq!(passed("nothing"), 0);
    }
}
