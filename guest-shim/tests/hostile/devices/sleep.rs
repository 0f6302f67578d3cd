// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sleeping until the queue's port is raised: nobody sleeps whom the host has no reason to wake.

use std::cell::Cell;

use tenon_abi::Status;
use tenon_guest::block::Io;
use tenon_guest::{Buffer, Error};
use tenon_rings::Waiter;

use super::model::{DOORBELL, Model, disk, open, queue};
use super::requests::{opened, submit};
use crate::lies::{host, open as open_session};

#[test]
fn who_sleeps_has_asked_to_be_woken() {
    opened!(host, device, model, pages, block: Buffer);
    let token = submit(&mut block, Io::Flush);
    // Nobody asked yet.
    let other = submit(&mut block, Io::Flush);
    let first = model.fetch(0).expect("it was submitted").id;
    let second = model.fetch(0).expect("it was submitted").id;
    model.complete(0, first, Status::OK, 0);
    assert!(!model.owes(0), "a guest that polls is told nothing");
    assert_eq!(block.arm(), Ok(false), "one is there");
    block.poll(token).expect("it is done");
    assert_eq!(block.arm(), Ok(true), "none is there");
    model.complete(0, second, Status::OK, 0);
    assert!(model.owes(0), "the guest sleeps");
    assert_eq!(block.poll(other).expect("it is done").result, Ok(()));
    block.disarm();
    let token = submit(&mut block, Io::Flush);
    model.serve(0);
    assert!(!model.owes(0));
    block.poll(token).expect("it is done");
}

#[test]
fn nobody_sleeps_over_a_result_or_over_requests_that_were_not_kicked() {
    opened!(host, device, model, pages, block: Buffer);
    model.rest(0);
    host.rung.borrow_mut().clear();
    let pushed = block.push(Io::Flush).map_err(|(error, _)| error).expect("there is room");
    assert_eq!(block.arm(), Ok(true));
    assert_eq!(*host.rung.borrow(), [DOORBELL], "the host did not know of it");
    let other = submit(&mut block, Io::Flush);
    model.serve(0);
    // Both are in the books now, and the ring is empty.
    block.poll(other).expect("it is done");
    block.poll(pushed).expect("it is done");
    let (first, second) = (submit(&mut block, Io::Flush), submit(&mut block, Io::Flush));
    model.serve(0);
    block.poll(second).expect("it is done");
    assert_eq!(block.arm(), Ok(false), "a result waits to be taken");
    block.poll(first).expect("it is done");
    model.end_session();
    assert_eq!(block.arm(), Ok(false), "the end of the session raises nothing");
}

#[test]
fn a_sleeper_wakes_to_its_result_or_to_the_end_of_its_patience() {
    opened!(host, device, model, pages, block: Buffer);
    let mut waiter = Waiter::new(2, 8);
    let token = submit(&mut block, Io::Flush);
    let slept = Cell::new(0);
    let done = block.wait_asleep(token, &mut waiter, 3, || {
        slept.set(slept.get() + 1);
        // Woken by something else first.
        if slept.get() == 2 {
            model.serve(0);
            assert!(model.owes(0), "it is owed a wake");
        }
    });
    assert_eq!((done.expect("it is done").result, slept.get()), (Ok(()), 2));
    let token = submit(&mut block, Io::Flush);
    let pending = block.wait_asleep(token, &mut waiter, 3, || slept.set(slept.get() + 1));
    assert_eq!((pending.map(|_| ()), slept.get()), (Err(Error::Pending), 5));
    model.end_session();
    let over = block.wait_asleep(token, &mut waiter, 3, || panic!("nobody would wake it"));
    assert_eq!(over.map(|_| ()), Err(Error::Refused(Status::BAD_SESSION)));
}
