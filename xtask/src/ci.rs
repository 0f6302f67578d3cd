// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask ci`: every check beyond the tests and the rows of `cargo conformance --all`, one line a step.

use std::collections::VecDeque;
use std::io::Write as _;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use regex::Regex;

use crate::failure::{Context, Failure};
use crate::spec::header;
use crate::vm::Machine;
use crate::{Outcome, fuzz, msrv, project, vm};

/// The images' workspace, apart because of its flags.
const GUESTS: &str = "guests/Cargo.toml";

/// Arguments of `ci`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only this step; may be given several times.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
}

/// One check.
struct Step {
    name: &'static str,
    /// What to run; its exit code is the verdict.
    command: Command,
    /// What the output has to show besides: nothing done is not a success.
    shows: Option<Regex>,
    /// Why it cannot be run on this machine.
    skip: Option<String>,
    /// It waits for an emulated machine, which has one processor.
    emulated: bool,
}

/// Runs the steps, all of them even if one fails.
pub(crate) fn run(args: &Args) -> Outcome {
    let mut steps = steps()?;
    if let Some(unknown) = args.only.iter().find(|name| !steps.iter().any(|step| step.name == name.as_str()))
    {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        return Err(Failure::Environment(format!("no step `{unknown}`: there are {}", names.join(", "))));
    }
    if !args.only.is_empty() {
        steps.retain(|step| args.only.iter().any(|name| name == step.name));
    }
    let (mut passed, mut failed, mut skipped) = (0_usize, 0_usize, 0_usize);
    let mut finish = |step: Finished| -> Result<(), Failure> {
        let Finished { name, output, seconds, silent } = step;
        if output.status.success() && !silent {
            passed += 1;
            println!("pass  {name:<16} {seconds:6.1} s");
            return Ok(());
        }
        failed += 1;
        let why = if silent { ", no cases passed" } else { "" };
        println!("FAIL  {name:<16} {seconds:6.1} s  {}{why}", output.status);
        let mut out = std::io::stdout().lock();
        out.write_all(&output.stdout).and_then(|()| out.write_all(&output.stderr)).context("stdout")
    };
    let mut emulated = Vec::new();
    for step in steps {
        if let Some(reason) = step.skip {
            skipped += 1;
            println!("skip  {:<16} {reason}", step.name);
        } else if step.emulated {
            emulated.push(step);
        } else {
            finish(step.run()?)?;
        }
    }
    at_once(emulated, &mut finish)?;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Runs steps that take one processor each: as many at once as there are processors.
fn at_once(
    steps: Vec<Step>,
    finish: &mut impl FnMut(Finished) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(VecDeque::from(steps));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (sender, finished) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..processors {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(step) = next() {
                    // If nobody listens any more, a step before has failed to run.
                    if sender.send(step.run()).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        finished.into_iter().try_for_each(|step| finish(step?))
    })
}

/// A step that has been run.
struct Finished {
    name: &'static str,
    output: Output,
    seconds: f64,
    /// It ended well and did not show what it had to.
    silent: bool,
}

impl Step {
    fn run(mut self) -> Result<Finished, Failure> {
        let started = Instant::now();
        let output = self.command.stdin(Stdio::null()).output().context(self.name)?;
        let seconds = started.elapsed().as_secs_f64();
        let silent = self.shows.is_some_and(|line| !line.is_match(&String::from_utf8_lossy(&output.stdout)));
        Ok(Finished { name: self.name, output, seconds, silent })
    }
}

fn steps() -> Result<Vec<Step>, Failure> {
    let mut steps = vec![
        step("fmt", cargo(&["fmt", "--all", "--check"])),
        step("clippy", cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ];

    steps.push(step("guests-fmt", cargo(&["fmt", "--all", "--check", "--manifest-path", GUESTS])));
    // No --all-targets: an image has no tests, and a test harness has no place in it.
    let mut clippy = cargo(&["clippy", "--quiet", "--workspace", "--manifest-path", GUESTS, "--target-dir"]);
    clippy.arg(project::target().join("guests")).args(["--", "-D", "warnings"]);
    steps.push(step("guests-clippy", clippy));

    let mut doc = cargo(&["doc", "--quiet", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    steps.push(step("doc", doc));

    steps.push(step("check-abi", chore(&["check-abi"])?));
    steps.push(step("layers", chore(&["layers"])?));
    steps.push(step("spec", chore(&["spec", "--check"])?));
    for look in header::looks(&project::root().join(header::PATH)) {
        steps.push(Step { skip: look.missing, ..step(look.name, look.command) });
    }
    // Runs all of the loom models, and what they are needed for.
    steps.push(step("mutate-orderings", chore(&["mutate-orderings"])?));
    steps.push(step("size", chore(&["size"])?));
    steps.push(Step { skip: msrv::unavailable(), ..step("msrv", chore(&["msrv"])?) });
    steps.push(step("package", chore(&["package"])?));
    // What `deny.toml` asks for and needs no network: whether a release was called back changes without us.
    let mut deny = step("deny", cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]));
    deny.skip = no_deny();
    steps.push(deny);
    // Too short to find much: it shows that the program builds, and that an input is cheap. A quiet machine
    // does five times as many.
    let mut fuzz = step("fuzz", chore(&["fuzz", "--seconds", "10", "--least", "4000"])?);
    fuzz.skip = fuzz::unavailable();
    steps.push(fuzz);
    // Says itself what it leaves out.
    let mut images = step("images", chore(&["images"])?);
    images.shows = Some(Regex::new(r"(?m)^pass ").context("an image that boots")?);
    images.emulated = true;
    steps.push(images);
    // So does this.
    let mut examples = step("examples", chore(&["examples"])?);
    examples.shows = Some(Regex::new(r"(?m)^pass ").context("an example that is built")?);
    steps.push(examples);
    // With the rows of `cargo conformance --all` every way that KVM has to trap and to translate.
    let sum = Regex::new(r"(?m)^[1-9]\d* passed, 0 failed").context("the suite's last line")?;
    let machines: [(_, _, &[_]); 3] = [
        ("vm-kvm-amd", Machine::KvmAmd, &["--host", "kvm-native", "--host", "kvm-mmio"]),
        ("vm-no-npt", Machine::KvmAmdNoNpt, &["--host", "kvm-native"]),
        ("vm-kvm-arm64", Machine::KvmArm64, &["--host", "kvm-hvc"]),
    ];
    for (name, machine, hosts) in machines {
        let mut vm = step(name, chore(&[&["vm", machine.name(), "--"], hosts].concat())?);
        vm.skip = vm::unavailable(machine);
        vm.shows = Some(sum.clone());
        vm.emulated = true;
        steps.push(vm);
    }
    Ok(steps)
}

/// Why dependencies are not looked at.
fn no_deny() -> Option<String> {
    let version = cargo(&["deny", "--version"]).stdin(Stdio::null()).output();
    let here = version.is_ok_and(|output| output.status.success());
    (!here).then(|| "no cargo-deny: cargo install cargo-deny".to_owned())
}

fn step(name: &'static str, command: Command) -> Step {
    Step { name, command, shows: None, skip: None, emulated: false }
}

fn cargo(args: &[&str]) -> Command {
    let mut command = project::cargo();
    command.args(args);
    command
}

/// One of our own commands, in a process of its own: its output is shown only if it fails.
fn chore(args: &[&str]) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(args).current_dir(project::root());
    Ok(command)
}
