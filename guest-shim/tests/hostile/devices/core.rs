// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shim and the host's core together: what one of them means by the text, the other does too. The back
//! ends are a disk in memory, and an interface that sends each frame back.
#![allow(unsafe_code, reason = "a platform is an unsafe trait, and memory is handed over by address")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use tenon_abi::net::FilterMode;
use tenon_abi::{DeviceKind, Features, NetFeatures, Op, Status};
use tenon_guest::block::{Block, Io};
use tenon_guest::device::Arena;

use tenon_guest::{Buffer, Conduit, Error, Found, Pages, Platform, Session, Vcpu, Wish};
use tenon_host::device::{self, Device, End, QueueName, Ring};
use tenon_host::{Action, Config, DeviceAction, Devices, Domain, Memory, Services};
use tenon_rings::{Mapping, Words};

use super::model;
use crate::host::GRANULE;

const LEN: usize = 1 << 20;
const WINDOW: usize = 4 * GRANULE;

/// Memory of one piece.
#[derive(Clone, Copy)]
struct Ram {
    all: Mapping,
    window: Mapping,
}

impl Ram {
    fn new() -> Self {
        let words: &'static mut [u64] = Vec::leak(vec![0; (LEN + WINDOW) / 8 + 512]);
        // SAFETY: the words are never freed, and only reached through mappings from here on.
        let whole = unsafe { Mapping::new(words.as_mut_ptr().cast(), words.len() * 8) }.expect("aligned");
        let skip = whole.base().align_offset(GRANULE) / 8;
        let part = |first: usize, len: usize| whole.slice(skip + first / 8, len / 8).expect("it is inside");
        Self { all: part(0, LEN), window: part(LEN, WINDOW) }
    }
}

impl Memory for Ram {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then_some(LEN as u64)
    }

    fn words(&self, _: u16, offset: u64, len: u64) -> Option<Mapping> {
        self.all.slice(offset as usize / 8, len as usize / 8)
    }

    fn read(&self, _: u16, offset: u64, out: &mut [u8]) -> bool {
        self.all.read(offset as usize, out)
    }

    fn write(&self, _: u16, offset: u64, data: &[u8]) -> bool {
        self.all.write(offset as usize, data)
    }

    fn window(&self) -> Mapping {
        self.window
    }

    fn arena(&self, offset: u64, len: u64) -> Option<device::Arena> {
        let words = self.words(0, offset, len)?;
        Some(device::Arena::new(offset, len, [(offset, words)], Arc::new(())))
    }
}

/// A kernel and its host in one thread.
struct Machine {
    ram: Ram,
    domain: RefCell<Domain<Ram>>,
    ends: RefCell<BTreeMap<QueueName, End<Mapping>>>,
    disk: RefCell<Vec<u8>>,
    /// Queues are served when they are kicked.
    serves: Cell<bool>,
    filter: RefCell<Option<(u64, Vec<[u8; 6]>)>>,
}

fn config() -> Config {
    let mut config = Config::new(tenon_host::Conduit::call(true), 1, 5);
    (config.granules, config.window_len) = (tenon_abi::Granules::K4, WINDOW as u64);
    (config.max_ports, config.max_payload) = (64, 4096);
    config.with_devices(Devices::default())
}

impl Machine {
    fn new() -> Self {
        let ram = Ram::new();
        let this = Self {
            ram,
            domain: RefCell::new(Domain::new(config(), ram).expect("the configuration is legal")),
            ends: RefCell::default(),
            disk: RefCell::new((0..1 << 20).map(|at: u32| (at / 512) as u8).collect()),
            serves: Cell::new(true),
            filter: RefCell::default(),
        };
        this.add_devices();
        this
    }

    /// A disk, and an interface with all features.
    fn add_devices(&self) {
        for info in [model::disk(), model::card(NetFeatures::all().bits())] {
            let device = Device {
                kind: DeviceKind(info.kind.get()),
                identity: [3, 4],
                features: info.features.get(),
                max_queues: 4,
                max_depth: 1 << 16,
                own: info.own.map(|word| word.get()),
            };
            self.domain.borrow_mut().add_device(device).expect("there is room");
        }
    }

