// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every operation while the queue is in use by code that was interrupted: refused with Busy, and nothing of
//! what is under way is harmed.

#![allow(
    unsafe_code,
    reason = "a platform is an unsafe trait, and what interrupts borrows what it interrupts"
)]

use std::cell::Cell;

use tenon_abi::{Op, Status, Submission};
use tenon_guest::{Conduit, Error, Platform, Session, Vcpu, Wish};

use crate::host::{Host, Shared};
use crate::session::{DEPTH, EVENTS};

/// The host as a platform that something interrupts inside of each kick, masks or not.
pub(crate) struct Interrupted<'h> {
    host: &'h Host,
    /// Runs once, in the next kick.
    hook: Cell<Option<*const dyn Fn()>>,
}

impl<'h> Interrupted<'h> {
    pub(crate) const fn new(host: &'h Host) -> Self {
        Self { host, hook: Cell::new(None) }
    }

    /// Runs `hook` in the first kick of `body`.
    pub(crate) fn during<T>(&self, hook: &dyn Fn(), body: impl FnOnce() -> T) -> T {
        // SAFETY: only the lifetime is another; the hook is forgotten before this returns, by whatever way.
        let hook =
            unsafe { core::mem::transmute::<*const (dyn Fn() + '_), *const (dyn Fn() + 'static)>(hook) };
        self.hook.set(Some(hook));
        let result = body();
        assert!(self.hook.take().is_none(), "there was no kick");
        result
    }
}

impl Conduit for Interrupted<'_> {
    fn kick(&self, queue: u32) {
        if let Some(hook) = self.hook.take() {
            // SAFETY: it lives as long as `during` waits for this.
            unsafe { (*hook)() };
        }
        self.host.kick(queue);
    }

    fn bind(&self, frame: u32) {
        Conduit::bind(self.host, frame);
    }
}

// SAFETY: as the host's own; what interrupts runs on the same thread.
unsafe impl Platform for Interrupted<'_> {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        Platform::enter(self.host)
    }

    fn leave(&self, token: usize) {
        Platform::leave(self.host, token);
    }

    fn relax(&self) {
        Platform::relax(self.host);
    }

    fn patience(&self) -> u32 {
        Platform::patience(self.host)
    }
}

type Interruptible<'p, 'h> = Vcpu<'p, Interrupted<'h>, DEPTH>;

fn nop(value: u64) -> Submission {
    Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0])
}

/// What each operation answers that needs the queue.
fn operations(vcpu: &Interruptible<'_, '_>, host: &Host) -> Vec<(&'static str, Result<u64, Error>)> {
    let console = vcpu.console();
    vec![
        ("call", vcpu.call(Op::NOP, [1])),
        ("call_with", vcpu.call_with(nop(1))),
        ("call_all", vcpu.call_all(&mut [Ok(0)], |_| nop(1)).map(|()| 0)),
        ("request", vcpu.request(nop(1)).map(|_| 0)),
        ("batch", vcpu.batch::<1>().push(nop(1)).map(|()| 0)),
        ("commit", vcpu.batch::<1>().commit().map(|_| 0)),
        ("quarantined", vcpu.quarantined().map(|_| 0)),
        ("arm_completions", vcpu.arm_completions().map(|_| 0)),
        ("set_upcall", vcpu.set_upcall(Some(40)).map(|()| 0)),
        ("start", vcpu.start(1, 0, 0).map(|()| 0)),
        ("stop", vcpu.stop(1, 0).map(|()| 0)),
        ("bind_port", vcpu.bind_port(3, 0, 0).map(|()| 0)),
        ("bind_direct", vcpu.bind_direct(3, 0, 40).map(|()| 0)),
        ("unbind_port", vcpu.unbind_port(3).map(|()| 0)),
        ("move_port", vcpu.move_port(3, 0, 1).map(|()| 0)),
        ("signal", vcpu.signal(3).map(|()| 0)),
        ("write", console.write(b"text").map(|_| 0)),
        ("write_buffer", console.write_buffer(&host.buffer(), 4).map(|_| 0)),
        ("read", console.read(host.buffer()).map(|_| 0)),
        ("length", vcpu.region().length(0)),
    ]
}

