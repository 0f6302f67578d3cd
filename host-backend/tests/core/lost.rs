// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each field of a saved state is needed: one that is lost is refused, or the guest's host does something
//! else from then on. A field that is new is found here by itself: a state has to have a value in it, and
//! something has to come of it.

use crate::tools::{Guest, PAYLOAD, at, config};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tenon_abi::vcpu::{guest as area, host};
use tenon_abi::{Clock, ConduitKind, ControlOp, Features, Op, Submission};
use tenon_host::time::{Passed, Utc};
use tenon_host::{Balloon, Config, Devices, Memory, Sharing, State};
use tenon_rings::{Site, Words};

/// Where a page is donated.
const PAGE: u64 = 0x8_0000;
const SECOND_PAGE: u64 = 0x9_0000;

/// What may be lost without a trace, and why.
const UNUSED: &[(&str, &str)] = &[
    ("/ledger/given/*/rights", "memory that is given has no rights, which are those of shares"),
    ("/vcpus/*/owed", "a restore owes each bound vCPU an upcall (EVT-13)"),
];

/// A configuration that has a value in each field, and few ports.
fn full() -> Config {
    let mut config = config(4).with_time().with_generation().with_stolen();
    config.max_ports = 64;
    config.conduit.kind = ConduitKind::HYPERCALL;
    (config.conduit.kick_base, config.conduit.kick_stride, config.conduit.bind_base) = (0x100, 4, 0x200);
    config
        .with_devices(Devices { max_devices: 3, max_queues: 4 })
        .with_balloon(Balloon { granule: 4096, max_range: 1 << 16, max_ranges: 64 })
        .with_sharing(Sharing { max_range: 1 << 16, max_ranges: 16 })
}

