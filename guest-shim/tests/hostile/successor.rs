// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel that starts where another one ran (SES-8), or goes on after its host was restarted (SES-9):
//! nothing that was answered before is taken for an answer to it.

use tenon_abi::{Op, Status, Submission, Tail};
use tenon_guest::{Error, Session, Vcpu, Wish};

use crate::host::{GRANULE, Host};
use crate::lies::{bind, host, open};
use crate::session::{DEPTH, EVENTS};

fn nop(value: u64) -> Submission {
    Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0])
}

/// Uses everything of a vCPU, so that answers lie everywhere.
fn use_up(host: &Host, vcpu: &Vcpu<'_, Host, DEPTH>) {
    for value in 0..9 {
        assert_eq!(vcpu.call(Op::NOP, [value]), Ok(value));
    }
    assert_eq!(vcpu.emergency(nop(3)), Ok(3));
    for class in [0, 1] {
        assert_eq!(vcpu.bind_port(3 + class, 0, class), Ok(()));
        host.enter(|domain| drop(domain.raise(3 + class)));
    }
}

/// Nothing is answered yet, whatever lies there.
fn hears_nothing(host: &Host, vcpu: &Vcpu<'_, Host, DEPTH>) {
    host.deaf.set(true);
    for _ in 0..DEPTH {
        assert_eq!(vcpu.call(Op::NOP, [1]), Err(Error::Pending), "an answer to an earlier kernel");
    }
    assert_eq!(vcpu.emergency(nop(1)), Err(Error::Pending), "an answer to an earlier kernel");
    assert_eq!(vcpu.take_events(|_| {}), Ok(0), "an event of an earlier kernel's");
    assert_eq!(vcpu.arm(), Ok(true));
    host.deaf.set(false);
}

#[test]
fn a_control_answer_to_another_kernel_is_not_this_ones() {
    for requests in 0..6 {
        for status in [Status::OK, Status::BAD_SESSION, Status(0xffff)] {
            let host = host();
            let session = open(&host);
            for vcpu in 1..=requests {
                // Refused, as there are fewer vCPUs; the last answer lies there.
                drop(session.bind::<DEPTH>(1 + vcpu, &mut host.area(), EVENTS));
            }
            let stale = Tail::from_word(host.word(0xa0));
            host.spoil(0xa0, Tail { code: status.0, ..stale }.to_word());
            host.deaf.set(true);
            let next = Session::open(
                &host,
                host.found().expect("it is there"),
                &mut host.scratch(),
                Wish::default(),
            );
            assert_eq!(next.err(), Some(Error::Pending), "after {requests} requests");
        }
    }
}

#[test]
fn answers_to_an_earlier_kernels_calls_are_not_this_ones() {
    let host = host();
    for _ in 0..3 {
        // The one before has left its session open, its areas and its answers in the same places.
        let session = open(&host);
        let vcpu = bind(&host, &session);
        hears_nothing(&host, &vcpu);
        assert_eq!((vcpu.quarantined(), vcpu.in_flight()), (Ok(DEPTH), DEPTH));
        let session = open(&host);
        let vcpu = bind(&host, &session);
        use_up(&host, &vcpu);
    }
    host.assert_contained();
}

#[test]
fn what_an_earlier_kernel_left_in_the_area_is_gone_when_the_host_looks() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    use_up(&host, &vcpu);
    vcpu.mask(9).expect("it has a mask");
    assert!((0..GRANULE as u64).step_by(8).any(|at| host.guest_word(GRANULE as u64 + at) != 0));
    host.deaf.set(true);
    let session =
        Session::open(&host, host.found().expect("it is there"), &mut host.scratch(), Wish::default());
    assert_eq!(session.err(), Some(Error::Pending));
    host.deaf.set(false);
    let session = open(&host);
    host.deaf.set(true);
    assert_eq!(session.bind::<DEPTH>(0, &mut host.area(), EVENTS).err(), Some(Error::Pending));
    assert!((0..GRANULE as u64).step_by(8).all(|at| host.guest_word(GRANULE as u64 + at) == 0));
}

#[test]
fn a_kernel_goes_on_after_its_hosts_restart_with_the_pages_that_it_had() {
    let host = host();
    let mut session = open(&host);
    let mut pages = host.area();
    let mut vcpu: Vcpu<'_, _, DEPTH> = session.bind(0, &mut pages, EVENTS).expect("it binds");
    for lap in 0..3 {
        use_up(&host, &vcpu);
        let mut request = vcpu.request(nop(4)).expect("there is room");
        host.deaf.set(true);
        host.end_session();
        assert_eq!(request.wait(), Ok(4), "what was completed is done");
        drop(request);
        assert!(vcpu.is_over());
        assert_eq!(vcpu.call(Op::NOP, [1]), Err(Error::Refused(Status::INDETERMINATE)));
        // The host is away: asked again and again, with nothing lost.
        for _ in 0..3 {
            assert_eq!(session.reopen(Wish::default()), Err(Error::Pending), "lap {lap}");
        }
        host.deaf.set(false);
        let number = session.number();
        assert_eq!(session.reopen(Wish::default()), Ok(()));
        assert_eq!(session.number(), number, "it was looked at when it was asked for last");
        let mut area = vcpu.release().expect("its session is over");
        assert_eq!(area.address(), GRANULE as u64);
        vcpu = session.bind(0, &mut area, EVENTS).expect("it binds");
        hears_nothing(&host, &vcpu);
        assert_eq!(
            vcpu.call(Op::NOP, [5]),
            Err(Error::Full),
            "those that are given up are not completed yet"
        );
        host.serve_all();
        assert_eq!(vcpu.quarantined(), Ok(0));
        assert_eq!(vcpu.call(Op::NOP, [5]), Ok(5));
    }
    host.assert_contained();
}

#[test]
fn reopening_an_open_session_ends_it_first() {
    let host = host();
    let mut session = open(&host);
    let vcpu = bind(&host, &session);
    let (number, seed) = (session.number(), session.seed());
    assert_eq!(session.reopen(Wish::default()), Ok(()));
    assert!(vcpu.is_over() && session.number() != number && session.seed() != seed);
    assert_eq!(session.granule(), tenon_abi::Granule::K4);
    let vcpu = bind(&host, &session);
    assert_eq!(vcpu.call(Op::NOP, [6]), Ok(6));
}
