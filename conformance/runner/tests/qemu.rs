// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows on QEMU: the host killed under load, two guests at once, and a QEMU that is not what it should
//! be.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const QEMU: &str = "qemu-system-x86_64";

/// A folder of a test's own: for temporary files, and before everything else on the path.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("bin")).expect("the folder is the test's own");
        // Sockets have short names.
        let place = Self(path);
        fs::create_dir_all(place.temporary()).expect("a folder for temporary files");
        place
    }

    fn temporary(&self) -> PathBuf {
        std::env::temp_dir().join(format!(
            "tenon-test-{}-{}",
            std::process::id(),
            self.0.file_name().expect("a name").display()
        ))
    }

    /// Puts a script in the place of QEMU.
    fn qemu(&self, script: &str) {
        let path = self.0.join("bin").join(QEMU);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the folder is the test's own");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("the file is the test's own");
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").expect("a path");
        self.run_on(&format!("{}:{path}", self.0.join("bin").display()), args)
    }

    fn run_on(&self, path: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tenon-conformance"))
            .args(args)
            .env("PATH", path)
            .env("TMPDIR", self.temporary())
            .output()
            .expect("the runner runs")
    }

    /// Nothing is left: no file, and no process that names the folder.
    fn is_clean(&self) {
        let left: Vec<_> = fs::read_dir(self.temporary()).expect("it is there").flatten().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        let place = self.temporary().display().to_string();
        for process in fs::read_dir("/proc").expect("a process table").flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            assert!(!line.contains(&place), "still running: {line}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.temporary());
    }
}

/// Whether there is a QEMU; else the test says that it does not run.
fn has_qemu() -> bool {
    let found = Command::new(QEMU).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no {QEMU} here");
    }
    found
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_guest_comes_back_after_its_host_was_killed() {
    if !has_qemu() {
        return;
    }
    let place = Place::new("killed");
    let (code, report, errors) = texts(&place.run(&["kill-workers", "--rounds", "10"]));
    assert_eq!((code, &*errors), (Some(0), ""), "{report}");
    assert!(report.contains("10 workers killed"), "{report}");
    place.is_clean();
}

#[test]
fn two_guests_do_not_reach_each_other() {
    if !has_qemu() {
        return;
    }
    let place = Place::new("neighbours");
    let (code, report, errors) = texts(&place.run(&["neighbours"]));
    assert_eq!((code, &*errors), (Some(0), ""), "{report}");
    assert_eq!(report.matches("foreign=0 messages=0").count(), 2, "{report}");
    place.is_clean();
}

#[test]
fn a_row_passes_and_leaves_nothing() {
    if !has_qemu() {
        return;
    }
    let place = Place::new("row");
    for machine in ["qemu-x86_64", "qemu-microvm"] {
        let (code, report, errors) = texts(&place.run(&["--host", machine, "--filter", "lifecycle"]));
        assert_eq!((code, &*errors), (Some(0), ""), "{report}");
    }
    place.is_clean();
}

/// Runs the guest of this case by `tenon-ivshmem run`, which this program is as well; a second start of the
/// command ends with code 9.
fn run_guest(place: &Place, case: &str) -> (Option<i32>, String, String) {
    let (image, mark) = (place.0.join("image"), place.0.join("mark"));
    fs::write(&image, tenon_guest_images::CONFORMANCE.bytes).expect("the folder is the test's own");
    let _ = fs::remove_file(&mark);
    let again = format!("[ -e {0} ] && exit 9; touch {0}; exec \"$@\"", mark.display());
    let qemu = "qemu-system-x86_64 -M q35 -cpu max -accel tcg -m 64 -nodefaults -no-user-config -display none -serial stdio \
        -chardev socket,path={socket},id=tenon -device ivshmem-doorbell,vectors=16,chardev=tenon \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel";
    let append = format!("ecam=0xb0000000 mmio=0xc0000000 seed=1 from={case} only={case}");
    let mut words = vec!["ivshmem", "run", "--", "sh", "-c", &again, "sh"];
    words.extend(qemu.split_whitespace());
    words.extend([image.to_str().expect("text"), "-append", &append]);
    texts(&place.run(&words))
}

#[test]
fn the_end_of_a_guest_is_that_of_its_qemu() {
    if !has_qemu() {
        return;
    }
    let place = Place::new("run");
    for (case, code, end) in [
        ("lifecycle.exit", 42, "~END exit=42"),
        ("lifecycle.exit-zero", 0, "~END exit=0"),
        // A code that no process can have.
        ("lifecycle.exit-all-32-bits", 255, "~END exit=4294967294"),
        // Started again, with memory that is fresh; and the guest's end is told before its command's.
        ("lifecycle.restart", 9, "~END restart"),
    ] {
        let (found, report, errors) = run_guest(&place, case);
        assert_eq!(found, Some(code), "{case}: {report}{errors}");
        assert!(errors.contains(end), "{case}: {errors}");
        place.is_clean();
    }
    // A guest that leaves by its machine's exit port: the code is QEMU's.
    let (found, report, errors) = run_guest(&place, "discovery.limits");
    assert_eq!(found, Some(1), "{report}{errors}");
    assert!(report.contains("verdict discovery.limits pass") && !errors.contains("~END"), "{report}{errors}");
    place.is_clean();
}

#[test]
fn a_qemu_that_will_not_do_is_one_line() {
    let place = Place::new("unfit");
    let version = |version: &str| format!("echo QEMU emulator version {version}");
    let dies =
        format!("case $1 in --version) {};; *) echo no such machine >&2; exit 1;; esac", version("7.2.0"));
    for (script, why) in [
        (version("4.2.1"), "version 4.2: 6.0 or newer is needed"),
        ("echo nothing of the kind".to_owned(), "does not say which version it is"),
        ("exit 3".to_owned(), "does not say which version it is"),
        (dies, "no such machine"),
    ] {
        place.qemu(&script);
        let (code, report, errors) = texts(&place.run(&["--host", "qemu", "--filter", "discovery.limits"]));
        assert_eq!((code, &*report, errors.lines().count()), (Some(2), "", 1), "{errors}");
        assert!(errors.contains(why), "{errors}");
        place.is_clean();
    }
    let (code, report, errors) = texts(&place.run_on("/nowhere", &["--host", "qemu"]));
    assert_eq!((code, &*report, errors.lines().count()), (Some(2), "", 1), "{errors}");
    assert!(errors.contains("apt-get install qemu-system-x86"), "{errors}");
    place.is_clean();
}

#[test]
fn a_qemu_that_dies_is_a_verdict() {
    if !has_qemu() {
        return;
    }
    let place = Place::new("dies");
    let path = std::env::var("PATH").expect("a path");
    let real = path.split(':').map(|folder| Path::new(folder).join(QEMU)).find(|file| file.exists());
    let real = real.expect("it is on the path").display().to_string();
    // It takes longer than that to boot.
    place.qemu(&format!(
        "case $1 in --version) exec {real} --version;; *) exec timeout -s KILL 0.05 {real} \"$@\";; esac"
    ));
    let (code, report, errors) =
        texts(&place.run(&["--host", "qemu", "--filter", "call.", "--format", "tap"]));
    assert_eq!((code, &*errors), (Some(1), ""), "{report}");
    assert!(report.contains("not ok") && report.contains("QEMU ended"), "{report}");
    place.is_clean();
}
