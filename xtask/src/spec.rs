// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask spec`: the text of the norm held against the code that cites it.

mod clauses;
mod evidence;
mod links;
mod tables;

use std::fs;
use std::process::ExitCode;

use crate::failure::{Context, Failure};
use crate::project::Source;
use crate::{Outcome, project};

/// The norm.
const SPEC: &str = "docs/abi.md";

/// Arguments of `spec`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Report what does not hold; the default.
    #[arg(long, conflicts_with = "write")]
    check: bool,
    /// Write the generated tables anew.
    #[arg(long)]
    write: bool,
}

/// Checks the text, or writes its tables.
pub(crate) fn run(args: &Args) -> Outcome {
    let sources = project::sources()?;
    let Some(spec) = sources.iter().find(|source| source.path == SPEC) else {
        return Err(Failure::Environment(format!("{SPEC} is missing")));
    };
    if args.write { write(spec) } else { check(spec, &sources) }
}

fn write(spec: &Source) -> Outcome {
    let (text, problems) = tables::regenerate(spec);
    if !problems.is_empty() {
        return Err(Failure::Verdict(problems));
    }
    if text == spec.text {
        println!("spec: {SPEC} is up to date");
    } else {
        fs::write(project::root().join(SPEC), text).context(SPEC)?;
        println!("spec: {SPEC} written");
    }
    Ok(ExitCode::SUCCESS)
}

fn check(spec: &Source, sources: &[Source]) -> Outcome {
    let (clauses, mut problems) = clauses::parse(spec);
    let evidence = evidence::check(&clauses, sources);
    problems.extend(evidence.problems);
    problems.extend(tables::check(spec));
    problems.extend(links::check(sources, &project::root()));
    println!("spec: {} clauses", clauses.len());
    for (class, tally) in evidence.tallies {
        println!("spec: {class} {}: {} of {} clauses cited", class.meaning(), tally.cited, tally.clauses);
    }
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::Verdict(problems)) }
}
