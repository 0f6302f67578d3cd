// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host with one device, a disk or a network interface, made of the host's ends of queues. It does what a
//! test says, and nothing by itself.
#![allow(unsafe_code, reason = "memory is handed over by address")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use tenon_abi::device::{Named, guest, host as area};
use tenon_abi::discovery::Session as WireSession;
use tenon_abi::{BlockInfo, DeviceInfo, DeviceKind, NetInfo, Op, Status, Submission};
use tenon_guest::block::{Block, Payload};
use tenon_guest::device::{Arena, Device, Info};
use tenon_guest::{Buffer, Calls, Error, Pages, Session};
use tenon_rings::call::{Fetched, Parts, Queue};
use tenon_rings::stream::{Consumer, Producer};
use tenon_rings::{Completer, Mapping, RingMemory, Site, Ticket, Words};
use zerocopy::{FromZeros, IntoBytes};

use crate::host::{GRANULE, Host};

/// Where the arena begins in region 0, and its length.
pub(crate) const ARENA: u64 = 0x100_0000;
pub(crate) const LEN: usize = 96 * GRANULE;
/// The kick of the queue with index 0.
pub(crate) const DOORBELL: u32 = 100;
const FENCE: usize = 64;
const CANARY: u64 = 0xc0de_c0de_c0de_c0de;

/// The host's end of a queue.
#[allow(clippy::large_enum_variant, reason = "a test has few of them")]
pub(crate) enum End {
    Requests(Completer<Mapping>),
    ToHost(Consumer<Mapping>),
    ToGuest(Producer<Mapping>),
}

pub(crate) struct Model<'h> {
    pub(crate) host: &'h Host,
    all: Mapping,
    pub(crate) arena: Mapping,
    pub(crate) info: RefCell<DeviceInfo>,
    pub(crate) ends: RefCell<BTreeMap<u32, End>>,
    /// Where the host's part of each queue lies in the arena, in bytes.
    pub(crate) host_parts: RefCell<BTreeMap<u32, u64>>,
    /// Calls so far.
    pub(crate) asked: RefCell<Vec<(Op, [u64; 6])>>,
    /// Answers that come before the honest ones, once each.
    pub(crate) says: RefCell<Vec<(Op, Result<u64, Error>)>>,
    /// Bytes of DeviceInfo that are not written.
    pub(crate) withheld: Cell<u64>,
    /// Whether a queue that is closed still says that it is served.
    pub(crate) closes_early: Cell<bool>,
    /// A word of the host's part that each queue which is opened has instead of its own.
    pub(crate) opens_with: Cell<Option<(u64, u64)>>,
    pub(crate) disk: RefCell<Vec<u8>>,
}

impl<'h> Model<'h> {
    pub(crate) fn new(host: &'h Host, info: DeviceInfo) -> Self {
        let words = 2 * FENCE + LEN / 8;
        // On a page's boundary, as the parts of rings are to be on a cache line's.
        let block: &'static mut [u64] = Vec::leak(vec![CANARY; words + 512]);
        let skip = (GRANULE - (block.as_ptr().addr() + FENCE * 8) % GRANULE) % GRANULE / 8;
        // SAFETY: the block is never freed, and only reached through mappings from here on.
        let whole = unsafe { Mapping::new(block.as_mut_ptr().cast(), (words + 512) * 8) }.expect("aligned");
        let all = whole.slice(skip, words).expect("it lies inside");
        let arena = all.slice(FENCE, LEN / 8).expect("it lies inside");
        Self {
            host,
            all,
            arena,
            info: RefCell::new(info),
            ends: RefCell::default(),
            host_parts: RefCell::default(),
            asked: RefCell::default(),
            says: RefCell::default(),
            withheld: Cell::new(0),
            closes_early: Cell::new(false),
            opens_with: Cell::new(None),
            disk: RefCell::new((0..1 << 20).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect()),
        }
    }

