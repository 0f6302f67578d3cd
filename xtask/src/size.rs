// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask size`: what Tenon costs an image in text, and that no panic of it can be reached.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use object::{Object, ObjectSection, SectionKind};

use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// The package that builds the bootable images and names them in its build script's variables.
const IMAGES_PACKAGE: &str = "tenon-guest-images";
const IMAGE_VARIABLE: &str = "TENON_IMAGE_";
/// The image that talks Tenon and the one that does all else that it does.
const WITH: &str = "HELLO";
const WITHOUT: &str = "BARE";

/// The package that calls every public function of the shim, with a panic handler that cannot be linked.
const PROBE_PACKAGE: &str = "tenon-guest-probe";
const PROBE_FOLDER: &str = "guests/probe";

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
            let mut images = build_images()?;
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
    images.remove(name).ok_or_else(|| {
        Failure::Environment(format!("{IMAGES_PACKAGE} builds no image `{}`", name.to_lowercase()))
    })
}

/// Builds the images and returns their files by name.
fn build_images() -> Result<BTreeMap<String, PathBuf>, Failure> {
    let output = project::cargo()
        .args([
            "build",
            "--quiet",
            "--package",
            IMAGES_PACKAGE,
            "--message-format",
            "json-render-diagnostics",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        return Err(Failure::Verdict(vec![format!("{IMAGES_PACKAGE} does not build")]));
    }
    Ok(image_files(&String::from_utf8_lossy(&output.stdout)))
}

/// The images in cargo's messages, one JSON object a line.
fn image_files(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut images = BTreeMap::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let variables =
            message.get("env").and_then(|value| value.as_array()).map(Vec::as_slice).unwrap_or_default();
        for variable in variables {
            let (Some(name), Some(path)) = (
                variable.get(0).and_then(|name| name.as_str()),
                variable.get(1).and_then(|path| path.as_str()),
            ) else {
                continue;
            };
            if let Some(name) = name.strip_prefix(IMAGE_VARIABLE) {
                images.insert(name.to_owned(), PathBuf::from(path));
            }
        }
    }
    images
}

/// What the linker says of the probe.
enum Probe {
    Links,
    Fails(Vec<String>),
}

/// Links the probe: it fails if the optimiser left a way to the panic handler.
fn link_probe() -> Result<Probe, Failure> {
    let folder = project::root().join(PROBE_FOLDER);
    if !folder.is_dir() {
        return Err(Failure::Environment(format!("{PROBE_FOLDER} is missing")));
    }
    // Freestanding, and nothing kept that the entry point does not need.
    let flags = ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--gc-sections"]
        .map(|flag| format!("-Clink-arg={flag}"));
    let output = project::cargo()
        .current_dir(&folder)
        .args(["build", "--quiet", "--release", "--package", PROBE_PACKAGE, "--target-dir"])
        .arg(project::target().join("size"))
        .env_remove("RUSTFLAGS")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            [&["-Crelocation-model=static".to_owned()], flags.as_slice()].concat().join("\x1f"),
        )
        // A target, so that the flags do not reach build scripts and macros.
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .stdin(Stdio::null())
        .output()
        .context("cannot start cargo")?;
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
    fn images_are_found_in_cargos_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\"}\n",
            "not json\n",
            "{\"reason\":\"build-script-executed\",\"env\":[[\"OTHER\",\"x\"],[\"TENON_IMAGE_HELLO\",\"a/hello\"]]}\n",
        );
        let images = image_files(messages);
        assert_eq!(images.into_iter().collect::<Vec<_>>(), [("HELLO".to_owned(), PathBuf::from("a/hello"))]);
    }

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
