// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest's side of queues, by hand, with a disk's worker behind them.
#![allow(unsafe_code, reason = "the memory of a guest is a mapping")]

use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tenon_abi::{DeviceKind, Op, Status, Submission};
use tenon_devices::block::{Control, Disk, Queues};
use tenon_host::Memory;
use tenon_host::device::{Arena, Backend, Bell, Device, End, Home, Opened, Owed, QueueName, Ring};
use tenon_rings::call::{Parts, Queue};
use tenon_rings::{Mapping, Submitter, Ticket, Words};

pub(crate) const DEPTH: usize = 16;
const SEED: u32 = 77;
/// Bytes of a queue's parts, and where its buffers begin behind them.
const PARTS: usize = 8192;
const EACH: usize = 1 << 20;

/// How long a test waits for what has to come: only a test that fails waits so long. One that is to fail,
/// because a fault was chosen, does not have to wait long.
fn patience() -> Duration {
    let is_to_fail = std::env::var_os(tenon_planted::CHOICE).is_some();
    Duration::from_secs(if is_to_fail { 5 } else { 60 })
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + patience();
    while !so() {
        assert!(Instant::now() < end, "it never came: {what}");
        sleep(Duration::from_micros(200));
    }
}

/// Memory that is there for ever.
#[derive(Clone, Copy)]
pub(crate) struct Ram(pub(crate) Mapping);

impl Ram {
    fn new(len: usize) -> Self {
        let words: &'static [AtomicU64] = Box::leak((0..len / 8).map(|_| AtomicU64::new(0)).collect());
        // SAFETY: the words live for ever, and are atomics.
        Self(unsafe { Mapping::new(words.as_ptr().cast_mut().cast(), len) }.unwrap())
    }
}

impl Memory for Ram {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then_some(self.0.byte_len() as u64)
    }

    fn words(&self, _: u16, offset: u64, len: u64) -> Option<Mapping> {
        self.0.slice(offset as usize / 8, len as usize / 8)
    }

    fn read(&self, _: u16, offset: u64, out: &mut [u8]) -> bool {
        self.0.read(offset as usize, out)
    }

    fn write(&self, _: u16, offset: u64, data: &[u8]) -> bool {
        self.0.write(offset as usize, data)
    }

    fn window(&self) -> Mapping {
        self.0
    }
}

/// One queue of the guest's.
pub(crate) struct Lane {
    pub(crate) ram: Ram,
    base: usize,
    index: u32,
    submitter: Submitter<Mapping, DEPTH>,
    kick: Arc<OwnedFd>,
    rung: Arc<AtomicU32>,
    home: Receiver<End<Mapping>>,
}

/// A disk that runs, with two queues.
pub(crate) struct Rig {
    pub(crate) queues: Queues<Mapping>,
    pub(crate) control: Control,
    pub(crate) device: Device,
    pub(crate) lanes: Vec<Lane>,
}

impl Rig {
    pub(crate) fn new(disk: Disk) -> Self {
        let (device, mut queues, control) = disk.with_queues(2, DEPTH as u32).start().unwrap();
        let ram = Ram::new(2 * EACH);
        let lanes = (0..2).map(|index| Lane::open(ram, index, &mut queues)).collect();
        Self { queues, control, device, lanes }
    }

    pub(crate) fn one(&mut self) -> &mut Lane {
        &mut self.lanes[0]
    }

    pub(crate) fn close(&mut self, index: u32) {
        self.queues.close(QueueName { device: 0, index });
    }
}