    /// All of the arena. Once for each test.
    pub(crate) fn pages(&self) -> Pages {
        // SAFETY: the block is never freed; a test takes them once.
        unsafe { Pages::new(self.arena.base(), LEN, ARENA) }.expect("they are aligned")
    }

    pub(crate) fn assert_contained(&self) {
        for word in (0..FENCE).chain(self.all.len() - FENCE..self.all.len()) {
            assert_eq!(self.all.load(word, Site::Status), CANARY, "a word outside of the arena was written");
        }
    }

    pub(crate) fn query(&self) -> Info {
        let buffer = self.host.buffer();
        tenon_guest::Devices::over(self).query(0, &buffer).expect("it tells the truth")
    }

    /// Answers the next call of this operation so.
    pub(crate) fn say(&self, op: Op, answer: Result<u64, Error>) {
        self.says.borrow_mut().push((op, answer));
    }

    pub(crate) fn count(&self, op: Op) -> usize {
        self.asked.borrow().iter().filter(|(asked, _)| *asked == op).count()
    }

    fn seed(&self) -> u32 {
        WireSession::from_word(self.host.word(0x80)).seed
    }

    fn part(&self, address: u64, len: usize) -> Mapping {
        assert!(address >= ARENA && address % GRANULE as u64 == 0, "a part at {address:#x}");
        self.arena.slice((address - ARENA) as usize / 8, len / 8).expect("a part outside of the arena")
    }

    fn open(&self, [name, size, _, own, other, data]: [u64; 6]) -> Result<u64, Error> {
        let Named { index, .. } = Named::from_word(name);
        let (seed, depth) = (self.seed(), size as usize);
        let is_block = self.info.borrow().kind.get() == DeviceKind::BLOCK.0;
        let lens = if is_block { [64 + 64 * depth, 64 + 16 * depth] } else { [GRANULE; 2] };
        let (own, other) = (self.part(own, lens[0]), self.part(other, lens[1]));
        for word in 0..own.len() {
            assert_eq!(own.load(word, Site::Status), 0, "word {word} of the guest's part was not cleared");
        }
        (0..other.len()).for_each(|word| other.store(word, 0, Site::Status));
        let slice = |words: Mapping, offset: u64, len: usize| {
            words.slice(offset as usize / 8, len / 8).expect("it lies inside")
        };
        let end = if is_block {
            assert_eq!(data, 0, "a disk's queue has no data");
            let parts = Parts {
                submissions: slice(own, guest::SUBMISSIONS, 64 * depth),
                completions: slice(other, area::COMPLETIONS, 16 * depth),
                armed: slice(own, guest::COMPLETIONS_ARMED, 8),
                kick: slice(other, area::KICK_WANTED, 8),
            };
            other.store(0, u64::from(tenon_abi::QueueState::RUNNING.0), Site::Status);
            End::Requests(
                Queue::new(parts, seed, size as u32).expect("it fits").completer().expect("it is free"),
            )
        } else {
            let data = self.part(data, depth * 8);
            let to_host = index % 2 == 0;
            let (producer, consumer) = if to_host { (own, other) } else { (other, own) };
            // SAFETY: the host's side alone is taken.
            let memory = unsafe { RingMemory::from_parts(producer, consumer, data) }.expect("it fits");
            let (producer, consumer) = memory.split();
            if to_host {
                End::ToHost(consumer.records(depth * 8, seed, ()).expect("it is free"))
            } else {
                End::ToGuest(producer.records(depth * 8, seed, ()).expect("it is free"))
            }
        };
        self.host_parts
            .borrow_mut()
            .insert(index, other.base().addr() as u64 - self.arena.base().addr() as u64);
        self.ends.borrow_mut().insert(index, end);
        if let Some((offset, value)) = self.opens_with.get() {
            self.spoil(index, offset, value);
        }
        Ok(u64::from(DOORBELL + index))
    }

