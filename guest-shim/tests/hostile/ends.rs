// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit and restart: a host that ends the domain does not answer, and a kernel does not wait for it for long
//! (LIFE-2, LIFE-3).

use std::cell::Cell;

use tenon_abi::{Features, Op, Status, Submission};
use tenon_guest::{Conduit, Error, Platform, Session, Vcpu, Wish};

use crate::host::{Host, REGION, Shared};
use crate::session::{DEPTH, EVENTS};

/// The host as a platform with this patience, which counts its looks.
struct Patient {
    host: Host,
    patience: Cell<u32>,
    looks: Cell<u32>,
}

impl Conduit for Patient {
    fn kick(&self, queue: u32) {
        self.host.kick(queue);
    }

    fn bind(&self, frame: u32) {
        Conduit::bind(&self.host, frame);
    }
}

// SAFETY: as the host's own.
#[allow(unsafe_code, reason = "a platform is an unsafe trait")]
unsafe impl Platform for Patient {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        Platform::enter(&self.host)
    }

    fn leave(&self, token: usize) {
        Platform::leave(&self.host, token);
    }

    fn relax(&self) {
        self.looks.set(self.looks.get() + 1);
        assert!(self.looks.get() < 1_000_000, "a waiter does not give up");
    }

    fn patience(&self) -> u32 {
        self.patience.get()
    }
}