/// Runs `during` inside the next kick of `body`.
fn interrupted(body: impl Fn(&Interruptible<'_, '_>), during: impl Fn(&Interruptible<'_, '_>, &Host)) {
    let host = Host::new(Shared::new(), None);
    let platform = Interrupted::new(&host);
    let found = host.found().expect("it is there");
    let session = Session::open(&platform, found, &mut host.scratch(), Wish::default()).expect("it opens");
    let vcpu: Interruptible<'_, '_> = session.bind(0, &mut host.area(), EVENTS).expect("it binds");
    platform.during(&|| during(&vcpu, &host), || body(&vcpu));
    assert_eq!((vcpu.in_flight(), vcpu.quarantined()), (0, Ok(0)));
    assert_eq!(vcpu.call(Op::NOP, [8]), Ok(8));
    host.assert_contained();
}

fn nothing_works(vcpu: &Interruptible<'_, '_>, host: &Host) {
    for (name, answer) in operations(vcpu, host) {
        assert_eq!(answer, Err(Error::Busy), "{name}");
    }
    assert_eq!(vcpu.in_flight(), DEPTH, "nobody knows how many: as many as there can be");
    // Neither the lane nor the rings of events are in use.
    assert_eq!(vcpu.emergency(nop(9)), Ok(9));
    assert_eq!(vcpu.lifecycle().crash(b"in the midst"), Ok(()));
    assert_eq!((vcpu.take_events(|_| {}), vcpu.arm(), vcpu.disarm()), (Ok(0), Ok(true), Ok(())));
    assert_eq!((vcpu.mask(9), vcpu.unmask(9)), (Ok(()), Ok(false)));
}

#[test]
fn nothing_works_inside_of_a_call() {
    interrupted(|vcpu| assert_eq!(vcpu.call(Op::NOP, [77]), Ok(77)), nothing_works);
}

#[test]
fn nothing_works_inside_of_a_batch() {
    let body = |vcpu: &Interruptible<'_, '_>| {
        let mut batch = vcpu.batch::<2>();
        batch.push(nop(1)).expect("there is room");
        batch.push(nop(2)).expect("there is room");
        assert_eq!(batch.commit(), Ok([Ok(1), Ok(2)]));
    };
    interrupted(body, nothing_works);
    let body = |vcpu: &Interruptible<'_, '_>| {
        let mut results = [Err(Status::INDETERMINATE); 3];
        assert_eq!(vcpu.call_all(&mut results, |index| nop(index as u64)), Ok(()));
        assert_eq!(results, [Ok(0), Ok(1), Ok(2)]);
    };
    interrupted(body, nothing_works);
}

#[test]
fn everything_works_inside_of_the_kick_of_a_request() {
    // There the queue is in nobody's hand: the submission stands, and the kick is only a hint.
    let body = |vcpu: &Interruptible<'_, '_>| {
        let mut request = vcpu.request(nop(5)).expect("there is room");
        assert_eq!(request.wait(), Ok(5));
    };
    interrupted(body, |vcpu, _| assert_eq!(vcpu.call(Op::NOP, [6]), Ok(6)));
}

