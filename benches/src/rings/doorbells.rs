// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many doorbells a queue under load rings (CALL-25): a driver that submits a request whenever one was
//! answered, and a device that looks for a while, then says that it sleeps, and sleeps.

use std::hint::spin_loop;
use std::time::Duration;

use tenon_abi::{Op, Submission};
use tenon_rings::call::{Parts, Queue};
use tenon_rings::{Completer, Mapping, Submitter};
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::poll::PollContext;

use super::memory::Pages;
use super::pair::{apart, together};

const DEPTH: usize = 32;
/// Looks of a device, with a pause behind each, before it sleeps.
const LOOKS: u32 = 64;
const WARM: u64 = 1000;
/// Longer than any answer takes.
const LOST: Duration = Duration::from_secs(5);
/// Looks in vain, seconds of them, before an answer counts as lost.
const LOST_LOOKS: u32 = 1 << 30;
/// Lines of the words by which each side says when it wants to be told, behind the slots.
const COMPLETIONS: usize = DEPTH * 64;
const ARMED: usize = COMPLETIONS + DEPTH * 16;
const KICK: usize = ARMED + 64;

/// Doorbells for each of `count` requests.
///
/// # Panics
///
/// If the system has no eventfd, or a request or a wake is lost.
#[must_use]
pub fn per_request(count: u64) -> f64 {
    let pages = Pages::new(KICK + 64);
    let parts = Parts {
        submissions: pages.mapping(0, COMPLETIONS),
        completions: pages.mapping(COMPLETIONS, DEPTH * 16),
        armed: pages.mapping(ARMED, 8),
        kick: pages.mapping(KICK, 8),
    };
    let mut queue = Queue::new(parts, 0, DEPTH as u32).expect("room for the queue");
    let ends = (queue.submitter().expect("nobody has it"), queue.completer().expect("nobody has it"));
    let (mut submitter, mut completer) = apart(ends);
    let (submitter, completer) = (&mut submitter.0, &mut completer.0);
    let bell = EventFd::new(0).expect("an eventfd");
    let mut rung = 0;
    let _ = together(
        |warm| rung = drive(submitter, &bell, if warm { WARM } else { count }),
        |warm| attend(completer, &bell, if warm { WARM } else { count }),
    );
    rung as f64 / count as f64
}

/// Submits so many, one whenever there is room, and says how often it rang.
fn drive(submitter: &mut Submitter<Mapping, DEPTH>, bell: &EventFd, count: u64) -> u64 {
    let (mut submitted, mut taken, mut rung, mut in_vain) = (0, 0, 0, 0);
    let mut tickets = std::collections::VecDeque::with_capacity(DEPTH);
    while taken < count {
        if submitted < count && submitted - taken < DEPTH as u64 {
            let request = Submission::new(Op::NOP, [submitted; 6]);
            tickets.push_back(submitter.submit(request).expect("room for a request"));
            submitted += 1;
            if submitter.wants_kick() {
                bell.write(1).expect("an eventfd");
                rung += 1;
            }
            continue;
        }
        let Some(ticket) = tickets.pop_front() else { continue };
        match submitter.poll(ticket).expect("an honest device") {
            Ok(outcome) => {
                assert_eq!(outcome.value, taken, "the answer to the oldest request");
                taken += 1;
                in_vain = 0;
            }
            Err(ticket) => {
                in_vain += 1;
                assert!(in_vain < LOST_LOOKS, "a request is lost");
                tickets.push_front(ticket);
                spin_loop();
            }
        }
    }
    rung
}

/// Answers so many.
fn attend(completer: &mut Completer<Mapping>, bell: &EventFd, count: u64) {
    let (mut served, mut looks) = (0, 0);
    let sleep = PollContext::new().expect("an epoll");
    sleep.add(bell, 0_u32).expect("an eventfd can be waited for");
    // Until the first such call every kick is wanted (CALL-25); what may be there already is looked for
    // below.
    let _ = completer.rest();
    while served < count {
        let run = completer.answer(DEPTH as u32, Op::NOP, |submission| Ok(submission.args[0].get()));
        let answered = u64::from(run.answered);
        served += answered;
        looks = if answered > 0 { 0 } else { looks + 1 };
        if looks < LOOKS {
            spin_loop();
        } else if completer.rest() {
            assert!(sleep.wait_timeout(LOST).expect("an epoll").iter().next().is_some(), "a wake is lost");
            bell.read().expect("an eventfd");
            looks = 0;
        }
    }
}
