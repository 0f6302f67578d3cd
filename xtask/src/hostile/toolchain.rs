// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compilers that have a sanitizer. Stable has none; each that is missing is named together with what would
//! bring it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{nested, project};

/// Sanitizers want a target, so that they do not reach build scripts.
pub(crate) const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Where a distribution's compiler lies, beside rustup's.
const SYSTEM: &str = "/usr/bin";

/// A cargo and the flags with which its compiler sanitizes.
pub(crate) struct Sanitizer {
    pub(crate) cargo: Command,
    pub(crate) flags: Vec<String>,
}

/// Nightly comes with the runtime of the address sanitizer.
pub(crate) fn address() -> Result<Sanitizer, String> {
    let cargo = nightly().ok_or("no nightly toolchain: rustup toolchain install nightly")?;
    Ok(Sanitizer {
        cargo,
        flags: vec!["-Zsanitizer=address".to_owned(), "-Cforce-frame-pointers=yes".to_owned()],
    })
}

/// The thread sanitizer has to see into the standard library, or it reports what that synchronises: the
/// library is built too, from its sources.
pub(crate) fn thread() -> Result<Sanitizer, String> {
    let flag = || "-Zsanitizer=thread".to_owned();
    if let Some(cargo) = nightly()
        && sysroot("rustup", &["run", "nightly", "rustc"]).is_some_and(|root| has_sources(&root))
    {
        return Ok(Sanitizer { cargo, flags: vec![flag()] });
    }
    let rustc = Path::new(SYSTEM).join("rustc");
    let (cargo, name) = (Path::new(SYSTEM).join("cargo"), rustc.to_string_lossy().into_owned());
    if !cargo.is_file() || !sysroot(&name, &[]).is_some_and(|root| has_sources(&root)) {
        return Err("no compiler with the library's sources: rustup +nightly component add rust-src, \
                    or on Debian apt-get install rustc-web cargo-web rust-web-src clang-22"
            .to_owned());
    }
    // A distribution's compiler comes without the runtime; that of clang, with the same LLVM, is the same.
    let version = say(&name, &["-vV"]).unwrap_or_default();
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let clang = format!("clang-{}", llvm.and_then(|llvm| llvm.split('.').next()).unwrap_or_default());
    if project::find_program(&clang).is_none() {
        return Err(format!("{name} needs the runtime of its LLVM: apt-get install {clang}"));
    }
    let mut cargo = fresh(cargo);
    cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
    let link = format!("-Clinker={clang}");
    Ok(Sanitizer {
        cargo,
        flags: vec![flag(), "-Zexternal-clangrt".to_owned(), link, "-Clink-arg=-fsanitize=thread".to_owned()],
    })
}

/// Nightly's cargo, if rustup has it.
fn nightly() -> Option<Command> {
    say("rustup", &["run", "nightly", "cargo", "--version"])?;
    let mut cargo = fresh("rustup");
    cargo.args(["run", "nightly", "cargo"]);
    Some(cargo)
}

/// A cargo that is not the one which runs us, from the root.
fn fresh(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = nested::command(program.as_ref());
    command.current_dir(project::root());
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

fn sysroot(program: &str, before: &[&str]) -> Option<PathBuf> {
    let args = [before, &["--print", "sysroot"]].concat();
    Some(PathBuf::from(say(program, &args)?.trim()))
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
}

/// What a program prints, if it can be run and succeeds.
fn say(program: &str, args: &[&str]) -> Option<String> {
    let mut command = fresh(program);
    let output = command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
