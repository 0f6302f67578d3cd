// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is given and shared: pages are in one use at a time, and what a host says of them is checked.

use tenon_abi::{Granule, Status, Submission};
use tenon_guest::memory::moving::Hold;
use tenon_guest::memory::{Fate, Given, Info, Memory, Shared, Wanted, give};
use tenon_guest::{Buffer, Calls, Error, Pages};
use tenon_rings::{Mapping, Site, Ticket, Words};

use crate::host::GRANULE;
use crate::lies::{bind, host, open};

const K: u64 = GRANULE as u64;

#[test]
fn pages_on_their_way_stay_with_their_request() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let memory = vcpu.memory();
    host.slow.set(true);
    let page = host.rest().split(K, Granule::K4).expect("it is there");
    let moving = memory.give(page).map_err(|(error, _)| error).expect("it is submitted");
    // The host has not answered: nobody knows whether they are given.
    let moving = match moving.wait() {
        Err((Error::Pending, Fate::Pending(moving))) => moving,
        other => panic!("pages that may be given came back: {other:?}"),
    };
    let job = host.job.get().expect("it was asked");
    host.enter(|domain| domain.memory_done(job, true));
    let (given, rest) = moving.wait().expect("it was answered");
    assert_eq!(
        (given.address(), given.len(), given.is_empty(), rest.is_none()),
        (2 * K, GRANULE, false, true)
    );
    // A host that cannot: they are what they were.
    let moving = memory.take(given).map_err(|(error, _)| error).expect("it is submitted");
    let moving = match moving.wait() {
        Err((Error::Pending, Fate::Pending(moving))) => moving,
        other => panic!("pages that are given came back: {other:?}"),
    };
    let job = host.job.get().expect("it was asked");
    host.enter(|domain| domain.memory_done(job, false));
    match moving.wait() {
        Err((Error::Refused(Status::NO_CAPACITY), Fate::Back(given))) => assert_eq!(given.address(), 2 * K),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rest_of_a_call_is_for_another_one() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let memory = vcpu.memory();
    // The host does one granule a call.
    let moving = memory.give(host.rest()).map_err(|(error, _)| error).expect("it is submitted");
    let (first, rest) = moving.wait().expect("it is answered");
    let rest: Pages = rest.expect("there is a rest");
    assert_eq!((first.address(), first.len()), (2 * K, GRANULE));
    assert_eq!((rest.address(), rest.mapping().byte_len()), (3 * K, GRANULE));
    let moving = memory.give(rest).map_err(|(error, _)| error).expect("it is submitted");
    let (second, rest) = moving.wait().expect("it is answered");
    assert_eq!((second.address(), second.len(), rest.is_none()), (3 * K, GRANULE, true));
    let info = memory.info(&host.buffer());
    assert_eq!(info, Err(Error::Refused(Status::BAD_STATE)), "the buffer lies in what was given");
    for given in [first, second] {
        let at = given.address();
        let moving = memory.take(given).map_err(|(error, _)| error).expect("it is submitted");
        let (page, _) = moving.wait().expect("it is answered");
        assert_eq!(page.address(), at);
    }
    assert_eq!(memory.info(&host.buffer()).expect("it is answered").given, 0);
}

/// Calls of a vCPU whose host changes a word of an answer behind the host's back.
struct Lying<'a> {
    calls: &'a dyn Calls,
    answer: Mapping,
    word: usize,
    value: u64,
    /// Instead of the number of bytes.
    told: Option<u64>,
}

impl Calls for Lying<'_> {
    fn call_with(&self, submission: Submission) -> Result<u64, Error> {
        let told = self.calls.call_with(submission)?;
        self.answer.store(self.word, self.value, Site::Status);
        Ok(self.told.unwrap_or(told))
    }

    fn submit(&self, submission: Submission) -> Result<Ticket, Error> {
        self.calls.submit(submission)
    }

    fn poll(&self, ticket: &mut Option<Ticket>) -> Result<u64, Error> {
        self.calls.poll(ticket)
    }

    fn wait(&self, ticket: &mut Option<Ticket>) -> Result<u64, Error> {
        self.calls.wait(ticket)
    }

    fn give_up(&self, ticket: Ticket) {
        self.calls.give_up(ticket);
    }

    fn emergency(&self, submission: Submission) -> Result<u64, Error> {
        self.calls.emergency(submission)
    }

    fn end(&self, submission: Submission) -> Error {
        self.calls.end(submission)
    }
}

