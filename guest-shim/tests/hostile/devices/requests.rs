// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests of a disk: what is asked for, what comes back, and what a host can say of it.

use std::cell::Cell;
use std::rc::Rc;

use tenon_abi::{Granule, Op, Reason, Status};
use tenon_guest::block::{Block, Cut, Done, Io, List, Payload, Segment};
use tenon_guest::{Buffer, Error};
use tenon_rings::Corrupt;

use super::model::{ARENA, DOORBELL, Model, buffer, disk, open, queue};
use crate::host::{GRANULE, Host};
use crate::lies::{host, open as open_session};

/// A host, its disk and a queue of depth 4, whose requests own a `$payload`.
macro_rules! opened {
    ($host:ident, $device:ident, $model:ident, $pages:ident, $block:ident: $payload:ty) => {
        let $host = host();
        let session = open_session(&$host);
        let $model = Model::new(&$host, disk());
        let mut $pages = $model.pages();
        let $device = open(&$model, &session, &$pages);
        let mut $block = queue::<$payload>(&$model, &$device, &mut $pages);
        // Some tests need less.
        let _ = (&$device, &mut $pages, &mut $block);
    };
}
pub(super) use opened;

pub(super) fn submit<'h, T: Payload>(
    block: &mut Block<'h, Host, T, 4>,
    io: Io<T>,
) -> tenon_guest::block::Token {
    block.submit(io).map_err(|(error, _)| error).expect("there is room")
}

fn cut(pages: &mut tenon_guest::Pages, len: usize) -> Cut {
    Cut::new(buffer(pages, len as u64), len).map_err(|(error, _)| error).expect("it fits")
}

#[test]
fn what_was_written_is_read_again() {
    opened!(host, device, model, pages, block: Buffer);
    let from = buffer(&mut pages, 4096);
    let text: Vec<u8> = (0..4096u32).map(|at| (at * 7) as u8).collect();
    assert!(from.write(0, &text));
    let write = submit(&mut block, Io::Write { offset: 8192, from, durable: false });
    assert_eq!(block.poll(write).map(|_| ()), Err(Error::Pending));
    assert_eq!(model.serve(0), 1);
    let Done { token, result, payload } = block.poll(write).expect("it is done");
    assert_eq!((token, result), (write, Ok(())));
    let into = payload.expect("it comes back");
    assert!(into.write(0, &[0; 4096]));
    let read = submit(&mut block, Io::Read { offset: 8192, into });
    model.serve(0);
    let into = block.wait(read).expect("it is done").payload.expect("it comes back");
    let mut seen = vec![0; 4096];
    assert!(into.read(0, &mut seen));
    assert_eq!(seen, text);
    assert_eq!((block.in_flight(), block.quarantined()), (0, 0));
    assert_eq!(format!("{block:?}"), "Block { in_flight: 0, .. }");
    model.assert_contained();
}

#[test]
fn arguments_are_those_of_the_text() {
    opened!(host, device, model, pages, block: List<Cut, 5>);
    let mut args = |io: Io<List<Cut, 5>>| {
        let token = submit(&mut block, io);
        let fetched = model.fetch(0).expect("it was submitted");
        let (status, value) = model.perform(&fetched);
        model.complete(0, fetched.id, status, value);
        assert_eq!(block.wait(token).expect("it is done").result, Ok(()));
        (fetched.op, fetched.submission.args.map(|word| word.get()))
    };
    assert_eq!(args(Io::Flush), (Op::FLUSH, [0; 6]));
    assert_eq!(args(Io::Discard { offset: 512, len: 1024 }), (Op::DISCARD, [512, 1024, 0, 0, 0, 0]));
    for (may_unmap, flag) in [(false, 0), (true, 1)] {
        let zero = Io::Zero { offset: 512, len: 4096, may_unmap };
        assert_eq!(args(zero), (Op::ZERO, [512, 4096, flag, 0, 0, 0]));
    }
    let mut list = |parts: usize| {
        let mut list = List::new(None);
        (0..parts).for_each(|_| list.push(cut(&mut pages, 512)).expect("there is room"));
        let at: Vec<u64> =
            (0..parts).map(|part| list.part(part).expect("it is there").buffer().address()).collect();
        (list, at)
    };
    let ((one, at), (two, both)) = (list(1), list(2));
    let write = Io::Write { offset: 1024, from: one, durable: true };
    assert_eq!(args(write), (Op::WRITE, [1024, at[0], 512, 0, 0, 1 | 1 << 32]), "it is to be durable");
    let read = Io::Read { offset: 1024, into: two };
    assert_eq!(args(read), (Op::READ, [1024, both[0], 512, both[1], 512, 2]));
}

