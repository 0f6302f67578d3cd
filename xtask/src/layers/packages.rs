// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which package may depend on which.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::project::Source;

/// One package: what it may be built from, and what its tests and examples may use besides.
struct Layer {
    name: &'static str,
    needs: &'static [&'static str],
    tests: &'static [&'static str],
}

const fn layer(name: &'static str, needs: &'static [&'static str]) -> Layer {
    Layer { name, needs, tests: &[] }
}

const fn tested(name: &'static str, needs: &'static [&'static str], tests: &'static [&'static str]) -> Layer {
    Layer { name, needs, tests }
}

/// All packages, from the ground up: what one needs stands above it.
///
/// The wire is below everything. Guest side and host side meet in tests alone. What judges others (the suite)
/// is on the guest's side; what builds images needs no package, or it would be built for ever.
const LAYERS: &[Layer] = &[
    layer("tenon-abi", &[]),
    // The list of faults that are planted in the packages below, and what runs their tests.
    layer("tenon-planted", &[]),
    tested("tenon-rings", &["tenon-abi"], &["tenon-planted"]),
    tested("tenon-guest", &["tenon-abi", "tenon-rings"], &["tenon-host", "tenon-planted"]),
    layer("tenon-conformance", &["tenon-abi", "tenon-rings", "tenon-guest"]),
    layer("tenon-guest-firmware", &[]),
    layer("tenon-guest-fileserver", &[]),
    layer("tenon-guest-rt", &["tenon-guest-firmware", "tenon-guest"]),
    layer("tenon-guest-bare", &["tenon-guest-rt"]),
    layer("tenon-guest-hello", &["tenon-guest-rt", "tenon-guest", "tenon-rings"]),
    layer("tenon-guest-smoke", &["tenon-guest-rt"]),
    layer("tenon-guest-selftest", &["tenon-guest-rt"]),
    layer(
        "tenon-guest-webfs",
        &["tenon-guest-rt", "tenon-guest-fileserver", "tenon-abi", "tenon-guest", "tenon-rings"],
    ),
    layer("tenon-guest-writer", &["tenon-guest-rt", "tenon-abi", "tenon-guest", "tenon-rings"]),
    layer("tenon-guest-bench", &["tenon-guest-rt", "tenon-abi", "tenon-guest", "tenon-rings"]),
    layer(
        "tenon-guest-conformance",
        &["tenon-guest-rt", "tenon-abi", "tenon-guest", "tenon-rings", "tenon-conformance"],
    ),
    layer("tenon-guest-probe", &["tenon-abi", "tenon-guest", "tenon-rings"]),
    layer("tenon-guest-images", &[]),
    tested("tenon-boot", &["tenon-abi"], &["tenon-guest-firmware"]),
    tested(
        "tenon-host",
        &["tenon-abi", "tenon-rings", "tenon-boot"],
        &["tenon-guest", "tenon-guest-images", "tenon-planted"],
    ),
    tested(
        "tenon-devices",
        &["tenon-abi", "tenon-rings", "tenon-host"],
        &["tenon-guest", "tenon-guest-images", "tenon-planted"],
    ),
    tested(
        "tenon-ivshmem",
        &["tenon-abi", "tenon-rings", "tenon-host", "tenon-devices"],
        &["tenon-guest", "tenon-planted"],
    ),
    layer(
        "tenon-benches",
        &["tenon-abi", "tenon-rings", "tenon-guest", "tenon-guest-images", "tenon-host", "tenon-devices"],
    ),
    layer(
        "tenon-conformance-runner",
        &[
            "tenon-abi",
            "tenon-rings",
            "tenon-conformance",
            "tenon-guest-images",
            "tenon-host",
            "tenon-devices",
            "tenon-ivshmem",
            "tenon-planted",
            "tenon-benches",
        ],
    ),
    layer("tenon-fuzz", &["tenon-abi", "tenon-rings", "tenon-host"]),
    layer("xtask", &["tenon-abi", "tenon-rings"]),
    // Outside of the workspace, as strangers are.
    layer("vmm-smp", &["tenon-abi", "tenon-boot", "tenon-host"]),
    layer("tenon-example-kernel", &["tenon-abi", "tenon-rings", "tenon-guest"]),
    layer("tenon-example-first", &["tenon-rings", "tenon-guest"]),
];

/// Breaches, and how many packages there are.
pub(super) fn check(sources: &[Source]) -> (Vec<String>, usize) {
    let manifests = sources.iter().filter(|source| source.path.rsplit('/').next() == Some("Cargo.toml"));
    let mut packages: BTreeMap<String, (&Source, Table)> = BTreeMap::new();
    for source in manifests {
        // `check-abi` says what is wrong with a manifest that cannot be read.
        let Ok(table) = source.text.parse::<Table>() else { continue };
        if let Some(name) = table.get("package").and_then(|package| package.get("name")?.as_str()) {
            packages.insert(name.to_owned(), (source, table));
        }
    }
    let mut problems = Vec::new();
    for (name, (source, table)) in &packages {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            problems.push(format!("{}: {name} is missing in xtask/src/layers/packages.rs", source.path));
            continue;
        };
        let ours = |name: &String| packages.contains_key(name);
        for need in dependencies(table, &["dependencies", "build-dependencies"]).filter(ours) {
            if !layer.needs.contains(&need.as_str()) {
                let may = if layer.needs.is_empty() { "nothing".to_owned() } else { layer.needs.join(", ") };
                problems.push(format!("{}: {name} depends on {need}; it may on {may}", source.path));
            }
        }
        for need in dependencies(table, &["dev-dependencies"]).filter(ours) {
            if !layer.needs.contains(&need.as_str()) && !layer.tests.contains(&need.as_str()) {
                problems.push(format!("{}: the tests of {name} may not depend on {need}", source.path));
            }
        }
    }
    (problems, packages.len())
}

/// Names of the packages in these tables of a manifest, those for some targets alone included.
fn dependencies(manifest: &Table, kinds: &[&str]) -> impl Iterator<Item = String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, table)| table.as_table()).chain([manifest]);
    let mut names = Vec::new();
    for table in tables {
        for (key, dependency) in
            kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()).flat_map(|table| table.iter())
        {
            let renamed = dependency.get("package").and_then(Value::as_str);
            names.push(renamed.unwrap_or(key).to_owned());
        }
    }
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn package(name: &str, rest: &str) -> Source {
        source(&format!("{name}/Cargo.toml"), &format!("[package]\nname = '{name}'\n{rest}"))
    }

    #[test]
    fn the_table_itself_has_one_direction() {
        for (at, layer) in LAYERS.iter().enumerate() {
            let above = |need: &str| LAYERS[..at].iter().any(|other| other.name == need);
            for need in layer.needs {
                assert!(above(need), "{} stands above {need}, which it needs", layer.name);
            }
        }
    }

    #[test]
    fn the_direction_is_held() {
        let abi = || package("tenon-abi", "");
        let rings = package("tenon-rings", "[dependencies]\ntenon-abi.workspace = true\nloom = '1'\n");
        let (problems, count) = check(&[abi(), rings]);
        assert_eq!((problems, count), (Vec::new(), 2));

        let host = || package("tenon-host", "");
        let wrong =
            package("tenon-guest", "[dependencies]\nother = { package = 'tenon-host', path = 'x' }\n");
        assert_one(&check(&[abi(), host(), wrong]).0, "tenon-guest depends on tenon-host");
        let wrong =
            package("tenon-abi", "[target.'cfg(unix)'.build-dependencies]\ntenon-host.workspace = true\n");
        assert_one(&check(&[wrong, host()]).0, "tenon-abi depends on tenon-host; it may on nothing");
        let tests = package("tenon-guest", "[dev-dependencies]\ntenon-host.workspace = true\n");
        assert!(check(&[tests, host()]).0.is_empty());
        let tests = package("tenon-abi", "[dev-dependencies]\ntenon-host.workspace = true\n");
        assert_one(&check(&[tests, host()]).0, "the tests of tenon-abi may not");
    }

    #[test]
    fn a_new_package_needs_a_row() {
        assert_one(&check(&[package("tenon-new", "")]).0, "tenon-new is missing");
    }
}
