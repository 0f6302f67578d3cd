// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask msrv`: what a kernel links is compiled with the oldest compiler that its manifests promise.
//! That compiler is rustup's, or Debian's beside the one that is installed: unpacked, never installed.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::failure::{Context, Failure};
use crate::vm::debian::{self, Debian};
use crate::{Outcome, nested, project, vm};

/// The oldest compiler, as these packages' manifests have it: `check-abi` holds them to it.
pub(crate) const RUST: &str = "1.85";
/// What is linked into kernels, with what that needs.
pub(crate) const PACKAGES: [&str; 3] = ["tenon-abi", "tenon-rings", "tenon-guest"];

/// A compiler that lies somewhere.
struct Compiler {
    rustc: PathBuf,
    /// Where its libraries are, if the system does not know.
    libraries: Option<PathBuf>,
}

impl Compiler {
    fn command(&self, program: &Path) -> Command {
        let mut command = nested::command(program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// What it says of itself, if it runs.
    fn version(&self) -> Option<String> {
        let output = self.command(&self.rustc).arg("-V").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && text.starts_with(&format!("rustc {RUST}."))).then_some(text)
    }
}

/// Checks the packages.
pub(crate) fn run() -> Outcome {
    if let Some(reason) = unavailable() {
        return Err(Failure::Environment(reason));
    }
    let compiler = match rustup() {
        Some(compiler) => compiler,
        None => unpacked(&vm::native_packages())?,
    };
    let version = compiler
        .version()
        .ok_or_else(|| Failure::Environment(format!("{} does not run", compiler.rustc.display())))?;
    let cargo = project::nested();
    // Behind a variable of its own: cargo itself is not linked to that compiler's libraries.
    let mut check = compiler.command(Path::new(cargo.get_program()));
    check.current_dir(project::root()).env("RUSTC", &compiler.rustc);
    check.args(["check", "--quiet", "--locked"]);
    for package in PACKAGES {
        check.args(["--package", package]);
    }
    nested::apart(&mut check, &project::target().join("msrv"), &[]);
    let status = check.stdin(Stdio::null()).status().context("cannot start cargo")?;
    if !status.success() {
        return Err(Failure::Verdict(vec![format!("msrv: {version} does not compile what kernels link")]));
    }
    println!("msrv: {} compile with {version}", PACKAGES.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// One line that says what this machine lacks, and how to get it.
pub(crate) fn unavailable() -> Option<String> {
    let here = rustup().is_some() || is_unpacked(&vm::native_packages()) || version_of_debian().is_some();
    (!here).then(|| {
        format!("no Rust {RUST}: rustup toolchain install {RUST}, or on Debian a package rustc-web of that version")
    })
}

/// Rustup's, if it is installed.
fn rustup() -> Option<Compiler> {
    let output = nested::command("rustup").args(["which", "--toolchain", RUST, "rustc"]).output().ok()?;
    let rustc = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let compiler = Compiler { rustc, libraries: None };
    compiler.version().map(|_| compiler)
}

/// The package's version, of those that apt knows.
fn version_of_debian() -> Option<String> {
    if !debian::is_here() {
        return None;
    }
    let output =
        Command::new("apt-cache").args(["madison", "rustc-web"]).stdin(Stdio::null()).output().ok()?;
    version_in(&String::from_utf8_lossy(&output.stdout))
}

/// The version in a list of ` rustc-web | VERSION | SOURCE`.
fn version_in(list: &str) -> Option<String> {
    let mut versions = list.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()));
    versions.find(|version| version.starts_with(&format!("{RUST}.")))
}

/// The folder that all of its packages are unpacked into.
fn folder() -> String {
    format!("rust-{RUST}")
}

fn is_unpacked(debian: &Debian) -> bool {
    !debian.cached(|name| name == folder()).is_empty()
}

/// Debian's, with the library and the back end of its own version.
fn unpacked(debian: &Debian) -> Result<Compiler, Failure> {
    let tree = if is_unpacked(debian) {
        debian.tree(&folder(), &[])?
    } else {
        let version = version_of_debian().ok_or_else(|| Failure::environment("apt forgot its packages"))?;
        let library = format!("libstd-rust-web-{RUST}");
        let llvm = debian.depends(&library)?.into_iter().find(|name| name.starts_with("libllvm"));
        let llvm = llvm.ok_or_else(|| Failure::Environment(format!("{library} names no libllvm")))?;
        let packages =
            [format!("rustc-web={version}"), format!("libstd-rust-web-dev={version}"), library, llvm];
        debian.tree(&folder(), &packages)?
    };
    let libraries = tree.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    Ok(Compiler { rustc: tree.join("usr/bin/rustc"), libraries: Some(libraries) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_apts_list() {
        let list =
            " rustc-web | 1.96.0+dfsg1-1 | http://a main\n rustc-web | 1.85.0+dfsg3-1 | http://b main\n";
        assert_eq!(version_in(list).as_deref(), Some("1.85.0+dfsg3-1"));
        assert_eq!(version_in(" rustc-web | 1.850.0 | x\n"), None);
        assert_eq!(version_in(""), None);
    }
}
