// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests at a switch: each gets what was sent to it, and no other byte.

use std::time::{Duration, Instant};

use tenon_abi::net::FilterMode;
use tenon_abi::{NetFeatures, SegmentKind};
use tenon_devices::net::{PortConfig, Switch, Total};
use tenon_host::device::Backend;
use tenon_rings::Mapping;
use zerocopy::IntoBytes;

use crate::cable::{Guest, config, frame, mac, plain, summed};

const ALL: [u8; 6] = [0xff; 6];

/// Waits until a count is so large.
fn reaches(count: &Total, value: u64) {
    let start = Instant::now();
    while count.get() < value {
        assert!(start.elapsed() < Duration::from_secs(60), "{} of {value}", count.get());
        std::thread::yield_now();
    }
}

fn switch() -> Switch<Mapping> {
    Switch::new().expect("it starts")
}

#[test]
fn an_address_is_learnt_and_then_its_frames_go_there_alone() {
    let switch = switch();
    let mut ports = [1, 2, 3].map(|last| switch.port(config(last)));
    // Two of them take whatever comes, so that what goes astray is seen.
    ports.iter_mut().for_each(|port| port.filter(FilterMode::PROMISCUOUS.bits(), &[]));
    let [one, two, three] = &mut ports;
    let mut guests =
        [&mut *one, &mut *two, &mut *three].map(|port| Guest::open(port, 0, NetFeatures::empty()));
    // What a guest wants begins anew with its first ring.
    [one, two, three].into_iter().for_each(|port| port.filter(FilterMode::PROMISCUOUS.bits(), &[]));
    let [first, second, third] = &mut guests;
    // Nobody knows where it is: all get it.
    first.send(&plain(), &frame(mac(2), mac(1), b"to nobody known"));
    assert_eq!(second.receive().1, frame(mac(2), mac(1), b"to nobody known"));
    assert_eq!(third.receive().1, frame(mac(2), mac(1), b"to nobody known"));
    second.send(&plain(), &frame(mac(1), mac(2), b"back"));
    assert_eq!(first.receive().1, frame(mac(1), mac(2), b"back"));
    for round in 0..100u8 {
        first.send(&plain(), &frame(mac(2), mac(1), &[round; 50]));
        assert_eq!(second.receive().1, frame(mac(2), mac(1), &[round; 50]));
    }
    // To all, and that is the next frame of the third one.
    second.send(&plain(), &frame(ALL, mac(2), b"to all"));
    assert_eq!(third.receive().1, frame(ALL, mac(2), b"to all"), "a frame went astray");
    assert_eq!(first.receive().1, frame(ALL, mac(2), b"to all"));
    assert!(second.look().is_none(), "nobody hears itself");
    let [one, two, three] = &mut ports;
    let [first, second, third] = guests;
    first.close(one);
    second.close(two);
    third.close(three);
}

#[test]
fn a_guest_gets_what_it_wants_and_no_more() {
    let switch = switch();
    let (mut one, mut two) = (switch.port(config(1)), switch.port(config(2)));
    let counts = one.counts();
    let (mut first, mut second) =
        (Guest::open(&mut one, 0, NetFeatures::empty()), Guest::open(&mut two, 0, NetFeatures::empty()));
    let group = [1, 0, 0x5e, 0, 0, 1];
    for (mode, list, expected) in [
        (FilterMode::empty(), vec![], vec![b"own".to_vec()]),
        (FilterMode::BROADCAST, vec![], vec![b"own".to_vec(), b"all".to_vec()]),
        (FilterMode::ALL_MULTICAST, vec![], vec![b"own".to_vec(), b"group".to_vec()]),
        (FilterMode::empty(), vec![mac(7)], vec![b"own".to_vec(), b"other".to_vec()]),
        (
            FilterMode::PROMISCUOUS,
            vec![],
            vec![b"own".to_vec(), b"all".to_vec(), b"group".to_vec(), b"other".to_vec()],
        ),
    ] {
        two.filter(mode.bits(), &list);
        let sent = counts.sent.get();
        for (to, text) in [(mac(2), &b"own"[..]), (ALL, b"all"), (group, b"group"), (mac(7), b"other")] {
            first.send(&plain(), &frame(to, mac(1), text));
        }
        reaches(&counts.sent, sent + 4);
        let seen: Vec<_> = expected.iter().map(|_| second.receive().1[14..].to_vec()).collect();
        assert_eq!(seen, expected, "{mode:?} {list:?}");
        assert!(second.look().is_none(), "{mode:?} {list:?}");
    }
    first.close(&mut one);
    second.close(&mut two);
}

