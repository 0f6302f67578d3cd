// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices: what a guest may ask, ends that go out and come home, and what waits for them (DEV-1 to DEV-13).
#![allow(unsafe_code, reason = "a test says who has which side of a ring")]

mod busy;
mod unrepaired;

pub(crate) use busy::{busy, tell};

use crate::tools::{Guest, config};
use tenon_abi::device::{NO_PORT, Named};
use tenon_abi::status::StateWord;
use tenon_abi::{
    BlockInfo, ControlOp, DeviceFlags, DeviceInfo, DeviceKind, Features, NetFeatures, NetInfo, Op,
    QueueState, Status, Submission, Tail, turn,
};
use tenon_host::device::{Device, End, QueueName, Ring};
use tenon_host::{Action, Config, DeviceAction, Devices, Error, LifecycleAction, Memory, SessionAction};
use tenon_rings::Words;
use tenon_rings::stream::{Producer, RingMemory};
use zerocopy::{FromBytes, FromZeros};

pub(crate) type Words0 = <crate::tools::Patchy as Memory>::Words;

/// The arena, and parts in it.
pub(crate) const ARENA: u64 = 0x3_0000;
pub(crate) const ARENA_LEN: u64 = 0x5_0000;
/// Parts of queues: the guest's, the host's, the data.
pub(crate) const PARTS: u64 = 0x3_0000;
/// Where a query writes.
const ANSWER: u64 = 0x1800;

pub(crate) fn disk() -> Device {
    let mut info = BlockInfo::new_zeroed();
    info.bytes.set(1 << 20);
    Device::block([0x11, 0x22], 4, 64, &info)
}

pub(crate) fn card() -> Device {
    let mut info = NetInfo::new_zeroed();
    (info.mtu, info.max_frame, info.pairs) = (68.into(), 3000.into(), 2.into());
    Device::net([0x33, 0x44], NetFeatures::all(), 4096, &info)
}

pub(crate) fn offering() -> Config {
    let mut config = config(2);
    config.max_direct = 8;
    config.with_devices(Devices { max_devices: 3, max_queues: 4 })
}

fn guest() -> Guest {
    let mut guest = Guest::open(offering());
    guest.bind(0);
    guest
}

/// A guest with a disk that is open.
fn opened() -> (Guest, u32) {
    let mut guest = guest();
    let number = guest.domain.add_device(disk()).expect("there is room");
    open(&mut guest, number, NO_PORT);
    (guest, number)
}

pub(crate) fn query(guest: &mut Guest, device: u32) -> Result<DeviceInfo, Status> {
    let (status, value) = guest.call(0, Op::DEVICE_QUERY, [device.into(), ANSWER, 128]);
    if status != Status::OK {
        return Err(status);
    }
    assert_eq!(value, 128);
    let mut bytes = [0; 128];
    assert!(guest.domain.memory().read(0, ANSWER, &mut bytes));
    Ok(DeviceInfo::read_from_bytes(&bytes).expect("its size"))
}

pub(crate) fn word(device: u32, index: u32) -> u64 {
    Named { device, index }.to_word()
}

pub(crate) fn open(guest: &mut Guest, device: u32, port: u64) {
    let info = query(guest, device).expect("it is there");
    let named = word(device, info.incarnation.get());
    guest.ok(0, Op::DEVICE_OPEN, [named, 0, ARENA, ARENA_LEN, port]);
}

/// Where the parts of a queue of this index lie.
pub(crate) fn parts(index: u32) -> [u64; 3] {
    let first = PARTS + u64::from(index) * 0x4000;
    [first, first + 0x1000, first + 0x2000]
}

/// Opens a request queue: its doorbell.
pub(crate) fn open_queue(guest: &mut Guest, device: u32, index: u32, size: u64, port: u64) -> u64 {
    let [first, second, _] = parts(index);
    guest.ok(0, Op::QUEUE_OPEN, [word(device, index), size, port, first, second, 0])
}

/// The end of the queue that was opened last.
pub(crate) fn end(guest: &mut Guest) -> End<Words0> {
    let opened = guest.actions().into_iter().find_map(|action| match action {
        Action::Device(DeviceAction::Opened { queue, .. }) => Some(queue),
        _ => None,
    });
    guest.domain.take_end(opened.expect("the queue was told of")).expect("its end is here")
}

