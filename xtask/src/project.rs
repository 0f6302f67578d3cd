// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the project is and which files belong to it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Context, Failure};
use crate::nested;

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`; a binary called by hand falls back on where it was built.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut root = PathBuf::from(manifest);
    root.pop();
    root
}

/// The folder for everything built or downloaded.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A call of the cargo that runs us, from the root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    command
}

/// A call of that cargo, from the root, which hears nothing of the build that made this program.
pub(crate) fn nested() -> Command {
    let mut command = nested::command(cargo().get_program());
    command.current_dir(root());
    command
}

/// A call of the conformance suite's runner, as `cargo conformance` calls it.
pub(crate) fn suite() -> Command {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "tenon-conformance-runner"]);
    command.args(["--bin", "tenon-conformance", "--"]);
    command
}

/// Runs a build of one program or test and says where that is: what a build script may need comes before it.
pub(crate) fn build(cargo: &mut Command) -> Result<PathBuf, Failure> {
    messages(cargo)?
        .iter()
        .rev()
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .ok_or_else(|| Failure::environment("cargo does not say where the program is"))
}

/// The bootable images for x86-64 by their names in capitals, built if they are not there.
pub(crate) fn images() -> Result<BTreeMap<String, PathBuf>, Failure> {
    Ok(image_files(&messages(cargo().args(["build", "--package", IMAGES_PACKAGE]))?))
}

/// The package that builds the images and names them in its build script's variables.
const IMAGES_PACKAGE: &str = "tenon-guest-images";
const IMAGE_VARIABLE: &str = "TENON_IMAGE_";

fn image_files(messages: &[Value]) -> BTreeMap<String, PathBuf> {
    let variables = messages.iter().filter_map(|message| message.get("env")?.as_array()).flatten();
    let image = |variable: &Value| {
        let (name, path) = (variable.get(0)?.as_str()?, variable.get(1)?.as_str()?);
        Some((name.strip_prefix(IMAGE_VARIABLE)?.to_owned(), PathBuf::from(path)))
    };
    variables.filter_map(image).collect()
}

/// Runs a build, whose errors go to the terminal, and returns what cargo says of it.
pub(crate) fn messages(cargo: &mut Command) -> Result<Vec<Value>, Failure> {
    cargo.args(["--quiet", "--message-format", "json-render-diagnostics"]);
    let output =
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        let args: Vec<_> = cargo.get_args().map(OsStr::to_string_lossy).collect();
        return Err(Failure::Verdict(vec![format!("this does not build: cargo {}", args.join(" "))]));
    }
    Ok(read_messages(&String::from_utf8_lossy(&output.stdout)))
}

/// One JSON object a line, and whatever else a build prints.
fn read_messages(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Whether `program` can be started by name.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// One file of the project.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root, with `/` between parts.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
}

impl Source {
    /// The name's last extension, empty if there is none.
    pub(crate) fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|text| text.to_str()).unwrap_or_default()
    }

    /// The number, counted from 1, of the line in which byte `offset` stands.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// Every text file that is tracked, or new and not ignored, in path order.
pub(crate) fn sources() -> Result<Vec<Source>, Failure> {
    let root = root();
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .context("cannot start git to list the project's files")?;
    if !listing.status.success() {
        let error = String::from_utf8_lossy(&listing.stderr);
        return Err(Failure::Environment(format!("git ls-files: {}", error.trim())));
    }
    let names = String::from_utf8(listing.stdout).context("a file name is not UTF-8")?;
    let mut paths: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut sources = Vec::new();
    for path in paths {
        // Deleted but still in the index, or a link to a folder: nothing to read.
        let file = root.join(path);
        if !file.is_file() {
            continue;
        }
        let bytes = fs::read(&file).context(path)?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_in_cargos_messages() {
        let messages = read_messages(concat!(
            "{\"reason\":\"compiler-artifact\"}\n",
            "not json\n",
            "{\"reason\":\"build-script-executed\",\"env\":[[\"OTHER\",\"x\"],[\"TENON_IMAGE_HELLO\",\"a/hello\"]]}\n",
        ));
        let images = image_files(&messages);
        assert_eq!(images.into_iter().collect::<Vec<_>>(), [("HELLO".to_owned(), PathBuf::from("a/hello"))]);
    }
}
