// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generations under a host that restores the guest at the worst moment.

use tenon_abi::lifecycle::page::{COPY0, COPY1};
use tenon_abi::{Op, PageKind, Status};
use tenon_guest::Error;
use tenon_guest::generation::{Generations, Id, Suspension};

use crate::host::Host;
use crate::lies::{host, open};
use crate::time::{Answers, PAGE};

/// Publishes an id as an honest host does.
fn publish(host: &Host, id: [u64; 2]) {
    let next = host.word(PAGE) + 1;
    let copy = if next & 1 == 0 { COPY0 } else { COPY1 };
    host.spoil(PAGE + copy, id[0]);
    host.spoil(PAGE + copy + 8, id[1]);
    host.spoil(PAGE, next);
}

fn with_generations(run: impl FnOnce(&Host, &Answers, &Generations<'_>)) {
    let host = host();
    let session = open(&host);
    let calls = Answers::new();
    let page = session.page(&calls, PageKind::GENERATION, &mut host.area()).expect("the host answers");
    run(&host, &calls, &Generations::new(&calls, &page).expect("it has two copies"));
    host.assert_contained();
}

/// A restore after the id was read, and before the guest says that it has repaired it: the guest names what
/// it has repaired, and not what it never saw.
#[test]
fn a_guest_says_with_which_id_it_began() {
    with_generations(|host, calls, generations| {
        publish(host, [7, 8]);
        let seen = generations.id().expect("the page stands still");
        assert_eq!(seen, Id([7, 8]));
        // The guest draws new keys. Meanwhile it is saved, and restored twice.
        publish(host, [70, 80]);
        calls.clock.set(Err(Error::Refused(Status::BAD_STATE)));
        assert_eq!(generations.repaired(seen), Err(Error::Refused(Status::BAD_STATE)));
        assert_eq!(calls.asked.borrow().last(), Some(&(Op::REPAIRED, [7, 8, 0, 0])));
        calls.clock.set(Ok(0));
        let seen = generations.id().expect("the page stands still");
        assert_eq!((seen, generations.repaired(seen)), (Id([70, 80]), Ok(())));
        assert_eq!(calls.asked.borrow().last(), Some(&(Op::REPAIRED, [70, 80, 0, 0])));
    });
}

#[test]
fn the_valid_copy_is_told_whatever_stands_in_the_other() {
    with_generations(|host, _, generations| {
        for round in 1..6_u64 {
            publish(host, [round, !round]);
            let other = if host.word(PAGE) & 1 == 0 { COPY1 } else { COPY0 };
            host.spoil(PAGE + other, 0xdead);
            host.spoil(PAGE + other + 8, 0xbeef);
            assert_eq!(generations.id(), Ok(Id([round, !round])));
        }
    });
}

#[test]
fn suspension_says_what_the_host_says() {
    let calls = Answers::new();
    let suspension = Suspension::over(&calls);
    assert_eq!((suspension.watch(9), suspension.ready()), (Ok(()), Ok(())));
    let asked: Vec<_> = calls.asked.borrow_mut().drain(..).collect();
    assert_eq!(asked, [(Op::SUSPEND_WATCH, [9, 0, 0, 0]), (Op::SUSPEND_READY, [0; 4])]);
    calls.clock.set(Err(Error::Refused(Status::BAD_STATE)));
    assert_eq!(suspension.ready(), Err(Error::Refused(Status::BAD_STATE)));
    calls.clock.set(Err(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(suspension.watch(9), Err(Error::Refused(Status::NOT_FOUND)));
}