/// A guest that is in the middle of everything that can be under way at once; what is not, the variants have.
fn busy(unwanted: Features, variant: fn(&mut Guest)) -> Guest {
    let mut guest = Guest::open_without(full(), unwanted);
    guest.domain.start_clocks(at(100), Passed { ran: 5000, stood: 70 });
    (0..3).for_each(|vcpu| guest.bind(vcpu));
    (1..4).for_each(|vcpu| {
        guest.ok(0, Op::VCPU_START, [vcpu, 0x1000, 0]);
    });
    guest.ok(0, Op::VCPU_UPCALL, [0, 40, 0]);
    // Rings that have been around more than once, with untaken entries, and one of a port that has gone.
    for class in 0..2u64 {
        let port = 10 + class;
        guest.ok(0, Op::EVENT_BIND, [port, 1, class]);
        for lap in 1..=40 {
            guest.domain.raise(port as u32).expect("bound");
            assert_eq!(guest.entries(1, class as usize).len(), 1);
            guest.set(1, [area::TAKEN0, area::TAKEN1][class as usize], lap);
        }
        guest.domain.raise(port as u32).expect("bound");
        guest.ok(0, Op::EVENT_BIND, [20 + class, 1, class]);
        guest.domain.raise(20 + class as u32).expect("bound");
        guest.ok(0, Op::EVENT_UNBIND, [20 + class, 0, 0]);
    }
    guest.ok(0, Op::EVENT_BIND_DIRECT, [6, 1, 50]);
    guest.ok(0, Op::EVENT_BIND, [31, 0, 0]);
    (0..2).for_each(|word| guest.store(PAYLOAD + 8 * word, 0x6162_6364_6566_6768));
    // Memory that is shared, given, on its way to both, and watched.
    guest.moved(1, Op::SHARE, [PAYLOAD, 0x1000, 3]);
    guest.moved(1, Op::SHARE, [0x4000, 0x3000, 1]);
    guest.moved(1, Op::GIVE, [0x8000, 0x3000, 0]);
    guest.domain.set_memory_target(Some(0x7000));
    guest.ok(0, Op::MEMORY_WATCH, [31, 0, 0]);
    for (id, op, args) in [
        (40, Op::GIVE, [0x2_0000, 0x1000, 0]),
        (41, Op::TAKE, [0x9000, 0x1000, 0]),
        (42, Op::HINT, [0x2_2000, 0x1000, 0]),
        (43, Op::SHARE, [0x2_4000, 0x1000, 2]),
        (44, Op::UNSHARE, [0x5000, 0x1000, 0]),
    ] {
        guest.submit(1, id, op, args);
    }
    let _ = guest.kick(1);
    guest.actions();
    guest.ok(1, Op::CONSOLE_WRITE, [PAYLOAD, 16, 0]);
    guest.ok(1, Op::CRASH, [PAYLOAD, 4, 77]);
    // A lane and a queue that are corrupt.
    guest.publish(2, 1, 0, Submission::new(Op::NOP, [0; 6]));
    let _ = guest.domain.serve(5, 256);
    guest.publish(2, 1, 5, Submission::new(Op::NOP, [0; 6]));
    let _ = guest.domain.serve(5, 256);
    guest.submit(2, 99, Op::NOP, [0; 3]);
    let _ = guest.kick(2);
    // What would be found in their place now is good, and too late.
    (0..2).for_each(|lane| guest.take_back(2, lane));
    // Timers, of which one waits for UTC to be known again; and a page.
    guest.domain.set_utc(at(150), Some(Utc::new(1_000_000, 0)));
    guest.ok(0, Op::TIMER_SET, [31, 1, 1_000_000, 500_000]);
    guest.ok(0, Op::TIMER_SET, [6, 2, 3_000_000, 7]);
    guest.domain.set_utc(at(160), None);
    for (kind, page) in [(1, PAGE), (2, SECOND_PAGE)] {
        guest.ok(0, Op::PAGE, [kind, if unwanted.contains(Features::WINDOW) { page } else { 0 }]);
    }
    guest.ok(0, Op::EVENT_BIND, [27, 2, 0]);
    guest.ok(0, Op::SUSPEND_WATCH, [27]);
    assert!(guest.domain.ask_suspend());
    crate::device::busy(&mut guest);
    // A stop that vCPU 1 asked for.
    guest.submit(1, 2, Op::VCPU_STOP, [3, 0, 0]);
    let _ = guest.kick(1);
    variant(&mut guest);
    guest.domain.stop_clocks(at(1000));
    guest.actions();
    guest
}

fn reads(guest: &mut Guest) {
    guest.submit(1, 1, Op::CONSOLE_READ, [PAYLOAD + 64, 8, 0]);
    let _ = guest.kick(1);
}

fn has_input(guest: &mut Guest) {
    assert_eq!(guest.domain.input(b"waits"), 5);
    // A ring that is found corrupt.
    guest.ok(0, Op::EVENT_BIND, [30, 0, 1]);
    guest.set(0, area::ARMED1, 1 << 32);
    guest.domain.raise(30).expect("bound");
    guest.set(0, area::ARMED1, 0);
}

fn ends(guest: &mut Guest) {
    guest.publish(1, 1, 0, Submission::new(Op::EXIT, [7, 0, 0, 0, 0, 0]));
    let _ = guest.domain.serve(3, 256);
}

