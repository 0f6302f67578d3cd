// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults that are planted in the code itself: the table is complete, and cases see what they are to see.
//! What tests see is run by those tests' binaries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tenon_conformance_runner::clauses;
use tenon_planted::{CHOICE, Fault, Seen};

/// Folders of the crates that may have faults in them.
const CRATES: &[&str] = &["ring-buffers", "guest-shim", "host-backend", "ivshmem", "devices"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of this project") {
        let path = entry.expect("a folder of this project").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The faults that are planted in a crate.
fn planted(folder: &str) -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root().join(folder).join("src"), &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("Rust is text");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for place in code.flat_map(|line| line.split("planted!(\"").skip(1)) {
            names.insert(place.split('"').next().expect("a name").to_owned());
        }
    }
    names
}

#[test]
fn each_fault_is_in_the_table_and_each_row_is_planted() {
    let names: Vec<&str> = tenon_planted::all().map(|fault| fault.name).collect();
    let table: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(table.len(), names.len(), "a name twice");
    let code: BTreeSet<String> = CRATES.iter().flat_map(|folder| planted(folder)).collect();
    assert_eq!(code, table, "left: planted; right: in the table");
    let clauses = clauses::all();
    for fault in tenon_planted::all() {
        assert!(clauses.contains(fault.clause), "{}: {}", fault.name, fault.clause);
    }
}

/// Each test binary that is named in the table runs what is named there.
#[test]
fn each_binary_of_the_table_runs_its_rows() {
    for fault in tenon_planted::all() {
        let Seen::Test { package, target, test } = fault.seen else { continue };
        let folder = CRATES.iter().find(|folder| {
            let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
            manifest.contains(&format!("name = \"{package}\""))
        });
        let folder = root()
            .join(folder.unwrap_or_else(|| panic!("{}: {package} is no crate with faults", fault.name)));
        let tests =
            [format!("tests/{target}/main.rs"), format!("tests/{target}.rs"), "src/lib.rs".to_owned()];
        let text =
            tests.iter().find_map(|file| fs::read_to_string(folder.join(file)).ok()).expect("a target");
        assert!(
            text.contains("tenon_planted::see!()"),
            "{target} of {package} does not run {test} with {}",
            fault.name
        );
    }
}

/// One case on one host, with a fault or without.
fn passes(host: &str, case: &str, fault: Option<&Fault>) -> Result<bool, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-conformance"));
    command.args(["--host", host, "--filter", case, "--seed", "1"]).env_remove(CHOICE);
    if let Some(fault) = fault {
        command.env(CHOICE, fault.name);
    }
    let output = command.output().expect("the runner was built");
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

#[test]
fn each_is_seen_by_its_case() {
    const { assert!(tenon_rings::planted::BUILT, "the runner asks for the faults in its tests") };
    let mut sound = BTreeMap::new();
    let mut missed = Vec::new();
    for (fault, (host, case)) in tenon_planted::all().filter_map(|fault| Some((fault, fault.case()?))) {
        match sound.entry((host, case)).or_insert_with(|| passes(host, case, None)) {
            Err(reason) => println!("{:32} skipped: {reason}", fault.name),
            Ok(sound) => {
                assert!(*sound, "{case} fails on {host} without a fault");
                let seen = !passes(host, case, Some(fault)).expect("it ran before");
                let how = if seen { "fails" } else { "DOES NOT SEE IT" };
                println!("{:32} {:8} {case} on {host} {how}", fault.name, fault.clause);
                if !seen {
                    missed.push(fault.name);
                }
            }
        }
    }
    assert!(missed.is_empty(), "not seen by their cases: {missed:?}");
}
