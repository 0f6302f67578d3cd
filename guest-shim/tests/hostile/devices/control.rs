// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening and closing: what is told of a device is checked, and memory comes back when the host is done
//! with it, not before.

use tenon_abi::{DeviceFlags, DeviceKind, Granule, Op, Status};
use tenon_guest::block::Block;
use tenon_guest::device::{Arena, Devices, Limits};
use tenon_guest::{Buffer, Error};
use tenon_rings::{Site, Words};

use super::model::{ARENA, DOORBELL, Model, card, disk, open, queue};
use crate::host::{GRANULE, Host};
use crate::lies::{host, open as open_session};

#[test]
fn limits_of_nothing_are_none() {
    let host = host();
    let model = Model::new(&host, disk());
    let devices = Devices::over(&model);
    assert_eq!(devices.limits(), Ok(Limits { devices: 2, queues: 8 }));
    for told in [0, 5, 5 << 32] {
        model.say(Op::DEVICE_LIMITS, Ok(told));
        assert_eq!(devices.limits(), Err(Error::NoMatch), "{told:#x}");
    }
    devices.watch(3).expect("it is answered");
    assert_eq!(*model.asked.borrow().last().expect("it was asked"), (Op::DEVICE_WATCH, [3, 0, 0, 0, 0, 0]));
    assert_eq!(format!("{devices:?}"), "Devices { .. }");
}

#[test]
fn what_a_host_did_not_write_is_not_its_answer() {
    let host = host();
    let model = Model::new(&host, disk());
    let buffer = host.buffer();
    let ask = || Devices::over(&model).query(0, &buffer);
    let info = ask().expect("it is sound");
    assert_eq!((info.kind, info.incarnation, info.max_queues), (DeviceKind::BLOCK, 7, 4));
    // A front of it, where the rest is that of an earlier answer.
    for withheld in [1, 8, 64, 128] {
        model.withheld.set(withheld);
        assert_eq!(ask(), Err(Error::NoMatch), "{withheld} bytes are not there");
    }
    model.withheld.set(0);
    model.say(Op::DEVICE_QUERY, Ok(u64::MAX));
    assert_eq!(ask().map(|info| info.change), Ok(0), "more than there is room for is all of it");
    let short = Buffer::new(host.rest().split(120, Granule::K4).expect("it is there"));
    assert!(short.len() >= 128);
}

#[test]
fn what_a_host_says_of_a_device_is_held_against_the_text() {
    let host = host();
    let model = Model::new(&host, disk());
    let buffer = host.buffer();
    let ask = |spoil: &dyn Fn(&mut tenon_abi::DeviceInfo)| {
        let sound = *model.info.borrow();
        spoil(&mut model.info.borrow_mut());
        let told = Devices::over(&model).query(0, &buffer);
        *model.info.borrow_mut() = sound;
        told.map(|_| ())
    };
    assert_eq!(ask(&|_| ()), Ok(()));
    assert_eq!(ask(&|info| info.max_queues.set(0)), Err(Error::NoMatch));
    assert_eq!(ask(&|info| info.max_depth.set(0)), Err(Error::NoMatch));
    assert_eq!(ask(&|info| info.flags.set(4)), Err(Error::NoMatch));
    assert_eq!(ask(&|info| info.reserved0.set(1)), Err(Error::NoMatch));
    assert_eq!(ask(&|info| info.reserved1.set(1 << 63)), Err(Error::NoMatch));
    // A kind that is not known is no breach: the guest leaves it alone.
    assert_eq!(ask(&|info| info.kind.set(99)), Ok(()));
}