/// All that a guest, its devices and its embedder can find out about a host.
fn trace(guest: &mut Guest) -> String {
    let mut text = String::new();
    let mut say = |what: &str, found: &dyn std::fmt::Debug| {
        writeln!(text, "{what}: {found:?}").expect("a string takes whatever it is given");
    };
    say("config", guest.domain.config());
    say("told at once", &guest.actions());
    say("session", &guest.domain.session());
    tell_time(guest, &mut say);
    say("crash", &guest.domain.crash_record());
    say("generation", &guest.domain.generation());
    say("asks", &[guest.domain.asks_suspend(), guest.domain.ask_suspend()]);
    guest.domain.withdraw_suspend();
    say("output", &guest.domain.take_output());
    for vcpu in 0..3 {
        guest.submit(vcpu, 50, Op::NOP, [5, 0, 0]);
        guest.publish(vcpu, 1, 0, Submission::new(Op::NOP, [6, 0, 0, 0, 0, 0]));
        for queue in [2 * vcpu, 2 * vcpu + 1] {
            say("served", &guest.domain.serve(queue, 256));
        }
        say("answers", &[guest.take(vcpu, 0), guest.take(vcpu, 1)]);
        say("state", &[host::CALL_STATE, host::EMERGENCY_STATE].map(|at| guest.shown(vcpu, at)));
        guest.domain.tell_stolen(vcpu);
        say("stolen", &guest.shown(vcpu, host::STOLEN));
    }
    say("wanted", &guest.domain.memory_stats());
    guest.domain.set_memory_target(Some(0x6000));
    say("watched", &(guest.entries(0, 0), guest.actions()));
    for port in 0..64 {
        say("raised", &guest.domain.raise(port));
    }
    say("input", &guest.domain.input(b"abcdefgh"));
    (0..4).for_each(|vcpu| guest.domain.stopped(vcpu));
    say("stats", &guest.domain.memory_stats());
    for op in [Op::TAKE, Op::UNSHARE] {
        for at in [0x4000, 0x5000, 0x6000, 0x8000, 0x9000, 0xa000, 0x2_0000, 0x2_4000] {
            say("asked", &ask(guest, 0, op, [at, 0x1000, 0]));
            // None of those that the saved domain waits for.
            (9..40).for_each(|job| guest.domain.memory_done(job, true));
            say("answers", &guest.take(0, 0));
        }
    }
    (0..9).for_each(|job| guest.domain.memory_done(job, job % 7 != 6));
    say("answers", &guest.take(1, 0));
    say("stats", &guest.domain.memory_stats());
    say("told then", &guest.actions());
    say("answers", &guest.take(1, 0));
    for vcpu in 0..2 {
        say("events", &[guest.entries(vcpu, 0), guest.entries(vcpu, 1)]);
        say("rings", &[host::EVENT_STATE0, host::EVENT_STATE1].map(|at| guest.shown(vcpu, at)));
        say("vector", &ask(guest, 0, Op::VCPU_UPCALL, [u64::from(vcpu), 41, 0]));
    }
    // How much room there is, of everything that is limited.
    for class in 0..2 {
        say("bound", &ask(guest, 0, Op::EVENT_BIND, [28 + class, 0, class]));
    }
    for port in 32..64 {
        say("bound", &ask(guest, 0, Op::EVENT_BIND, [port, 1, port & 1]));
    }
    for vcpu in 0..4 {
        say("started", &ask(guest, 0, Op::VCPU_START, [vcpu, 0, 0]));
    }
    say("read", &ask(guest, 0, Op::CONSOLE_READ, [PAYLOAD + 32, 64, 0]));
    let mut read = [0; 128];
    assert!(tenon_host::Memory::read(&guest.arena, 0, PAYLOAD, &mut read));
    say("memory", &read);
    crate::device::tell(guest, &mut say);
    say("negotiated", &guest.try_control(ControlOp::NEGOTIATE, |_| {}));
    let bound = guest.try_control(ControlOp::BIND, |request| {
        request.vcpu.set(3);
        (request.depth, request.events0, request.events1) = (64.into(), 16.into(), 16.into());
        request.guest_area.set(0x1_0000);
    });
    say("bound", &bound);
    let (upcalls, counts): (Vec<_>, Vec<_>) =
        guest.domain.counted().rows().partition(|(row, _)| *row == tenon_abi::Meter::UPCALLS);
    say("counted", &(guest.domain.counted().epoch(), counts));
    say("upcalls counted", &upcalls);
    say("reset", &guest.try_control(ControlOp::RESET, |_| {}));
    say("session", &guest.window(0x80));
    say("told", &guest.actions());
    text
}

