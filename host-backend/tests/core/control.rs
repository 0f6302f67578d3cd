// SPDX-License-Identifier: MIT OR Apache-2.0
//! What control requests and the console answer at their edges (NEG-1, GEN-5, CON-1, CON-3, LIFE-2).

use crate::tools::{AREA, AREAS, Guest, PAYLOAD, config};
use tenon_abi::{ControlOp, Features, Op, Status, VERSION};
use tenon_host::ConsoleAction;

#[test]
fn a_version_is_one_that_is_offered() {
    let mut guest = Guest::open(config(1));
    guest.reset();
    for (major, minor) in
        [(VERSION.major, VERSION.minor + 1), (VERSION.major + 1, 0), (VERSION.major + 1, 1), (0xffff, 0xffff)]
    {
        let answer = guest.control(ControlOp::NEGOTIATE, |request| {
            (request.major, request.minor) = (major.into(), minor.into());
            request.granule.set(12);
        });
        assert_eq!(answer, (Status::BAD_VERSION, 0), "{major}.{minor}");
    }
    guest.negotiate(Features::empty());
    guest.bind(0);
    assert_eq!(guest.ok(0, Op::NOP, [4, 0, 0]), 4);
}

#[test]
fn what_a_request_does_not_use_is_zero() {
    let mut guest = Guest::open(config(2));
    let refused = (Status::BAD_RESERVED, 0);
    assert_eq!(guest.control(ControlOp::RESET, |request| request.vcpu.set(1)), refused);
    assert_eq!(guest.control(ControlOp::RESET, |request| request.reserved1.set(1)), refused);
    assert_eq!(guest.control(ControlOp::BIND, |request| request.features.set(1)), refused);
    assert_eq!(guest.control(ControlOp::NEGOTIATE, |request| request.depth.set(1)), refused);
    guest.bind(1);
    assert_eq!(guest.ok(1, Op::NOP, [4, 0, 0]), 4);
}

#[test]
fn areas_lie_apart() {
    let mut guest = Guest::open(config(2));
    guest.reset();
    // Without the window both areas are the guest's.
    guest.negotiate(Features::WINDOW);
    guest.bind(0);
    let (theirs, ours) = (AREAS, AREAS + 0x2_0000);
    let free = AREAS + AREA;
    let mut bind = |guest_area: u64, host_area: u64| {
        let answer = guest.control(ControlOp::BIND, |request| {
            request.vcpu.set(1);
            request.depth.set(1);
            (request.events0, request.events1) = (1.into(), 1.into());
            request.guest_area.set(guest_area);
            request.host_area.set(host_area);
        });
        answer.0
    };
    for (guest_area, host_area, what) in [
        (0, free, "over the request"),
        (free, 0, "over the request"),
        (theirs, free, "over a guest-written area"),
        (free, theirs, "over a guest-written area"),
        (ours, free, "over a host-written area"),
        (free, ours, "over a host-written area"),
        (free, free, "over each other"),
    ] {
        assert_eq!(bind(guest_area, host_area), Status::BAD_RANGE, "{what}: {guest_area:#x} {host_area:#x}");
    }
    assert_eq!(bind(free, free + 0x1000), Status::OK, "beside each other");
    assert_eq!(guest.ok(0, Op::NOP, [4, 0, 0]), 4);
}

#[test]
fn a_guest_that_has_ended_gets_no_answer() {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    guest.submit(0, 1, Op::EXIT, [0; 3]);
    let _ = guest.kick(0);
    assert_eq!(guest.try_control(ControlOp::RESET, |_| {}), None);
}

#[test]
fn a_read_is_as_long_as_a_payload_may_be() {
    let mut config = config(1);
    config.max_payload = 4096;
    let mut guest = Guest::open(config);
    guest.bind(0);
    for (len, status) in [(0, Status::BAD_ARGUMENT), (4097, Status::TOO_LONG), (u64::MAX, Status::TOO_LONG)] {
        assert_eq!(guest.call(0, Op::CONSOLE_READ, [PAYLOAD, len, 0]).0, status, "{len}");
    }
    for len in [1, 4095, 4096] {
        guest.submit(0, 1, Op::CONSOLE_READ, [PAYLOAD, len, 0]);
        let _ = guest.kick(0);
        assert_eq!(guest.take(0, 0), [], "it waits for input");
        guest.domain.input(b"x");
        assert_eq!(guest.take(0, 0), [(1, Status::OK, 1)]);
    }
}

#[test]
fn output_is_told_once_until_it_is_taken() {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    guest.actions();
    guest.ok(0, Op::CONSOLE_WRITE, [PAYLOAD, 0, 0]);
    assert_eq!(guest.actions(), [], "there is none");
    for _ in 0..2 {
        guest.ok(0, Op::CONSOLE_WRITE, [PAYLOAD, 5, 0]);
        assert_eq!(guest.actions(), [ConsoleAction::Output.into()]);
        guest.ok(0, Op::CONSOLE_WRITE, [PAYLOAD, 5, 0]);
        assert_eq!(guest.actions(), []);
        assert_eq!(guest.domain.take_output().len(), 10);
    }
}
