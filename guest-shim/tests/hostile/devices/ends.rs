// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends of queues and sessions: no request is lost, and none is answered twice.

use tenon_abi::{Op, Status};
use tenon_guest::block::{Block, Io};
use tenon_guest::{Buffer, Error, Session, Wish};

use super::model::{ARENA, Model, buffer, disk, open, queue};
use super::requests::{opened, submit};
use crate::host::GRANULE;
use crate::lies::{host, open as open_session};

/// The next session.
fn reopen(session: &mut Session<'_, crate::host::Host>) {
    session.reopen(Wish::default()).expect("it opens");
}

#[test]
fn what_a_host_did_not_answer_its_successor_does() {
    let host = host();
    let mut session = open_session(&host);
    let model = Model::new(&host, disk());
    let mut pages = model.pages();
    let arena = model.pages();
    let device = open(&model, &session, &arena);
    let mut block: Block<'_, _, Buffer, 8> = device.block(&model, 0, Some(9), &mut pages).expect("it opens");
    let submit = |block: &mut Block<'_, _, Buffer, 8>, io| {
        block.submit(io).map_err(|(error, _)| error).expect("there is room")
    };
    let mut memory = || buffer(&mut pages, 4096);
    // Answered and taken; answered; unanswered, fetched or not; given up.
    let taken = submit(&mut block, Io::Flush);
    model.serve(0);
    block.poll(taken).expect("it is done");
    let answered = submit(&mut block, Io::Read { offset: 0, into: memory() });
    let kept = submit(&mut block, Io::Flush);
    model.serve(0);
    block.poll(kept).expect("it is done");
    let late = submit(&mut block, Io::Flush);
    model.serve(0);
    let from = memory();
    assert!(from.write(0, &[0x5a; 4096]));
    let write = submit(&mut block, Io::Write { offset: 4096, from, durable: true });
    let given = submit(&mut block, Io::Read { offset: 0, into: memory() });
    model.fetch(0).expect("it was submitted");
    let flush = submit(&mut block, Io::Flush);
    block.give_up(given);
    assert_eq!(block.reopen(&device, &model), Err(Error::Refused(Status::BAD_STATE)), "it goes on");

    model.end_session();
    assert!(block.is_over());
    assert_eq!(block.poll(write).map(|_| ()), Err(Error::Refused(Status::BAD_SESSION)));
    reopen(&mut session);
    let next = open(&model, &session, &arena);
    model.asked.borrow_mut().clear();
    assert_eq!(block.reopen(&next, &model), Ok(2), "the write and the flush");
    let (_, args) = *model.asked.borrow().last().expect("it was opened");
    assert_eq!(args, [0, 8, 9, ARENA, ARENA + GRANULE as u64, 0], "in its own memory");
    let again: Vec<_> = std::iter::from_fn(|| model.fetch(0)).collect();
    assert_eq!(again.iter().map(|one| one.op).collect::<Vec<_>>(), [Op::WRITE, Op::FLUSH]);
    assert_eq!(again[0].submission.args[5].get(), 1 | 1 << 32, "as it was");
    for one in &again {
        let (status, value) = model.perform(one);
        model.complete(0, one.id, status, value);
    }
    assert_eq!(model.disk.borrow()[4096..8192], [0x5a; 4096]);
    for token in [answered, late, write, flush] {
        assert_eq!(block.poll(token).expect("each has one result").result, Ok(()));
        assert_eq!(block.poll(token).map(|_| ()), Err(Error::Refused(Status::NOT_FOUND)));
    }
    assert!(block.reclaim().expect("the queue is sound").is_some(), "what was given up is over");
    assert_eq!((block.in_flight(), block.quarantined()), (0, 0));
    assert!(block.next_done().expect("the queue is sound").is_none());
}

