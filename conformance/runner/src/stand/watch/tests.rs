// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sound guest holds each clause, and one wrong word breaks the clause that it should.

use super::*;
use core::mem::offset_of;
use std::collections::HashMap;
use tenon_abi::vcpu::{guest, host};
use tenon_abi::{ControlOp, ControlRequest, Features, Record, Sizes, VERSION, control};

const SEED: u32 = 0x1000;
const AREA: u64 = 0x2_0000;
const SIZES: Sizes = Sizes { depth: 4, events: [8, 8] };
/// Where the host's area lies in the window.
const HOST: u64 = 0x1_0000;

/// A guest, as far as it can be seen.
#[derive(Clone)]
struct Scene {
    record: HashMap<usize, u64>,
    region: HashMap<u64, u64>,
}

impl Scene {
    fn new() -> Self {
        let version = u64::from(VERSION.major) | u64::from(VERSION.minor) << 16;
        let record = [
            (offset_of!(Record, major), version),
            (offset_of!(Record, features), (Features::WINDOW | Features::EVENTS).bits()),
            (offset_of!(Record, granules), 1 << 12 | 1 << 16),
            (offset_of!(Record, max_vcpus), 2 | 64 << 32),
            (offset_of!(Record, max_events), 256 | 64 << 32),
            (offset_of!(Record, session), u64::from(SEED) | 5 << 32),
            (offset_of!(Record, control_result), 9 << 32),
        ];
        Self { record: record.into(), region: HashMap::new() }
    }

    fn opened(mut self) -> Self {
        self.record.insert(offset_of!(Record, active), 12 << 32 | 1 << 48);
        self.record.insert(offset_of!(Record, active_features), Features::WINDOW.bits());
        self
    }

    fn ask(&self, watch: &Watch, request: &[u8; 128]) {
        let view = View {
            record: &|offset| self.record.get(&offset).copied().unwrap_or(0),
            region: &|offset| Some(self.region.get(&offset).copied().unwrap_or(0)),
            region_len: 1 << 20,
        };
        watch.asked(request, 0x1_0000, &view);
    }

    fn look(&self, watch: &Watch) {
        watch.look(&|offset| Some(self.region.get(&offset).copied().unwrap_or(0)));
    }

    fn set(&mut self, offset: u64, word: u64) -> &mut Self {
        self.region.insert(AREA + offset, word);
        self
    }
}

fn request(op: ControlOp) -> [u8; 128] {
    let mut bytes = [0; 128];
    put(&mut bytes, offset_of!(ControlRequest, magic), &control::MAGIC.to_le_bytes());
    put(&mut bytes, offset_of!(ControlRequest, op), &op.0.to_le_bytes());
    put(&mut bytes, offset_of!(ControlRequest, ticket), &10_u32.to_le_bytes());
    put(&mut bytes, offset_of!(ControlRequest, session), &5_u32.to_le_bytes());
    if op == ControlOp::NEGOTIATE {
        put(&mut bytes, offset_of!(ControlRequest, major), &VERSION.major.to_le_bytes());
        put(&mut bytes, offset_of!(ControlRequest, minor), &VERSION.minor.to_le_bytes());
        put(&mut bytes, offset_of!(ControlRequest, granule), &12_u32.to_le_bytes());
    } else if op == ControlOp::BIND {
        put(&mut bytes, offset_of!(ControlRequest, depth), &SIZES.depth.to_le_bytes());
        put(&mut bytes, offset_of!(ControlRequest, events0), &8_u32.to_le_bytes());
        put(&mut bytes, offset_of!(ControlRequest, events1), &8_u32.to_le_bytes());
        put(&mut bytes, offset_of!(ControlRequest, guest_area), &AREA.to_le_bytes());
    }
    bytes
}

fn put(bytes: &mut [u8; 128], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

fn broken(watch: &Watch) -> Vec<&'static str> {
    let findings = watch.findings();
    findings
        .iter()
        .filter(|(_, finding)| matches!(finding, Finding::Broken(_)))
        .map(|(clause, _)| *clause)
        .collect()
}

