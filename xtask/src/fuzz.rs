// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask fuzz`: libFuzzer feeds the host core. Stock stable Rust has the instrumentation; libFuzzer
//! itself is C++.

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure};
use crate::{Outcome, nested, project};

/// The program with libFuzzer's main, the feature that it needs, and its profile.
const PACKAGE: &str = "tenon-fuzz";
const PROGRAM: &str = "libfuzzer";
const PROFILE: &str = "fuzz";
/// The corpus that is committed.
const CORPUS: &str = "fuzz/corpus/core";
/// A target, so that the instrumentation does not reach build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Bytes of an input, at most: some sixty things that a guest does.
const MAX_LEN: &str = "-max_len=256";
/// LLVM's pass, and how libFuzzer looks at a program: which edges were taken how often. What comparisons
/// compare is not traced: that takes half of the time, and the inputs' own language has the values at which
/// things end.
const FLAGS: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Ccodegen-units=1",
];

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to try new inputs.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
    /// Fail if fewer inputs are tried in a second of one processor's time.
    #[arg(long, value_name = "INPUTS", conflicts_with_all = ["input", "minimise"])]
    least: Option<u64>,
    /// Run these inputs once each, and nothing else.
    #[arg(long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Replace the committed corpus by the fewest inputs, of all that were ever found here, that reach as
    /// much.
    #[arg(long, conflicts_with = "input")]
    minimise: bool,
}

/// Builds and runs.
pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(reason) = unavailable() {
        return Err(Failure::Environment(reason));
    }
    let folder = project::target().join("fuzz");
    let program = build(&folder)?;
    if !args.input.is_empty() {
        let mut run = Command::new(&program);
        run.args(&args.input);
        return verdict(run, &folder);
    }
    let found = folder.join("corpus");
    fs::create_dir_all(&found).context(found.display())?;
    if args.minimise {
        return minimise(&program, &folder, &found);
    }
    let mut prefix = folder.clone().into_os_string();
    prefix.push("/");
    let mut run = Command::new(&program);
    run.arg(&found).arg(project::root().join(CORPUS));
    run.arg(option("-artifact_prefix=", &prefix)).arg(format!("-max_total_time={}", args.seconds));
    // What takes libFuzzer's own time: its books on how rare each edge is, a shorter input for each branch,
    // and inputs that are long.
    run.args(["-entropic=0", "-reduce_inputs=0", MAX_LEN, "-timeout=10", "-print_final_stats=1"]);
    let (outcome, pace) = watched(run, &folder)?;
    outcome?;
    let Some(pace) = pace else { return Ok(ExitCode::SUCCESS) };
    println!("fuzz: {pace}");
    match args.least {
        Some(least) if pace.in_a_second() < least => {
            Err(Failure::Verdict(vec![format!("fuzz: at least {least} inputs a second are wanted")]))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// One line that says what this machine lacks for `fuzz`, and how to get it.
pub(crate) fn unavailable() -> Option<String> {
    let compiler = std::env::var_os("CXX").is_some() || project::find_program("c++").is_some();
    (!compiler).then(|| {
        "`fuzz` needs a C++ compiler for libFuzzer: apt-get install --no-install-recommends g++".to_owned()
    })
}

fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let mut cargo = project::nested();
    cargo.args(["build", "--locked", "--package", PACKAGE, "--features", PROGRAM, "--bin", PROGRAM]);
    cargo.args(["--profile", PROFILE, "--target", TRIPLE]);
    nested::apart(&mut cargo, &folder.join("build"), &FLAGS.map(str::to_owned));
    project::build(&mut cargo)
}

/// Runs libFuzzer, whose words go to the terminal; what broke the core it leaves in `folder`.
fn verdict(run: Command, folder: &Path) -> Outcome {
    watched(run, folder)?.0
}

/// The same, and how fast it was.
fn watched(mut run: Command, folder: &Path) -> Result<(Outcome, Option<Pace>), Failure> {
    let child = run.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.context("cannot start the fuzz target")?;
    let mut inputs = None;
    let words = child.stderr.take().map(BufReader::new);
    for line in words.into_iter().flat_map(|words| words.lines().map_while(Result::ok)) {
        inputs = line.strip_prefix(INPUTS).and_then(|number| number.trim().parse().ok()).or(inputs);
        eprintln!("{line}");
    }
    // It has ended, and its books are open until somebody asks for its exit code.
    let books = wait_for_end(&child);
    let status = child.wait().context("the fuzz target")?;
    if status.success() {
        let pace = inputs.zip(books).map(|(inputs, ticks)| Pace { inputs, ticks });
        return Ok((Ok(ExitCode::SUCCESS), pace));
    }
    let broken = format!(
        "fuzz: the core broke a rule; the input lies in {}: run it again with --input",
        folder.display()
    );
    Ok((Err(Failure::Verdict(vec![broken])), None))
}

/// What stands before the number of inputs.
const INPUTS: &str = "stat::number_of_executed_units:";
/// What Linux counts a program's time in, as programs see it.
const TICKS: u64 = 100;

/// How fast inputs were tried. In the processor's time, which other programs do not take away.
struct Pace {
    inputs: u64,
    ticks: u64,
}

impl Pace {
    fn in_a_second(&self) -> u64 {
        self.inputs * TICKS / self.ticks.max(1)
    }
}

impl Display for Pace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { inputs, ticks } = self;
        let micros = *ticks as f64 * 1e6 / TICKS as f64 / (*inputs).max(1) as f64;
        let seconds = *ticks as f64 / TICKS as f64;
        write!(f, "{inputs} inputs in {seconds:.1} s of one processor: {} a second, ", self.in_a_second())?;
        write!(f, "{micros:.1} us for each")
    }
}