/// Publishes NOPs on a device's request queue.
pub(crate) fn publish(guest: &Guest, index: u32, depth: u32, positions: std::ops::Range<u32>) {
    let seed = tenon_abi::discovery::Session::from_word(guest.window(0x80)).seed;
    let [first, ..] = parts(index);
    for position in positions {
        let id = u16::try_from(position % depth).expect("small");
        let mut words = Submission::new(Op::NOP, [7, 0, 0, 0, 0, 0]).to_words();
        words[7] = Tail { code: Op::NOP.0, id, turn: turn(seed, position) }.to_word();
        for (number, value) in (0u64..).zip(words) {
            guest.store(first + 0x40 + u64::from(position % depth) * 64 + number * 8, value);
        }
    }
}

/// Serves what is there; the number.
pub(crate) fn serve(end: &mut End<Words0>, most: usize) -> usize {
    let Ring::Requests(queue) = &mut end.ring else { panic!("a request queue") };
    let mut served = 0;
    while served < most {
        let Ok(request) = queue.fetch() else { break };
        assert!(queue.complete(request.id, Status::OK, 1));
        served += 1;
    }
    served
}

/// The guest's side of a ring to the host.
pub(crate) fn producer(guest: &Guest, index: u32, words: usize) -> Producer<tenon_host::loopback::Piece> {
    let seed = tenon_abi::discovery::Session::from_word(guest.window(0x80)).seed;
    let memory = guest.arena.memory();
    let part = |at: u64, len: usize| memory.slice((at / 8) as usize, len).expect("memory");
    let [own, other, data] = parts(index);
    // SAFETY: each test takes each side once.
    let ring = unsafe { RingMemory::from_parts(part(own, 512), part(other, 512), part(data, words)) };
    ring.expect("a ring").split().0.records(words * 8, seed, ()).expect("nobody has it")
}

fn state(guest: &Guest, index: u32) -> StateWord {
    StateWord::from_word(guest.word(parts(index)[1]))
}

#[test]
fn a_device_comes_changes_and_goes() {
    let mut guest = guest();
    guest.ok(0, Op::EVENT_BIND, [5, 0, 0]);
    guest.ok(0, Op::DEVICE_WATCH, [5]);
    assert_eq!(guest.ok(0, Op::DEVICE_LIMITS, []), word(3, 4));
    assert_eq!(query(&mut guest, 0), Err(Status::NOT_FOUND));
    assert_eq!(query(&mut guest, 3), Err(Status::BAD_ARGUMENT));
    let number = guest.domain.add_device(disk()).expect("there is room");
    assert_eq!((number, guest.entries(0, 0)), (0, vec![5]));
    guest.take_all_events();
    let info = query(&mut guest, 0).expect("it came");
    assert_eq!((info.kind.get(), info.flags.get(), info.change.get()), (DeviceKind::BLOCK.0, 0, 0));
    assert_eq!((info.max_queues.get(), info.max_depth.get(), info.own[0].get()), (4, 64, 1 << 20));
    let mut own = guest.domain.device_info(0).expect("it is there").own;
    own[0] = 2 << 20;
    guest.domain.change_device(0, own).expect("it is there");
    assert_eq!(guest.entries(0, 0), [5]);
    guest.take_all_events();
    let changed = query(&mut guest, 0).expect("it is there");
    assert_eq!((changed.change.get(), changed.own[0].get()), (1, 2 << 20));
    // Who says the same again has changed nothing.
    guest.domain.change_device(0, own).expect("it is there");
    assert!(guest.entries(0, 0).is_empty());
    assert_eq!(query(&mut guest, 0).expect("it is there").change.get(), 1);
    open(&mut guest, 0, NO_PORT);
    guest.domain.remove_device(0).expect("it is there");
    assert_eq!(guest.entries(0, 0), [5]);
    guest.take_all_events();
    assert_eq!(guest.domain.remove_device(0), Err(Error::NoDevice));
    let flags = DeviceFlags::REMOVED | DeviceFlags::OPEN;
    assert_eq!(query(&mut guest, 0).expect("it is open").flags.get(), flags.bits());
    let queue = [word(0, 0), 8, NO_PORT, PARTS, PARTS + 0x1000, 0];
    assert_eq!(guest.call(0, Op::QUEUE_OPEN, queue).0, Status::REMOVED);
    guest.ok(0, Op::DEVICE_CLOSE, [0]);
    assert_eq!(query(&mut guest, 0), Err(Status::NOT_FOUND));
    // The number is free, and the incarnation another (DEV-5).
    assert_eq!(guest.domain.add_device(disk()), Ok(0));
    let again = query(&mut guest, 0).expect("it came");
    assert_ne!(again.incarnation, info.incarnation);
    let old = [word(0, info.incarnation.get()), 0, ARENA, ARENA_LEN, NO_PORT];
    assert_eq!(guest.call(0, Op::DEVICE_OPEN, old).0, Status::REMOVED);
    assert_eq!((guest.domain.add_device(disk()), guest.domain.add_device(disk())), (Ok(1), Ok(2)));
    assert_eq!(guest.domain.add_device(disk()), Err(Error::NoDevice));
    // One that is not open goes at once.
    guest.domain.remove_device(2).expect("it is there");
    assert_eq!(query(&mut guest, 2), Err(Status::NOT_FOUND));
}

