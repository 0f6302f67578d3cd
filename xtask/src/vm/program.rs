// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program that the machine runs: the suite, as a static binary for its processor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSection};

use super::debian::{Debian, quiet};
use super::model::Arch;
use crate::failure::{Context, Failure};
use crate::project;

/// The suite's binary.
const SUITE: &str = "tenon-conformance";
const SUITE_PACKAGE: &str = "tenon-conformance-runner";
/// A distribution's compiler and linker for another architecture.
const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const LIBRARY: &str = "libstd-rust-web-dev";

/// What building for `arch` takes beyond what builds everything else, as packages.
pub(crate) fn missing(arch: Arch) -> Vec<String> {
    if arch.is_native() {
        return Vec::new();
    }
    let mut packages = Vec::new();
    if project::find_program(&linker(arch)).is_none() {
        packages.push(format!("gcc-{}-linux-gnu libc6-dev-{}-cross", arch.rust, arch.debian));
    }
    let has_system = Path::new(CARGO).is_file() && Path::new(RUSTC).is_file();
    if !has_system && !has_target(arch) {
        packages.push("rustc-web cargo-web rust-web-src".to_owned());
    }
    packages
}

fn linker(arch: Arch) -> String {
    format!("{}-linux-gnu-gcc", arch.rust)
}

/// Whether the compiler that builds everything else can build for `arch`.
fn has_target(arch: Arch) -> bool {
    let printed =
        Command::new("rustc").args(["--print", "target-libdir", "--target", &arch.target()]).output();
    printed.is_ok_and(|printed| Path::new(String::from_utf8_lossy(&printed.stdout).trim()).is_dir())
}

/// Builds the suite, with a target folder of its own: its flags differ from everybody else's.
pub(crate) fn suite(arch: Arch, debian: &Debian, dir: &Path) -> Result<PathBuf, Failure> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let mut cargo = project::cargo();
    if !arch.is_native() {
        flags.push(format!("-Clinker={}", linker(arch)));
        if !has_target(arch) {
            flags.push(format!("--sysroot={}", sysroot(debian, dir)?.display()));
            cargo = Command::new(CARGO);
            cargo
                .current_dir(project::root())
                .env("CARGO", CARGO)
                .env("RUSTC", RUSTC)
                .env_remove("RUSTUP_TOOLCHAIN");
        }
    }
    let target = arch.target();
    let status = cargo
        .args(["build", "--quiet", "--release", "--package", SUITE_PACKAGE, "--bin", SUITE])
        .args(["--target", &target, "--target-dir"])
        .arg(dir)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        return Err(Failure::Verdict(vec![format!("{SUITE_PACKAGE} does not build as a static binary")]));
    }
    Ok(dir.join(target).join("release").join(SUITE))
}

/// A folder in which the distribution's compiler finds the library of another architecture: of its own
/// version.
fn sysroot(debian: &Debian, dir: &Path) -> Result<PathBuf, Failure> {
    let asked = Command::new("dpkg-query").args(["--show", "--showformat=${Version}", "rustc-web"]).output();
    let version = asked.context("cannot start dpkg-query")?.stdout;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    let library =
        debian.package(LIBRARY, Some(&version).filter(|version| !version.is_empty()).map(String::as_str))?;
    let sysroot = dir.join("sysroot");
    let link = sysroot.join("lib/rustlib");
    fs::create_dir_all(sysroot.join("lib")).context(sysroot.display())?;
    quiet(
        Command::new("ln").args(["-sfn", "--"]).arg(absolute(&library.join("usr/lib/rustlib"))?).arg(&link),
    )?;
    absolute(&sysroot)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path).context(path.display())
}

/// The suite's image for a processor for which it cannot be in the suite's binary.
pub(crate) fn image(arch: Arch, dir: &Path) -> Result<Vec<u8>, Failure> {
    let out = dir.join(format!("conformance-{}", arch.rust));
    let status = project::cargo()
        .args(["run", "--quiet", "--release", "--package", SUITE_PACKAGE, "--bin", SUITE, "--"])
        .args(["image", "--arch", arch.rust, "--out"])
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        return Err(Failure::Environment(format!("vm: there is no image for {}", arch.rust)));
    }
    fs::read(&out).context(out.display())
}

/// Reads a binary and makes sure that it starts without a dynamic linker, which the machine does not have.
pub(crate) fn static_elf(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(path).context(path.display())?;
    if needs_interpreter(&bytes).context(path.display())? {
        return Err(Failure::Environment(format!(
            "{}: needs a dynamic linker; build it with RUSTFLAGS='-C target-feature=+crt-static'",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Whether an ELF file needs a dynamic linker.
pub(crate) fn needs_interpreter(elf: &[u8]) -> object::Result<bool> {
    let file = object::File::parse(elf)?;
    Ok(file.sections().any(|section| section.name() == Ok(".interp")))
}
