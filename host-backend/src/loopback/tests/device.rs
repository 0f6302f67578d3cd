// SPDX-License-Identifier: MIT OR Apache-2.0
//! A back end on a thread of its own, behind both kinds of loopback host.

use super::*;
use crate::device::{Attached, Backend, Device, Opened, QueueName, Ring};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use tenon_abi::device::{NO_PORT, Named};

const ARENA: u64 = 0x8_0000;
const ARENA_LEN: u64 = 0x1_0000;
const GUEST_PART: u64 = ARENA;
const HOST_PART: u64 = ARENA + 0x1000;
const DEPTH: u64 = 8;
const PORT: u64 = 3;

/// Answers NOP, on a thread that sleeps until its queue is kicked.
struct Nops {
    told: Sender<Told>,
    thread: Option<JoinHandle<()>>,
    heard: Arc<Heard>,
}

/// What a back end was told beside its queues.
#[derive(Default)]
struct Heard {
    removals: AtomicU32,
    /// The mode of each filter.
    filters: Mutex<Vec<u64>>,
}

enum Told {
    Opened(Box<Opened<super::super::Piece>>),
    Close,
}

impl Nops {
    fn new(heard: &Arc<Heard>) -> Self {
        let (told, tells) = channel();
        let thread = Some(thread::spawn(move || Self::work(&tells)));
        Self { told, thread, heard: Arc::clone(heard) }
    }

    /// One queue at a time.
    fn work(tells: &Receiver<Told>) {
        while let Ok(told) = tells.recv() {
            let Told::Opened(mut queue) = told else { continue };
            loop {
                let Ring::Requests(requests) = &mut queue.end.ring else { return };
                while let Ok(request) = requests.fetch() {
                    requests.complete(request.id, Status::OK, request.submission.args[0].get());
                }
                if requests.owes_upcall().unwrap_or(false) {
                    queue.bell.ring();
                }
                if !Self::kicked(&queue, tells) {
                    break;
                }
            }
            let Opened { end, home, .. } = *queue;
            home.give(end);
        }
    }

    /// Sleeps until the queue is kicked; false where it is to close.
    fn kicked(queue: &Opened<super::super::Piece>, tells: &Receiver<Told>) -> bool {
        let tick = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        while matches!(tells.try_recv(), Err(TryRecvError::Empty)) {
            let ready = poll(&mut [PollFd::new(&queue.kick, PollFlags::IN)], Some(&tick));
            if ready.is_ok_and(|ready| ready > 0) {
                let _ = rustix::io::read(&queue.kick, &mut [0u8; 8]);
                return true;
            }
        }
        false
    }
}

impl Backend<super::super::Piece> for Nops {
    fn opened(&mut self, queue: Opened<super::super::Piece>) {
        let _ = self.told.send(Told::Opened(Box::new(queue)));
    }

    fn close(&mut self, _: QueueName) {
        let _ = self.told.send(Told::Close);
    }

    fn removed(&mut self) {
        self.heard.removals.fetch_add(1, Ordering::Release);
    }

    fn filter(&mut self, mode: u64, addresses: &[[u8; 6]]) {
        assert!(addresses.is_empty());
        self.heard.filters.lock().expect("nobody panics").push(mode);
    }
}

impl Drop for Nops {
    fn drop(&mut self) {
        self.told = channel().0;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the back end's thread has not panicked");
        }
    }
}

/// A guest whose call queue has room for eight calls.
struct Guest {
    host: Loopback<Ram>,
    areas: (super::super::Piece, super::super::Piece),
    seed: u32,
    next: u16,
}

impl Guest {
    fn call(&mut self, op: Op, arguments: [u64; 6]) -> (Status, u64) {
        let at = (self.seed, self.next);
        self.next += 1;
        submit_at(&self.areas.0, usize::try_from(guest::SUBMISSIONS / 8).unwrap_or(0), at, op, arguments);
        self.host.kick(0);
        assert!(wait(|| answer(&self.areas.1, host::COMPLETIONS, at).is_some()), "{op:?} is answered");
        answer(&self.areas.1, host::COMPLETIONS, at).expect("it was there")
    }
}

