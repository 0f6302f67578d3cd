// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask size`: what Tenon costs an image in text, and that no panic of it can be reached.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output, Stdio};

use object::{Object, ObjectSection, SectionKind};

use crate::failure::{Context, Failure};
use crate::{Outcome, nested, project};

/// The image that talks Tenon and the one that does all else that it does.
const WITH: &str = "HELLO";
const WITHOUT: &str = "BARE";

/// The package that calls every public function of the shim, with a panic handler that cannot be linked.
const PROBE_PACKAGE: &str = "tenon-guest-probe";

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What a kernel may use beside a session, a vCPU and a call.
const FAMILIES: [&str; 11] = [
    "batch",
    "event",
    "region",
    "console",
    "lifecycle",
    "entropy",
    "meter",
    "memory",
    "block",
    "net",
    "time",
];

/// Arguments of `size`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The most text in bytes that Tenon may add to `hello`.
    #[arg(long, value_name = "BYTES", default_value_t = 8192)]
    limit: u64,
    /// Measure this image in place of `hello`.
    #[arg(long, value_name = "ELF", requires = "without")]
    with: Option<PathBuf>,
    /// The same image without Tenon.
    #[arg(long, value_name = "ELF", requires = "with")]
    without: Option<PathBuf>,
}

/// Measures and links.
pub(crate) fn run(args: &Args) -> Outcome {
    let (with, without) = match (&args.with, &args.without) {
        (Some(with), Some(without)) => (with.clone(), without.clone()),
        _ => {
            let mut images = project::images()?;
            (take(&mut images, WITH)?, take(&mut images, WITHOUT)?)
        }
    };
    let (with, without) = (text_size(&with)?, text_size(&without)?);
    let added = with.saturating_sub(without);
    println!(
        "size: hello has {with} bytes of text with Tenon, {without} without: {added} added, at most {}",
        args.limit
    );
    let mut problems = Vec::new();
    if added > args.limit {
        problems.push(format!(
            "size: Tenon adds {added} bytes of text, {} more than allowed",
            added - args.limit
        ));
    }
    if args.with.is_none() {
        match link_probe()? {
            Probe::Links => println!("size: every public function of the shim links without a panic handler"),
            Probe::Fails(lines) => problems.extend(lines),
        }
        let (base, families) = families()?;
        println!("size: a session, a vCPU and a call are {base} bytes of text; beside them");
        for (family, bytes) in families {
            println!("size: {family:>11} adds {bytes:>5}");
        }
    }
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::Verdict(problems)) }
}

/// Bytes of code in an ELF file.
fn text_size(path: &Path) -> Result<u64, Failure> {
    let bytes = fs::read(path).context(path.display())?;
    let file = object::File::parse(bytes.as_slice()).context(path.display())?;
    Ok(file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .map(|section| section.size())
        .sum())
}

fn take(images: &mut BTreeMap<String, PathBuf>, name: &str) -> Result<PathBuf, Failure> {
    images
        .remove(name)
        .ok_or_else(|| Failure::Environment(format!("there is no image `{}`", name.to_lowercase())))
}

/// What the linker says of the probe.
enum Probe {
    Links,
    Fails(Vec<String>),
}

/// Links the probe: it fails if the optimiser left a way to the panic handler.
fn link_probe() -> Result<Probe, Failure> {
    let (output, _) = link("probe", "probe")?;
    if output.status.success() {
        return Ok(Probe::Links);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let missing = undefined(&text);
    if missing.is_empty() {
        return Ok(Probe::Fails(text.lines().map(str::to_owned).collect()));
    }
    Ok(Probe::Fails(
        missing.into_iter().map(|line| format!("size: the probe does not link: {line}")).collect(),
    ))
}

/// What each family adds, in bytes of text.
type Added = Vec<(&'static str, u64)>;

/// Text of a kernel that uses a session, a vCPU and a call, and what each family adds to that.
fn families() -> Result<(u64, Added), Failure> {
    let with = |family: &str| {
        let (output, path) = link("families", &format!("family=\"{family}\""))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::Verdict(text.lines().map(str::to_owned).collect()));
        }
        text_size(&path)
    };
    let base = with("")?;
    let add = |family: &&'static str| Ok((*family, with(family)?.saturating_sub(base)));
    Ok((base, FAMILIES.iter().map(add).collect::<Result<_, Failure>>()?))
}

/// Links a program of the probe's package without a library, and with one more configuration; the result is
/// what cargo said, and where the program is.
fn link(program: &str, cfg: &str) -> Result<(Output, PathBuf), Failure> {
    let flags = [
        "-Crelocation-model=static",
        // Freestanding, and nothing kept that the entry point does not need.
        "-Clink-arg=-nostartfiles",
        "-Clink-arg=-nostdlib",
        "-Clink-arg=-static",
        "-Clink-arg=-no-pie",
        "-Clink-arg=-Wl,--gc-sections",
    ]
    .map(str::to_owned);
    let folder = project::target().join("size");
    let mut cargo = project::nested();
    cargo.current_dir(project::root().join("guests"));
    cargo.args(["rustc", "--quiet", "--locked", "--config", "profile.toml", "--release"]);
    // A target, so that the flags do not reach build scripts and macros.
    cargo.args(["--package", PROBE_PACKAGE, "--target", TARGET, "--bin", program]);
    nested::apart(&mut cargo, &folder, &flags);
    // Of the program alone: what it depends on is compiled once.
    cargo.args(["--", "--cfg", cfg]);
    let output = cargo.stdin(Stdio::null()).output().context("cannot start cargo")?;
    Ok((output, folder.join(TARGET).join("release").join(program)))
}

/// The linker's lines about symbols that it did not find, each once.
fn undefined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| line.contains("undefined ")) {
        if !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_text_and_a_text_has_none() {
        let program = std::env::current_exe().expect("this test is a program");
        assert!(text_size(&program).expect("it is an ELF file") > 1000);
        let manifest = project::root().join("Cargo.toml");
        assert!(matches!(text_size(&manifest), Err(Failure::Environment(_))));
    }

    #[test]
    fn the_linkers_complaint_is_kept_short() {
        let text =
            "note: a\n  x.rs:1: undefined reference to `panics'\n  x.rs:1: undefined reference to `panics'\n";
        assert_eq!(undefined(text), ["x.rs:1: undefined reference to `panics'"]);
    }
}