/// DEV-3, DEV-7: the port of a device is told of its changes, and a port that was unbound is not.
#[test]
fn ports_are_told_of_changes_as_long_as_they_are_bound() {
    let mut guest = guest();
    let number = guest.domain.add_device(disk()).expect("there is room");
    for port in [5, 6] {
        guest.ok(0, Op::EVENT_BIND, [port, 0, 0]);
    }
    guest.ok(0, Op::DEVICE_WATCH, [5]);
    open(&mut guest, number, 6);
    guest.domain.change_device(number, [1; 8]).expect("it is there");
    assert_eq!(guest.entries(0, 0), [5, 6]);
    guest.take_all_events();
    guest.ok(0, Op::EVENT_UNBIND, [5]);
    guest.ok(0, Op::EVENT_BIND, [5, 0, 0]);
    guest.domain.change_device(number, [2; 8]).expect("it is there");
    assert_eq!(guest.entries(0, 0), [6]);
}

/// DEV-1: a kind that was not negotiated is not there.
#[test]
fn a_kind_without_its_feature_is_not_there() {
    let mut guest = Guest::open_without(offering(), Features::BLOCK);
    guest.bind(0);
    let (disk, card) = (guest.domain.add_device(disk()), guest.domain.add_device(card()));
    assert_eq!((disk, card), (Ok(0), Ok(1)));
    assert_eq!(query(&mut guest, 0), Err(Status::NOT_FOUND));
    assert_eq!(
        guest.call(0, Op::DEVICE_OPEN, [word(0, 1), 0, ARENA, ARENA_LEN, NO_PORT]).0,
        Status::NOT_FOUND
    );
    assert!(query(&mut guest, 1).is_ok());
    let mut without = Guest::open(config(1));
    without.bind(0);
    assert_eq!(without.call(0, Op::DEVICE_LIMITS, []).0, Status::NOT_SUPPORTED);
    assert_eq!(without.domain.add_device(self::disk()), Err(Error::NoDevice));
}