#[test]
fn what_a_host_says_of_memory_is_held_against_itself() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let (buffer, words) = (host.buffer(), host.rest().mapping());
    let answer = words.slice(GRANULE / 8, GRANULE / 8).expect("the buffer is the second granule");
    let ask = |word, value, told| {
        let lying = Lying { calls: &vcpu, answer, word, value, told };
        Memory::over(&lying).info(&buffer)
    };
    let sound = ask(7, 0, None).expect("it says the truth");
    assert_eq!((sound.memory, sound.given, sound.granule, sound.pieces), (4 * K, 0, 4096, 1));
    for (word, value, what) in [
        (0, 5 * K, "a target above all memory"),
        (2, 5 * K, "more is given than there is"),
        (3, 0, "no unit"),
        (3, 4097, "a unit that is no power of two"),
        (3, 2048, "a unit below a page"),
        (3, 1 << 40, "a unit that is too large"),
        (4, 0, "nothing a call"),
        (4, 4097, "a call that is no multiple of the unit"),
    ] {
        assert_eq!(ask(word, value, None), Err(Error::NoMatch), "{what}");
    }
    // Fewer bytes than there have to be, and more pieces than there are.
    for told in [0, 1, 63] {
        assert_eq!(ask(7, 0, Some(told)), Err(Error::NoMatch), "{told} bytes");
    }
    let many = ask(5, u64::from(u32::MAX), Some(u64::MAX)).expect("a number of pieces is a bound");
    assert_eq!(many.pieces, (GRANULE - 64) / 16);
    assert_eq!(give::piece(&buffer, &many, many.pieces), None);
    // A piece that wraps is none.
    let wraps = ask(8, u64::MAX, None).expect("a piece is looked at later");
    assert_eq!(give::piece(&buffer, &wraps, 0), None);
}

#[test]
fn what_is_wanted_is_whole_units_and_never_more_than_was_given() {
    let info = |target, given| Info { target, memory: 100 * K, given, granule: K, max_range: K, pieces: 0 };
    for (target, given, wanted) in [
        (100 * K, 0, Wanted::Nothing),
        (90 * K, 0, Wanted::Give(10 * K)),
        (90 * K, 10 * K, Wanted::Nothing),
        (90 * K + 1, 9 * K, Wanted::Nothing),
        (90 * K, 20 * K, Wanted::Take(10 * K)),
        (100 * K, 3 * K, Wanted::Take(3 * K)),
        (0, 0, Wanted::Give(100 * K)),
        (u64::MAX, 5 * K, Wanted::Take(5 * K)),
        (0, u64::MAX, Wanted::Nothing),
    ] {
        assert_eq!(info(target, given).wanted(), wanted, "{target:#x} {given:#x}");
    }
}

#[test]
fn a_share_is_ended_by_its_own_buffer_alone() {
    let host = host();
    let mut pages = host.rest();
    let mut shared = || Shared::of(pages.split(K, Granule::K4).expect("it is there"));
    let (first, second) = (shared(), shared());
    let ((one, lent_one), (other, lent_other)) = (first.lend(), second.lend());
    // `one` is in flight: its share cannot be ended with the other buffer.
    let (other, lent_one) = match Shared::back(other, lent_one) {
        Err(both) => both,
        Ok(_) => panic!("the share of a buffer that is in flight can be ended"),
    };
    let other = Shared::back(other, lent_other).expect("it is its own");
    assert_eq!(other.buffer().address(), 3 * K);
    let one = Shared::back(one, lent_one).expect("it has come back");
    assert_eq!(one.into_pages().address(), 2 * K);
    let given = Given::of(other.into_pages());
    assert_eq!((given.address(), Buffer::new(given.into_pages()).len()), (3 * K, GRANULE));
}
