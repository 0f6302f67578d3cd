// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask durability`: hosts that are killed while a guest writes and flushes, a hundred a trial.
//!
//! It is the test `durability` of `tenon-devices`, in a build with planted faults, and with more rounds than
//! the few of `cargo test --workspace`.

use std::process::{ExitCode, Stdio};

use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// Arguments of `durability`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Hosts to kill in each trial.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Where chance is drawn from; without it, from the clock.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only trials with one of these words in their names.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

/// Runs the trials; each says a line, and the last line is their sum.
pub(crate) fn run(args: &Args) -> Outcome {
    let mut cargo = project::cargo();
    cargo.args(["test", "--quiet", "--package", "tenon-devices", "--test", "durability"]);
    cargo.args(["--features", "tenon-rings/planted-faults", "--", "--rounds", &args.rounds.to_string()]);
    if let Some(seed) = args.seed {
        cargo.args(["--seed", &seed.to_string()]);
    }
    let status = cargo.args(&args.words).stdin(Stdio::null()).status().context("cannot start cargo")?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Verdict(vec!["durability: a promise was not kept, or a fault not seen".to_owned()]))
}