    /// Stores a word of the host's part of a queue.
    pub(crate) fn spoil(&self, index: u32, offset: u64, value: u64) {
        let at = self.host_parts.borrow()[&index] + offset;
        self.arena.store(at as usize / 8, value, Site::ControlPublish);
    }

    fn close(&self, name: u64) -> Result<u64, Error> {
        let Named { index, .. } = Named::from_word(name);
        let end = self.ends.borrow_mut().remove(&index).ok_or(Error::Refused(Status::NOT_FOUND))?;
        let state = match end {
            End::Requests(mut completer) => {
                // What is in flight is completed first (DEV-11).
                for id in 0..64 {
                    let _ = completer.complete(id, Status::INDETERMINATE, 0);
                }
                0
            }
            End::ToHost(_) | End::ToGuest(_) => 0x18,
        };
        if !self.closes_early.get() {
            self.spoil(index, state, 0);
        }
        Ok(0)
    }

    fn honest(&self, op: Op, args: [u64; 6]) -> Result<u64, Error> {
        match op {
            Op::DEVICE_LIMITS => Ok(2 | 8 << 32),
            Op::DEVICE_QUERY if args[0] != 0 => Err(Error::Refused(Status::NOT_FOUND)),
            Op::DEVICE_QUERY => {
                let info = *self.info.borrow();
                let kept = info.as_bytes().len() - self.withheld.get() as usize;
                assert!(self.host.write_payload(args[1], &info.as_bytes()[..kept]));
                Ok(kept as u64)
            }
            Op::QUEUE_OPEN => self.open(args),
            Op::QUEUE_CLOSE => self.close(args[0]),
            _ => Ok(0),
        }
    }

    /// The next submission of a queue, if there is one.
    pub(crate) fn fetch(&self, index: u32) -> Option<Fetched> {
        match self.ends.borrow_mut().get_mut(&index) {
            Some(End::Requests(completer)) => completer.fetch().ok(),
            _ => None,
        }
    }

    pub(crate) fn complete(&self, index: u32, id: u16, status: Status, value: u64) {
        match self.ends.borrow_mut().get_mut(&index) {
            Some(End::Requests(completer)) => assert!(completer.complete(id, status, value)),
            _ => panic!("there is no such queue"),
        }
    }

    /// Whether the queue's port is owed.
    pub(crate) fn owes(&self, index: u32) -> bool {
        match self.ends.borrow_mut().get_mut(&index) {
            Some(End::Requests(completer)) => completer.owes_upcall().expect("the word is sound"),
            _ => false,
        }
    }

    /// The host will look no more until it is kicked.
    pub(crate) fn rest(&self, index: u32) {
        if let Some(End::Requests(completer)) = self.ends.borrow_mut().get_mut(&index) {
            let _ = completer.rest();
        }
    }

    /// Serves whatever is there, as a disk does.
    pub(crate) fn serve(&self, index: u32) -> usize {
        let mut count = 0;
        while let Some(fetched) = self.fetch(index) {
            let (status, value) = self.perform(&fetched);
            self.complete(index, fetched.id, status, value);
            count += 1;
        }
        count
    }

    /// What a disk answers.
    pub(crate) fn perform(&self, fetched: &Fetched) -> (Status, u64) {
        let args = fetched.submission.args.map(|word| word.get());
        let mut disk = self.disk.borrow_mut();
        let mut sum = 0;
        if fetched.op == Op::READ || fetched.op == Op::WRITE {
            for (address, len) in self.segments(args) {
                let at = (address - ARENA) as usize;
                let range = (args[0] + sum) as usize..(args[0] + sum + len) as usize;
                let done = match fetched.op {
                    Op::READ => self.arena.write(at, &disk[range]),
                    _ => self.arena.read(at, &mut disk[range]),
                };
                assert!(done, "a segment outside of the arena");
                sum += len;
            }
        }
        (Status::OK, sum)
    }