#[test]
fn a_list_is_written_anew_for_each_request() {
    opened!(host, device, model, pages, block: List<Cut, 5>);
    let table = buffer(&mut pages, 4096);
    let table_at = table.address();
    let mut list = List::new(Some(table));
    let mut expected = Vec::new();
    for part in 0..5 {
        let cut = cut(&mut pages, 512 * (part + 1));
        expected.push((cut.buffer().address(), 512 * (part as u64 + 1)));
        list.push(cut).expect("there is room");
    }
    assert!(list.push(cut(&mut pages, 512)).is_err(), "there are five");
    for round in 0..2 {
        let token = submit(&mut block, Io::Read { offset: 0, into: list });
        let fetched = model.fetch(0).expect("it was submitted");
        let args = fetched.submission.args.map(|word| word.get());
        assert_eq!(args, [0, table_at, 0, 0, 0, 5]);
        assert_eq!(model.segments(args), expected, "round {round}");
        let (status, value) = model.perform(&fetched);
        assert_eq!(value, 512 * 15);
        // A host that writes to the list is read again by itself alone.
        assert!(model.arena.write((table_at - ARENA) as usize, &[0xff; 80]));
        model.complete(0, fetched.id, status, value);
        let done = block.wait(token).expect("it is done");
        assert_eq!(done.result, Ok(()));
        list = done.payload.expect("it comes back");
    }
    let last = list.pop().expect("there are five");
    assert_eq!((last.buffer().address(), list.count()), (expected[4].0, 4));
    assert_eq!(list.into_table().map(|table| table.address()), Some(table_at));
}

/// Segments that no request can have.
struct Odd {
    count: usize,
    len: u64,
    table: Option<Buffer>,
}

impl Payload for Odd {
    fn count(&self) -> usize {
        self.count
    }

    fn segment(&self, index: usize) -> Option<Segment> {
        (index < 300).then_some(Segment { address: ARENA, len: self.len })
    }

    fn table(&self) -> Option<&Buffer> {
        self.table.as_ref()
    }
}

#[test]
fn segments_that_cannot_be_are_refused_and_come_back() {
    opened!(host, device, model, pages, block: Odd);
    let table = || None;
    for (count, len, expected) in [
        (0, 512, Error::BadMemory),
        (257, 512, Error::TooLong),
        (usize::MAX, 512, Error::TooLong),
        (2, u64::MAX, Error::TooLong),
        (3, 512, Error::BadMemory),
    ] {
        let odd = Odd { count, len, table: table() };
        let (error, io) = block.submit(Io::Read { offset: 0, into: odd }).expect_err("it cannot be");
        assert_eq!((error, io.into_payload().expect("it comes back").count), (expected, count));
    }
    // A table that holds two of three, and lengths that wrap.
    let small = Buffer::new(pages.split(4096, Granule::K4).expect("it is there"));
    let odd = Odd { count: 256, len: u64::MAX / 2, table: Some(small) };
    assert_eq!(
        block.submit(Io::Read { offset: 0, into: odd }).err().map(|(error, _)| error),
        Some(Error::TooLong)
    );
    assert_eq!((block.in_flight(), model.fetch(0).is_none()), (0, true), "nothing was submitted");
    let whole = Buffer::new(pages.split(4096, Granule::K4).expect("it is there"));
    let odd = Odd { count: 256, len: 512, table: Some(whole) };
    assert!(block.submit(Io::Read { offset: 0, into: odd }).is_ok(), "256 are the most");
}

#[test]
fn many_requests_have_one_kick() {
    opened!(host, device, model, pages, block: Buffer);
    // The host sleeps, and says from where on it wants kicks.
    model.rest(0);
    host.rung.borrow_mut().clear();
    let into = buffer(&mut pages, 512);
    let tokens: Vec<_> = [Io::Flush, Io::Read { offset: 0, into }, Io::Flush]
        .into_iter()
        .map(|io| block.push(io).map_err(|(error, _)| error).expect("there is room"))
        .collect();
    assert_eq!(*host.rung.borrow(), [0; 0]);
    block.kick();
    block.kick();
    assert_eq!(*host.rung.borrow(), [DOORBELL], "one kick for all");
    assert_eq!(model.serve(0), 3);
    let mut done = Vec::new();
    while let Some(one) = block.next_done().expect("the queue is sound") {
        assert_eq!(one.result, Ok(()));
        done.push(one.token);
    }
    assert_eq!(done, tokens);
}

