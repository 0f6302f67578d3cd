// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of the queue.

use crate::memory::{Area, LoomWords, Side};
use loom::sync::Notify;
use loom::thread;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use tenon_abi::call::KICK_AT;
use tenon_abi::{Op, Status, Submission};
use tenon_rings::call::{CompleterState, Parts, Queue};
use tenon_rings::{Completer, Error, Site, Submitter, Ticket, Waiter, Words};

const SEED: u32 = 7;
/// The second position lies beyond the wrap.
const START: u32 = u32::MAX;

/// The guest's words, and the host's, by which each says when it wants to be told. `None`: the host wants
/// every kick, and no upcall is owed.
#[derive(Default)]
struct Wishes {
    armed: Option<Area>,
    kick: Option<Area>,
}

/// Both ends of a queue over cleared memory.
fn queue<const D: usize>(
    weak: Option<Site>,
    wishes: &Wishes,
) -> (Submitter<LoomWords, D>, Completer<LoomWords>) {
    let slots = (Area::zeroed(Side::Guest, 8 * D, weak), Area::zeroed(Side::Host, 2 * D, weak));
    queue_over(&slots, wishes, SEED)
}

/// Both ends of a queue in a session with another seed.
fn queue_over<const D: usize>(
    (submissions, completions): &(Area, Area),
    wishes: &Wishes,
    seed: u32,
) -> (Submitter<LoomWords, D>, Completer<LoomWords>) {
    let depth = u32::try_from(D).unwrap();
    let ends = |side| {
        let mut parts = Parts::bare(submissions.of(side), completions.of(side)).unwrap();
        let word = |area: &Option<Area>, bare| area.as_ref().map_or(bare, |area| area.of(side));
        parts.armed = word(&wishes.armed, parts.armed);
        parts.kick = word(&wishes.kick, parts.kick);
        Queue::new(parts, seed, depth).unwrap()
    };
    let completer = ends(Side::Host).completer_at(CompleterState::at(START)).unwrap();
    (ends(Side::Guest).submitter_at(START).unwrap(), completer)
}

/// More than either side is told.
const SLEEPS: u32 = 8;
/// Not for a long while.
const FAR: u32 = START.wrapping_add(u32::MAX >> 1);

/// A guest that wants no upcall yet.
fn disarmed(weak: Option<Site>) -> Option<Area> {
    Some(Area::sparse(Side::Guest, 1, &[(0, u64::from(FAR))], weak))
}

/// A host that wants no kick yet.
fn looking(weak: Option<Site>) -> Option<Area> {
    Some(Area::sparse(Side::Host, 1, &[(0, KICK_AT | u64::from(FAR))], weak))
}

/// Message `n`: each word of its body is different from those of all others and from cleared memory.
fn message(n: u64) -> Submission {
    let mut words = std::array::from_fn(|index| (n + 1) * 0x100 + u64::try_from(index).unwrap());
    words[7] = u64::from(Op::NOP.0);
    Submission::from_words(words)
}

/// Serves one submission, if it is there, which has to be message `n`.
fn serve(completer: &mut Completer<LoomWords>, n: &mut u64) {
    match completer.fetch() {
        Ok(fetched) => {
            assert_eq!(fetched.submission.to_words()[..7], message(*n).to_words()[..7], "a stale body");
            assert!(completer.complete(fetched.id, Status::OK, *n + 0x1000));
            *n += 1;
        }
        Err(error) => assert_eq!(error, Error::Empty),
    }
}

/// The same for all that is there, answered on the spot.
fn answer(completer: &mut Completer<LoomWords>, n: &mut u64) {
    let next = Cell::new(*n);
    let run = completer.answer(2, Op::NOP, |submission| {
        assert_eq!(submission.to_words()[..7], message(next.get()).to_words()[..7], "a stale body");
        next.set(next.get() + 1);
        Ok(next.get() + 0xfff)
    });
    *n = next.get();
    assert!(matches!(run.next, Ok(None) | Err(Error::Empty)));
}

/// Takes the result of message `n`, if it is there.
fn take<const D: usize>(submitter: &mut Submitter<LoomWords, D>, ticket: Ticket, n: u64) -> Option<Ticket> {
    match submitter.poll(ticket).expect("an honest host") {
        Ok(outcome) => {
            assert_eq!((outcome.status, outcome.value), (Status::OK, n + 0x1000), "a stale value");
            None
        }
        Err(ticket) => Some(ticket),
    }
}