/// The processor's time that a program took which has closed its output, in ticks.
fn wait_for_end(child: &Child) -> Option<u64> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let line = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
        let (state, ticks) = read_stat(&line)?;
        if state == "Z" || Instant::now() > deadline {
            return Some(ticks);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// State and time of a line of `/proc/PID/stat`: a name may hold anything, so what counts is behind its last
/// bracket.
fn read_stat(line: &str) -> Option<(&str, u64)> {
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let mut times = fields.skip(10).map_while(|field| field.parse::<u64>().ok());
    Some((state, times.next()? + times.next()?))
}

fn minimise(program: &Path, folder: &Path, found: &Path) -> Outcome {
    let (committed, fresh) = (project::root().join(CORPUS), folder.join("minimal"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).context(fresh.display())?;
    }
    fs::create_dir_all(&fresh).context(fresh.display())?;
    let mut run = Command::new(program);
    run.args(["-set_cover_merge=1", MAX_LEN]).arg(&fresh).arg(found).arg(&committed);
    verdict(run, folder)?;
    // Only now that the new one is whole.
    for file in files(&committed)? {
        fs::remove_file(&file).context(file.display())?;
    }
    let (mut count, mut bytes) = (0_usize, 0_u64);
    for file in files(&fresh)? {
        let name = file.file_name().map(OsString::from).unwrap_or_default();
        bytes += fs::copy(&file, committed.join(name)).context(file.display())?;
        count += 1;
    }
    println!("fuzz: {count} inputs of {bytes} bytes in {CORPUS}");
    Ok(ExitCode::SUCCESS)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).context(folder.display())? {
        files.push(entry.context(folder.display())?.path());
    }
    Ok(files)
}

fn option(name: &str, value: &OsString) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_time_is_read() {
        let line = "77 (lib) (fuzzer) Z 1 2 3 4 5 6 7 8 9 10 250 30 0 0 20 0 1 0 99";
        assert_eq!(read_stat(line), Some(("Z", 280)));
        assert_eq!(read_stat("77 (x"), None);
        let pace = Pace { inputs: 140_000, ticks: 280 };
        assert_eq!(pace.in_a_second(), 50_000);
        let text = "140000 inputs in 2.8 s of one processor: 50000 a second, 20.0 us for each";
        assert_eq!(pace.to_string(), text);
    }
}
