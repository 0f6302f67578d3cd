// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loom models: built once, run once, and read.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::failure::{Context, Failure};
use crate::project;

/// Far beyond what they take: a model that grew too large ends here.
const LIMIT: Duration = Duration::from_secs(600);

/// What the models' output says.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Models as they are, with the number of their runs.
    pub(super) held: Vec<(String, u64)>,
    /// Weakened sites that made a model fail.
    pub(super) caught: Vec<Caught>,
    /// Tests that did not pass.
    pub(super) failed: Vec<String>,
}

/// A model that failed because of one weakened site.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Caught {
    pub(super) model: String,
    pub(super) site: String,
    pub(super) weaker: String,
    /// Runs until it failed, that one included.
    pub(super) runs: u64,
}

/// Builds them, and runs all that `cargo test` has not run already in their full size. What a failed test had
/// to say goes to the terminal.
pub(super) fn run() -> Result<Evidence, Failure> {
    let program = build()?;
    let tests = list(&program)?;
    let folder = folder(&program)?;
    let (mut kept, mut open) = (String::new(), Vec::new());
    for test in tests {
        // A test leaves a file here when it has passed.
        match fs::read_to_string(folder.join(&test)) {
            Ok(lines) => kept += &lines,
            Err(_) => open.push(test),
        }
    }
    if !open.is_empty() {
        let (status, output) = execute(&program, &open)?;
        kept += &output;
        if !status.success() {
            print!("{output}");
            if read(&output).failed.is_empty() {
                return Err(Failure::Verdict(vec![format!("the models ended with {status}")]));
            }
        }
    }
    let evidence = read(&kept);
    if evidence.held.is_empty() {
        return Err(Failure::Verdict(vec!["the models ran, and no model was there".to_owned()]));
    }
    Ok(evidence)
}

/// Where `ring-buffers/tests/loom/run.rs` keeps what this very program found.
fn folder(program: &Path) -> Result<PathBuf, Failure> {
    let changed = fs::metadata(program).and_then(|data| data.modified()).context(program.display())?;
    let built = changed.duration_since(UNIX_EPOCH).context(program.display())?.as_nanos();
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // <target folder>/<profile>/deps/<program>
    let target = program.ancestors().nth(3).unwrap_or(program);
    Ok(target.join("tmp").join("loom").join(format!("{name}-{built}-full")))
}

/// The names of all tests.
fn list(program: &Path) -> Result<Vec<String>, Failure> {
    let output = Command::new(program).args(["--list", "--format", "terse"]).stdin(Stdio::null()).output();
    let output = output.context("cannot start the models")?;
    Ok(names(&String::from_utf8_lossy(&output.stdout)))
}

fn names(list: &str) -> Vec<String> {
    list.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect()
}

/// The program that `cargo test --workspace` runs too.
fn build() -> Result<PathBuf, Failure> {
    project::build(project::cargo().args(["test", "--workspace", "--test", "loom", "--no-run"]))
}

/// Runs tests of a program to its end, or to [`LIMIT`].
fn execute(program: &Path, tests: &[String]) -> Result<(ExitStatus, String), Failure> {
    let mut output = tempfile::tempfile().context("a temporary file")?;
    let log = |file: &File| file.try_clone().context("a temporary file");
    let mut child = Command::new(program)
        .args(["--show-output", "--exact"])
        .args(tests)
        .env("TENON_MODELS", "full")
        .stdin(Stdio::null())
        .stdout(log(&output)?)
        .stderr(log(&output)?)
        .spawn()
        .context("cannot start the models")?;
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().context("the models")? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().context("cannot end the models")?;
            child.wait().context("the models")?;
            return Err(Failure::Verdict(vec![format!(
                "the models did not end within {} s",
                LIMIT.as_secs()
            )]));
        }
        sleep(Duration::from_millis(20));
    };
    let mut text = String::new();
    output.rewind().and_then(|()| output.read_to_string(&mut text)).context("the models' output")?;
    Ok((status, text))
}

/// Reads the lines of `ring-buffers/tests/loom/run.rs` and of the test harness.
fn read(output: &str) -> Evidence {
    let mut evidence = Evidence::default();
    for line in output.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["holds", model, runs] => {
                if let Ok(runs) = runs.parse() {
                    evidence.held.push((model.to_owned(), runs));
                }
            }
            ["fails", model, site, weaker, runs] => {
                if let Ok(runs) = runs.parse() {
                    let [model, site, weaker] = [model, site, weaker].map(str::to_owned);
                    evidence.caught.push(Caught { model, site, weaker, runs });
                }
            }
            ["test", name, "...", "FAILED"] => evidence.failed.push(name.to_owned()),
            _ => {}
        }
    }
    evidence.held.sort();
    evidence.caught.sort_by(|a, b| a.model.cmp(&b.model));
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_listed() {
        assert_eq!(names("a::holds: test\nb: benchmark\n\n2 tests\n"), ["a::holds"]);
    }

    #[test]
    fn output_is_read() {
        let output = "running 3 tests\ntest a::holds ... ok\ntest a::fence ... ok\ntest b::fence ... FAILED\n\n\
            successes:\n\n---- a::holds stdout ----\nholds a 12\n\n---- a::fence stdout ----\nfails a ArmFence Relaxed 4\n\
            fails a ArmFence Relaxed many\nholds\ntest result: FAILED. 2 passed\n";
        let evidence = read(output);
        assert_eq!(evidence.held, [("a".to_owned(), 12)]);
        let [caught] = &evidence.caught[..] else { panic!("{evidence:?}") };
        assert_eq!((caught.model.as_str(), caught.site.as_str()), ("a", "ArmFence"));
        assert_eq!((caught.weaker.as_str(), caught.runs), ("Relaxed", 4));
        assert_eq!(evidence.failed, ["b::fence"]);
    }
}
