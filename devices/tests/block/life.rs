// SPDX-License-Identifier: MIT OR Apache-2.0
//! Close, cancel, removal, resize, sleep; a queue that breaks the protocol.

use crate::media::{Kind, Media};
use crate::rig::{Rig, until};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tenon_abi::{BlockInfo, Op, Status};
use tenon_devices::block::{Buffers, Change, Disk, Fault, Medium, Shape};
use tenon_host::device::Ring;
use tenon_rings::Waiter;

#[test]
fn a_closed_queue_goes_home_when_nothing_of_it_is_under_way() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    media.hold(Kind::Write);
    let tickets: Vec<_> = (1..9).map(|value| rig.one().begin_write(value.into(), value, 0)).collect();
    until("eight writes", || media.waiting() == 8);
    rig.close(0);
    // The other queue goes on, and its answer comes behind a look at what was to be closed.
    rig.lanes[1].nop();
    until("that it is being closed", || rig.control.counts().closing == 1);
    rig.lanes[1].nop();
    assert!(rig.one().home().is_none());
    media.let_go();
    for ticket in tickets {
        assert_eq!(rig.one().wait(ticket), (Status::OK, 512));
    }
    let mut end = None;
    until("the end", || {
        end = end.take().or_else(|| rig.one().home());
        end.is_some()
    });
    let Ring::Requests(completer) = end.unwrap().ring else { panic!("a request queue") };
    assert_eq!(completer.in_flight(), 0);
    // Nothing more is fetched.
    let late = rig.one().submit(Op::NOP, [0; 6]);
    rig.lanes[1].nop();
    assert!(rig.one().look(late).is_err());
    until("no queue to close", || rig.control.counts().closing == 0);
}

#[test]
fn a_disk_that_is_dropped_gives_its_ends_home() {
    let media = Media::new();
    let Rig { queues, mut lanes, control, .. } = Rig::new(media.disk());
    media.hold(Kind::Read);
    let address = lanes[0].address(0);
    let ticket = lanes[0].submit(Op::READ, [0, address, 512, 0, 0, 1]);
    until("a read", || media.waiting() == 1);
    drop(queues);
    until("one end", || lanes[1].home().is_some());
    assert!(lanes[0].home().is_none());
    media.let_go();
    assert_eq!(lanes[0].wait(ticket), (Status::OK, 512));
    until("the other end", || lanes[0].home().is_some());
    assert_eq!(control.counts().in_flight, 0);
}

#[test]
fn what_has_not_begun_is_cancelled_and_leaves_no_trace() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    media.with_room(1);
    media.hold(Kind::Write);
    let lane = rig.one();
    let begun = lane.begin_write(1, 1, 0);
    let waiting = lane.begin_write(2, 2, 0);
    let flush = lane.submit(Op::FLUSH, [0; 6]);
    until("a write", || media.waiting() == 1);
    let cancel = |id: u16| [u64::from(id), 0, 0, 0, 0, 0];
    // Ids are handed out in order, from the last one down or from the first one up: the guest's own matter.
    let ids: Vec<u16> = [&begun, &waiting].map(tenon_rings::Ticket::id).to_vec();
    assert_eq!(lane.call(Op::CANCEL, cancel(ids[0])), (Status::OK, 0));
    assert_eq!(lane.call(Op::CANCEL, cancel(ids[1])), (Status::OK, 1));
    assert_eq!(lane.wait(waiting), (Status::CANCELLED, 0));
    assert_eq!(lane.call(Op::CANCEL, cancel(ids[1])), (Status::OK, 0));
    assert_eq!(lane.call(Op::CANCEL, cancel(16)), (Status::BAD_ARGUMENT, 0));
    media.let_go();
    assert_eq!(lane.wait(begun), (Status::OK, 512));
    assert_eq!(lane.wait(flush), (Status::OK, 0));
    assert_eq!((lane.read(1), lane.read(2)), (Ok(vec![1; 512]), Ok(vec![0; 512])));
}

#[test]
fn a_removed_disk_answers_removed() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    rig.control.tell_by(move |change| telling.lock().unwrap().push(change));
    media.hold(Kind::Write);
    let under_way = rig.one().begin_write(1, 1, 0);
    until("a write", || media.waiting() == 1);
    rig.control.remove();
    assert_eq!(told.lock().unwrap().last(), Some(&Change::Removed));
    assert_eq!(rig.one().read(0), Err(Status::REMOVED));
    assert_eq!(rig.one().flush(), Status::REMOVED);
    media.let_go();
    assert_eq!(rig.one().wait(under_way), (Status::OK, 512));
}

