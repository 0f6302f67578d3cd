// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask hostile`: the rings under peers that lie, scribble and die, optimised and under the
//! sanitizers.

mod toolchain;

use std::process::{Command, ExitCode, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::failure::{Context, Failure};
use crate::{Outcome, nested, project};
use toolchain::{Sanitizer, TRIPLE};

/// Arguments of `hostile`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only this: `release`, `address` or `thread`; may be given several times.
    #[arg(long, value_name = "RUN")]
    only: Vec<String>,
    /// Where chance begins; printed, so that a run can be repeated.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many times as long as in the plain test the random parts run.
    #[arg(long, value_name = "FACTOR", default_value_t = 4)]
    effort: u64,
}

/// One way to build and run the test.
struct Run {
    name: &'static str,
    command: Result<Command, String>,
    /// What it leaves out.
    without: Option<&'static str>,
}

/// Runs them all, even if one fails.
pub(crate) fn run(args: &Args) -> Outcome {
    let mut runs = vec![
        Run { name: "release", command: Ok(release()), without: None },
        Run { name: "address", command: address(), without: None },
        Run { name: "thread", command: thread(), without: Some(RACES_ON_PURPOSE) },
    ];
    if let Some(unknown) = args.only.iter().find(|name| !runs.iter().any(|run| run.name == name.as_str())) {
        let names: Vec<&str> = runs.iter().map(|run| run.name).collect();
        return Err(Failure::Environment(format!("no run `{unknown}`: there are {}", names.join(", "))));
    }
    runs.retain(|run| args.only.is_empty() || args.only.iter().any(|name| name == run.name));
    let seed = args.seed.unwrap_or_else(fresh_seed);
    println!("seed {seed}: `cargo xtask hostile --seed {seed}` repeats this");
    let (mut passed, mut failed, mut skipped) = (0_usize, 0_usize, 0_usize);
    for Run { name, command, without } in runs {
        let mut command = match command {
            Ok(command) => command,
            Err(reason) => {
                skipped += 1;
                println!("skip  {name:<8} {reason}");
                continue;
            }
        };
        command.env("TENON_SEED", seed.to_string()).env("TENON_EFFORT", args.effort.to_string());
        let started = Instant::now();
        let output = command.stdin(Stdio::null()).output().context(name)?;
        let seconds = started.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> =
            text.lines().filter_map(|line| Some(line.split_once("hostile: ")?.1)).collect();
        if output.status.success() && !lines.is_empty() {
            passed += 1;
            println!(
                "pass  {name:<8} {seconds:6.1} s  {} cases",
                lines.iter().map(|line| cases(line)).sum::<u64>()
            );
            lines.iter().for_each(|line| println!("      {line}"));
            without.iter().for_each(|reason| println!("      skipped: {reason}"));
        } else {
            failed += 1;
            println!("FAIL  {name:<8} {seconds:6.1} s  {}", output.status);
            print!("{text}");
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The number in `… 123 cases, …`.
fn cases(line: &str) -> u64 {
    let mut words = line.split_whitespace().rev().skip_while(|word| !word.starts_with("cases"));
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_secs())
}

/// The arguments of the test target.
const TEST: &[&str] =
    &["test", "--quiet", "--release", "--locked", "--package", "tenon-rings", "--test", "hostile"];
/// To the test: its lines are wanted.
const SHOW: &[&str] = &["--", "--nocapture"];
/// What the thread sanitizer cannot judge.
const RACES_ON_PURPOSE: &str =
    "tests named `payload`: a copy of payload races with whoever writes there, on purpose";
const NO_PAYLOAD: &[&str] = &["--skip", "payload"];

fn release() -> Command {
    let mut cargo = project::cargo();
    cargo.args(TEST).args(SHOW);
    cargo
}

/// A build with a sanitizer, apart from all others.
fn sanitized(name: &str, sanitizer: Sanitizer) -> Command {
    let Sanitizer { mut cargo, flags } = sanitizer;
    cargo.args(TEST).args(["--target", TRIPLE]);
    nested::apart(&mut cargo, &project::target().join("sanitizer").join(name), &flags);
    cargo
}

fn address() -> Result<Command, String> {
    let mut cargo = sanitized("address", toolchain::address()?);
    cargo.args(SHOW);
    Ok(cargo)
}

fn thread() -> Result<Command, String> {
    let mut cargo = sanitized("thread", toolchain::thread()?);
    cargo.args(["-Z", "build-std=std,panic_unwind,test"]).args(SHOW).args(NO_PAYLOAD);
    Ok(cargo)
}

#[cfg(test)]
mod tests {
    use super::cases;

    #[test]
    fn cases_are_summed_where_they_are_counted() {
        assert_eq!(cases("taker, 1 entry: 123 cases, 4 breaches found"), 123);
        assert_eq!(cases("taker under a scribbling thread: 5 steps"), 0);
    }
}
