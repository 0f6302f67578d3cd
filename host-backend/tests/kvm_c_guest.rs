// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest in C, which is written from the text and the header alone: it runs with each offer, and mistakes
//! that are compiled into it are found.
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]

mod kvm_tools;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fs, process};

use kvm_tools::{Text, vmm};
use tenon_abi::{ConduitKind, Features};
use tenon_host::kvm::{Outcome, VmmConfig};
use tenon_host::memory::closed::Guard;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bindings/c");

/// What `gcc` does with the guest and these words; `None`, and a line that says why, where there is none.
fn gcc(test: &str, words: &[&str]) -> Option<()> {
    let mut gcc = Command::new("gcc");
    match gcc.current_dir(FOLDER).args(["@examples/guest.flags", "examples/guest.c"]).args(words).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(())
        }
        Err(why) => {
            println!("skipped: {test}: gcc: {why}");
            None
        }
    }
}

/// The image with these macros.
fn compile(test: &str, macros: &[&str]) -> Option<Vec<u8>> {
    let out = Out::new(test, macros);
    let defines: Vec<_> = macros.iter().map(|name| format!("-D{name}")).collect();
    let mut words: Vec<_> = defines.iter().map(String::as_str).collect();
    words.extend(["-o", out.0.to_str().unwrap()]);
    gcc(test, &words)?;
    Some(fs::read(&out.0).unwrap())
}

/// A file that is gone afterwards.
struct Out(PathBuf);

impl Out {
    fn new(test: &str, macros: &[&str]) -> Self {
        let name = format!("tenon-{test}-{}-{}", macros.concat(), process::id());
        Self(Path::new(&env::temp_dir()).join(name.replace(['(', ')', '='], "-")))
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What a guest said on its console and on its serial port, and how it ended.
struct Run {
    outcome: Outcome,
    console: String,
    serial: String,
}

fn run(test: &str, image: &[u8], words: &str, config: VmmConfig) -> Option<Run> {
    let (said, serial) = (Arc::new(Mutex::new(Vec::new())), Text::default());
    let to = Arc::clone(&said);
    let machine = vmm(
        test,
        VmmConfig {
            console: Box::new(move |bytes| {
                to.lock().unwrap().extend_from_slice(bytes);
                Vec::new()
            }),
            serial: Box::new(serial.clone()),
            limit: Duration::from_secs(120),
            ..config
        },
    )?;
    let outcome = machine.run(image, words).unwrap();
    let console = String::from_utf8(said.lock().unwrap().clone()).unwrap();
    Some(Run { outcome, console, serial: serial.get() })
}

/// What the guest says if everything is offered, in order; the second session lacks what follows.
const STEPS: [&str; 10] = [
    "hello, this is C; features ",
    "a line that is longer than what goes inline is written from memory of the guest's",
    "region 0 2000000",
    "random bytes 64",
    "events taken 48",
    "upcall taken",
    "time page read",
    "timer expired",
    "generation repaired",
    "the second session, features ",
];

/// The lines that are said with these features: each step once for a session that has it.
fn check(run: &Run, name: &str, without: &[&str]) {
    let all = format!("{name}: {}{}", run.console, run.serial);
    assert_eq!((&run.outcome, run.serial.as_str()), (&Outcome::Exit(7), ""), "{all}");
    for step in STEPS {
        let count = run.console.matches(&format!("c-guest: {step}")).count();
        let once = step.contains("features") || step.starts_with("upcall");
        let due = if without.contains(&step) { 0 } else { 2 - usize::from(once) };
        assert_eq!(count, due, "{step}: {all}");
    }
    assert!(run.console.ends_with("c-guest: done\n"), "{all}");
}

#[test]
fn the_source_has_no_warnings_and_is_short() {
    let _ = gcc("the_source_has_no_warnings_and_is_short", &["-Werror", "-fsyntax-only"]);
    let source = fs::read_to_string(format!("{FOLDER}/examples/guest.c")).unwrap();
    assert!(source.lines().count() < 900, "{} lines", source.lines().count());
    let includes: Vec<_> = source.lines().filter(|line| line.starts_with("#include")).collect();
    assert_eq!(includes, ["#include \"tenon.h\"", "#include <stdbool.h>"]);
}

#[test]
fn it_runs_with_each_offer() {
    let test = "it_runs_with_each_offer";
    let Some(image) = compile(test, &[]) else { return };
    let life = || VmmConfig { life: Some(Box::new(|_| {})), ..VmmConfig::default() };
    let without = |features| VmmConfig { features: Features::all().difference(features), ..life() };
    let newer = ["random bytes 64", "time page read", "timer expired", "generation repaired"];
    let offers: [(&str, VmmConfig, &[&str]); 9] = [
        ("all", life(), &[]),
        ("closed", VmmConfig { closed: Some(Guard::new(|refused| panic!("{refused:?}"))), ..life() }, &[]),
        ("mmio", VmmConfig { conduit: ConduitKind::MMIO, ..life() }, &[]),
        ("other thread", VmmConfig { hot_queues: vec![0, 1], ..life() }, &[]),
        ("minor 1", VmmConfig { minor: 1, ..life() }, &newer),
        ("no window", without(Features::WINDOW), &[]),
        ("no events", without(Features::EVENTS), &["events taken 48", "upcall taken", "timer expired"]),
        ("no upcall", without(Features::UPCALL), &["upcall taken"]),
        ("no pages", without(Features::PAGES), &["time page read", "generation repaired"]),
    ];
    for (name, config, lacks) in offers {
        let Some(run) = run(test, &image, "exit=7", config) else { return };
        check(&run, name, lacks);
    }
}

#[test]
fn a_record_of_a_crash_does_not_keep_it_from_its_exit() {
    let test = "a_record_of_a_crash_does_not_keep_it_from_its_exit";
    let Some(image) = compile(test, &[]) else { return };
    let quiet = VmmConfig { console: Box::new(|_| Vec::new()), ..VmmConfig::default() };
    let Some(machine) = vmm(test, quiet) else { return };
    let handle = machine.handle();
    assert_eq!(machine.run(&image, "crash exit=5").unwrap(), Outcome::Exit(5));
    let record = handle.crash_record().expect("a record");
    assert_eq!(record.text, b"asked for by the command line");
}

#[test]
fn each_mistake_is_found() {
    let test = "each_mistake_is_found";
    let mistakes = [
        ("ARM", "an upcall is owed and does not come"),
        ("TURN", "no completion"),
        ("ID", "the call queue is corrupt"),
        ("TAKEN", "EVENT_SIGNAL failed"),
        ("RESERVED", "NOP's value"),
        ("CLEAR", "EVENT_BIND failed"),
    ];
    for (mistake, says) in mistakes {
        let mistake = format!("MISTAKE_{mistake}");
        let patience = "PATIENCE=UINT64_C(4000000000)";
        let Some(image) = compile(test, &[&mistake, patience]) else { return };
        let Some(run) = run(test, &image, "exit=7", VmmConfig::default()) else { return };
        let Run { outcome, console, serial } = run;
        assert_eq!(serial, format!("c-guest: gave up: {says}\n"), "{mistake}: {outcome:?} {console}");
        assert_eq!(outcome, Outcome::Exit(1), "{mistake}: {console}");
    }
}
