// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is durable when (BLK-5, BLK-6).

use crate::media::{Kind, Media};
use crate::rig::{Rig, until};
use tenon_abi::{Op, Status};

#[test]
fn a_flush_makes_durable_what_was_completed_before_it() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    assert_eq!(rig.one().write(3, 7), (Status::OK, 512));
    // On any queue of the device.
    assert_eq!(rig.lanes[1].flush(), Status::OK);
    media.lose_power();
    assert_eq!(media.stable(3), 7);
    assert_eq!(rig.one().read(3), Ok(vec![7; 512]));
}

#[test]
fn without_a_flush_the_medium_of_this_test_loses_what_was_written() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    assert_eq!(rig.one().write(3, 7), (Status::OK, 512));
    assert_eq!(rig.one().read(3), Ok(vec![7; 512]));
    media.lose_power();
    assert_eq!(rig.one().read(3), Ok(vec![0; 512]));
}

#[test]
fn a_durable_write_is_durable_when_it_completes() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    let ticket = rig.one().begin_write(4, 9, 1);
    assert_eq!(rig.one().wait(ticket), (Status::OK, 512));
    media.lose_power();
    assert_eq!(media.stable(4), 9);
}

#[test]
fn a_flush_is_not_served_by_a_write_back_that_began_before_a_write() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    media.hold(Kind::Sync);
    let first = rig.lanes[1].submit(Op::FLUSH, [0; 6]);
    until("a write-back", || media.waiting() == 1);
    assert_eq!(rig.one().write(5, 6), (Status::OK, 512));
    let second = rig.one().submit(Op::FLUSH, [0; 6]);
    rig.one().nop();
    media.let_go();
    assert_eq!(rig.lanes[1].wait(first), (Status::OK, 0));
    assert_eq!(rig.one().wait(second), (Status::OK, 0));
    media.lose_power();
    assert_eq!(media.stable(5), 6);
}

#[test]
fn a_write_is_not_completed_before_it_is_done() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    media.hold(Kind::Write);
    let ticket = rig.one().begin_write(6, 1, 0);
    rig.one().nop();
    let ticket = rig.one().look(ticket).expect_err("it is under way");
    media.let_go();
    assert_eq!(rig.one().wait(ticket), (Status::OK, 512));
}
