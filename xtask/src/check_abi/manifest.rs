// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules for manifests: one edition, one compiler version, and features that never change the ABI.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::msrv;
use crate::project::Source;

/// Every feature name that a package may have. None of them may change a wire type.
const FEATURES: &[&str] =
    &["default", "ivshmem", "kvm", "libfuzzer", "planted-faults", "qcow2", "std", "test-utils", "vmm"];

/// What a package takes from its workspace, and workspaces agree on.
const INHERITED: &[&str] = &["edition", "rust-version"];

/// Breaches in one manifest.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let table = match source.text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return vec![format!("{}: {}", source.path, error.message())],
    };
    let mut problems = Vec::new();
    if let Some(Value::Table(package)) = table.get("package") {
        let name = package.get("name").and_then(Value::as_str).unwrap_or_default();
        let is_kernels = msrv::PACKAGES.contains(&name);
        if is_kernels && package.get("rust-version").and_then(Value::as_str) != Some(msrv::RUST) {
            problems.push(format!("{}: kernels link it: rust-version = \"{}\"", source.path, msrv::RUST));
        }
        for key in INHERITED {
            let inherited =
                package.get(*key).and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true));
            if !inherited && (!is_kernels || *key != "rust-version") {
                problems.push(format!("{}: `{key}` is not inherited: {key}.workspace = true", source.path));
            }
        }
    }
    for name in features(&table) {
        if !FEATURES.contains(&name.as_str()) {
            problems.push(format!("{}: feature `{name}`: only {} exist", source.path, FEATURES.join(", ")));
        }
    }
    problems
}

/// Features by name, those included that an optional dependency brings when nothing says `dep:`.
fn features(table: &Table) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut explicit = BTreeSet::new();
    if let Some(Value::Table(features)) = table.get("features") {
        for (name, enables) in features {
            names.insert(name.clone());
            let enables = enables.as_array().map(Vec::as_slice).unwrap_or_default();
            explicit.extend(
                enables.iter().filter_map(|item| item.as_str()?.strip_prefix("dep:")).map(str::to_owned),
            );
        }
    }
    if let Some(Value::Table(dependencies)) = table.get("dependencies") {
        for (name, dependency) in dependencies {
            let optional = dependency.get("optional") == Some(&Value::Boolean(true));
            if optional && !explicit.contains(name) {
                names.insert(name.clone());
            }
        }
    }
    names
}

/// Workspaces that stand apart have to agree with the root's.
pub(crate) fn check_agreement(sources: &[Source]) -> Vec<String> {
    let settings = |source: &Source| -> Option<Table> {
        let table = source.text.parse::<Table>().ok()?;
        table.get("workspace")?.get("package")?.as_table().cloned()
    };
    let Some(root) = sources.iter().find(|source| source.path == "Cargo.toml").and_then(settings) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let Some(own) = settings(source) else { continue };
        for key in INHERITED {
            if own.get(*key) != root.get(*key) {
                problems.push(format!("{}: `{key}` differs from the root workspace's", source.path));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    const PACKAGE: &str = "[package]\nname = 'a'\nedition.workspace = true\nrust-version.workspace = true\n";

    #[test]
    fn good_manifests_pass() {
        let text = format!(
            "{PACKAGE}[features]\ndefault = ['std']\nstd = []\nkvm = ['dep:x']\n[dependencies]\nx = {{ version = '1', optional = true }}\n"
        );
        assert!(check(&source("a/Cargo.toml", &text)).is_empty());
        assert!(check(&source("Cargo.toml", "[workspace]\n")).is_empty());
    }

    #[test]
    fn edition_and_rust_version_are_inherited() {
        assert_one(
            &check(&source("Cargo.toml", &PACKAGE.replace("edition.workspace = true", "edition = '2021'"))),
            "`edition`",
        );
        assert_one(
            &check(&source("Cargo.toml", &PACKAGE.replace("rust-version.workspace = true\n", ""))),
            "`rust-version`",
        );
    }

    #[test]
    fn what_kernels_link_keeps_its_old_compiler() {
        let text = |version: &str| {
            let inherits = "rust-version.workspace = true";
            PACKAGE.replace("'a'", "'tenon-guest'").replace(inherits, &format!("rust-version{version}"))
        };
        assert!(check(&source("Cargo.toml", &text(&format!(" = '{}'", msrv::RUST)))).is_empty());
        assert_one(&check(&source("Cargo.toml", &text(" = '1.95'"))), "kernels link it");
        assert_one(&check(&source("Cargo.toml", &text(".workspace = true"))), "kernels link it");
    }

    #[test]
    fn features_are_those_of_the_list() {
        let named = format!("{PACKAGE}[features]\nfast-abi = []\n");
        assert_one(&check(&source("Cargo.toml", &named)), "feature `fast-abi`");
        let implied = format!("{PACKAGE}[dependencies]\nx = {{ version = '1', optional = true }}\n");
        assert_one(&check(&source("Cargo.toml", &implied)), "feature `x`");
    }

    #[test]
    fn a_broken_manifest_is_one_line() {
        assert_one(&check(&source("Cargo.toml", "[package\n")), "Cargo.toml: ");
    }

    #[test]
    fn workspaces_agree() {
        let workspace =
            |edition: &str| format!("[workspace.package]\nedition = '{edition}'\nrust-version = '1.95'\n");
        let root = source("Cargo.toml", &workspace("2024"));
        let good = source("guests/Cargo.toml", &workspace("2024"));
        let bad = source("fuzz/Cargo.toml", &workspace("2021"));
        assert_one(&check_agreement(&[root, good, bad]), "fuzz/Cargo.toml: `edition` differs");
    }
}
