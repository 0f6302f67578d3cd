// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask fuzz`: libFuzzer feeds the host core. Stock stable Rust has the instrumentation; libFuzzer
//! itself is C++.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// The package with libFuzzer's main, apart from the workspace.
const FOLDER: &str = "fuzz/libfuzzer";
/// The one target: program and folder of the corpus.
const TARGET: &str = "core";
const CORPUS: &str = "fuzz/corpus/core";
/// A target, so that the instrumentation does not reach build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// LLVM's pass, and the three ways in which libFuzzer looks at a program.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to try new inputs.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
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
    let found = folder.join("corpus").join(TARGET);
    fs::create_dir_all(&found).context(found.display())?;
    if args.minimise {
        return minimise(&program, &folder, &found);
    }
    let mut prefix = folder.clone().into_os_string();
    prefix.push("/");
    let mut run = Command::new(&program);
    run.arg(&found).arg(project::root().join(CORPUS));
    run.arg(option("-artifact_prefix=", &prefix)).arg(format!("-max_total_time={}", args.seconds));
    run.args(["-max_len=2048", "-timeout=10", "-print_final_stats=1"]);
    verdict(run, &folder)
}

/// One line that says what this machine lacks for `fuzz`, and how to get it.
pub(crate) fn unavailable() -> Option<String> {
    let compiler = std::env::var_os("CXX").is_some() || project::find_program("c++").is_some();
    (!compiler).then(|| {
        "`fuzz` needs a C++ compiler for libFuzzer: apt-get install --no-install-recommends g++".to_owned()
    })
}

fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let status = project::cargo()
        .current_dir(project::root().join(FOLDER))
        .args(["build", "--quiet", "--release", "--locked", "--bin", TARGET, "--target", TRIPLE])
        .arg("--target-dir")
        .arg(folder.join("build"))
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .stdin(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        return Err(Failure::Verdict(vec!["fuzz: the target does not build".to_owned()]));
    }
    Ok(folder.join("build").join(TRIPLE).join("release").join(TARGET))
}

/// Runs libFuzzer, whose words go to the terminal; what broke the core it leaves in `folder`.
fn verdict(mut run: Command, folder: &Path) -> Outcome {
    let status = run.stdin(Stdio::null()).status().context("cannot start the fuzz target")?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Verdict(vec![format!(
        "fuzz: the core broke a rule; the input lies in {}: run it again with --input",
        folder.display()
    )]))
}

fn minimise(program: &Path, folder: &Path, found: &Path) -> Outcome {
    let (committed, fresh) = (project::root().join(CORPUS), folder.join("minimal"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).context(fresh.display())?;
    }
    fs::create_dir_all(&fresh).context(fresh.display())?;
    let mut run = Command::new(program);
    run.args(["-set_cover_merge=1", "-max_len=2048"]).arg(&fresh).arg(found).arg(&committed);
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
