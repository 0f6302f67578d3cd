// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a batch leaves behind, rings that are polled, where scratch lies beside an older session, numbers
//! that a host makes up.
#![allow(unsafe_code, reason = "reads the processor's counter")]

use tenon_abi::vcpu::guest;
use tenon_abi::{Op, Status, Submission};
use tenon_guest::console::Console;
use tenon_guest::entropy::Entropy;
use tenon_guest::generation::Suspension;
use tenon_guest::memory::give::piece;
use tenon_guest::memory::{Memory, Sharing};
use tenon_guest::meter::Meter;
use tenon_guest::time::Counter;
use tenon_guest::{Error, Session, Wish};

use crate::host::GRANULE;
use crate::lies::{bind, host, open};
use crate::time::Answers;

#[test]
fn a_batch_that_is_dropped_gives_its_calls_up() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    host.deaf.set(true);
    let nop = Submission::new(Op::NOP, [1, 0, 0, 0, 0, 0]);
    let mut batch = vcpu.batch::<3>();
    batch.push(nop).and_then(|()| batch.push(nop)).expect("there is room");
    assert_eq!((vcpu.in_flight(), vcpu.quarantined()), (2, Ok(0)));
    drop(batch);
    assert_eq!((vcpu.in_flight(), vcpu.quarantined()), (2, Ok(2)), "nobody takes their results any more");
    host.serve_all();
    assert_eq!((vcpu.quarantined(), vcpu.in_flight()), (Ok(0), 0), "what is completed is free again");
}

#[test]
fn a_kernel_that_polls_is_armed_half_the_circle_ahead() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let armed = || [guest::ARMED0, guest::ARMED1].map(|at| host.guest_word(GRANULE as u64 + at));
    vcpu.arm().expect("the rings are in order");
    assert_eq!(armed(), [0; 2]);
    vcpu.disarm().expect("nobody has them");
    assert_eq!(armed(), [u64::from(u32::MAX >> 1); 2]);
}

#[test]
fn scratch_fits_the_coarser_granule_of_an_older_session() {
    let host = host();
    // A session of 64 KiB is open: from 4 KiB on there is no boundary of that.
    host.spoil(0x88, 1 << 48 | 16 << 32);
    let found = host.found().expect("it is there");
    let mut pages = host.all_from(GRANULE as u64);
    let before = pages.mapping().byte_len();
    let refused = Session::open(&host, found, &mut pages, Wish::default()).err();
    assert_eq!(refused, Some(Error::BadMemory));
    assert_eq!(pages.mapping().byte_len(), before, "no page is taken for what cannot be");
}

#[test]
fn random_bytes_are_never_more_than_there_is_room_for() {
    let host = host();
    let (buffer, says) = (host.buffer(), Answers::new());
    let entropy = Entropy::over(&says);
    for (said, told) in [(7, 7), (4096, 4096), (4097, 4096), (u64::MAX, 4096)] {
        says.clock.set(Ok(said));
        assert_eq!(entropy.fill(&buffer), Ok(told), "of {said}");
    }
    assert_eq!(format!("{entropy:?}"), "Entropy { .. }");
}

#[test]
fn later_families_have_a_text_for_debugging() {
    let says = Answers::new();
    assert_eq!(format!("{:?}", Memory::over(&says)), "Memory { .. }");
    assert_eq!(format!("{:?}", Sharing::over(&says)), "Sharing { .. }");
    assert_eq!(format!("{:?}", Meter::over(&says)), "Meter { .. }");
    assert_eq!(format!("{:?}", Suspension::over(&says)), "Suspension { .. }");
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let moving = vcpu.memory().give(host.rest()).map_err(|(error, _)| error).expect("it is submitted");
    assert!(format!("{moving:?}").starts_with("Moving { request: "));
}

#[test]
fn what_the_host_did_not_take_is_not_sent_behind_what_it_took() {
    let says = Answers::new();
    says.clock.set(Ok(10));
    assert_eq!(Console::over(&says).write(&[b'x'; 100]), Ok(10));
    assert_eq!(says.asked.borrow().len(), 1, "the rest is the caller's");
}

#[test]
fn the_pieces_of_memory_are_told_and_no_more() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let buffer = host.buffer();
    let info = vcpu.memory().info(&buffer).expect("it is answered");
    assert_eq!(info.pieces, 1);
    assert_eq!(piece(&buffer, &info, 0), Some((0, info.memory)));
    // Behind the last one the buffer holds zeros, which are no piece.
    assert_eq!(piece(&buffer, &info, 1), None);
    assert_eq!(vcpu.memory().watch(7), Err(Error::Refused(Status::NOT_FOUND)), "the port is not bound");
}

#[test]
fn counters_are_what_they_say() {
    assert_eq!((().kind(), ().read()), (tenon_abi::CounterKind::NONE, 0));
    #[cfg(target_arch = "x86_64")]
    {
        let counter = tenon_guest::time::Processor;
        assert_eq!(counter.kind(), tenon_abi::CounterKind::X86_TSC);
        // SAFETY: every processor of this kind has it.
        let before = unsafe { core::arch::x86_64::_rdtsc() };
        assert!(counter.read() >= before, "it does not stand still");
    }
}