    fn enter<R>(&self, run: impl FnOnce(&mut Domain<Ram>) -> R) -> R {
        let mut domain = self.domain.borrow_mut();
        let result = run(&mut domain);
        while let Some(action) = domain.next_action() {
            let Action::Device(action) = action else { continue };
            match action {
                DeviceAction::Opened { queue, .. } => {
                    if let Ok(end) = domain.take_end(queue) {
                        self.ends.borrow_mut().insert(queue, end);
                    }
                }
                DeviceAction::Close { queue } => {
                    if let Some(end) = self.ends.borrow_mut().remove(&queue) {
                        domain.return_end(end).expect("it is its own");
                    }
                }
                DeviceAction::Kick { queue } if self.serves.get() => self.serve(&mut domain, queue),
                DeviceAction::Filter { mode, addresses, .. } => {
                    *self.filter.borrow_mut() = Some((mode, addresses));
                }
                _ => {}
            }
        }
        result
    }

    fn serve(&self, domain: &mut Domain<Ram>, queue: QueueName) {
        let mut ends = self.ends.borrow_mut();
        let mut frames = Vec::new();
        match ends.get_mut(&queue) {
            Some(End { ring: Ring::Requests(completer), arena, .. }) => {
                while let Ok(fetched) = completer.fetch() {
                    let args = fetched.submission.args.map(|word| word.get());
                    let (status, value) = match fetched.op {
                        Op::READ | Op::WRITE => self
                            .transfer(arena, fetched.op, args)
                            .map_or_else(|why| (why, 0), |sum| (Status::OK, sum)),
                        _ => (Status::OK, 0),
                    };
                    assert!(completer.complete(fetched.id, status, value));
                }
                if completer.owes_upcall().expect("the word is sound") {
                    domain.ring(queue);
                }
            }
            Some(End { ring: Ring::ToHost(consumer), .. }) => {
                let _ = consumer.drain(64, |record| {
                    let mut bytes = vec![0; record.len()];
                    assert!(record.copy_to(0, &mut bytes));
                    frames.push(bytes);
                });
                let _ = consumer.arm(1);
            }
            _ => {}
        }
        let back = QueueName { device: queue.device, index: queue.index + 1 };
        if let Some(End { ring: Ring::ToGuest(producer), owed, .. }) = ends.get_mut(&back) {
            for frame in &frames {
                let _ = producer.write(frame);
            }
            let _ = producer.flush();
            if owed.take() {
                domain.ring(back);
            }
        }
    }

    /// One segment, or two.
    fn transfer(&self, arena: &device::Arena, op: Op, args: [u64; 6]) -> Result<u64, Status> {
        let mut at = args[0] as usize;
        for (address, len) in
            [(args[1], args[2]), (args[3], args[4])].into_iter().take(args[5] as u32 as usize)
        {
            arena.resolve(address, len)?;
            let range = at..at + len as usize;
            let done = match op {
                Op::READ => self.ram.all.write(address as usize, &self.disk.borrow()[range]),
                _ => self.ram.all.read(address as usize, &mut self.disk.borrow_mut()[range]),
            };
            assert!(done);
            at += len as usize;
        }
        Ok(at as u64 - args[0])
    }

    /// The pages from an offset on.
    fn pages(&self, from: usize, len: usize) -> Pages {
        // SAFETY: the memory is never freed; each test takes a piece once a session.
        unsafe { Pages::new(self.ram.all.base().wrapping_add(from), len, from as u64) }.expect("aligned")
    }

    /// Ends the session as a host does that was started again (SES-9).
    fn restart(&self) {
        self.ends.borrow_mut().clear();
        let next = Domain::recover(config(), self.ram, Services::default()).expect("it is legal");
        drop(self.domain.replace(next));
        self.add_devices();
    }
}