#[test]
fn isolated_ports_reach_others_and_not_each_other() {
    let switch = switch();
    let isolated = |last| switch.port(PortConfig { isolated: true, ..config(last) });
    let (mut one, mut two, mut three) = (isolated(1), isolated(2), switch.port(config(3)));
    let open = |port: &mut dyn Backend<Mapping>| Guest::open(port, 0, NetFeatures::empty());
    let (mut first, mut second, mut third) = (open(&mut one), open(&mut two), open(&mut three));
    first.send(&plain(), &frame(ALL, mac(1), b"from an isolated one"));
    assert_eq!(third.receive().1, frame(ALL, mac(1), b"from an isolated one"));
    third.send(&plain(), &frame(ALL, mac(3), b"from the other"));
    assert_eq!(first.receive().1, frame(ALL, mac(3), b"from the other"));
    assert_eq!(second.receive().1, frame(ALL, mac(3), b"from the other"), "that is the first it hears");
    // Also where the address is known.
    second.send(&plain(), &frame(ALL, mac(2), b"here"));
    assert_eq!(third.receive().1, frame(ALL, mac(2), b"here"));
    first.send(&plain(), &frame(mac(2), mac(1), b"to the other isolated one"));
    third.send(&plain(), &frame(mac(2), mac(3), b"allowed"));
    assert_eq!(second.receive().1, frame(mac(2), mac(3), b"allowed"));
    first.close(&mut one);
    second.close(&mut two);
    third.close(&mut three);
}

#[test]
fn a_guest_that_may_use_its_own_address_alone_uses_no_other() {
    let switch = switch();
    let mut one = switch.port(PortConfig { own_address_only: true, ..config(1) });
    let mut two = switch.port(config(2));
    let counts = one.counts();
    let (mut first, mut second) =
        (Guest::open(&mut one, 0, NetFeatures::empty()), Guest::open(&mut two, 0, NetFeatures::empty()));
    first.send(&plain(), &frame(mac(2), mac(3), b"as another"));
    first.send(&plain(), &frame(mac(2), mac(1), b"as itself"));
    assert_eq!(second.receive().1, frame(mac(2), mac(1), b"as itself"));
    assert_eq!((counts.refused.get(), counts.sent.get()), (1, 1));
    first.close(&mut one);
    second.close(&mut two);
}

#[test]
fn what_a_receiver_does_not_take_is_computed() {
    let switch = switch();
    let (mut one, mut two, mut three) =
        (switch.port(config(1)), switch.port(config(2)), switch.port(config(3)));
    let mut first = Guest::open(&mut one, 0, NetFeatures::all());
    let mut second = Guest::open(&mut two, 0, NetFeatures::empty());
    let mut third = Guest::open(&mut three, 0, NetFeatures::all());
    // The sum of the pseudo-header is 0x0102 here, and 0x0304 follows.
    first.send(&summed(), &frame(ALL, mac(1), &[0, 0, 1, 2, 3, 4]));
    let (header, bytes) = second.receive();
    let sum = !(0x0102u16 + 0x0304);
    let [high, low] = sum.to_be_bytes();
    assert_eq!(
        (header.as_bytes(), bytes),
        (plain().as_bytes(), frame(ALL, mac(1), &[0, 0, high, low, 3, 4]))
    );
    let (header, bytes) = third.receive();
    assert_eq!((header.as_bytes(), bytes), (summed().as_bytes(), frame(ALL, mac(1), &[0, 0, 1, 2, 3, 4])));

    // A long frame of TCP: whole for one, in pieces for the other.
    let mut long = [&ALL[..], &mac(1), &[0x08, 0x00]].concat();
    long.extend([0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    long.extend([0, 80, 1, 2, 0, 0, 0, 1, 0, 0, 0, 9, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    long.extend((0..10_000u32).map(|at| at as u8));
    let mut header = summed();
    header.segment_kind.set(SegmentKind::TCP4.0);
    header.header_len.set(54);
    header.segment_size.set(1400);
    header.csum_start.set(34);
    header.csum_offset.set(16);
    first.send(&header, &long);
    let mut payload = Vec::new();
    while payload.len() < 10_000 {
        let (told, piece) = second.receive();
        assert_eq!(told.as_bytes(), plain().as_bytes());
        assert!(piece.len() <= 1518);
        payload.extend_from_slice(&piece[54..]);
    }
    assert_eq!(payload, long[54..]);
    let (told, whole) = third.receive();
    assert_eq!((told.as_bytes(), whole == long), (header.as_bytes(), true));
    first.close(&mut one);
    second.close(&mut two);
    third.close(&mut three);
}

#[test]
fn a_guest_that_never_drains_loses_its_own_frames_alone() {
    let switch = switch();
    let (mut one, mut two, mut three) =
        (switch.port(config(1)), switch.port(config(2)), switch.port(config(3)));
    let counts = two.counts();
    let open = |port: &mut dyn Backend<Mapping>| Guest::open(port, 0, NetFeatures::empty());
    let (mut first, second, mut third) = (open(&mut one), open(&mut two), open(&mut three));
    for round in 0..400u32 {
        first.send(&plain(), &frame(ALL, mac(1), &[round as u8; 1000]));
        assert_eq!(third.receive().1, frame(ALL, mac(1), &[round as u8; 1000]), "round {round}");
    }
    assert!(counts.full.get() > 0 && counts.received.get() > 0, "{counts:?}");
    assert_eq!(counts.full.get() + counts.received.get(), 400);
    first.close(&mut one);
    second.close(&mut two);
    third.close(&mut three);
}
