// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask spec`: the text of the norm held against the code that cites it, and the C header against
//! both.

mod clauses;
mod evidence;
pub(crate) mod header;
mod lines;
mod links;
mod porting;
mod tables;
mod wording;

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
    /// Write the generated tables and the C header anew.
    #[arg(long)]
    write: bool,
    /// Print the clauses as JSON: id, evidence, the side that each binds, line, text.
    #[arg(long, conflicts_with_all = ["check", "write"])]
    json: bool,
}

/// Checks the text and the header, or writes what is generated.
pub(crate) fn run(args: &Args) -> Outcome {
    let sources = project::sources()?;
    let Some(spec) = sources.iter().find(|source| source.path == SPEC) else {
        return Err(Failure::Environment(format!("{SPEC} is missing")));
    };
    let header = sources.iter().find(|source| source.path == header::PATH).map(|source| source.text.as_str());
    if args.json {
        return json(spec);
    }
    if args.write { write(spec, header) } else { check(spec, header, &sources) }
}

fn write(spec: &Source, header: Option<&str>) -> Outcome {
    let (text, problems) = tables::regenerate(spec);
    if !problems.is_empty() {
        return Err(Failure::Verdict(problems));
    }
    put(SPEC, Some(&spec.text), &text)?;
    put(header::PATH, header, &header::text())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that is not as it should be.
fn put(path: &str, found: Option<&str>, text: &str) -> Result<(), Failure> {
    if found == Some(text) {
        println!("spec: {path} is up to date");
    } else {
        fs::write(project::root().join(path), text).context(path)?;
        println!("spec: {path} written");
    }
    Ok(())
}

/// One object for each clause, in the order of the text.
fn json(spec: &Source) -> Outcome {
    let (clauses, problems) = clauses::parse(spec);
    if !problems.is_empty() {
        return Err(Failure::Verdict(problems));
    }
    println!("{:#}", clauses::json(&clauses));
    Ok(ExitCode::SUCCESS)
}

fn check(spec: &Source, header: Option<&str>, sources: &[Source]) -> Outcome {
    let (clauses, mut problems) = clauses::parse(spec);
    let evidence = evidence::check(&clauses, sources);
    problems.extend(evidence.problems);
    problems.extend(lines::check(spec));
    problems.extend(wording::check(spec));
    problems.extend(tables::check(spec));
    problems.extend(links::check(sources, &project::root()));
    let (wrong, skipped) = header::check(header)?;
    problems.extend(wrong);
    let (ports, wrong) = porting::check(sources);
    problems.extend(wrong);
    println!("spec: {} clauses", clauses.len());
    for (class, tally) in evidence.tallies {
        println!("spec: {class} {}: {} of {} clauses cited", class.meaning(), tally.cited, tally.clauses);
    }
    for port in ports {
        println!("spec: port {port}");
    }
    for skipped in skipped {
        println!("spec: skipped {skipped}");
    }
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::Verdict(problems)) }
}