/// The guest of [`exchange`]: sends while there is room, else takes the oldest result.
struct Client<const D: usize> {
    submitter: Submitter<LoomWords, D>,
    tickets: VecDeque<Ticket>,
    messages: u64,
    sent: u64,
    done: u64,
}

impl<const D: usize> Client<D> {
    fn step(&mut self) {
        if self.sent < self.messages {
            match self.submitter.submit(message(self.sent)) {
                Ok(ticket) => {
                    self.tickets.push_back(ticket);
                    self.sent += 1;
                    return;
                }
                Err(error) => assert_eq!(error, Error::Full),
            }
        }
        if let Some(ticket) = self.tickets.pop_front() {
            match take(&mut self.submitter, ticket, self.done) {
                Some(ticket) => self.tickets.push_front(ticket),
                None => self.done += 1,
            }
        }
    }
}

/// CALL-2, CALL-3, CALL-8: `messages` calls through a queue of depth `D`, each side trying `tries` times
/// while the other is at it. What is seen is never stale, nothing is lost, nothing comes twice.
pub(crate) fn exchange<const D: usize>(weak: Option<Site>, messages: u64, tries: u64) {
    exchange_by::<D>(weak, messages, tries, serve);
}

/// The same with a host that answers on the spot.
pub(crate) fn exchange_at_once<const D: usize>(weak: Option<Site>, messages: u64, tries: u64) {
    exchange_by::<D>(weak, messages, tries, answer);
}

fn exchange_by<const D: usize>(
    weak: Option<Site>,
    messages: u64,
    tries: u64,
    serve: fn(&mut Completer<LoomWords>, &mut u64),
) {
    let (submitter, mut completer) = queue::<D>(weak, &Wishes::default());
    let host = thread::spawn(move || {
        let mut served = 0;
        for _ in 0..tries {
            serve(&mut completer, &mut served);
        }
        (completer, served)
    });
    let mut client = Client { submitter, tickets: VecDeque::new(), messages, sent: 0, done: 0 };
    for _ in 0..tries {
        client.step();
    }

    let (mut completer, mut served) = host.join().unwrap();
    // Alone now: each round takes at least one message further.
    for _ in 0..2 * messages {
        serve(&mut completer, &mut served);
        client.step();
    }
    assert_eq!((served, client.sent, client.done), (messages, messages, messages), "a call was lost");
    assert_eq!((completer.in_flight(), client.submitter.in_flight()), (0, 0));
}

/// CALL-16: a guest that arms, looks and halts while the host completes is told; one that is not sleeps for
/// ever, which loom sees.
pub(crate) fn halt<const D: usize>(weak: Option<Site>) {
    let (mut submitter, mut completer) = queue::<D>(weak, &Wishes { armed: disarmed(weak), kick: None });
    let tickets: Vec<_> = (0..).take(D).map(|n| submitter.submit(message(n)).unwrap()).collect();
    let upcall = Arc::new(Notify::new());
    let interrupt = Arc::clone(&upcall);
    let host = thread::spawn(move || {
        for mut n in (0..).take(D) {
            serve(&mut completer, &mut n);
            if completer.owes_upcall().unwrap() {
                interrupt.notify();
            }
        }
    });
    for (n, ticket) in (0..).zip(tickets) {
        wait(&mut submitter, ticket, n, &upcall);
    }
    host.join().unwrap();
}

/// Takes the result of message `n`; arms, looks and halts while it is not there.
fn wait<const D: usize>(submitter: &mut Submitter<LoomWords, D>, ticket: Ticket, n: u64, upcall: &Notify) {
    let mut waiting = Some(ticket);
    let look = |submitter: &mut Submitter<_, D>| {
        waiting = take(submitter, waiting.take()?, n);
        waiting.is_none().then_some(())
    };
    let told = Waiter::new(1, 1).wait(submitter, SLEEPS, look, Submitter::arm, || upcall.wait());
    assert!(told.is_some(), "a completion was lost");
}

