// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of the queue.

use crate::memory::{Area, LoomWords, Side};
use loom::sync::Notify;
use loom::thread;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use tenon_abi::{Op, Status, Submission, vcpu::guest};
use tenon_rings::call::CompleterState;
use tenon_rings::event::Arm;
use tenon_rings::{Completer, Error, Site, Submitter, Ticket, Words};

const SEED: u32 = 7;
/// The second position lies beyond the wrap.
const START: u32 = u32::MAX;

/// Both ends of a queue over cleared memory.
fn queue<const D: usize>(weak: Option<Site>) -> (Submitter<LoomWords, D>, Completer<LoomWords>) {
    let submissions = Area::zeroed(Side::Guest, 8 * D, weak);
    let completions = Area::zeroed(Side::Host, 2 * D, weak);
    let submitter =
        Submitter::starting_at(submissions.of(Side::Guest), completions.of(Side::Guest), SEED, START);
    let state = CompleterState { fetched: START, completed: START, in_flight: [0; 64], corrupt: None };
    let depth = u32::try_from(D).unwrap();
    let completer =
        Completer::resume(submissions.of(Side::Host), completions.of(Side::Host), SEED, depth, state);
    (submitter.unwrap(), completer.unwrap())
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
    assert!(matches!(run.next, None | Some(Err(Error::Empty))));
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

/// CALL-2, CALL-3, CALL-8: `messages` calls through a queue of depth `D`, each side trying `tries` times while the other is at it.
/// What is seen is never stale, nothing is lost, nothing comes twice.
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
    let (submitter, mut completer) = queue::<D>(weak);
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

/// CALL-16: a guest that arms, looks and halts while the host completes is told; one that is not sleeps for ever, which loom sees.
pub(crate) fn halt<const D: usize>(weak: Option<Site>) {
    let (mut submitter, mut completer) = queue::<D>(weak);
    let armed = usize::try_from(guest::COMPLETIONS_ARMED / 8).unwrap();
    let far = u64::from(START.wrapping_add(u32::MAX >> 1));
    let area = Area::sparse(Side::Guest, armed + 1, &[(armed, far)], weak);
    let tickets: Vec<_> = (0..).take(D).map(|n| submitter.submit(message(n)).unwrap()).collect();
    let upcall = Arc::new(Notify::new());

    let host_area = area.of(Side::Host);
    let interrupt = Arc::clone(&upcall);
    let host = thread::spawn(move || {
        let mut arm = Arm::default();
        for mut n in (0..).take(D) {
            serve(&mut completer, &mut n);
            if arm.owed(&host_area, armed, completer.state().completed).unwrap() {
                interrupt.notify();
            }
        }
    });

    let area = area.of(Side::Guest);
    for (n, ticket) in (0..).zip(tickets) {
        let mut waiting = Some(ticket);
        while let Some(ticket) = waiting.take() {
            waiting = take(&mut submitter, ticket, n);
            if waiting.is_some() {
                area.store(armed, u64::from(submitter.reaped()), Site::ArmedPublish);
                area.fence(Site::ArmFence);
                if !submitter.is_ready() {
                    upcall.wait();
                }
            }
        }
    }
    host.join().unwrap();
}