#[test]
fn only_a_device_that_is_there_and_free_is_found() {
    let host = host();
    let model = Model::new(&host, disk());
    let buffer = host.buffer();
    let find = |kind| Devices::over(&model).find(kind, &buffer).expect("it is answered").is_some();
    assert!(find(DeviceKind::BLOCK));
    assert!(!find(DeviceKind::NET));
    for flags in [DeviceFlags::REMOVED, DeviceFlags::OPEN, DeviceFlags::all()] {
        model.info.borrow_mut().flags.set(flags.bits());
        assert!(!find(DeviceKind::BLOCK), "{flags:?}");
    }
    model.info.borrow_mut().flags.set(0);
    model.info.borrow_mut().reserved0.set(1);
    assert!(!find(DeviceKind::BLOCK), "one that contradicts itself is left alone");
    // A host that says that there are as many as there are numbers is not asked for ever.
    model.say(Op::DEVICE_LIMITS, Ok(u64::MAX));
    model.asked.borrow_mut().clear();
    assert!(!find(DeviceKind::NET));
    assert!(model.count(Op::DEVICE_QUERY) <= 4096);
}

#[test]
fn an_open_names_the_incarnation_and_the_arena() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let pages = model.pages();
    let arena = Arena::of(&pages);
    assert_eq!((arena.address, arena.len), (ARENA, 96 * GRANULE as u64));
    let info = model.query();
    for (port, word) in [(Some(5), 5), (None, 0xffff_ffff)] {
        let device = session.open_device(&model, &info, 6, arena, port).expect("it opens");
        let args = [7 << 32, 6, arena.address, arena.len, word, 0];
        assert_eq!(*model.asked.borrow().last().expect("it was asked"), (Op::DEVICE_OPEN, args));
        assert_eq!((device.number(), device.features(), device.info().incarnation), (0, 6, 7));
        assert_eq!(format!("{device:?}"), "Device { number: 0, .. }");
    }
    model.say(Op::DEVICE_OPEN, Err(Error::Refused(Status::EXISTS)));
    let refused = session.open_device(&model, &info, 0, arena, None).err();
    assert_eq!(refused, Some(Error::Refused(Status::EXISTS)));
}

#[test]
fn a_queue_is_opened_over_cleared_parts_with_its_port() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    (0..model.arena.len()).for_each(|word| model.arena.store(word, 0x1234_5678, Site::Status));
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    // The model looks whether they are cleared.
    let block: Block<'_, Host> = device.block(&model, 3, Some(9), &mut pages).expect("it opens");
    let (op, args) = *model.asked.borrow().last().expect("it was asked");
    let k = GRANULE as u64;
    // 64 submissions are a granule and 64 bytes more.
    assert_eq!((op, args), (Op::QUEUE_OPEN, [3 << 32, 64, 9, ARENA, ARENA + 2 * k, 0]));
    assert_eq!(pages.address(), ARENA + 3 * k);
    assert_eq!(block.state().state, tenon_abi::QueueState::RUNNING);
    model.assert_contained();
}

#[test]
fn a_host_that_refuses_a_queue_leaves_its_pages_and_a_silent_one_does_not() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    model.say(Op::QUEUE_OPEN, Err(Error::Refused(Status::NO_CAPACITY)));
    let refused = device.block::<Buffer, 4>(&model, 0, None, &mut pages).err();
    assert_eq!((refused, pages.address()), (Some(Error::Refused(Status::NO_CAPACITY)), ARENA));
    model.say(Op::QUEUE_OPEN, Err(Error::Pending));
    let silent = device.block::<Buffer, 4>(&model, 0, None, &mut pages).err();
    assert_eq!((silent, pages.address()), (Some(Error::Pending), ARENA + 2 * GRANULE as u64));
    // A queue of a network interface there is not.
    assert_eq!(device.sender(&model, 0, 1024, None, &mut pages).err(), Some(Error::NoMatch));
}

