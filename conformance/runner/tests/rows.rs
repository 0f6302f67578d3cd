// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loopback rows, and the program around them as a user runs it.

use serde_json::Value;
use std::process::{Command, Output};
use tenon_conformance_runner::{emulated, hosts};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenon-conformance")).args(args).output().expect("the runner runs")
}

fn json(args: &[&str]) -> (Option<i32>, Value) {
    let output = run(args);
    let value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), value)
}

fn text(args: &[&str]) -> (Option<i32>, String, String) {
    let output = run(args);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn both_loopback_rows_are_green() {
    let (code, report) = json(&["--host", "loopback", "--host", "loopback-async", "--format", "json"]);
    let rows = report["results"].as_array().expect("rows");
    let hosts: Vec<_> = rows.iter().map(|row| row["host"].as_str()).collect();
    assert_eq!(hosts, [Some("loopback"), Some("loopback-async")], "in this order, whoever is done first");
    for row in rows {
        let cases = row["cases"].as_array().expect("cases");
        let bad: Vec<_> =
            cases.iter().filter(|case| case["verdict"] == "fail" || case["verdict"] == "error").collect();
        assert!(bad.is_empty(), "{}: {bad:#?}", row["host"]);
        assert!(row["passed"].as_u64() >= Some(60), "{row}");
        assert_eq!(cases.len(), tenon_conformance::all().count());
        for case in cases.iter().filter(|case| case["verdict"] == "skip") {
            assert_ne!(case["detail"], "", "{case}: a skip has a reason");
        }
    }
    assert_eq!(code, Some(0));
}

#[test]
fn a_report_says_how_to_repeat_it() {
    let (code, report) =
        json(&["--host", "loopback", "--filter", "call.", "--seed", "abc", "--format", "json"]);
    assert_eq!((code, &report["seed"]), (Some(0), &Value::from("abc")));
    let row = &report["results"][0];
    for key in ["passed", "failed", "warned", "skipped", "errored", "clauses_cited", "clauses_total"] {
        assert!(row[key].is_u64(), "{key}: {row}");
    }
    assert_eq!(
        (row["host"].as_str(), row["arch"].as_str()),
        (Some("loopback"), Some(std::env::consts::ARCH))
    );
    assert_eq!(row["reason"], Value::Null);
    for case in row["cases"].as_array().expect("cases") {
        assert!(case["name"].as_str().expect("a name").contains("call."), "{case}");
        assert!(case["micros"].is_u64() && case["clauses"][0].is_string(), "{case}");
    }
}

#[test]
fn a_human_report_ends_with_the_sum() {
    let (code, report, progress) = text(&["--host", "loopback", "--filter", "call.", "--seed", "1"]);
    let last = report.lines().last().expect("a last line");
    let numbers: Vec<_> = last.split(", ").filter_map(|part| part.split_once(' ')).collect();
    assert_eq!(numbers.iter().map(|(_, word)| *word).collect::<Vec<_>>(), ["passed", "failed", "skipped"]);
    assert_eq!(numbers[1].0, "0", "{report}");
    assert!(report.contains("\nseed 1\n"), "{report}");
    assert_eq!((code, &*progress), (Some(0), ""), "progress is for terminals");
}

#[test]
fn a_fault_is_reported_as_failures() {
    let (code, report, _) = text(&["--fault", "value-on-error", "--filter", "call.", "--format", "tap"]);
    assert_eq!(code, Some(1));
    assert!(report.starts_with("TAP version 13\n1.."), "{report}");
    assert!(report.lines().any(|line| line.starts_with("not ok ")), "{report}");
}

#[test]
fn skips_are_a_number_unless_they_are_asked_for() {
    let args = ["--host", "loopback", "--filter", "shared.", "--seed", "1"];
    let (code, report, _) = text(&args);
    assert!(code == Some(0) && report.contains("`-v` names each"), "{report}");
    assert!(!report.contains("  skip ") && report.lines().count() < 10, "{report}");
    for more in ["-v", "--verbose"] {
        let (_, report, _) = text(&[&args[..], &[more]].concat());
        let named = report.lines().filter(|line| line.starts_with("  skip shared.")).count();
        assert!(named >= 3 && report.ends_with(&format!("0 failed, {named} skipped\n")), "{report}");
    }
}

#[test]
fn an_image_is_written_where_it_is_asked_for() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("images");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder is the test's own");
    for (args, file) in [
        (&["image", "--name", "hello"][..], "hello-x86_64.elf"),
        (&["image"], "conformance-x86_64.elf"),
        (&["image", "--name", "smoke", "--out", "mine"], "mine"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tenon-conformance"))
            .args(args)
            .current_dir(&folder)
            .output()
            .expect("the runner runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::read(folder.join(file)).is_ok_and(|image| image.starts_with(b"\x7fELF")), "{file}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, if file == "mine" { String::new() } else { format!("{file}\n") });
    }
}

#[test]
fn lists_name_cases_and_faults() {
    let (_, cases) = json(&["--list", "--format", "json"]);
    let cases = cases.as_array().expect("cases");
    assert_eq!(cases.len(), tenon_conformance::all().count());
    assert!(cases.iter().all(|case| case["name"].is_string() && case["clauses"][0].is_string()));
    let (code, faults, _) = text(&["--list-faults"]);
    assert_eq!(code, Some(0));
    let ours = tenon_conformance_runner::faults::all().map(|fault| fault.name);
    for name in ours.chain(tenon_planted::all().map(|fault| fault.name)) {
        let lines = faults.lines().filter(|line| line.split(' ').next() == Some(name));
        assert_eq!(lines.count(), 1, "{name}");
    }
}

#[test]
fn a_broken_image_is_one_line_and_the_other_hosts_run() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-image");
    std::fs::write(&path, "no ELF file").expect("the folder is the test's own");
    let image = path.to_str().expect("text");
    // The same with KVM and without: the machine that was asked for is not there.
    let (code, report, reason) = text(&["--host", "kvm", "--image", image]);
    assert_eq!((code, &*report, reason.lines().count()), (Some(2), "", 1), "{reason}");
    for (all, names) in [(&[][..], hosts::OURS), (&["--all"], hosts::NAMES)] {
        let (code, report, reason) =
            text(&[&["--filter", "discovery.limits", "--image", image][..], all].concat());
        assert_eq!((code, reason.lines().count()), (Some(2), 1), "{reason}");
        let emulated = if all.is_empty() { 0 } else { emulated::names().count() };
        let booting = names.iter().filter(|name| hosts::boots_images(name)).count() + emulated;
        assert_eq!(report.lines().filter(|line| line.contains("not run: ")).count(), booting, "{report}");
        let others = report.lines().filter(|line| line.starts_with("loopback")).count();
        assert!(report.ends_with(&format!("{others} passed, 0 failed, 0 skipped\n")), "{report}");
    }
}