/// Starts the clocks, which stood for a while, and says all that there is about them and their timers.
fn tell_time(guest: &mut Guest, say: &mut impl FnMut(&str, &dyn std::fmt::Debug)) {
    guest.domain.start_clocks(at(50_000), Passed { ran: 0, stood: 400 });
    guest.domain.set_utc(at(50_000), Some(Utc::new(2_000_000, 0)));
    // A new attachment is asked to look, and the old one may know the deadline.
    guest.domain.next_deadline();
    guest.actions();
    say(
        "clocks",
        &[Clock::RUNNING, Clock::BOOT, Clock::UTC].map(|clock| guest.domain.clock(clock, at(50_000))),
    );
    let end = guest.domain.config().window_len;
    let second = [(end - 0x1000, guest.arena.window()), (SECOND_PAGE, guest.arena.memory().clone())];
    for (page, words) in second {
        let load = |word: u64| words.load((page / 8 + word) as usize, Site::Status);
        let valid = if load(0) % 2 == 0 { 8 } else { 16 };
        say("generation page", &(load(0), (valid..valid + 2).map(load).collect::<Vec<_>>()));
    }
    let in_window = (end - 0x2000, guest.arena.window());
    for (page, words) in [in_window, (PAGE, guest.arena.memory().clone())] {
        let load = |word: u64| words.load((page / 8 + word) as usize, Site::Status);
        let valid = if load(0) % 2 == 0 { 8 } else { 24 };
        say("page", &(load(0), (valid..valid + 16).map(load).collect::<Vec<_>>()));
    }
    for now in [60_000, 900_000, 1_200_000, 2_000_000] {
        say("next", &guest.domain.next_deadline());
        say("expired", &guest.domain.expire(at(now), 8));
        say("told", &guest.actions());
    }
}

/// A call whose answer may not come.
fn ask(guest: &mut Guest, vcpu: u32, op: Op, args: [u64; 3]) -> impl std::fmt::Debug + use<> {
    guest.submit(vcpu, 61, op, args);
    let served = guest.kick(vcpu);
    (served, guest.actions(), guest.take(vcpu, 0))
}