    /// The segments of a READ or WRITE.
    pub(crate) fn segments(&self, args: [u64; 6]) -> Vec<(u64, u64)> {
        let count = args[5] as u32;
        match count {
            1 => vec![(args[1], args[2])],
            2 => vec![(args[1], args[2]), (args[3], args[4])],
            _ => (0..count as usize)
                .map(|entry| {
                    let mut words = [[0; 8]; 2];
                    let at = (args[1] - ARENA) as usize + entry * 16;
                    assert!(self.arena.read(at, words.as_flattened_mut()));
                    (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]))
                })
                .collect(),
        }
    }

    /// The session has ended by itself, and everything of it (SES-9).
    pub(crate) fn end_session(&self) {
        self.ends.borrow_mut().clear();
        self.host.end_session();
    }
}

impl Calls for Model<'_> {
    fn call_with(&self, submission: Submission) -> Result<u64, Error> {
        let (op, args) = (submission.op(), submission.args.map(|word| word.get()));
        self.asked.borrow_mut().push((op, args));
        let said = self.says.borrow().iter().position(|(of, _)| *of == op);
        match said {
            Some(at) => self.says.borrow_mut().remove(at).1,
            None => self.honest(op, args),
        }
    }

    fn submit(&self, _: Submission) -> Result<Ticket, Error> {
        Err(Error::Full)
    }

    fn poll(&self, _: &mut Option<Ticket>) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn wait(&self, _: &mut Option<Ticket>) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn give_up(&self, _: Ticket) {}

    fn emergency(&self, _: Submission) -> Result<u64, Error> {
        Err(Error::Pending)
    }

    fn end(&self, _: Submission) -> Error {
        Error::Pending
    }
}

fn info(kind: DeviceKind, own: &[u8]) -> DeviceInfo {
    let mut info = DeviceInfo::new_zeroed();
    info.kind.set(kind.0);
    info.incarnation.set(7);
    info.max_queues.set(4);
    info.max_depth.set(1 << 20);
    info.own.as_mut_bytes().copy_from_slice(own);
    info
}

/// A disk of 1 MiB.
pub(crate) fn disk() -> DeviceInfo {
    let mut own = BlockInfo::new_zeroed();
    own.bytes.set(1 << 20);
    own.block.set(512);
    own.physical.set(4096);
    own.align.set(4);
    own.max_transfer.set(1 << 20);
    own.max_segment.set(1 << 16);
    own.max_segments.set(256);
    own.max_discard.set(1 << 20);
    own.discard_align.set(4096);
    own.max_zero.set(1 << 20);
    info(DeviceKind::BLOCK, own.as_bytes())
}

/// An interface with these features, an MTU of 1500, and frames of up to 20,000 bytes.
pub(crate) fn card(features: u64) -> DeviceInfo {
    let mut own = NetInfo::new_zeroed();
    own.mac.set(0x0605_0403_0202);
    own.mtu.set(1500);
    own.max_frame.set(20_000);
    own.link.set(1);
    own.pairs.set(2);
    let mut info = info(DeviceKind::NET, own.as_bytes());
    info.features.set(features);
    info
}

/// Opens the device.
pub(crate) fn open<'h>(model: &Model<'h>, session: &Session<'h, Host>, pages: &Pages) -> Device<'h, Host> {
    let info = model.query();
    session.open_device(model, &info, info.features, Arena::of(pages), None).expect("it opens")
}

/// Opens a queue of the disk, of depth 4.
pub(crate) fn queue<'h, T: Payload>(
    model: &Model<'h>,
    device: &Device<'h, Host>,
    pages: &mut Pages,
) -> Block<'h, Host, T, 4> {
    device.block(model, 0, Some(9), pages).expect("it opens")
}

/// A buffer of the arena.
pub(crate) fn buffer(pages: &mut Pages, len: u64) -> Buffer {
    Buffer::new(pages.split(len, tenon_abi::Granule::K4).expect("there is room"))
}