/// A watched guest with a bound vCPU.
fn bound() -> (Watch, Scene) {
    let (watch, scene) = (Watch::default(), Scene::new().opened());
    scene.ask(&watch, &request(ControlOp::BIND));
    watch.answered(10 << 32, HOST, SEED);
    assert_eq!(broken(&watch), [""; 0]);
    (watch, scene)
}

/// A tail of the position, with an id.
fn tail(position: u32, id: u64) -> u64 {
    u64::from(SEED + position + 1) << 32 | id << 16 | 1
}

fn slot(number: u64) -> u64 {
    guest::SUBMISSIONS + 64 * number + 56
}

#[test]
fn a_sound_guest_breaks_nothing() {
    let watch = Watch::default();
    Scene::new().ask(&watch, &request(ControlOp::NEGOTIATE));
    assert_eq!(broken(&watch), [""; 0]);
    let (watch, mut scene) = bound();
    scene.set(slot(0), tail(0, 1)).set(slot(1), tail(1, 0)).set(guest::COMPLETIONS_ARMED, 1);
    watch.stored(Part::Window, HOST + SIZES.ring_offset(0), tail(0, 0));
    scene.set(guest::TAKEN0, 1).set(guest::ARMED0, 1);
    scene.look(&watch);
    watch.fetches(Part::Region, AREA + slot(0), tail(0, 1));
    watch.fetches(Part::Region, AREA + slot(1), tail(1, 0));
    watch.stored(Part::Window, HOST + host::COMPLETIONS + 8, tail(0, 1) & !0xffff);
    scene.set(slot(0), tail(4, 1));
    scene.look(&watch);
    assert_eq!(broken(&watch), [""; 0]);
    for clause in ["CALL-2", "CALL-4", "CALL-6", "CALL-8", "CALL-16", "EVT-8", "EVT-11", "SES-2", "VCPU-10"] {
        assert_eq!(watch.findings().get(clause), Some(&Finding::Held), "{clause}");
    }
}

#[test]
fn one_wrong_field_of_a_request_breaks_its_clause() {
    let negotiate: &[(usize, &[u8], &str)] = &[
        (offset_of!(ControlRequest, magic), &[0], "SES-3"),
        (offset_of!(ControlRequest, ticket), &[9], "SES-4"),
        (offset_of!(ControlRequest, session), &[4], "SES-5"),
        (offset_of!(ControlRequest, minor), &[0xff, 0xff], "NEG-1"),
        (offset_of!(ControlRequest, features), &[0, 0, 0, 0, 0, 0, 0, 0x80], "NEG-2"),
        (offset_of!(ControlRequest, granule), &[14], "NEG-3"),
        (offset_of!(ControlRequest, reserved2), &[1], "GEN-5"),
        (offset_of!(ControlRequest, depth), &[1], "GEN-5"),
    ];
    let bind: &[(usize, &[u8], &str)] = &[
        (offset_of!(ControlRequest, depth), &[3], "VCPU-2"),
        (offset_of!(ControlRequest, events0), &[0, 2], "VCPU-2"),
        (offset_of!(ControlRequest, guest_area), &[8], "GEN-4"),
        (offset_of!(ControlRequest, guest_area), &[0, 0, 0x10], "VCPU-3"),
        (offset_of!(ControlRequest, guest_area), &[0, 0, 1], "VCPU-10"),
        (offset_of!(ControlRequest, host_area), &[0, 0, 4], "NEG-6"),
        (offset_of!(ControlRequest, reserved1), &[1], "GEN-5"),
        (offset_of!(ControlRequest, major), &[1], "GEN-5"),
    ];
    let tables =
        [(ControlOp::NEGOTIATE, Scene::new(), negotiate), (ControlOp::BIND, Scene::new().opened(), bind)];
    for (op, scene, rows) in tables {
        for (at, field, clause) in rows {
            let (watch, mut bytes) = (Watch::default(), request(op));
            put(&mut bytes, *at, field);
            scene.ask(&watch, &bytes);
            assert_eq!(broken(&watch), [*clause], "{at:#x}");
        }
    }
    for (op, scene) in [(ControlOp::NEGOTIATE, Scene::new().opened()), (ControlOp::BIND, Scene::new())] {
        let watch = Watch::default();
        scene.ask(&watch, &request(op));
        assert_eq!(broken(&watch), ["NEG-4"]);
    }
    let (watch, mut scene) = (Watch::default(), Scene::new().opened());
    scene.set(guest::TAKEN1, 7);
    scene.ask(&watch, &request(ControlOp::BIND));
    assert_eq!(broken(&watch), ["SES-2"]);
}

