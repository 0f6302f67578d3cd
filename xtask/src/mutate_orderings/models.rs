// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loom models: built once, run once, and read.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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

/// Builds and runs all of them. What a failed test had to say goes to the terminal.
pub(super) fn run() -> Result<Evidence, Failure> {
    let (status, output) = execute(&build()?)?;
    let evidence = read(&output);
    if !status.success() {
        print!("{output}");
        if evidence.failed.is_empty() {
            return Err(Failure::Verdict(vec![format!("the models ended with {status}")]));
        }
    }
    if evidence.held.is_empty() {
        return Err(Failure::Verdict(vec!["the models ran, and no model was there".to_owned()]));
    }
    Ok(evidence)
}

fn build() -> Result<PathBuf, Failure> {
    let output = project::cargo()
        .args(["test", "--quiet", "--release", "--package", "tenon-rings", "--test", "loom", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        return Err(Failure::Verdict(vec!["mutate-orderings: the models do not build".to_owned()]));
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Failure::environment("cargo does not say where the models are"))
}

fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    })
}

/// Runs a program to its end, or to [`LIMIT`].
fn execute(program: &PathBuf) -> Result<(ExitStatus, String), Failure> {
    let mut output = tempfile::tempfile().context("a temporary file")?;
    let log = |file: &File| file.try_clone().context("a temporary file");
    let mut child = Command::new(program)
        .arg("--show-output")
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