impl Lane {
    fn open(ram: Ram, index: u32, queues: &mut Queues<Mapping>) -> Self {
        let base = index as usize * EACH;
        let words = |offset: usize, len: usize| ram.0.slice((base + offset) / 8, len / 8).unwrap();
        let parts = Parts {
            submissions: words(64, 64 * DEPTH),
            completions: words(4096 + 64, 16 * DEPTH),
            armed: words(0, 8),
            kick: words(4096 + 8, 8),
        };
        let mut queue = Queue::new(parts, SEED, DEPTH as u32).unwrap();
        let submitter = queue.submitter().unwrap();
        let arena = Arena::of(&ram, base as u64, EACH as u64, Arc::new(())).unwrap();
        let name = QueueName { device: 0, index };
        let ring = Ring::Requests(queue.completer().unwrap());
        let end = End::detached(name, DeviceKind::BLOCK, arena, (ring, Owed::default()), words(4096, 8));
        let kick = Arc::new(eventfd(0, EventfdFlags::NONBLOCK).unwrap());
        let rung = Arc::new(AtomicU32::new(0));
        let (sender, home): (Sender<End<Mapping>>, _) = channel();
        let ringing = Arc::clone(&rung);
        queues.opened(Opened {
            end,
            kick: Arc::clone(&kick),
            bell: Bell::new(move || _ = ringing.fetch_add(1, Ordering::SeqCst)),
            home: Home::new(move |end| drop(sender.send(end))),
        });
        Self { ram, base, index, submitter, kick, rung, home }
    }

    /// Wire address of a buffer.
    pub(crate) fn address(&self, at: usize) -> u64 {
        (self.base + PARTS + at) as u64
    }

    pub(crate) fn put(&self, at: usize, data: &[u8]) {
        assert!(self.ram.0.write(self.base + PARTS + at, data));
    }

    pub(crate) fn get(&self, at: usize, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        assert!(self.ram.0.read(self.base + PARTS + at, &mut out));
        out
    }

    /// Kicks, whether it is wanted or not.
    pub(crate) fn ring(&self) {
        rustix::io::write(&self.kick, &1u64.to_ne_bytes()).unwrap();
    }

    /// Submits, and kicks if the host wants it.
    pub(crate) fn submit(&mut self, op: Op, args: [u64; 6]) -> Ticket {
        let ticket = self.submitter.submit(Submission::new(op, args)).unwrap();
        if self.submitter.wants_kick() {
            self.ring();
        }
        ticket
    }

    /// The result if it is there, else the ticket.
    pub(crate) fn look(&mut self, ticket: Ticket) -> Result<(Status, u64), Ticket> {
        let outcome = self.submitter.poll(ticket).unwrap()?;
        Ok((outcome.status, outcome.value))
    }

    pub(crate) fn wait(&mut self, ticket: Ticket) -> (Status, u64) {
        let mut ticket = Some(ticket);
        let mut result = None;
        until("a completion", || {
            match self.look(ticket.take().unwrap()) {
                Ok(found) => result = Some(found),
                Err(back) => ticket = Some(back),
            }
            result.is_some()
        });
        result.unwrap()
    }

    pub(crate) fn call(&mut self, op: Op, args: [u64; 6]) -> (Status, u64) {
        let ticket = self.submit(op, args);
        self.wait(ticket)
    }

    /// Writes one block of 512 bytes of this value from its own place in memory.
    pub(crate) fn begin_write(&mut self, block: u64, value: u8, flags: u64) -> Ticket {
        let at = usize::from(value) * 512;
        self.put(at, &[value; 512]);
        self.submit(Op::WRITE, [block * 512, self.address(at), 512, 0, 0, 1 | flags << 32])
    }

    pub(crate) fn write(&mut self, block: u64, value: u8) -> (Status, u64) {
        let ticket = self.begin_write(block, value, 0);
        self.wait(ticket)
    }

    pub(crate) fn read(&mut self, block: u64) -> Result<Vec<u8>, Status> {
        self.put(0, &[0xee; 512]);
        match self.call(Op::READ, [block * 512, self.address(0), 512, 0, 0, 1]) {
            (Status::OK, 512) => Ok(self.get(0, 512)),
            (status, _) => Err(status),
        }
    }

    pub(crate) fn flush(&mut self) -> Status {
        self.call(Op::FLUSH, [0; 6]).0
    }

    /// Comes back when the worker has looked at this queue behind all that was submitted before.
    pub(crate) fn nop(&mut self) {
        assert_eq!(self.call(Op::NOP, [5, 0, 0, 0, 0, 0]), (Status::OK, 5));
    }

    pub(crate) fn arm(&mut self) -> bool {
        self.submitter.arm()
    }

    pub(crate) fn rung(&self) -> u32 {
        self.rung.load(Ordering::SeqCst)
    }

    /// The end, if it is home.
    pub(crate) fn home(&self) -> Option<End<Mapping>> {
        self.home.try_recv().ok()
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}