impl Conduit for Machine {
    fn kick(&self, queue: u32) {
        self.enter(|domain| assert!(!domain.serve(queue, 256).again));
    }

    fn bind(&self, frame: u32) {
        self.enter(|domain| domain.control(frame));
    }
}

// SAFETY: one thread and no interrupts; the doorbells are those of the host that wrote the record; pages lie
// where they are said to.
unsafe impl Platform for Machine {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        0
    }

    fn leave(&self, _: usize) {}

    fn patience(&self) -> u32 {
        3
    }
}

fn open(machine: &Machine) -> (Session<'_, Machine>, Vcpu<'_, Machine, 16>) {
    let found = Found::at(machine.ram.window).expect("it is there");
    let session =
        Session::open(machine, found, &mut machine.pages(0, GRANULE), Wish::default()).expect("it opens");
    assert!(session.features().contains(Features::DEVICES | Features::BLOCK | Features::NET));
    let vcpu = session.bind(0, &mut machine.pages(GRANULE, 7 * GRANULE), [64, 64]).expect("it binds");
    (session, vcpu)
}

/// Ports that were raised.
fn raised(vcpu: &Vcpu<'_, Machine, 16>) -> Vec<u32> {
    let mut ports = Vec::new();
    vcpu.take_events(|port| ports.push(port)).expect("the rings are sound");
    ports
}

#[test]
fn a_disk_of_the_core_is_read_written_changed_and_closed() {
    let machine = Machine::new();
    let (session, vcpu) = open(&machine);
    let mut pages = machine.pages(16 * GRANULE, 64 * GRANULE);
    let arena = Arena::of(&pages);
    let mut memory = || Buffer::new(pages.split(4096, session.granule()).expect("there is room"));
    let (buffer, into) = (memory(), memory());
    let disk =
        vcpu.devices().find(DeviceKind::BLOCK, &buffer).expect("it is answered").expect("there is one");
    assert_eq!((disk.identity, disk.block().expect("it is sound").bytes), ([3, 4], 1 << 20));
    for port in 1..=3 {
        vcpu.bind_port(port, 0, 0).expect("it is free");
    }
    vcpu.devices().watch(3).expect("the port is bound");
    let mut device = session.open_device(&vcpu, &disk, 0, arena, Some(1)).expect("it opens");
    raised(&vcpu);
    let again = session.open_device(&vcpu, &disk, 0, arena, None).err();
    assert_eq!(again, Some(Error::Refused(Status::EXISTS)));
    let mut block: Block<'_, _, Buffer, 8> = device.block(&vcpu, 0, Some(2), &mut pages).expect("it opens");
    let read =
        block.submit(Io::Read { offset: 512 * 7, into }).map_err(|(error, _)| error).expect("there is room");
    let from = block.wait(read).expect("it is done").payload.expect("it comes back");
    let mut byte = [0; 1];
    assert!(from.read(512, &mut byte));
    assert_eq!(byte, [8]);
    assert!(from.write(0, &[0x77; 4096]));
    // The host sleeps until it is kicked, and the guest until its port is raised.
    machine.serves.set(false);
    let write = Io::Write { offset: 4096, from, durable: false };
    let write = block.submit(write).map_err(|(error, _)| error).expect("there is room");
    assert_eq!(block.arm(), Ok(true));
    machine.serves.set(true);
    block.push(Io::Flush).map_err(|(error, _)| error).expect("there is room");
    block.kick();
    assert_eq!(raised(&vcpu), [2]);
    let done = block.poll(write).expect("it is done");
    assert_eq!((done.result, machine.disk.borrow()[4096..8192] == [0x77; 4096]), (Ok(()), true));
    assert_eq!(block.next_done().expect("the queue is sound").map(|done| done.result), Some(Ok(())));
    // Outside of the arena.
    let outside = Buffer::new(machine.pages(100 * GRANULE, GRANULE));
    let read = Io::Read { offset: 0, into: outside };
    let read = block.submit(read).map_err(|(error, _)| error).expect("there is room");
    assert_eq!(block.wait(read).expect("it is over").result, Err(Status::BAD_RANGE));
    // A change is told, and read again.
    let mut own = disk.own;
    own[0] = 2 << 20;
    machine.enter(|domain| domain.change_device(0, own)).expect("it is there");
    assert!(raised(&vcpu).contains(&1));
    let now = device.query(&vcpu, &buffer).expect("it is there");
    assert!(now.change > disk.change && now.block().expect("it is sound").bytes == 2 << 20);
    // Closed with a request in flight.
    machine.serves.set(false);
    let into = done.payload.expect("it comes back");
    let late = block.submit(Io::Read { offset: 0, into }).map_err(|(error, _)| error).expect("there is room");
    if let Some(End { ring: Ring::Requests(completer), .. }) =
        machine.ends.borrow_mut().get_mut(&QueueName { device: 0, index: 0 })
    {
        completer.fetch().expect("it was submitted");
    }
    block.close(&vcpu).expect("it closes");
    assert_eq!(block.poll(late).expect("it is over").result, Err(Status::INDETERMINATE));
    assert!(block.release().is_ok());
    device.close(&vcpu).expect("it closes");
    let found = vcpu.devices().find(DeviceKind::BLOCK, &buffer).expect("it is answered");
    assert!(found.is_some(), "it can be opened again");
}

