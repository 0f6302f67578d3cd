// SPDX-License-Identifier: MIT OR Apache-2.0
//! CANCEL on a disk's queue, under hosts that answer it, answer late, or not.

use std::cell::Cell;

use tenon_abi::{Op, Status};
use tenon_guest::block::Io;
use tenon_guest::{Buffer, Error};

use super::model::{Model, disk, open, queue};
use super::requests::{opened, submit};
use crate::lies::{host, open as open_session};

#[test]
fn a_request_that_was_cancelled_has_one_result() {
    opened!(host, device, model, pages, block: Buffer);
    let (first, second) = (submit(&mut block, Io::Flush), submit(&mut block, Io::Flush));
    let ids: Vec<_> = (0..2).map(|_| model.fetch(0).expect("it was submitted").id).collect();
    // The host answers when it is looked at for the first time.
    let asked = Cell::new(None);
    assert_eq!(block.cancel(first), Err(Error::Pending));
    let cancel = model.fetch(0).expect("it was asked");
    asked.set(Some((cancel.op, cancel.submission.args[0].get())));
    assert_eq!(asked.get(), Some((Op::CANCEL, u64::from(ids[0]))));
    assert_eq!(block.cancel(second), Err(Error::Full), "the first one is not answered");
    model.complete(0, ids[0], Status::CANCELLED, 0);
    model.complete(0, cancel.id, Status::OK, 1);
    assert_eq!(block.poll(first).expect("it is over").result, Err(Status::CANCELLED));
    assert_eq!(block.cancel(first), Err(Error::Refused(Status::NOT_FOUND)), "it is not in flight");
    model.complete(0, ids[1], Status::OK, 0);
    assert_eq!(block.cancel(second), Err(Error::Refused(Status::NOT_FOUND)), "it is done");
    assert_eq!(block.poll(second).expect("it is over").result, Ok(()));
    assert!(model.fetch(0).is_none(), "nothing more was asked");
    assert_eq!(block.in_flight(), 0);
}

#[test]
fn an_answer_that_came_late_makes_room_for_the_next_one() {
    opened!(host, device, model, pages, block: Buffer);
    let token = submit(&mut block, Io::Flush);
    let flush = model.fetch(0).expect("it was submitted").id;
    for told in [0, 1, 2, u64::MAX] {
        assert_eq!(block.cancel(token), Err(Error::Pending));
        let cancel = model.fetch(0).expect("it was asked").id;
        model.complete(0, cancel, Status::OK, told);
        assert!(block.next_done().expect("the queue is sound").is_none(), "that is no request's result");
    }
    model.complete(0, flush, Status::OK, 0);
    assert_eq!(block.wait(token).expect("it is done").result, Ok(()));
}
