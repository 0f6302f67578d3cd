// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask check-abi`: the rules that reviewers would otherwise have to remember, as code.

mod contents;
mod manifest;
mod probe;
mod text;
mod wire;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::project::Source;
use crate::{Outcome, project};

/// The folder whose types are the wire.
const ABI: &str = "abi/src/";

/// Checks every file and reports each breach in a line of its own.
pub(crate) fn run() -> Outcome {
    let sources = project::sources()?;
    let problems = check(&sources);
    if problems.is_empty() {
        let abi = sources.iter().filter(|source| is_abi(source)).count();
        println!("check-abi: {} files, {abi} of them the ABI's: no breach", sources.len());
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Verdict(problems))
}

fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        problems.extend(text::check(source));
        problems.extend(contents::check(source));
        if source.path.ends_with("Cargo.toml") {
            problems.extend(manifest::check(source));
        }
    }
    let abi: Vec<&Source> = sources.iter().filter(|source| is_abi(source)).collect();
    problems.extend(wire::check(&abi));
    problems.extend(manifest::check_agreement(sources));
    problems.extend(probe::check(sources));
    problems
}

fn is_abi(source: &Source) -> bool {
    source.path.starts_with(ABI) && source.extension() == "rs"
}

#[cfg(test)]
pub(crate) mod testing {
    use crate::project::Source;

    /// A file that exists only in a test.
    pub(crate) fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// Asserts that there is exactly one problem and that it says `expected`.
    #[track_caller]
    pub(crate) fn assert_one(problems: &[String], expected: &str) {
        let [problem] = problems else { panic!("expected one problem with {expected:?}: {problems:#?}") };
        assert!(problem.contains(expected), "{problem:?} lacks {expected:?}");
    }
}