/// A guest that has opened a device, of a kind whose back end answers NOP.
fn opened(timing: Timing, device: Device) -> (Ram, Guest, u32, Arc<Heard>) {
    let (ram, host) = machine(timing, nothing());
    let heard = Arc::<Heard>::default();
    let number = host.add_device(Attached::new(device, Nops::new(&heard))).expect("a device");
    let (own, theirs, seed) = attach(&ram, &host);
    let mut guest = Guest { host, areas: (own, theirs), seed, next: 0 };
    let device = Named { device: number, index: 1 }.to_word();
    let open = guest.call(Op::DEVICE_OPEN, [device, 0, ARENA, ARENA_LEN, NO_PORT, 0]);
    assert_eq!(open, (Status::OK, 0));
    (ram, guest, number, heard)
}

fn disk() -> Device {
    Device::block([1, 2], 4, 64, &tenon_abi::BlockInfo::new_zeroed())
}

fn a_queue_is_served(timing: Timing) {
    let (ram, mut guest, number, heard) = opened(timing, disk());
    assert_eq!(guest.call(Op::EVENT_BIND, [PORT, 0, 0, 0, 0, 0]).0, Status::OK);
    let queue = Named { device: number, index: 0 }.to_word();
    let (part, host_part) = (GUEST_PART, HOST_PART);
    let (status, doorbell) = guest.call(Op::QUEUE_OPEN, [queue, DEPTH, PORT, part, host_part, 0]);
    assert_eq!(status, Status::OK);
    let doorbell = u32::try_from(doorbell).expect("a doorbell has 32 bits");
    let submissions = ram.words(0, GUEST_PART, 0x1000).expect("the guest's part");
    let completions = ram.words(0, HOST_PART, 0x1000).expect("the host's part");
    let raised = |guest: &Guest| guest.host.with(|domain| domain.counted().get(tenon_abi::Meter::EVENTS));
    let before = raised(&guest);
    for position in 0..4 {
        let at = (guest.seed, position);
        submit_at(&submissions, 8, at, Op::NOP, [u64::from(position) + 10, 0, 0, 0, 0, 0]);
        guest.host.kick(doorbell);
        let done = || answer(&completions, 64, at);
        assert!(wait(|| done().is_some()), "request {position} is completed");
        assert_eq!(done(), Some((Status::OK, u64::from(position) + 10)));
    }
    // The word is armed for the first completion alone (CALL-16).
    assert!(wait(|| raised(&guest) == before + 1), "the queue's port is raised once");
    assert_eq!(guest.call(Op::DEVICE_CLOSE, [number.into(), 0, 0, 0, 0, 0]), (Status::OK, 0));
    assert_eq!(completions.load(0, Site::Status) & 0xffff, 0, "a closed queue is UNBOUND");
    assert_eq!(raised(&guest), before + 1, "nothing more is told");
    drop(guest);
    assert_eq!(Arc::strong_count(&heard), 1, "no back end outlives its host");
}

#[test]
fn a_back_end_hears_kicks_of_a_synchronous_host() {
    a_queue_is_served(Timing::Synchronous);
}

#[test]
fn a_back_end_hears_kicks_of_an_asynchronous_host() {
    a_queue_is_served(Timing::Asynchronous);
}

#[test]
fn a_back_end_is_told_of_its_removal() {
    let (_, mut guest, number, heard) = opened(Timing::Synchronous, disk());
    let queue = Named { device: number, index: 0 }.to_word();
    let open = guest.call(Op::QUEUE_OPEN, [queue, DEPTH, NO_PORT, GUEST_PART, HOST_PART, 0]);
    assert_eq!(open.0, Status::OK);
    guest.host.with(|domain| domain.remove_device(number)).expect("it is there");
    assert_eq!(heard.removals.load(Ordering::Acquire), 1);
    assert_eq!(guest.call(Op::DEVICE_CLOSE, [number.into(), 0, 0, 0, 0, 0]), (Status::OK, 0));
}

#[test]
fn a_back_end_is_told_which_frames_are_wanted() {
    let mut info = tenon_abi::NetInfo::new_zeroed();
    (info.pairs, info.mtu) = (1.into(), 1500.into());
    let card = Device::net([3, 4], tenon_abi::NetFeatures::empty(), 4096, &info);
    let (_, mut guest, number, heard) = opened(Timing::Synchronous, card);
    let mode = tenon_abi::net::FilterMode::BROADCAST.bits();
    assert_eq!(guest.call(Op::NET_FILTER, [number.into(), mode, 0, 0, 0, 0]), (Status::OK, 0));
    assert_eq!(*heard.filters.lock().expect("nobody panics"), [mode]);
}