#[test]
fn a_session_of_the_core_ends_and_the_next_one_answers() {
    let machine = Machine::new();
    let (mut session, vcpu) = open(&machine);
    let mut pages = machine.pages(16 * GRANULE, 64 * GRANULE);
    let arena = Arena::of(&pages);
    let mut memory = || Buffer::new(pages.split(4096, session.granule()).expect("there is room"));
    let (buffer, from) = (memory(), memory());
    let find = |vcpu: &Vcpu<'_, Machine, 16>| {
        vcpu.devices().find(DeviceKind::BLOCK, &buffer).expect("it is answered").expect("there is one")
    };
    let device = session.open_device(&vcpu, &find(&vcpu), 0, arena, None).expect("it opens");
    let mut block: Block<'_, _, Buffer, 8> = device.block(&vcpu, 0, None, &mut pages).expect("it opens");
    machine.serves.set(false);
    assert!(from.write(0, &[0x42; 4096]));
    let write = Io::Write { offset: 8192, from, durable: true };
    let write = block.submit(write).map_err(|(error, _)| error).expect("there is room");
    let flush = block.submit(Io::Flush).map_err(|(error, _)| error).expect("there is room");
    machine.restart();
    assert_eq!(block.poll(write).map(|_| ()), Err(Error::Refused(Status::BAD_SESSION)));
    machine.serves.set(true);
    assert!(vcpu.release().is_ok());
    session.reopen(Wish::default()).expect("it opens");
    let vcpu: Vcpu<'_, Machine, 16> =
        session.bind(0, &mut machine.pages(GRANULE, 7 * GRANULE), [64, 64]).expect("it binds");
    let next = session.open_device(&vcpu, &find(&vcpu), 0, arena, None).expect("it opens");
    assert_eq!(block.reopen(&next, &vcpu), Ok(2));
    for token in [write, flush] {
        assert_eq!(block.wait(token).expect("it is done").result, Ok(()));
    }
    assert_eq!(machine.disk.borrow()[8192..12_288], [0x42; 4096]);
}