#[test]
fn what_an_open_may_not_name_is_refused() {
    let mut guest = guest();
    let number = guest.domain.add_device(card()).expect("there is room");
    let named = word(number, 1);
    let len = guest.domain.memory().region_len(0).expect("region 0");
    for (args, status) in [
        ([named, 0, ARENA + 8, 0x1000, NO_PORT], Status::BAD_ALIGNMENT),
        ([named, 0, ARENA, 0x1008, NO_PORT], Status::BAD_ALIGNMENT),
        ([named, 0, ARENA, 0, NO_PORT], Status::BAD_ARGUMENT),
        ([named, 0, ARENA, len, NO_PORT], Status::BAD_RANGE),
        ([named, 0, ARENA | 1 << 48, 0x1000, NO_PORT], Status::BAD_REGION),
        ([named, 1 << 40, ARENA, 0x1000, NO_PORT], Status::BAD_FEATURES),
        ([named, NetFeatures::SEGMENT_TO_HOST.bits(), ARENA, 0x1000, NO_PORT], Status::BAD_FEATURES),
        ([named, 0, ARENA, 0x1000, 9], Status::NOT_FOUND),
        ([named, 0, ARENA, 0x1000, 0xffff_fffe], Status::BAD_ARGUMENT),
        ([word(number, 2), 0, ARENA, 0x1000, NO_PORT], Status::REMOVED),
        ([word(2, 1), 0, ARENA, 0x1000, NO_PORT], Status::NOT_FOUND),
    ] {
        assert_eq!(guest.call(0, Op::DEVICE_OPEN, args).0, status, "{args:x?}");
    }
    guest.ok(0, Op::DEVICE_OPEN, [named, 0, ARENA, ARENA_LEN, NO_PORT]);
    assert_eq!(guest.call(0, Op::DEVICE_OPEN, [named, 0, ARENA, ARENA_LEN, NO_PORT]).0, Status::EXISTS);
    let [first, second, third] = parts(0);
    let ring =
        |index, size, parts: [u64; 3]| [word(number, index), size, NO_PORT, parts[0], parts[1], parts[2]];
    for (args, status) in [
        (ring(4, 64, [first, second, third]), Status::BAD_ARGUMENT),
        (ring(0, 65, [first, second, third]), Status::BAD_ARGUMENT),
        (ring(0, 8192, [first, second, third]), Status::BAD_ARGUMENT),
        // STR-8's quarter has no room for the longest record.
        (ring(0, 32, [first, second, third]), Status::BAD_ARGUMENT),
        (ring(0, 64, [first + 64, second, third]), Status::BAD_ALIGNMENT),
        (ring(0, 64, [first, first, third]), Status::BAD_RANGE),
        (ring(0, 64, [first, second, second]), Status::BAD_RANGE),
        (ring(0, 64, [first, second, 0x2000]), Status::BAD_RANGE),
        (ring(0, 64, [first, ARENA + ARENA_LEN, third]), Status::BAD_RANGE),
        (ring(0, 4096, [first, second, ARENA + ARENA_LEN - 0x1000]), Status::BAD_RANGE),
    ] {
        assert_eq!(guest.call(0, Op::QUEUE_OPEN, args).0, status, "{args:x?}");
    }
    guest.ok(0, Op::QUEUE_OPEN, ring(1, 64, parts(1)));
    // Over the part of another queue.
    let over = [parts(0)[0], parts(1)[0], parts(0)[2]];
    assert_eq!(guest.call(0, Op::QUEUE_OPEN, ring(0, 64, over)).0, Status::BAD_RANGE);
    assert_eq!(guest.call(0, Op::QUEUE_OPEN, ring(1, 64, parts(1))).0, Status::EXISTS);
    assert_eq!(
        guest.call(0, Op::QUEUE_OPEN, [word(2, 0), 8, NO_PORT, first, second, 0]).0,
        Status::NOT_FOUND
    );
    let bound = guest.domain.add_device(disk()).expect("there is room");
    let closed = [word(bound, 0), 8, NO_PORT, first, second, 0];
    assert_eq!(guest.call(0, Op::QUEUE_OPEN, closed).0, Status::BAD_STATE);
}

/// DEV-8: the end fetches, answers and tells; a kick that comes by `serve` names its queue.
#[test]
fn an_end_serves_and_its_bell_rings() {
    let (mut guest, number) = opened();
    guest.ok(0, Op::EVENT_BIND, [9, 0, 0]);
    let doorbell = open_queue(&mut guest, number, 2, 8, 9);
    assert_eq!((doorbell, state(&guest, 2).state), (4, QueueState::RUNNING));
    let mut end = end(&mut guest);
    assert_eq!((end.queue, end.kind), (QueueName { device: number, index: 2 }, DeviceKind::BLOCK));
    publish(&guest, 2, 8, 0..3);
    let _ = guest.domain.serve(doorbell as u32, 256);
    let queue = end.queue;
    assert_eq!(guest.actions(), [Action::Device(DeviceAction::Kick { queue })]);
    assert_eq!((serve(&mut end, 8), guest.entries(0, 0)), (3, vec![]));
    guest.domain.ring(queue);
    assert_eq!(guest.entries(0, 0), [9]);
    guest.take_all_events();
    // Another port of that number is told once when it comes, and by every bell (DEV-7).
    guest.ok(0, Op::EVENT_UNBIND, [9]);
    guest.domain.ring(queue);
    assert!(guest.entries(0, 0).is_empty());
    guest.ok(0, Op::EVENT_BIND, [9, 0, 0]);
    assert_eq!(guest.entries(0, 0), [9]);
    assert_eq!(guest.domain.take_end(queue).err(), Some(Error::NoQueue));
}