#[test]
fn a_length_that_was_not_asked_for_is_no_success() {
    opened!(host, device, model, pages, block: Buffer);
    let mut memory = Some(buffer(&mut pages, 4096));
    for value in [0, 1, 4095, 4097, 8192, u64::MAX] {
        for write in [false, true] {
            let memory_now = memory.take().expect("it came back");
            let io = if write {
                Io::Write { offset: 0, from: memory_now, durable: false }
            } else {
                Io::Read { offset: 0, into: memory_now }
            };
            let token = submit(&mut block, io);
            let id = model.fetch(0).expect("it was submitted").id;
            model.complete(0, id, Status::OK, value);
            let done = block.wait(token).expect("it is over");
            assert_eq!(done.result, Err(Status::INDETERMINATE), "a value of {value}");
            memory = done.payload;
        }
    }
}

#[test]
fn statuses_are_told_as_they_are() {
    opened!(host, device, model, pages, block: Buffer);
    let mut memory = Some(buffer(&mut pages, 4096));
    for status in [Status::IO_ERROR, Status::NO_SPACE, Status::READ_ONLY, Status::REMOVED, Status(0x1234)] {
        let into = memory.take().expect("it came back");
        let token = submit(&mut block, Io::Read { offset: 0, into });
        let id = model.fetch(0).expect("it was submitted").id;
        model.complete(0, id, status, 4096);
        let done = block.wait(token).expect("it is over");
        assert_eq!(done.result, Err(status));
        memory = done.payload;
    }
}

#[test]
fn a_result_is_taken_once_and_a_token_names_one_request() {
    opened!(host, device, model, pages, block: Buffer);
    let unknown = |result: Result<Done<Buffer>, Error>| {
        assert_eq!(result.map(|_| ()), Err(Error::Refused(Status::NOT_FOUND)));
    };
    let first = submit(&mut block, Io::Flush);
    model.serve(0);
    block.poll(first).expect("it is done");
    unknown(block.poll(first));
    // The next request has the same place and the same id.
    let into = buffer(&mut pages, 512);
    let second = submit(&mut block, Io::Read { offset: 0, into });
    unknown(block.poll(first));
    model.serve(0);
    unknown(block.poll(first));
    block.give_up(first);
    assert!(block.poll(second).expect("it is its own").payload.is_some());
}

#[test]
fn results_are_found_in_any_order() {
    opened!(host, device, model, pages, block: Buffer);
    let tokens: Vec<_> = (0..3).map(|_| submit(&mut block, Io::Flush)).collect();
    let ids: Vec<_> = (0..3).map(|_| model.fetch(0).expect("it was submitted").id).collect();
    for at in [2, 0, 1] {
        model.complete(0, ids[at], if at == 1 { Status::IO_ERROR } else { Status::OK }, 0);
    }
    assert_eq!(block.poll(tokens[1]).expect("it is done").result, Err(Status::IO_ERROR));
    assert_eq!(block.poll(tokens[2]).expect("it is done").result, Ok(()));
    let last = block.next_done().expect("the queue is sound").expect("one is left");
    assert_eq!((last.token, block.next_done().expect("the queue is sound").is_none()), (tokens[0], true));
}

#[test]
fn a_slot_is_kept_for_cancel() {
    opened!(host, device, model, pages, block: Buffer);
    let token = submit(&mut block, Io::Flush);
    let _ = [submit(&mut block, Io::Flush), submit(&mut block, Io::Flush)];
    assert_eq!(block.submit(Io::Flush).map_err(|(error, _)| error), Err(Error::Full));
    assert_eq!(block.in_flight(), 3);
    // Where nobody answers, it was asked at least.
    assert_eq!(block.cancel(token), Err(Error::Pending));
    let ops: Vec<_> = std::iter::from_fn(|| model.fetch(0)).map(|fetched| fetched.op).collect();
    assert_eq!(ops, [Op::FLUSH, Op::FLUSH, Op::FLUSH, Op::CANCEL]);
}

/// Memory that says when it is freed.
struct Page(Buffer, Rc<Cell<u32>>);

impl Payload for Page {
    fn count(&self) -> usize {
        1
    }

    fn segment(&self, index: usize) -> Option<Segment> {
        self.0.segment(index)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.1.set(self.1.get() + 1);
    }
}