#[test]
fn one_wrong_word_of_an_area_breaks_its_clause() {
    for (at, word, clause) in [
        (slot(1), tail(0, 0), "CALL-4"),
        (slot(0), tail(0, 4), "CALL-6"),
        (slot(0), tail(4, 0), "CALL-8"),
        (guest::COMPLETIONS_ARMED, 1 << 32, "CALL-16"),
        (guest::ARMED0, 1 << 32, "EVT-11"),
        (guest::ARMED1, 1 << 63 | 1, "EVT-11"),
        (guest::TAKEN0, 1, "EVT-8"),
        (guest::TAKEN1, 1 << 32, "EVT-8"),
        (guest::EMERGENCY + 56, tail(0, 1), "CALL-23"),
    ] {
        let (watch, mut scene) = bound();
        scene.set(at, word).look(&watch);
        assert_eq!(broken(&watch), [clause], "{at:#x}");
    }
}

#[test]
fn what_only_its_past_shows_breaks_a_clause() {
    // An event ring's position that goes back.
    let (watch, mut scene) = bound();
    for position in 0..2 {
        watch.stored(Part::Window, HOST + SIZES.ring_offset(1) + 8 * u64::from(position), tail(position, 0));
    }
    scene.set(guest::TAKEN1, 2).look(&watch);
    assert_eq!(broken(&watch), [""; 0]);
    scene.set(guest::TAKEN1, 1).look(&watch);
    assert_eq!(broken(&watch), ["EVT-8"]);
    // An id that is in flight.
    let (watch, _) = bound();
    watch.fetches(Part::Region, AREA + slot(0), tail(0, 2));
    watch.fetches(Part::Region, AREA + slot(1), tail(1, 2));
    assert_eq!(broken(&watch), ["CALL-6"]);
    // What the host latched, and what it refused.
    for (at, word, clause) in [
        (host::CALL_STATE, 2 | 1 << 16, "CALL-6"),
        (host::CALL_STATE, 2 | 4 << 16, "CALL-16"),
        (host::EVENT_STATE0, 2 | 3 << 16, "EVT-8"),
        (host::EVENT_STATE1, 2 | 4 << 16, "EVT-11"),
        (host::COMPLETIONS + 8, tail(0, 0) & !0xffff | 3, "GEN-5"),
        (host::COMPLETIONS + 8, tail(0, 0) & !0xffff | 5, "REG-3"),
    ] {
        let (watch, _) = bound();
        watch.stored(Part::Window, HOST + at, word);
        assert_eq!(broken(&watch), [clause], "{at:#x} {word:#x}");
    }
    let watch = Watch::default();
    watch.kicked(6, 6);
    assert_eq!(broken(&watch), ["DISC-7"]);
}

#[test]
fn areas_are_not_looked_at_after_a_reset() {
    let (watch, mut scene) = bound();
    scene.ask(&watch, &request(ControlOp::RESET));
    watch.answered(10 << 32, 6, SEED);
    scene.set(guest::TAKEN0, u64::MAX).look(&watch);
    assert_eq!(broken(&watch), [""; 0]);
}
