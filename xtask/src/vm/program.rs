// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program that the machine runs: the suite, for its processor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSection};

use super::debian::{Debian, quiet};
use super::model::Arch;
use crate::failure::{Context, Failure};
use crate::{nested, project};

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

/// The suite for the processor that this runs on: the very program that `cargo conformance` runs.
pub(crate) fn native_suite() -> Result<PathBuf, Failure> {
    project::build(project::cargo().args(["build", "--package", SUITE_PACKAGE, "--bin", SUITE]))
}

/// Builds the suite for another processor, as a static binary. Its folder is its own: its flags differ from
/// everybody else's.
pub(crate) fn foreign_suite(arch: Arch, debian: &Debian, dir: &Path) -> Result<PathBuf, Failure> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned(), format!("-Clinker={}", linker(arch))];
    let mut cargo = if has_target(arch) {
        project::nested()
    } else {
        flags.push(format!("--sysroot={}", sysroot(debian, dir)?.display()));
        let mut cargo = nested::command(CARGO);
        cargo.current_dir(project::root()).env("CARGO", CARGO).env("RUSTC", RUSTC);
        cargo.env_remove("RUSTUP_TOOLCHAIN");
        cargo
    };
    cargo.args(["build", "--locked", "--package", SUITE_PACKAGE, "--bin", SUITE, "--target", &arch.target()]);
    nested::apart(&mut cargo, dir, &flags);
    // Images for this machine's processor are of no use there, and this build has no need of its own.
    cargo.env("TENON_IMAGES", images()?);
    project::build(&mut cargo)
}

/// The folder of the images that the suite for this processor has inside.
fn images() -> Result<PathBuf, Failure> {
    let mut files = project::images()?.into_values();
    files
        .next()
        .and_then(|file| Some(file.parent()?.to_owned()))
        .ok_or_else(|| Failure::environment("there is no image"))
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
    let status = project::suite()
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

/// What a program is linked to, by the paths at which it looks: nothing for a static one. One of another
/// processor has to be static.
pub(crate) fn libraries(program: &Path, arch: Arch) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let bytes = fs::read(program).context(program.display())?;
    if !needs_interpreter(&bytes).context(program.display())? {
        return Ok(Vec::new());
    }
    if !arch.is_native() || project::find_program("ldd").is_none() {
        return Err(Failure::Environment(format!(
            "{}: needs a dynamic linker; build it with RUSTFLAGS='-C target-feature=+crt-static'",
            program.display()
        )));
    }
    let output = Command::new("ldd").arg(program).stdin(Stdio::null()).output().context("ldd")?;
    let listing = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || listing.contains("not found") {
        return Err(Failure::Environment(format!("ldd {}: {}", program.display(), listing.trim())));
    }
    let read = |path: &str| Ok((path.to_owned(), fs::read(path).context(path)?));
    paths(&listing).into_iter().map(read).collect()
}

/// Absolute paths in the output of `ldd`: behind an arrow, or alone for the dynamic linker itself.
fn paths(listing: &str) -> Vec<&str> {
    let first = |line| str::split_whitespace(line).find(|word| word.starts_with('/'));
    listing.lines().filter_map(first).collect()
}

/// Whether an ELF file needs a dynamic linker.
pub(crate) fn needs_interpreter(elf: &[u8]) -> object::Result<bool> {
    let file = object::File::parse(elf)?;
    Ok(file.sections().any(|section| section.name() == Ok(".interp")))
}

#[cfg(test)]
mod tests {
    use super::super::model::AMD64;
    use super::*;

    #[test]
    fn libraries_are_found_by_their_paths() {
        let listing = concat!(
            "\tlinux-vdso.so.1 (0x00007ffc)\n",
            "\tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f01)\n",
            "\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)\n",
        );
        assert_eq!(paths(listing), ["/lib/x86_64-linux-gnu/libgcc_s.so.1", "/lib64/ld-linux-x86-64.so.2"]);
    }

    #[test]
    fn a_program_is_read_with_what_it_is_linked_to() {
        let program = std::env::current_exe().expect("this test is a program");
        let bytes = fs::read(&program).expect("it can be read");
        let found = libraries(&program, AMD64).expect("its libraries are here");
        assert_eq!(found.is_empty(), !needs_interpreter(&bytes).expect("it is an ELF file"));
        assert!(found.iter().all(|(_, code)| code.starts_with(b"\x7fELF")));
    }
}