/// DEV-11: nothing is answered before the end is home, and what it left in flight is indeterminate.
#[test]
fn a_queue_closes_when_its_end_is_home() {
    let (mut guest, number) = opened();
    let doorbell = open_queue(&mut guest, number, 0, 8, NO_PORT);
    let mut end = end(&mut guest);
    publish(&guest, 0, 8, 0..2);
    let Ring::Requests(queue) = &mut end.ring else { panic!("a request queue") };
    let left = queue.fetch().expect("it is there").id;
    guest.submit(0, 9, Op::QUEUE_CLOSE, [word(number, 0)]);
    let _ = guest.kick(0);
    assert_eq!(guest.take(0, 0), []);
    assert_eq!(guest.actions(), [Action::Device(DeviceAction::Close { queue: end.queue })]);
    assert_eq!(guest.call(0, Op::QUEUE_CLOSE, [word(number, 0)]).0, Status::BAD_STATE);
    guest.submit(0, 10, Op::DEVICE_CLOSE, [number.into()]);
    let _ = guest.kick(0);
    assert_eq!(
        (guest.take(0, 0), guest.call(0, Op::DEVICE_CLOSE, [number.into()]).0),
        (vec![], Status::BAD_STATE)
    );
    guest.domain.return_end(end).expect("it is this domain's");
    assert_eq!(guest.take(0, 0), [(9, Status::OK, 0), (10, Status::OK, 0)]);
    let tail = Tail::from_word(guest.word(parts(0)[1] + 0x48));
    assert_eq!((tail.id, Status(tail.code)), (left, Status::INDETERMINATE));
    assert_eq!(state(&guest, 0).state, QueueState::UNBOUND);
    let closed =
        DeviceAction::Closed { queue: QueueName { device: number, index: 0 }, doorbell: doorbell as u32 };
    assert_eq!(guest.actions(), [Action::Device(closed)]);
    let _ = guest.domain.serve(doorbell as u32, 256);
    assert_eq!(guest.actions(), []);
    assert_eq!(guest.call(0, Op::QUEUE_CLOSE, [word(number, 0)]).0, Status::NOT_FOUND);
    assert_eq!(guest.call(0, Op::DEVICE_CLOSE, [number.into()]).0, Status::NOT_FOUND);
    open(&mut guest, number, NO_PORT);
    assert_eq!(open_queue(&mut guest, number, 0, 8, NO_PORT), doorbell);
}

/// An end of another queue, of an earlier session or of another domain is refused.
#[test]
fn a_wrong_end_is_refused() {
    let (mut guest, number) = opened();
    open_queue(&mut guest, number, 0, 8, NO_PORT);
    let first = end(&mut guest);
    let (mut other, number) = opened();
    open_queue(&mut other, number, 0, 8, NO_PORT);
    let theirs = end(&mut other);
    assert_eq!(guest.domain.return_end(theirs), Err(Error::NoQueue));
    guest.domain.return_end(first).expect("it is this domain's");
    let seen = guest.domain.ends_out();
    let again = guest.domain.take_end(QueueName { device: number, index: 0 }).expect("it is here");
    guest.ok(0, Op::NOP, [0]);
    guest.submit(0, 9, Op::QUEUE_CLOSE, [word(number, 0)]);
    let _ = guest.kick(0);
    guest.domain.return_end(again).expect("it is this domain's");
    assert_eq!((seen, guest.domain.ends_out()), (0, 0));
}

/// DEV-12: RESET waits; a later one takes its place, and everything else is refused meanwhile.
#[test]
fn a_reset_waits_for_every_end() {
    let (mut guest, number) = opened();
    open_queue(&mut guest, number, 0, 8, NO_PORT);
    let first = end(&mut guest);
    open_queue(&mut guest, number, 1, 8, NO_PORT);
    let second = end(&mut guest);
    let session = guest.domain.session();
    assert_eq!(guest.try_control(ControlOp::RESET, |_| {}), None);
    let close = |index| Action::Device(DeviceAction::Close { queue: QueueName { device: number, index } });
    assert_eq!(guest.actions(), [close(0), close(1)]);
    assert_eq!((guest.domain.session(), guest.ok(0, Op::NOP, [3])), (session, 3));
    for op in [ControlOp::NEGOTIATE, ControlOp::BIND] {
        assert_eq!(guest.try_control(op, |_| {}).map(|(status, _)| status), Some(Status::BAD_STATE));
    }
    let queue = [word(number, 3), 8, NO_PORT, parts(3)[0], parts(3)[1], 0];
    assert_eq!(guest.call(0, Op::QUEUE_OPEN, queue).0, Status::BAD_STATE);
    guest.domain.return_end(first).expect("it is this domain's");
    // A crash kernel's.
    assert_eq!(guest.try_control(ControlOp::RESET, |_| {}), None);
    let ticket = Tail::from_word(guest.window(0xa0)).turn;
    guest.domain.return_end(second).expect("it is this domain's");
    let answer = Tail::from_word(guest.window(0xa0));
    assert_eq!((Status(answer.code), answer.turn), (Status::OK, ticket + 1));
    assert_ne!(guest.domain.session(), session);
    assert!(
        guest.actions().contains(&Action::Session(SessionAction::Reset { session: guest.domain.session() }))
    );
    guest.negotiate(Features::empty());
    guest.bind(0);
    assert_eq!(query(&mut guest, number).expect("it stays").flags.get(), 0);
}