/// The field of a path: all elements of a list are one.
fn field(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    parts
        .iter()
        .map(|part| if part.parse::<usize>().is_ok() { "*" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// What each value is when it was lost; `None` where it is that already.
fn lost(value: &Value) -> Option<Value> {
    let gone = match value {
        Value::Number(_) => 0.into(),
        Value::Bool(_) => false.into(),
        Value::String(_) => "".into(),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) | Value::Null => Value::Null,
    };
    (gone != *value).then_some(gone)
}

/// Every value of a state by its path, lists and objects among them.
fn paths(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => {
            (0..)
                .zip(all)
                .for_each(|(index, part): (usize, _)| paths(part, format!("{path}/{index}"), found));
        }
        Value::Object(all) => all.iter().for_each(|(key, part)| paths(part, format!("{path}/{key}"), found)),
        _ => {}
    }
    if !path.is_empty() {
        found.push(path);
    }
}

/// Fields, and whether their loss was noticed, in any state.
fn losses(guest: &Guest, noticed: &mut BTreeMap<String, bool>) {
    let mut whole = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    for (number, count) in (1000..).zip(whole["counted"]["counts"].as_object_mut().expect("it counts")) {
        *count.1 = number.into();
    }
    let state: State = serde_json::from_value(whole.clone()).expect("a state can be read");
    let sound = trace(&mut guest.fork(state.moved()).expect("it fits"));
    let mut all = Vec::new();
    paths(&whole, String::new(), &mut all);
    for path in all {
        let field = field(&path);
        let found = noticed.entry(field).or_default();
        let value = whole.pointer(&path).expect("it was found there");
        let Some(gone) = lost(value).filter(|_| !*found) else { continue };
        let mut less = whole.clone();
        *less.pointer_mut(&path).expect("it was found there") = gone;
        *found = match serde_json::from_value::<State>(less).map(|state| guest.fork(state.moved())) {
            Ok(Ok(mut other)) => trace(&mut other) != sound,
            Ok(Err(_)) | Err(_) => true,
        };
    }
}

#[test]
fn each_field_that_is_lost_is_noticed() {
    let mut noticed = BTreeMap::new();
    for unwanted in [Features::empty(), Features::WINDOW] {
        for variant in [reads, has_input, ends] {
            losses(&busy(unwanted, variant), &mut noticed);
        }
    }
    let missed: Vec<&str> =
        noticed.iter().filter(|(_, noticed)| !**noticed).map(|(field, _)| &**field).collect();
    let unused: Vec<&str> = UNUSED.iter().map(|(field, _)| *field).collect();
    assert_eq!(missed, unused, "left: these fields can be lost, or have no value in any state here");
    assert!(noticed.len() > 60, "{}", noticed.len());
}

/// A field without which a state can be read is one whose absence means nothing, a `null`.
#[test]
fn a_state_that_lacks_a_field_is_no_state() {
    let guest = busy(Features::empty(), reads);
    let whole = serde_json::to_value(guest.domain.save()).expect("a state can be written");
    let mut all = Vec::new();
    paths(&whole, String::new(), &mut all);
    for path in all {
        let (parent, key) = path.rsplit_once('/').expect("a path");
        let (mut without, mut null) = (whole.clone(), whole.clone());
        let Some(Value::Object(object)) = without.pointer_mut(parent) else { continue };
        object.remove(key).expect("it was found there");
        *null.pointer_mut(&path).expect("it was found there") = Value::Null;
        let read = |value: Value| serde_json::from_value::<State>(value).ok();
        assert_eq!(read(without), read(null), "{path}");
    }
}

/// What a restored domain saves is what it was made from, but for the upcalls that a restore owes.
#[test]
fn a_restored_domain_saves_the_same() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        for variant in [reads, has_input, ends] {
            let guest = busy(unwanted, variant);
            let whole = |state: &State| {
                let mut value = serde_json::to_value(state).expect("a state can be written");
                for vcpu in value["vcpus"].as_array_mut().expect("a list") {
                    vcpu["owed"] = true.into();
                }
                value["counted"]["counts"]["upcalls"] = 0.into();
                // A restore writes this page (PAGE-7).
                value["pages"]["generation"]["sequence"] = 0.into();
                value
            };
            let state = guest.domain.save();
            let other = guest.fork(state.clone().moved()).expect("it fits");
            assert_eq!(whole(&other.domain.save()), whole(&state));
        }
    }
}

/// A trace without what a new attachment is told at once, and its upcalls apart: they may be spurious
/// (EVT-13).
fn without_upcalls(trace: &str) -> (String, BTreeSet<String>) {
    let (mut text, mut upcalls) = (String::new(), BTreeSet::new());
    // Of a page that a restore writes, the sequence is another one.
    let spurious = |line: &&str| {
        ["told at once", "upcalls counted", "generation page"].iter().any(|start| line.starts_with(start))
    };
    for line in trace.lines().filter(|line| !spurious(line)) {
        let mut line = line.to_owned();
        while let Some(at) = line.find("Vcpu(Upcall { ") {
            let len = line[at..].find("})").expect("an action ends");
            upcalls.insert(line.drain(at..at + len + 2).collect());
        }
        text += &line.replace(", ", "");
        text.push('\n');
    }
    (text, upcalls)
}

#[test]
fn a_restored_domain_does_what_the_saved_one_would_have_done() {
    for unwanted in [Features::empty(), Features::WINDOW] {
        for variant in [reads, has_input, ends] {
            let mut guest = busy(unwanted, variant);
            let mut other = guest.fork(guest.domain.save().moved()).expect("it fits");
            let (restored, sent) = without_upcalls(&trace(&mut other));
            let (saved, owed) = without_upcalls(&trace(&mut guest));
            assert_eq!(restored, saved);
            assert!(!owed.is_empty() && sent.is_superset(&owed), "{sent:?} lacks some of {owed:?}");
        }
    }
}