#[test]
fn what_was_given_up_stays_with_the_host_until_it_is_done() {
    opened!(host, device, model, pages, block: Page);
    let freed = Rc::new(Cell::new(0));
    let page = Page(buffer(&mut pages, 4096), freed.clone());
    let token = submit(&mut block, Io::Read { offset: 0, into: page });
    block.give_up(token);
    assert_eq!((block.quarantined(), block.in_flight(), freed.get()), (1, 1, 0));
    assert!(block.reclaim().expect("the queue is sound").is_none(), "the host may still write there");
    assert_eq!(block.poll(token).map(|_| ()), Err(Error::Refused(Status::NOT_FOUND)));
    model.serve(0);
    assert!(block.next_done().expect("the queue is sound").is_none(), "nobody asks for its result");
    let page = block.reclaim().expect("the queue is sound").expect("it is done");
    assert_eq!((block.quarantined(), block.in_flight(), freed.get(), page.0.len()), (0, 0, 0, GRANULE));
    // What was done by then comes back at once; a flush owned nothing.
    let token = submit(&mut block, Io::Read { offset: 0, into: page });
    let flush = submit(&mut block, Io::Flush);
    model.serve(0);
    assert!(block.poll(flush).is_ok());
    block.give_up(token);
    assert!(block.reclaim().expect("the queue is sound").is_some());
    let flush = submit(&mut block, Io::Flush);
    block.give_up(flush);
    model.serve(0);
    assert!(block.reclaim().expect("the queue is sound").is_none());
    assert_eq!(block.in_flight(), 0);
}

#[test]
fn a_queue_that_is_dropped_frees_nothing_that_the_host_has() {
    opened!(host, device, model, pages, block: Page);
    let freed = Rc::new(Cell::new(0));
    let mut page = || Page(buffer(&mut pages, 4096), freed.clone());
    let (first, second, third) = (page(), page(), page());
    submit(&mut block, Io::Read { offset: 0, into: first });
    model.serve(0);
    submit(&mut block, Io::Read { offset: 0, into: second });
    let given = submit(&mut block, Io::Read { offset: 0, into: third });
    block.give_up(given);
    assert!(block.reclaim().expect("the queue is sound").is_none());
    drop(block);
    assert_eq!(freed.get(), 1, "the host has two of them");
    // Once the session is over, nobody has them.
    let mut block = queue::<Page>(&model, &device, &mut pages);
    let page = Page(buffer(&mut pages, 4096), freed.clone());
    submit(&mut block, Io::Read { offset: 0, into: page });
    model.end_session();
    drop(block);
    assert_eq!(freed.get(), 2);
}

#[test]
fn a_completion_of_nothing_is_a_breach_and_gives_nothing_back() {
    opened!(host, device, model, pages, block: Buffer);
    let into = buffer(&mut pages, 4096);
    let token = submit(&mut block, Io::Read { offset: 0, into });
    let seed = tenon_abi::discovery::Session::from_word(host.word(0x80)).seed;
    let write = |position: u32, id: u16| {
        let tail = tenon_abi::Tail { code: 0, id, turn: tenon_abi::turn(seed, position) };
        model.spoil(0, 64 + u64::from(position % 4) * 16, 4096);
        model.spoil(0, 64 + u64::from(position % 4) * 16 + 8, tail.to_word());
    };
    write(0, 3);
    let corrupt = Err(Error::Corrupt(Corrupt { reason: Reason::UNKNOWN_ID, position: 0 }));
    assert_eq!(block.poll(token).map(|_| ()), corrupt);
    // It stays so, whatever the host says now.
    write(0, 0);
    assert_eq!(block.poll(token).map(|_| ()), corrupt);
    assert_eq!(block.next_done().map(|_| ()), corrupt);
    assert_eq!(block.wait(token).map(|_| ()), corrupt);
    assert_eq!(block.reclaim().map(|_| ()), corrupt);
    assert_eq!(block.arm(), corrupt.map(|()| true));
    assert_eq!(block.cancel(token), corrupt.map(|()| true));
    assert_eq!(block.submit(Io::Flush).map_err(|(error, _)| error).map(|_| ()), corrupt);
    assert_eq!((block.finish(Status::IO_ERROR), block.in_flight()), (0, 1), "the host may still write there");
    // Closed and opened again, it works, and the request with it.
    block.close(&model).expect("it closes");
    assert_eq!(block.reopen(&device, &model), Ok(1));
    assert_eq!(model.serve(0), 1);
    assert_eq!(block.wait(token).expect("it is done").result, Ok(()));
}