/// The same of the domain's end.
#[test]
fn an_exit_waits_for_every_end() {
    for (op, told) in [(Op::EXIT, LifecycleAction::Exit { code: 5 }), (Op::RESTART, LifecycleAction::Restart)]
    {
        let (mut guest, number) = opened();
        open_queue(&mut guest, number, 0, 8, NO_PORT);
        let end = end(&mut guest);
        guest.submit(0, 1, op, [if op == Op::EXIT { 5 } else { 0 }]);
        let _ = guest.kick(0);
        assert_eq!(guest.actions(), [Action::Device(DeviceAction::Close { queue: end.queue })]);
        guest.domain.return_end(end).expect("it is this domain's");
        assert_eq!(guest.actions().last(), Some(&Action::Lifecycle(told)));
    }
}

/// MEM-6: an arena cannot be given, and no area may lie over a part.
#[test]
fn an_arena_is_in_use() {
    let balloon = tenon_host::Balloon { granule: 4096, max_range: 1 << 16, max_ranges: 64 };
    let mut guest = Guest::open(offering().with_balloon(balloon));
    guest.bind(0);
    let number = guest.domain.add_device(disk()).expect("there is room");
    guest.moved(0, Op::GIVE, [ARENA, 0x1000, 0]);
    let named = word(number, 1);
    assert_eq!(guest.call(0, Op::DEVICE_OPEN, [named, 0, ARENA, ARENA_LEN, NO_PORT]).0, Status::BAD_STATE);
    guest.moved(0, Op::TAKE, [ARENA, 0x1000, 0]);
    open(&mut guest, number, NO_PORT);
    assert_eq!(guest.call(0, Op::GIVE, [ARENA + 0x4_0000, 0x1000, 0]).0, Status::BAD_STATE);
    open_queue(&mut guest, number, 0, 8, NO_PORT);
    let over = guest.control(ControlOp::BIND, |request| {
        request.vcpu.set(1);
        (request.depth, request.events0, request.events1) = (64.into(), 16.into(), 16.into());
        request.guest_area.set(parts(0)[0]);
    });
    assert_eq!(over.0, Status::BAD_RANGE);
    guest.ok(0, Op::DEVICE_CLOSE, [number.into()]);
    guest.moved(0, Op::GIVE, [ARENA, 0x1000, 0]);
}

/// A saved domain has its devices, and its queues go on where they stood.
#[test]
fn a_saved_domain_goes_on_with_its_queues() {
    let (mut guest, number) = opened();
    let doorbell = open_queue(&mut guest, number, 1, 8, NO_PORT);
    let mut first = end(&mut guest);
    publish(&guest, 1, 8, 0..5);
    assert_eq!(serve(&mut first, 5), 5);
    let out = guest.domain.save();
    assert_eq!(guest.fork(out).err(), Some(Error::BadState(tenon_host::Misfit::EndOut)));
    guest.domain.recall_ends();
    assert_eq!(guest.actions(), [Action::Device(DeviceAction::Recall { queue: first.queue })]);
    guest.domain.return_end(first).expect("it is this domain's");
    assert_eq!(guest.domain.ends_out(), 0);
    let state = guest.domain.save();
    publish(&guest, 1, 8, 5..7);
    let mut other = guest.fork(state).expect("it fits");
    let queue = QueueName { device: number, index: 1 };
    let opened =
        DeviceAction::Opened { queue, kind: DeviceKind::BLOCK, doorbell: doorbell as u32, port: None };
    assert!(other.actions().contains(&Action::Device(opened)));
    let mut end = other.domain.take_end(queue).expect("it is here");
    assert_eq!(serve(&mut end, 8), 2);
    // The domain that was saved goes on too.
    guest.domain.hand_out_ends();
    assert_eq!(serve(&mut self::end(&mut guest), 8), 2);
}
