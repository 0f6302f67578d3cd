// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest's rings at a port, and the attachment between the two.
#![allow(unsafe_code, reason = "memory is handed over by address, and each side of a ring is taken once")]

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use tenon_abi::{DeviceKind, NetFeatures, NetFlags, NetHeader};
use tenon_devices::net::PortConfig;
use tenon_host::device::{Arena, Backend, Bell, End, Home, Opened, Owed, QueueName, Ring};
use tenon_rings::stream::{Consumer, Producer};
use tenon_rings::{Mapping, RingMemory, Words};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

const GRANULE: usize = 4096;
/// Words of data of a ring: for frames of up to 20,000 bytes.
pub(crate) const WORDS: usize = 16_384;
const SEED: u32 = 0x1234;
/// How long a test waits for a thread, at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// One pair of rings of a guest.
pub(crate) struct Guest {
    to_host: Producer<Mapping, Kick>,
    to_guest: Consumer<Mapping>,
    ends: Receiver<End<Mapping>>,
    /// How often the port was raised.
    pub(crate) raised: Arc<AtomicU32>,
    pair: u32,
}

/// Writes the eventfd, as an attachment does for a kick.
pub(crate) struct Kick(Arc<OwnedFd>);

impl tenon_rings::stream::Bell for Kick {
    fn ring(&mut self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

/// Cleared memory for a ring, which is never freed.
fn memory() -> Mapping {
    let words: &'static mut [u64] = Vec::leak(vec![0; 2 * GRANULE / 8 + WORDS + 8]);
    let skip = words.as_ptr().align_offset(64);
    // SAFETY: the words are never freed, and reached through mappings alone from here on.
    let whole = unsafe { Mapping::new(words.as_mut_ptr().cast(), words.len() * 8) }.expect("aligned");
    whole.slice(skip, 2 * GRANULE / 8 + WORDS).expect("it is inside")
}

fn ring(memory: Mapping) -> RingMemory<Mapping> {
    let part = |first: usize, len: usize| memory.slice(first, len).expect("it is inside");
    let page = GRANULE / 8;
    // SAFETY: each side is taken once, the other by the other party.
    unsafe { RingMemory::from_parts(part(0, page), part(page, page), part(2 * page, WORDS)) }
        .expect("aligned")
}

impl Guest {
    /// Opens both rings of a pair at a back end.
    pub(crate) fn open(back: &mut dyn Backend<Mapping>, pair: u32, features: NetFeatures) -> Self {
        let (raised, kick) =
            (Arc::new(AtomicU32::new(0)), eventfd(0, EventfdFlags::NONBLOCK).expect("a file"));
        let kick = Arc::new(kick);
        let (send, ends) = channel();
        let send = Arc::new(Mutex::new(send));
        let mut open = |index: u32, ring: Ring<Mapping>, owed: Owed| {
            let queue = QueueName { device: 0, index };
            let arena = Arena::new(0, 4096, [], Arc::new(()));
            let no_word = memory().slice(0, 0).expect("no word is inside");
            let mut end = End::detached(queue, DeviceKind::NET, arena, (ring, owed), no_word);
            end.features = features.bits();
            let (raised, send) = (Arc::clone(&raised), Arc::clone(&send));
            back.opened(Opened {
                end,
                kick: Arc::clone(&kick),
                bell: Bell::new(move || {
                    raised.fetch_add(1, Ordering::SeqCst);
                }),
                home: Home::new(move |end| drop(send.lock().expect("nobody panics").send(end))),
            });
        };
        let bytes = WORDS * 8;
        let (up, down) = (memory(), memory());
        let owed = Owed::default();
        let (_, far) = ring(up).split();
        open(pair * 2, Ring::ToHost(far.records(bytes, SEED, owed.clone()).expect("free")), owed);
        let owed = Owed::default();
        let (far, _) = ring(down).split();
        open(pair * 2 + 1, Ring::ToGuest(far.records(bytes, SEED, owed.clone()).expect("free")), owed);
        let (near, _) = ring(up).split();
        let to_host = near.records(bytes, SEED, Kick(kick)).expect("free");
        let (_, near) = ring(down).split();
        let to_guest = near.records(bytes, SEED, ()).expect("free");
        Self { to_host, to_guest, ends, raised, pair }
    }

    /// Sends a record, whatever it is.
    pub(crate) fn send_raw(&mut self, record: &[u8]) {
        let start = Instant::now();
        while self.to_host.write(record).is_err() {
            assert!(start.elapsed() < PATIENCE, "nobody takes what is sent");
            std::thread::yield_now();
        }
        self.to_host.flush().expect("the ring is sound");
    }

    pub(crate) fn send(&mut self, header: &NetHeader, frame: &[u8]) {
        self.send_raw(&[header.as_bytes(), frame].concat());
    }

    /// The next frame, once it is there.
    pub(crate) fn receive(&mut self) -> (NetHeader, Vec<u8>) {
        let start = Instant::now();
        loop {
            if let Some(found) = self.look() {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "no frame came");
            std::thread::yield_now();
        }
    }

    /// The next frame, if it is there now.
    pub(crate) fn look(&mut self) -> Option<(NetHeader, Vec<u8>)> {
        let record = self.to_guest.read(|span| {
            let mut bytes = vec![0; span.len()];
            assert!(span.copy_to(0, &mut bytes));
            bytes
        });
        let record = record.ok()?;
        Some((NetHeader::read_from_bytes(&record[..16]).expect("so long it is"), record[16..].to_vec()))
    }

    /// Asks to be told of the next frame.
    pub(crate) fn arm(&mut self) -> bool {
        self.to_guest.arm(1).expect("the ring is sound")
    }

    /// Closes both rings, and waits until the ends are home.
    pub(crate) fn close(self, back: &mut dyn Backend<Mapping>) {
        for index in [self.pair * 2, self.pair * 2 + 1] {
            back.close(QueueName { device: 0, index });
            let end = self.ends.recv_timeout(PATIENCE).expect("the end comes home");
            assert_eq!(end.queue.index, index);
        }
    }
}

/// A port's configuration by the last byte of its address.
pub(crate) fn config(last: u8) -> PortConfig {
    PortConfig { max_frame: 20_000, pairs: 2, ..PortConfig::new(mac(last)) }
}

pub(crate) const fn mac(last: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, last]
}

/// A frame of the kind for experiments.
pub(crate) fn frame(to: [u8; 6], from: [u8; 6], text: &[u8]) -> Vec<u8> {
    [&to[..], &from, &[0x88, 0xb5], text].concat()
}

pub(crate) fn plain() -> NetHeader {
    NetHeader::new_zeroed()
}

/// A sum from the end of the Ethernet header on, stored two bytes behind it.
pub(crate) fn summed() -> NetHeader {
    let mut header = plain();
    header.flags.set(NetFlags::NEEDS_CSUM.bits());
    header.csum_start.set(14);
    header.csum_offset.set(2);
    header
}