/// The looks of a waiter whose host is silent, and what it was told.
fn looks(patience: u32, run: impl FnOnce(&Vcpu<'_, Patient, DEPTH>) -> Error) -> u32 {
    looks_with(patience, |_, vcpu| run(vcpu))
}

/// The same, with the platform in hand.
fn looks_with(patience: u32, run: impl FnOnce(&Patient, &Vcpu<'_, Patient, DEPTH>) -> Error) -> u32 {
    let host = Host::new(Shared::new(), None);
    let platform = Patient { host, patience: Cell::new(10), looks: Cell::new(0) };
    let found = platform.host.found().expect("it is there");
    let mut scratch = platform.host.scratch();
    let session = Session::open(&platform, found, &mut scratch, Wish::default()).expect("it opens");
    let vcpu: Vcpu<'_, _, DEPTH> = session.bind(0, &mut platform.host.area(), EVENTS).expect("it binds");
    platform.host.deaf.set(true);
    platform.patience.set(patience);
    platform.looks.set(0);
    assert_eq!(run(&platform, &vcpu), Error::Pending);
    platform.looks.get()
}

#[test]
fn an_end_waits_for_a_hundredth_of_the_patience() {
    // At least a thousand looks, and never more than the patience.
    for (patience, expected) in
        [(200_000, 2_000), (100_100, 1_001), (99_900, 1_000), (5_000, 1_000), (700, 700), (0, 0)]
    {
        assert_eq!(looks(patience, |vcpu| vcpu.lifecycle().exit(3)), expected, "exit, of {patience}");
        assert_eq!(looks(patience, |vcpu| vcpu.lifecycle().restart()), expected, "restart, of {patience}");
        let nop = Submission::new(Op::NOP, [1, 0, 0, 0, 0, 0]);
        let all = looks(patience, |vcpu| vcpu.emergency(nop).expect_err("nobody answers"));
        assert_eq!(all, patience, "any other call has all of it");
    }
}

#[test]
fn an_end_that_is_refused_says_so() {
    let host = Host::new(Shared::new(), None);
    let found = host.found().expect("it is there");
    let wish = Wish { features: Features::WINDOW, ..Wish::default() };
    let session = Session::open(&host, found, &mut host.scratch(), wish).expect("it opens");
    let vcpu: Vcpu<'_, _, DEPTH> = session.bind(0, &mut host.area(), EVENTS).expect("it binds");
    let refused = Error::Refused(Status::NOT_SUPPORTED);
    assert_eq!((vcpu.lifecycle().exit(0), vcpu.lifecycle().restart()), (refused, refused));
    assert_eq!(vcpu.lifecycle().crash(b"why"), Err(refused));
    assert_eq!(vcpu.lifecycle().crash(&[b'x'; 49]), Err(Error::TooLong));
    let text = host.buffer();
    assert_eq!(vcpu.lifecycle().crash_with(&text, text.len() + 1, 7), Err(Error::TooLong));
}

#[test]
fn a_crash_record_has_its_text_and_code() {
    let host = Host::new(Shared::new(), None);
    let found = host.found().expect("it is there");
    let session = Session::open(&host, found, &mut host.scratch(), Wish::default()).expect("it opens");
    let vcpu: Vcpu<'_, _, DEPTH> = session.bind(0, &mut host.area(), EVENTS).expect("it binds");
    let kept = || host.enter(|domain| domain.crash_record().map(|kept| (kept.text.to_vec(), kept.code)));
    assert_eq!(vcpu.lifecycle().crash(b"by value"), Ok(()));
    assert_eq!(kept(), Some((b"by value".to_vec(), 0)));
    let text = host.buffer();
    assert!(text.write(0, b"by range, and more"));
    assert_eq!(vcpu.lifecycle().crash_with(&text, 8, 7), Ok(()));
    assert_eq!(kept(), Some((b"by range".to_vec(), 7)));
    assert_eq!(vcpu.lifecycle().crash_with(&text, text.len(), 8), Err(Error::Refused(Status::TOO_LONG)));
}

#[test]
fn a_region_has_a_length() {
    let host = Host::new(Shared::new(), None);
    let found = host.found().expect("it is there");
    let session = Session::open(&host, found, &mut host.scratch(), Wish::default()).expect("it opens");
    let vcpu: Vcpu<'_, _, DEPTH> = session.bind(0, &mut host.area(), EVENTS).expect("it binds");
    assert_eq!(vcpu.region().length(0), Ok(REGION as u64));
    assert_eq!(vcpu.region().length(1), Err(Error::Refused(Status::BAD_REGION)));
}

#[test]
fn every_wait_has_the_platforms_patience() {
    let nop = Submission::new(Op::NOP, [1, 0, 0, 0, 0, 0]);
    for patience in [1, 7, 300] {
        assert_eq!(looks(patience, |vcpu| vcpu.call(Op::NOP, [1]).expect_err("nobody answers")), patience);
        assert_eq!(looks(patience, |vcpu| vcpu.call_with(nop).expect_err("nobody answers")), patience);
        let all = |vcpu: &Vcpu<'_, Patient, DEPTH>| {
            let mut results = [Ok(9); 3];
            let error = vcpu.call_all(&mut results, |_| nop).expect_err("nobody answers");
            assert_eq!((results, vcpu.quarantined()), ([Err(Status::INDETERMINATE); 3], Ok(3)));
            error
        };
        assert_eq!(looks(patience, all), patience);
        let request = |vcpu: &Vcpu<'_, Patient, DEPTH>| {
            let mut request = vcpu.request(nop).expect("there is room");
            let error = request.wait().expect_err("nobody answers");
            assert_eq!((request.id(), vcpu.quarantined()), (Some(0), Ok(0)), "it stays in flight");
            error
        };
        assert_eq!(looks(patience, request), patience);
        let batch = |vcpu: &Vcpu<'_, Patient, DEPTH>| {
            let mut batch = vcpu.batch::<2>();
            batch.push(nop).and_then(|()| batch.push(nop)).expect("there is room");
            assert_eq!(batch.push(nop), Err(Error::Full), "it holds two");
            batch.commit().expect_err("nobody answers")
        };
        assert_eq!(looks(patience, batch), patience);
    }
}

#[test]
fn a_request_whose_result_was_taken_is_not_waited_for() {
    let nop = Submission::new(Op::NOP, [1, 0, 0, 0, 0, 0]);
    let again = |platform: &Patient, vcpu: &Vcpu<'_, Patient, DEPTH>| {
        platform.host.deaf.set(false);
        let mut request = vcpu.request(nop).expect("there is room");
        assert_eq!(request.wait(), Ok(1));
        request.wait().expect_err("it was taken")
    };
    assert_eq!(looks_with(300, again), 0);
}