#[test]
fn a_request_that_is_looked_at_while_the_queue_is_in_use_stays_in_flight() {
    let host = Host::new(Shared::new(), None);
    let platform = Interrupted::new(&host);
    let found = host.found().expect("it is there");
    let session = Session::open(&platform, found, &mut host.scratch(), Wish::default()).expect("it opens");
    let vcpu: Interruptible<'_, '_> = session.bind(0, &mut host.area(), EVENTS).expect("it binds");
    let request = Cell::new(Some(vcpu.request(nop(5)).expect("there is room")));
    let read = Cell::new(Some(vcpu.console().read(host.buffer()).expect("there is room")));
    let dropped = Cell::new(Some(vcpu.request(nop(6)).expect("there is room")));
    let hook = || {
        let mut inner = request.take().expect("it was put there");
        assert_eq!(
            (inner.poll(), inner.wait(), inner.cancel()),
            (Err(Error::Busy), Err(Error::Busy), Err(Error::Busy))
        );
        assert_eq!(inner.id(), Some(0));
        request.set(Some(inner));
        let inner = read.take().expect("it was put there");
        assert_eq!(inner.cancel(), Err(Error::Busy));
        let Err((Error::Busy, Ok(inner))) = inner.wait() else { panic!("the read is over") };
        read.set(Some(inner));
        // Nobody can give it up now: its id stays out of use.
        drop(dropped.take());
    };
    assert_eq!(platform.during(&hook, || vcpu.call(Op::NOP, [7])), Ok(7));
    assert_eq!(request.take().expect("it was put back").wait(), Ok(5));
    let read = read.take().expect("it was put back");
    assert_eq!(read.cancel(), Ok(true));
    let Err((Error::Refused(Status::CANCELLED), Err(_))) = read.wait() else { panic!("it was cancelled") };
    assert_eq!(vcpu.in_flight(), 1, "the one that was dropped");
    host.assert_contained();
}

#[test]
fn the_guard_is_held_while_the_queue_is_in_use() {
    let host = Host::new(Shared::new(), None);
    let platform = Interrupted::new(&host);
    let found = host.found().expect("it is there");
    let session = Session::open(&platform, found, &mut host.scratch(), Wish::default()).expect("it opens");
    let vcpu: Interruptible<'_, '_> = session.bind(0, &mut host.area(), EVENTS).expect("it binds");
    let held = || assert_eq!(host.guards(), 1);
    assert_eq!(platform.during(&held, || vcpu.call(Op::NOP, [1])), Ok(1));
    assert_eq!(platform.during(&held, || vcpu.call_all(&mut [Ok(0)], |_| nop(1))), Ok(()));
    let mut batch = vcpu.batch::<1>();
    batch.push(nop(1)).expect("there is room");
    assert_eq!(platform.during(&held, || batch.commit()), Ok([Ok(1)]));
    let free = || assert_eq!(host.guards(), 0);
    let mut request = platform.during(&free, || vcpu.request(nop(1))).expect("there is room");
    assert_eq!(request.wait(), Ok(1));
    assert_eq!(host.guards(), 0);
    // Handlers of events run with upcalls let in again.
    assert_eq!(vcpu.bind_port(3, 0, 0), Ok(()));
    host.enter(|domain| drop(domain.raise(3)));
    assert_eq!(vcpu.take_events(|_| assert_eq!(host.guards(), 0)), Ok(1));
}

#[test]
fn the_lane_is_refused_inside_of_itself() {
    let host = Host::new(Shared::new(), None);
    let platform = Interrupted::new(&host);
    let found = host.found().expect("it is there");
    let session = Session::open(&platform, found, &mut host.scratch(), Wish::default()).expect("it opens");
    let vcpu: Interruptible<'_, '_> = session.bind(0, &mut host.area(), EVENTS).expect("it binds");
    let hook = || {
        assert_eq!(vcpu.emergency(nop(1)), Err(Error::Busy));
        assert_eq!(vcpu.lifecycle().exit(1), Error::Busy);
        assert_eq!(vcpu.lifecycle().crash(b"twice"), Err(Error::Busy));
        assert_eq!(vcpu.call(Op::NOP, [4]), Ok(4), "the call queue is free");
    };
    assert_eq!(platform.during(&hook, || vcpu.emergency(nop(2))), Ok(2));
    host.assert_contained();
}