#[test]
fn a_device_of_the_core_that_is_removed_says_so_until_it_is_closed() {
    let machine = Machine::new();
    let (session, vcpu) = open(&machine);
    let mut pages = machine.pages(16 * GRANULE, 64 * GRANULE);
    let arena = Arena::of(&pages);
    let buffer = Buffer::new(pages.split(4096, session.granule()).expect("there is room"));
    let disk =
        vcpu.devices().find(DeviceKind::BLOCK, &buffer).expect("it is answered").expect("there is one");
    vcpu.bind_port(1, 0, 0).expect("it is free");
    let mut device = session.open_device(&vcpu, &disk, 0, arena, Some(1)).expect("it opens");
    let mut block: Block<'_, _, Buffer, 8> = device.block(&vcpu, 0, None, &mut pages).expect("it opens");
    machine.enter(|domain| domain.remove_device(0)).expect("it is there");
    assert_eq!(raised(&vcpu), [1]);
    assert_eq!(device.query(&vcpu, &buffer).map(|_| ()), Err(Error::Refused(Status::REMOVED)));
    block.close(&vcpu).expect("it closes");
    assert_eq!(block.reopen(&device, &vcpu), Err(Error::Refused(Status::REMOVED)));
    device.close(&vcpu).expect("it closes");
    assert_eq!(vcpu.devices().query(0, &buffer).map(|_| ()), Err(Error::Refused(Status::NOT_FOUND)));
    let gone = session.open_device(&vcpu, &disk, 0, arena, None).err();
    assert!(matches!(gone, Some(Error::Refused(Status::REMOVED | Status::NOT_FOUND))), "{gone:?}");
}

#[test]
fn frames_go_through_the_core_and_back() {
    let machine = Machine::new();
    let (session, vcpu) = open(&machine);
    let mut pages = machine.pages(16 * GRANULE, 128 * GRANULE);
    let arena = Arena::of(&pages);
    let buffer = Buffer::new(pages.split(4096, session.granule()).expect("there is room"));
    let card = vcpu.devices().find(DeviceKind::NET, &buffer).expect("it is answered").expect("there is one");
    let (told, features) = (card.net().expect("it is sound"), NetFeatures::CSUM_TO_HOST);
    let mut device = session.open_device(&vcpu, &card, features.bits(), arena, None).expect("it opens");
    let bad = NetFeatures::SEGMENT_TO_HOST.bits();
    let refused = session.open_device(&vcpu, &card, bad, arena, None).err();
    assert!(matches!(refused, Some(Error::Refused(Status::EXISTS | Status::BAD_FEATURES))), "{refused:?}");
    let words = told.least_words(features, true);
    // A smaller ring than the text admits.
    let small = device.sender(&vcpu, 0, words / 2, None, &mut pages).err();
    assert_eq!(small, Some(Error::Refused(Status::BAD_ARGUMENT)));
    vcpu.bind_port(4, 0, 0).expect("it is free");
    let mut sender = device.sender(&vcpu, 0, words, None, &mut pages).expect("it opens");
    let mut receiver = device.receiver(&vcpu, 0, words, Some(4), &mut pages).expect("it opens");
    assert_eq!(receiver.arm(), Ok(true));
    // More than the ring holds, in batches: positions go round.
    for round in 0..200u32 {
        let frame = vec![round as u8; 60 + round as usize * 7];
        sender.send(&frame).expect("there is room");
        sender.flush().expect("the ring is sound");
        // The host of this test looks when it is kicked, and once by itself.
        machine.enter(|domain| machine.serve(domain, QueueName { device: 1, index: 0 }));
        let same = receiver.receive(|header, seen| {
            let mut bytes = vec![0; seen.len()];
            assert!(seen.copy_into(&mut bytes).is_some());
            *header == tenon_guest::net::Header::default() && bytes == frame
        });
        assert_eq!(same, Ok(true), "round {round}");
        if round == 0 {
            assert_eq!(raised(&vcpu), [4], "the guest slept");
        }
    }
    assert_eq!(receiver.dropped(), 0);
    device.filter(&vcpu, FilterMode::PROMISCUOUS, &[[1, 2, 3, 4, 5, 6]], &buffer).expect("it is answered");
    assert_eq!(*machine.filter.borrow(), Some((4, vec![[1, 2, 3, 4, 5, 6]])));
    // All queues are closed with the device, and the shim hears of it when it asks.
    device.close(&vcpu).expect("it closes");
    sender.close(&vcpu).expect("it is closed");
    receiver.close(&vcpu).expect("it is closed");
    assert!(sender.release().is_ok() && receiver.release().is_ok());
    assert!(machine.ends.borrow().is_empty());
}