/// An embedder's own medium, whose size the test changes.
struct Growing(AtomicU64);

impl Medium for Growing {
    fn shape(&self) -> Shape {
        Shape::of(self.0.load(Ordering::SeqCst))
    }

    fn read(&self, offset: u64, into: &Buffers) -> Result<(), Fault> {
        if offset == 1024 {
            panic!("a medium that has a bug");
        }
        if into.put(0, &vec![7; into.len()]) { Ok(()) } else { Err(Fault::Io) }
    }

    fn write(&self, _: u64, _: &Buffers) -> Result<(), Fault> {
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        Ok(())
    }
}

fn bytes(own: [u64; 8]) -> u64 {
    const _: () = assert!(std::mem::offset_of!(BlockInfo, bytes) == 0);
    own[0]
}

#[test]
fn a_resize_is_told_and_holds_from_then_on() {
    for threads in [0, 2] {
        let medium = Arc::new(Growing(AtomicU64::new(1024)));
        let mut rig = Rig::new(Disk::over(Arc::clone(&medium) as Arc<dyn Medium>, threads).unwrap());
        let told = Arc::new(AtomicU64::new(0));
        let telling = Arc::clone(&told);
        rig.control.tell_by(move |change| {
            if let Change::Own(own) = change {
                telling.store(bytes(own), Ordering::SeqCst);
            }
        });
        assert_eq!(rig.one().read(1), Ok(vec![7; 512]));
        assert_eq!(rig.one().read(3), Err(Status::BAD_RANGE));
        medium.0.store(2048, Ordering::SeqCst);
        assert_eq!(rig.control.resize().unwrap(), 2048);
        assert_eq!(told.load(Ordering::SeqCst), 2048);
        assert_eq!(rig.one().read(3), Ok(vec![7; 512]));
        medium.0.store(512, Ordering::SeqCst);
        assert_eq!(rig.control.resize().unwrap(), 512);
        assert_eq!(rig.one().read(1), Err(Status::BAD_RANGE));
        medium.0.store(700, Ordering::SeqCst);
        assert!(rig.control.resize().is_err());
        assert_eq!(rig.control.shape().bytes, 512);
    }
}

#[test]
fn a_medium_that_panics_has_not_done_it() {
    for threads in [0, 1] {
        let medium = Arc::new(Growing(AtomicU64::new(4096)));
        let mut rig = Rig::new(Disk::over(medium, threads).unwrap());
        assert_eq!(rig.one().read(2), Err(Status::IO_ERROR));
        assert_eq!(rig.one().read(3), Ok(vec![7; 512]));
    }
}

#[test]
fn a_worker_that_sleeps_is_woken_and_wakes_its_guest() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk().with_waiter(Waiter::new(1, 1)));
    until("that it sleeps", || rig.control.counts().sleeps > 0);
    for _ in 0..20 {
        let rung = rig.one().rung();
        assert!(rig.one().arm());
        let ticket = rig.one().submit(Op::NOP, [0; 6]);
        until("the bell", || rig.one().rung() > rung);
        assert_eq!(rig.one().wait(ticket), (Status::OK, 0));
    }
}

#[test]
fn a_corrupt_queue_is_shown_and_the_other_goes_on() {
    let media = Media::new();
    let mut rig = Rig::new(media.disk());
    let lane = &mut rig.lanes[0];
    // An id beyond the depth, in the tail of the first slot.
    let tail = tenon_abi::Tail { code: Op::NOP.0, id: 99, turn: tenon_abi::turn(77, 0) }.to_word();
    assert!(lane.ram.0.write(64 + 56, &tail.to_le_bytes()));
    lane.ring();
    let mut state = [0; 8];
    until("the state word", || lane.ram.0.read(4096, &mut state) && state != [0; 8]);
    assert_eq!(state[0], 2, "CORRUPT");
    rig.lanes[1].nop();
    // It is cured by closing it, which works.
    rig.close(0);
    until("the end", || rig.lanes[0].home().is_some());
}
