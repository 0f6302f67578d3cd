// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask package`: every package that is published is complete, and all others say that they are not.
//! It packs and compiles what would be uploaded, and uploads nothing. It needs no network but for what is in
//! cargo's cache already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use toml::{Table, Value};

use crate::failure::{Context, Failure};
use crate::project::Source;
use crate::vm::debian::quiet;
use crate::{Outcome, nested, project};

/// What others build from, in the order in which it is published.
pub(crate) const PUBLISHED: [(&str, &str); 7] = [
    ("tenon-abi", "abi"),
    ("tenon-rings", "ring-buffers"),
    ("tenon-guest", "guest-shim"),
    ("tenon-boot", "boot"),
    ("tenon-host", "host-backend"),
    ("tenon-devices", "devices"),
    ("tenon-ivshmem", "ivshmem"),
];

/// What stands beside a package's manifest.
const FILES: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// What its manifest says, besides what cargo asks for.
const KEYS: [&str; 6] = ["description", "license", "repository", "readme", "keywords", "categories"];

/// Checks manifests, packs and builds.
pub(crate) fn run() -> Outcome {
    let problems = check(&project::sources()?);
    if !problems.is_empty() {
        return Err(Failure::Verdict(problems));
    }
    let folder = project::target().join("package-check");
    let mut cargo = project::nested();
    cargo.args(["package", "--quiet", "--locked", "--offline", "--allow-dirty", "--no-verify"]);
    for (name, _) in PUBLISHED {
        cargo.args(["--package", name]);
    }
    nested::apart(&mut cargo, &folder, &[]);
    quiet(&mut cargo)?;
    let together = unpack(&folder.join("package"), &folder.join("together"))?;
    // In the folder of all builds: others' crates are checked there already.
    let mut cargo = project::nested();
    cargo.current_dir(&together).args(["check", "--quiet", "--workspace", "--offline", "--target-dir"]);
    let status = cargo.arg(project::target()).stdin(Stdio::null()).status().context("cannot start cargo")?;
    if !status.success() {
        return Err(Failure::Verdict(vec!["package: what would be published does not build".to_owned()]));
    }
    let names = PUBLISHED.map(|(name, _)| name);
    println!("package: {} are complete and build by themselves", names.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// Unpacks what would be uploaded into a workspace of its own, where the packages find each other.
fn unpack(packed: &Path, together: &Path) -> Result<PathBuf, Failure> {
    if together.exists() {
        fs::remove_dir_all(together).context(together.display())?;
    }
    fs::create_dir_all(together).context(together.display())?;
    let mut manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"*-*\"]\n\n[patch.crates-io]\n".to_owned();
    for (name, _) in PUBLISHED {
        let folder = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        let archive = packed.join(format!("{folder}.crate"));
        quiet(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(together))?;
        manifest += &format!("{name} = {{ path = \"{folder}\" }}\n");
    }
    fs::write(together.join("Cargo.toml"), manifest).context("the workspace of packages")?;
    fs::copy(project::root().join("Cargo.lock"), together.join("Cargo.lock")).context("the lock file")?;
    Ok(together.to_owned())
}

/// Breaches in the manifests and in what stands beside them.
fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.path.rsplit('/').next() == Some("Cargo.toml")) {
        let Ok(manifest) = source.text.parse::<Table>() else { continue };
        let Some(package) = manifest.get("package").and_then(Value::as_table) else { continue };
        let name = package.get("name").and_then(Value::as_str).unwrap_or_default();
        let folder = source.path.trim_end_matches("Cargo.toml");
        let is_published = PUBLISHED.iter().any(|(known, _)| *known == name);
        if !is_published {
            if package.get("publish") != Some(&Value::Boolean(false)) {
                problems.push(format!("{}: neither published nor `publish = false`", source.path));
            }
            continue;
        }
        let missing = KEYS.iter().filter(|key| !package.contains_key(**key));
        problems.extend(missing.map(|key| format!("{}: no `{key}`", source.path)));
        let docs = package.get("metadata").and_then(|metadata| metadata.get("docs")?.get("rs"));
        if docs.is_none() {
            problems.push(format!("{}: no settings for docs.rs", source.path));
        }
        for file in FILES {
            let path = format!("{folder}{file}");
            if !sources.iter().any(|source| source.path == path) {
                problems.push(format!("{path}: missing, and it is published"));
            }
        }
    }
    for (name, folder) in PUBLISHED {
        let path = format!("{folder}/Cargo.toml");
        if !sources.iter().any(|source| source.path == path) {
            problems.push(format!("{path}: {name} is published from there"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn project() -> Vec<Source> {
        let manifest = |name: &str| {
            let keys = KEYS.map(|key| format!("{key} = 'x'\n")).concat();
            format!("[package]\nname = '{name}'\n{keys}[package.metadata.docs.rs]\ntargets = []\n")
        };
        let files = |(name, folder): (&str, &str)| {
            let mut files = vec![source(&format!("{folder}/Cargo.toml"), &manifest(name))];
            files.extend(FILES.map(|file| source(&format!("{folder}/{file}"), "")));
            files
        };
        PUBLISHED.into_iter().flat_map(files).collect()
    }

    #[test]
    fn a_complete_project_passes() {
        assert_eq!(check(&project()), [""; 0]);
    }

    #[test]
    fn what_is_not_published_says_so() {
        let mut sources = project();
        sources.push(source("tools/Cargo.toml", "[package]\nname = 'tools'\n"));
        assert_one(&check(&sources), "tools/Cargo.toml: neither");
        sources.pop();
        sources.push(source("tools/Cargo.toml", "[package]\nname = 'tools'\npublish = false\n"));
        assert_eq!(check(&sources), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_named() {
        for file in FILES {
            let mut sources = project();
            sources.retain(|source| source.path != format!("abi/{file}"));
            assert_one(&check(&sources), &format!("abi/{file}: missing"));
        }
        for key in KEYS {
            let mut sources = project();
            sources[0].text = sources[0].text.replace(&format!("{key} = 'x'\n"), "");
            assert_one(&check(&sources), &format!("abi/Cargo.toml: no `{key}`"));
        }
        let mut sources = project();
        sources[0].text = sources[0].text.replace("docs.rs", "other");
        assert_one(&check(&sources), "docs.rs");
        let mut sources = project();
        sources.retain(|source| source.path != "ivshmem/Cargo.toml");
        assert_one(&check(&sources), "tenon-ivshmem is published");
    }
}