/// CALL-26: a host that rests while the guest submits is kicked for each message that it did not see; one
/// that is not sleeps for ever.
pub(crate) fn rest<const D: usize>(weak: Option<Site>, messages: u64) {
    let (mut submitter, completer) = queue::<D>(weak, &Wishes { armed: None, kick: looking(weak) });
    let doorbell = Arc::new(Notify::new());
    let host = resting(completer, messages, &doorbell, None);
    for n in 0..messages {
        let _ticket = submitter.submit(message(n)).unwrap();
        if submitter.wants_kick() {
            doorbell.notify();
        }
    }
    host.join().unwrap();
}

/// CALL-16 and CALL-26 at once: a call after the other, the host resting while it waits for a submission, the
/// guest halting while it waits for a completion.
pub(crate) fn rest_and_halt(weak: Option<Site>, messages: u64) {
    let wishes = Wishes { armed: disarmed(weak), kick: looking(weak) };
    let (mut submitter, completer) = queue::<1>(weak, &wishes);
    let (doorbell, upcall) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let host = resting(completer, messages, &doorbell, Some(&upcall));
    for n in 0..messages {
        let ticket = submitter.submit(message(n)).unwrap();
        if submitter.wants_kick() {
            doorbell.notify();
        }
        wait(&mut submitter, ticket, n, &upcall);
    }
    host.join().unwrap();
}

/// A host that serves so many messages, rests and sleeps while there is none, and tells the guest if it wants
/// that.
fn resting(
    mut completer: Completer<LoomWords>,
    messages: u64,
    doorbell: &Arc<Notify>,
    upcall: Option<&Arc<Notify>>,
) -> thread::JoinHandle<()> {
    let (doorbell, upcall) = (Arc::clone(doorbell), upcall.cloned());
    thread::spawn(move || {
        let mut served = 0;
        while served < messages {
            let before = served;
            let look = |completer: &mut Completer<_>| {
                serve(completer, &mut served);
                (served != before).then_some(())
            };
            let told =
                Waiter::new(1, 1).wait(&mut completer, SLEEPS, look, Completer::rest, || doorbell.wait());
            assert!(told.is_some(), "a submission was lost");
            if let Some(upcall) = &upcall
                && completer.owes_upcall().unwrap()
            {
                upcall.notify();
            }
        }
    })
}

/// SES-6 and SES-7: a guest resets with a call in flight, and calls in the next session over the same memory,
/// as it is. The host lets go of the old session before it publishes the next: nothing of the one is seen in
/// the other.
pub(crate) fn reset(weak: Option<Site>) {
    const NEXT: u32 = SEED + 1;
    const LOOKS: usize = 2;
    let slots = (Area::zeroed(Side::Guest, 8, weak), Area::zeroed(Side::Host, 2, weak));
    let (request, record) = (Area::zeroed(Side::Guest, 1, weak), Area::zeroed(Side::Host, 1, weak));
    let (mut submitter, mut old) = queue_over::<1>(&slots, &Wishes::default(), SEED);
    let (mut fresh, mut new) = queue_over::<1>(&slots, &Wishes::default(), NEXT);
    let (asked, published) = (request.of(Side::Host), record.of(Side::Host));
    let host = thread::spawn(move || {
        let mut served = 0;
        for _ in 0..LOOKS {
            if asked.load(0, Site::ControlTake) != 0 {
                published.store(0, u64::from(NEXT), Site::ControlPublish);
                let mut served = 1;
                serve(&mut new, &mut served);
                return Some((new, served));
            }
            if served == 0 {
                serve(&mut old, &mut served);
            }
        }
        None
    });
    let ticket = submitter.submit(message(0)).unwrap();
    request.of(Side::Guest).store(0, 1, Site::ControlPublish);
    let record = record.of(Side::Guest);
    let begun = (0..LOOKS).any(|_| record.load(0, Site::ControlTake) == u64::from(NEXT));
    // What it had in flight is lost with its session.
    submitter.abandon(ticket);
    let mut waiting = begun.then(|| fresh.submit(message(1)).unwrap());
    if let Some(ticket) = waiting.take() {
        waiting = take(&mut fresh, ticket, 1);
    }
    let Some((mut new, mut served)) = host.join().unwrap() else { return };
    if begun {
        if served == 1 {
            serve(&mut new, &mut served);
        }
        if let Some(ticket) = waiting {
            assert!(take(&mut fresh, ticket, 1).is_none(), "a call was lost");
        }
        assert_eq!(served, 2, "a call was lost");
    }
}
