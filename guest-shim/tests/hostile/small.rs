// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is small: getters, texts for debugging, defaults, ends of ranges, the bind word of a device.
#![allow(unsafe_code, reason = "a platform is an unsafe trait, and the test plays a device")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tenon_abi::vcpu::host as area;
use tenon_abi::{Status, Submission};
use tenon_guest::conduit::Doorbells;
use tenon_guest::pci::{Bus, Ecam};
use tenon_guest::shared::attach;
use tenon_guest::{Conduit, Error, Platform, Vcpu};
use tenon_rings::Mapping;

use crate::host::{GRANULE, Host};
use crate::lies::{bind, host, open};
use crate::session::DEPTH;

#[test]
fn everything_has_a_text_for_debugging() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let nop = Submission::new(tenon_abi::Op::NOP, [0; 6]);
    let mut batch = vcpu.batch::<2>();
    batch.push(nop).expect("there is room");
    let request = vcpu.request(nop).expect("there is room");
    // SAFETY: nothing is read or written.
    let ecam = unsafe { Ecam::new(core::ptr::null_mut(), 0) };
    let bus = Bus::new(&ecam, 0x1000..0x2000, 0x3000);
    assert_eq!(format!("{vcpu:?}"), "Vcpu { number: 0, depth: 4, .. }");
    assert_eq!(
        format!("{session:?}"),
        format!("Session {{ number: {}, granule: Granule(12), .. }}", session.number())
    );
    assert_eq!(format!("{batch:?}"), "Batch { len: 1, .. }");
    assert_eq!(format!("{request:?}"), "Request { ticket: Some(Ticket { id: 1 }), .. }");
    let families = (vcpu.console(), vcpu.lifecycle(), vcpu.region());
    assert_eq!(format!("{families:?}"), "(Console { .. }, Lifecycle { .. }, Region { .. })");
    assert_eq!(format!("{bus:?}"), "Bus { free: 4096..8192, .. }");
}

#[test]
fn what_a_session_and_a_vcpu_are_is_told() {
    let host = host();
    let session = open(&host);
    let wire = tenon_abi::discovery::Session::from_word(host.word(0x80));
    assert_eq!((session.number(), session.seed()), (wire.number, wire.seed));
    assert_eq!(session.features().bits(), host.word(0x90));
    assert_eq!(session.found().session(), wire);
    let vcpu: Vcpu<'_, Host, DEPTH> = session.bind(1, &mut host.area(), [4, 4]).expect("it binds");
    assert_eq!((vcpu.number(), vcpu.is_over()), (1, false));
    let session = open(&host);
    let vcpu = bind(&host, &session);
    assert_eq!(vcpu.number(), 0);
    host.spoil(GRANULE as u64 + area::EVENT_STATE0, 2 | 5 << 16 | 77 << 32);
    let state = vcpu.state_word(area::EVENT_STATE0);
    assert_eq!(state, tenon_abi::status::StateWord::from_word(2 | 5 << 16 | 77 << 32));
    assert_ne!(vcpu.state_word(area::CALL_STATE), state);
}

#[test]
fn a_write_that_is_taken_in_part_says_how_much() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let buffer = host.buffer();
    assert_eq!(vcpu.console().write_buffer(&buffer, GRANULE), Ok(GRANULE), "all of it");
    assert_eq!(vcpu.console().write_buffer(&buffer, GRANULE + 1), Err(Error::TooLong));
    assert_eq!((vcpu.console().write(b""), vcpu.console().write(&[b'x'; 48])), (Ok(0), Ok(48)));
    // The first 48 bytes are taken, and then the host is silent.
    let text = [b'y'; 100];
    let session = open(&host);
    let vcpu = bind(&host, &session);
    host.silent_after.set(Some(1));
    assert_eq!(vcpu.console().write(&text), Ok(48));
    assert_eq!(vcpu.console().write(&text), Err(Error::Pending), "nothing was taken");
    assert_eq!(core::fmt::Write::write_str(&mut vcpu.console(), "text"), Err(core::fmt::Error));
}

/// A kernel that says as little as it can.
struct Plain;

impl Conduit for Plain {
    fn kick(&self, _: u32) {}
    fn bind(&self, _: u32) {}
}

// SAFETY: nothing is done with it.
unsafe impl Platform for Plain {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        0
    }

    fn leave(&self, _: usize) {}
}

#[test]
fn a_platform_is_patient_unless_it_says_otherwise() {
    assert_eq!(Platform::patience(&Plain), 10_000_000);
}

#[test]
fn the_bind_word_counts_on_from_an_earlier_kernel() {
    const BYTES: usize = 0x8_0000;
    let words: Vec<AtomicU64> = (0..BYTES / 8).map(|_| AtomicU64::new(0)).collect();
    let store = |offset: usize, value: u64| words[offset / 8].store(value, Ordering::Relaxed);
    // A record of a SHARED host whose doorbell's value is 0x5_0003; the bind word at 0x1_0000.
    for (offset, value) in [
        (0x00, u64::from_le_bytes(*b"Tenon\0DR")),
        (0x08, 1 << 16 | 256 << 32),
        (0x18, 1 << 12 | u64::from(tenon_abi::ConduitKind::SHARED.0) << 32),
        (0x20, 0x5_0003),
        (0x30, 0x1_0000),
        (0x38, 0x1_0000),
        (0x58, BYTES as u64),
    ] {
        store(offset, value);
    }
    // SAFETY: atomics, which outlive every use of the mapping.
    let memory = unsafe { Mapping::new(words.as_ptr().cast_mut().cast(), BYTES) }.expect("it is aligned");
    let doorbell = AtomicU32::new(0);
    let word = || u64::from_le(words[0x1_0000 / 8].load(Ordering::Relaxed));
    let rung = || u32::from_le(doorbell.swap(0, Ordering::Relaxed));
    for (before, expected) in [(0, [1, 2]), (7, [8, 9]), (u64::from(u32::MAX) - 1, [u64::from(u32::MAX), 1])]
    {
        store(0x1_0000, before << 32 | 99);
        // SAFETY: the register is a word of this test's own, the memory as above.
        let attached = unsafe { attach(memory, doorbell.as_ptr()) }.expect("there is a record");
        let places = [doorbell.as_ptr().addr(), words[0x1_0000 / 8].as_ptr().addr()];
        assert_eq!(attached.conduit.places(), places);
        let bells: Doorbells = attached.conduit.into();
        for count in expected {
            bells.bind(5);
            assert_eq!((word(), rung()), (count << 32 | 5, 0x5_0003), "after {before}");
        }
        bells.kick(3);
        assert_eq!((word() >> 32, rung()), (expected[1], 0x5_0003), "a kick says no more than look");
    }
    // SAFETY: as above; the register is none.
    let none = unsafe { attach(memory, core::ptr::null_mut()) };
    assert_eq!(none.err(), Some(Error::BadMemory));
    store(0x08, 2 | 256 << 32);
    // SAFETY: as above.
    let other = unsafe { attach(memory, doorbell.as_ptr()) };
    assert_eq!(other.err(), Some(Error::Refused(Status::BAD_VERSION)));
}