#[test]
fn a_session_that_cannot_go_on_ends_each_request_once() {
    opened!(host, device, model, pages, block: Buffer);
    let into = buffer(&mut pages, 4096);
    let (read, flush) = (submit(&mut block, Io::Read { offset: 0, into }), submit(&mut block, Io::Flush));
    let into = buffer(&mut pages, 4096);
    let given = submit(&mut block, Io::Read { offset: 0, into });
    block.give_up(given);
    assert_eq!(block.finish(Status::REMOVED), 0, "the host may still answer");
    model.end_session();
    assert_eq!(block.finish(Status::REMOVED), 2);
    assert_eq!(block.finish(Status::REMOVED), 0, "once");
    let done = block.poll(read).expect("it is over");
    assert_eq!((done.result, done.payload.map(|memory| memory.len())), (Err(Status::REMOVED), Some(GRANULE)));
    let block = block.release().expect_err("a result was not taken");
    let mut block = block.release().expect_err("still");
    assert_eq!(block.poll(flush).expect("it is over").result, Err(Status::REMOVED));
    assert!(block.reclaim().expect("the queue is sound").is_some());
    assert_eq!(block.release().map(|parts| parts.address()).ok(), Some(ARENA));
}

#[test]
fn a_close_takes_the_last_answers() {
    opened!(host, device, model, pages, block: Buffer);
    let into = buffer(&mut pages, 4096);
    let done = submit(&mut block, Io::Read { offset: 0, into });
    model.serve(0);
    let into = buffer(&mut pages, 4096);
    let cut_off = submit(&mut block, Io::Read { offset: 0, into });
    model.fetch(0).expect("it was submitted");
    let given = submit(&mut block, Io::Flush);
    model.fetch(0).expect("it was submitted");
    block.give_up(given);
    block.close(&model).expect("it closes");
    assert_eq!(block.in_flight(), 0, "all have an answer");
    assert_eq!(block.poll(done).expect("it is over").result, Ok(()));
    let cut_off = block.poll(cut_off).expect("it is over");
    assert_eq!((cut_off.result, cut_off.payload.is_some()), (Err(Status::INDETERMINATE), true));
    assert!(block.reclaim().expect("the queue is sound").is_none());
    assert_eq!(block.release().map(|parts| parts.address()).ok(), Some(ARENA));
}

#[test]
fn a_queue_that_nobody_heard_of_is_closed_before_it_is_opened_again() {
    opened!(host, device, model, pages, block: Buffer);
    let token = submit(&mut block, Io::Flush);
    model.end_session();
    let session = open_session(&host);
    let arena = model.pages();
    let next = open(&model, &session, &arena);
    for refused in [Status::REMOVED, Status::NO_CAPACITY] {
        model.say(Op::QUEUE_OPEN, Err(Error::Refused(refused)));
        assert_eq!(block.reopen(&next, &model), Err(Error::Refused(refused)));
    }
    model.say(Op::QUEUE_OPEN, Err(Error::Pending));
    assert_eq!(block.reopen(&next, &model), Err(Error::Pending));
    assert_eq!(block.reopen(&next, &model), Err(Error::Refused(Status::BAD_STATE)), "it may be open");
    assert_eq!(block.finish(Status::IO_ERROR), 0);
    block.close(&model).expect("it closes");
    assert_eq!(block.reopen(&next, &model), Ok(1));
    model.serve(0);
    assert_eq!(block.wait(token).expect("it is done").result, Ok(()));
}

#[test]
fn a_removed_device_answers_each_request_once() {
    opened!(host, device, model, pages, block: Buffer);
    let into = buffer(&mut pages, 4096);
    let tokens = [submit(&mut block, Io::Read { offset: 0, into }), submit(&mut block, Io::Flush)];
    for _ in tokens {
        let id = model.fetch(0).expect("it was submitted").id;
        model.complete(0, id, Status::REMOVED, 0);
    }
    for token in tokens {
        assert_eq!(block.poll(token).expect("it is over").result, Err(Status::REMOVED));
    }
    block.close(&model).expect("it closes");
    model.say(Op::QUEUE_OPEN, Err(Error::Refused(Status::REMOVED)));
    assert_eq!(block.reopen(&device, &model), Err(Error::Refused(Status::REMOVED)));
    assert_eq!(block.release().map(|parts| parts.address()).ok(), Some(ARENA));
}