#[test]
fn a_kick_that_belongs_to_a_vcpu_or_to_nobody_is_refused() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    // Two vCPUs: their queues are kicked by 0 to 3.
    for told in [0, 3, 1 << 32 | 100, u64::MAX] {
        model.say(Op::QUEUE_OPEN, Ok(told));
        let refused = device.block::<Buffer, 4>(&model, 0, None, &mut pages).err();
        assert_eq!(refused, Some(Error::NoMatch), "{told:#x}");
        assert_eq!((model.count(Op::QUEUE_CLOSE), pages.address()), (1, ARENA), "it is closed again");
        model.asked.borrow_mut().clear();
    }
    let mut block = queue::<Buffer>(&model, &device, &mut pages);
    host.rung.borrow_mut().clear();
    block.submit(tenon_guest::block::Io::Flush).expect("there is room");
    assert_eq!(*host.rung.borrow(), [DOORBELL]);
}

#[test]
fn a_device_that_was_removed_is_told_whatever_has_its_number() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let pages = model.pages();
    let device = open(&model, &session, &pages);
    let buffer = host.buffer();
    model.info.borrow_mut().change.set(5);
    assert_eq!(device.query(&model, &buffer).map(|info| info.change), Ok(5));
    let removed = Err(Error::Refused(Status::REMOVED));
    model.info.borrow_mut().flags.set(DeviceFlags::REMOVED.bits());
    assert_eq!(device.query(&model, &buffer).map(|_| ()), removed, "it is removed");
    model.info.borrow_mut().flags.set(0);
    model.info.borrow_mut().incarnation.set(8);
    assert_eq!(device.query(&model, &buffer).map(|_| ()), removed, "it is another one");
    model.say(Op::DEVICE_QUERY, Err(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(device.query(&model, &buffer).map(|_| ()), removed, "it is gone");
    *model.info.borrow_mut() = card(0);
    assert_eq!(device.query(&model, &buffer).map(|_| ()), removed, "it is of another kind");
}

#[test]
fn a_device_is_closed_when_the_host_says_so_and_not_before() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let pages = model.pages();
    let mut device = open(&model, &session, &pages);
    model.say(Op::DEVICE_CLOSE, Err(Error::Pending));
    assert_eq!(device.close(&model), Err(Error::Pending));
    model.say(Op::DEVICE_CLOSE, Err(Error::Refused(Status::BAD_STATE)));
    assert_eq!(device.close(&model), Err(Error::Pending), "it is being closed");
    model.say(Op::DEVICE_CLOSE, Err(Error::Refused(Status::NOT_FOUND)));
    assert_eq!(device.close(&model), Ok(()), "it was closed meanwhile");
    host.end_session();
    assert!(device.is_over());
    model.say(Op::DEVICE_CLOSE, Err(Error::Pending));
    assert_eq!(device.close(&model), Ok(()), "the end of the session has closed it");
}

#[test]
fn parts_come_back_when_the_queue_is_closed_and_not_before() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    let block = queue::<Buffer>(&model, &device, &mut pages);
    let mut block = block.release().expect_err("it is open");
    for told in [Err(Error::Pending), Err(Error::Refused(Status::BAD_STATE))] {
        model.say(Op::QUEUE_CLOSE, told);
        assert_eq!(block.close(&model), Err(Error::Pending), "it is being closed");
        block = block.release().expect_err("it is not closed");
        let refused = block.submit(tenon_guest::block::Io::Flush).map_err(|(error, _)| error);
        assert_eq!(refused, Err(Error::Refused(Status::BAD_STATE)));
    }
    assert_eq!(block.close(&model), Ok(()));
    let parts = block.release().expect("it is closed");
    assert_eq!((parts.address(), parts.mapping().byte_len()), (ARENA, 2 * GRANULE));
}

#[test]
fn a_close_that_is_answered_while_the_queue_is_served_is_not_believed() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, disk());
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    let mut block = queue::<Buffer>(&model, &device, &mut pages);
    model.closes_early.set(true);
    assert_eq!(block.close(&model), Err(Error::NoMatch));
    assert_eq!(block.finish(Status::INDETERMINATE), 0);
    block = block.release().expect_err("the host may still use it");
    // A second one says that there is no such queue, and the word still says that there is.
    assert_eq!(block.close(&model), Err(Error::NoMatch));
    model.spoil(0, 0, 0);
    assert_eq!(block.close(&model), Ok(()));
}