#[test]
fn what_cannot_be_run_is_one_line_and_code_2() {
    for args in [
        &["--host", "kvm", "--image", "/nowhere"][..],
        &["--host", "loopback", "--image", "/nowhere"],
        &["--host", "nowhere"],
        &["--host", "qemu", "--arch", "pdp11"],
        &["--host", "loopback", "--arch", "x86_64"],
        &["--fault", "nothing"],
        &["--fault", "storm", "--host", "kvm"],
        &["--filter", "no such case"],
        &["--host", "kvm-native", "--conduit", "vmcall"],
        &["--host", "loopback", "--conduit", "vmcall"],
        &["--host", "kvm", "--conduit", "string"],
        &["pace", "--host", "loopback"],
        &["neighbours", "--host", "kvm"],
        &["kill-workers", "--arch", "pdp11"],
        &["image", "--name", "nothing"],
        &["image", "--name", "hello", "--arch", "riscv64"],
    ] {
        let (code, report, reason) = text(args);
        assert_eq!((code, &*report, reason.lines().count()), (Some(2), "", 1), "{args:?}: {reason}");
    }
    for args in [
        &["--seed", "xyz"][..],
        &["--timeout-scale", "0"],
        &["--format", "xml"],
        &["--nothing"],
        &["--conduit", "mmio"],
        &["kill-workers", "--rounds", "0"],
        &["--host", "qemu", "--pace"],
    ] {
        let (code, report, _) = text(args);
        assert_eq!((code, &*report), (Some(2), ""), "{args:?}");
    }
}
