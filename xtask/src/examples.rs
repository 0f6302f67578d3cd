// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask examples`: the crates outside of the workspace, which use what a stranger can use. Each is
//! short, is built, and runs.

mod guide;
mod kernel;
mod vmm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// Where they are.
const FOLDER: &str = "examples";

/// An example.
struct Example {
    /// Its folder.
    name: &'static str,
    /// Most lines of Rust.
    lines: usize,
    looks: &'static [Look],
}

/// One look at the program that was built.
struct Look {
    what: &'static str,
    /// Why it cannot be run on this machine; it is built all the same.
    missing: fn() -> Option<String>,
    /// What is wrong.
    look: fn(&Path) -> Result<(), String>,
}

const EXAMPLES: [Example; 3] = [
    Example {
        name: "vmm-smp",
        lines: 250,
        looks: &[
            Look { what: "boots hello", missing: kvm, look: vmm::boots_hello },
            Look { what: "passes the suite", missing: kvm, look: vmm::passes_the_suite },
        ],
    },
    Example {
        name: "first",
        lines: 60,
        looks: &[Look { what: "runs on KVM", missing: kvm, look: kernel::first_runs_on_kvm }],
    },
    Example {
        name: "kernel",
        lines: 200,
        looks: &[
            Look { what: "runs on KVM", missing: kvm, look: kernel::runs_on_kvm },
            Look { what: "outlives its host behind ivshmem", missing: qemu, look: kernel::outlives_its_host },
        ],
    },
];

/// Arguments of `examples`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this one; may be given several times.
    #[arg(long, value_name = "NAME", value_parser = names())]
    only: Vec<String>,
}

/// The name of the guide among the examples.
const GUIDE: &str = "guide";

fn names() -> Vec<&'static str> {
    EXAMPLES.iter().map(|example| example.name).chain([GUIDE]).collect()
}

/// Counts, builds and runs.
pub(crate) fn run(args: &Args) -> Outcome {
    let mut problems = Vec::new();
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    for example in EXAMPLES.iter().filter(|example| wanted(example.name)) {
        problems.extend(example.check()?);
    }
    if wanted(GUIDE) {
        problems.extend(guide());
    }
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::Verdict(problems)) }
}

/// Follows the guide for guests.
fn guide() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("skip  {GUIDE:8} builds: it is for Linux on x86-64");
        return None;
    }
    let missing = kvm();
    if let Some(missing) = &missing {
        println!("skip  {GUIDE:8} boots: {missing}");
    }
    let started = Instant::now();
    match guide::follow(missing.is_none()) {
        Ok(how) => {
            let seconds = started.elapsed().as_secs_f64();
            println!("pass  {GUIDE:8} is followed word for word: {how}, {seconds:.1} s");
            None
        }
        Err(why) => {
            println!("FAIL  {GUIDE:8} is followed word for word: {why}");
            Some(format!("examples: {GUIDE}: {why}"))
        }
    }
}

impl Example {
    fn check(&self) -> Result<Vec<String>, Failure> {
        let folder = project::root().join(FOLDER).join(self.name);
        let lines = lines_of_rust(&folder)?;
        let mut problems = Vec::new();
        let mut say = |what: &str, result: Result<String, String>| match result {
            Ok(how) => println!("pass  {:8} {what}: {how}", self.name),
            Err(why) => {
                println!("FAIL  {:8} {what}: {why}", self.name);
                problems.push(format!("examples: {}: {what}: {why}", self.name));
            }
        };
        let count = format!("{lines} of {} lines", self.lines);
        say("is short", if lines <= self.lines { Ok(count) } else { Err(count) });
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            println!("skip  {:8} builds: it is for Linux on x86-64", self.name);
            return Ok(problems);
        }
        let program = self.build(&folder)?;
        for Look { what, missing, look } in self.looks {
            if let Some(missing) = missing() {
                println!("skip  {:8} {what}: {missing}", self.name);
                continue;
            }
            let started = Instant::now();
            say(what, look(&program).map(|()| format!("{:.1} s", started.elapsed().as_secs_f64())));
        }
        Ok(problems)
    }

    /// Builds the example as a stranger does, in its folder, whose configuration of cargo counts.
    fn build(&self, folder: &Path) -> Result<PathBuf, Failure> {
        let mut cargo = project::nested();
        cargo.current_dir(folder).args(["build", "--release", "--locked"]);
        cargo.arg("--target-dir").arg(project::target().join(FOLDER).join(self.name));
        project::build(&mut cargo)
    }
}

/// Lines of all Rust files below `folder`, its build script included.
fn lines_of_rust(folder: &Path) -> Result<usize, Failure> {
    let mut lines = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).context(folder.display())? {
            let path = entry.context(folder.display())?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                lines += fs::read_to_string(&path).context(path.display())?.lines().count();
            }
        }
    }
    Ok(lines)
}

/// Why no machine of KVM's can be made here.
fn kvm() -> Option<String> {
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
    device.err().map(|why| format!("/dev/kvm cannot be opened: {why}"))
}

/// Why QEMU cannot be started.
fn qemu() -> Option<String> {
    let program = kernel::QEMU;
    project::find_program(program).is_none().then(|| format!("no {program}: apt-get install qemu-system-x86"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rust_line_counts_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        };
        put("src/main.rs", "1\n2\n");
        put("src/more/a.rs", "3\n");
        put("build.rs", "4\n5\n6");
        put("src/entry.s", "no\n");
        put("target/x.rs", "no\n");
        assert_eq!(lines_of_rust(folder.path()).expect("readable"), 6);
    }
}
