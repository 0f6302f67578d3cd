// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that carries frames between the rings of guests (NET-8, NET-12).
//!
//! It has the ends alone. What attachments and embedders ask of it goes through a list, so that nobody waits
//! for it and it waits for nobody.

use super::checksum::complete;
use super::config::{PortConfig, PortCounts};
use super::header::{Cut, Header, Rules};
use super::link::Link;
use super::segment::cut;
use super::table::{Table, is_group};
use crate::event::{Event, Sleeper};
use std::collections::BTreeMap;
use std::hint::spin_loop;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tenon_abi::NetFeatures;
use tenon_abi::net::{FRAME_EXTRA, FilterMode};
use tenon_host::device::{End, Opened, QueueName, Ring};
use tenon_rings::{Words, planted};
use zerocopy::IntoBytes;

/// Records that are taken of a ring before the next one has its turn.
const BATCH: usize = 64;
/// Looks at all rings before the thread sleeps.
const LOOKS: u32 = 64;

/// What the thread is asked for.
pub(super) enum Command<W> {
    Port { port: usize, new: Box<Port<W>> },
    Opened { port: usize, opened: Box<Opened<W>> },
    Close { port: usize, queue: QueueName },
    Removed { port: usize },
    Filter { port: usize, mode: u64, addresses: Vec<[u8; 6]> },
    Gone { port: usize },
    Stop,
}

/// What is asked for, and what wakes the thread for it.
pub(super) struct Requests<W> {
    list: Mutex<Vec<Command<W>>>,
    event: Event,
}

impl<W> Requests<W> {
    pub(super) fn new() -> Result<Self, crate::Error> {
        Ok(Self { list: Mutex::default(), event: Event::new()? })
    }

    pub(super) fn ask(&self, command: Command<W>) {
        self.list().push(command);
        self.event.signal();
    }

    fn list(&self) -> MutexGuard<'_, Vec<Command<W>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port, and the rings of its guest that are open.
pub(super) struct Port<W> {
    config: PortConfig,
    link: Link,
    counts: Arc<PortCounts>,
    rings: BTreeMap<u32, Opened<W>>,
    /// The mode and the addresses of NET_FILTER.
    wants: (FilterMode, Vec<[u8; 6]>),
    removed: bool,
}

impl<W> Port<W> {
    pub(super) fn new(config: PortConfig, link: Link, counts: Arc<PortCounts>) -> Self {
        let wants = (FilterMode::BROADCAST | FilterMode::ALL_MULTICAST, Vec::new());
        Self { config, link, counts, rings: BTreeMap::new(), wants, removed: false }
    }

    /// Whether frames come from it and go to it.
    fn carries(&self) -> bool {
        !self.removed && (self.link.is_up() || planted!("frames-over-a-link-that-is-down"))
    }

    /// Whether its guest wants a frame to this address (NET-9).
    fn wants(&self, mac: [u8; 6]) -> bool {
        let (mode, list) = &self.wants;
        let broadcast = mac == [0xff; 6] && mode.contains(FilterMode::BROADCAST);
        let group = is_group(mac) && mac != [0xff; 6] && mode.contains(FilterMode::ALL_MULTICAST);
        let own = mac == self.config.mac || list.contains(&mac);
        mode.contains(FilterMode::PROMISCUOUS) || broadcast || group || own
    }

    /// The open ring to its guest for a pair, or whichever is open in its place (NET-8).
    fn ring_for(&mut self, pair: u32) -> Option<&mut Opened<W>> {
        let wanted = pair * 2 + 1;
        let other = self.rings.keys().copied().find(|index| index % 2 == 1)?;
        let index = if self.rings.contains_key(&wanted) { wanted } else { other };
        self.rings.get_mut(&index)
    }
}

/// The thread's state.
pub(super) struct Fabric<W> {
    requests: Arc<Requests<W>>,
    sleeper: Sleeper,
    ports: BTreeMap<usize, Port<W>>,
    table: Table,
    /// Each frame goes back to where it came from.
    reflects: bool,
    /// A record, while it is looked at.
    record: Vec<u8>,
    stopped: bool,
}

impl<W: Words + Send + 'static> Fabric<W> {
    pub(super) fn new(requests: Arc<Requests<W>>, reflects: bool) -> Result<Self, crate::Error> {
        let sleeper = Sleeper::new()?;
        sleeper.add(requests.event.fd())?;
        let (ports, table) = (BTreeMap::new(), Table::default());
        Ok(Self { requests, sleeper, ports, table, reflects, record: Vec::new(), stopped: false })
    }

    /// Carries frames until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            self.heed();
            if self.stopped {
                return;
            }
            let mut looks = 0..LOOKS;
            let busy = looks.any(|_| {
                spin_loop();
                self.carry() || self.stopped
            });
            if !busy && self.arm() {
                self.sleeper.sleep();
            }
        }
    }

    /// Does what was asked until now.
    fn heed(&mut self) {
        if self.requests.event.take() {
            let commands = std::mem::take(&mut *self.requests.list());
            commands.into_iter().for_each(|command| self.obey(command));
        }
    }

    fn obey(&mut self, command: Command<W>) {
        match command {
            Command::Stop => {
                let rings = self.ports.values_mut().flat_map(|port| std::mem::take(&mut port.rings));
                rings.for_each(|(_, ring)| home(ring));
                self.stopped = true;
            }
            Command::Port { port, new } => {
                self.ports.insert(port, *new);
            }
            Command::Opened { port, opened } => self.opened(port, *opened),
            Command::Close { port, queue } => {
                let ring = self.ports.get_mut(&port).and_then(|port| port.rings.remove(&queue.index));
                if let Some(ring) = ring {
                    self.sleeper.remove(ring.kick.as_fd());
                    home(ring);
                }
            }
            Command::Removed { port } => self.with(port, |port| port.removed = true),
            Command::Filter { port, mode, addresses } => {
                let mode = FilterMode::from_bits_truncate(mode);
                self.with(port, |port| port.wants = (mode, addresses));
            }
            Command::Gone { port } => {
                if let Some(port) = self.ports.remove(&port) {
                    port.rings.into_values().for_each(home);
                }
                self.table.forget(port);
            }
        }
    }

    fn with(&mut self, port: usize, run: impl FnOnce(&mut Port<W>)) {
        if let Some(port) = self.ports.get_mut(&port) {
            run(port);
        }
    }

    fn opened(&mut self, port: usize, opened: Opened<W>) {
        if let Err(error) = self.sleeper.add(opened.kick.as_fd()) {
            tracing::error!(%error, "a ring of a network interface is not served");
        }
        match self.ports.get_mut(&port) {
            Some(port) => {
                // The first ring of a device that was opened anew: what the last guest wanted is over.
                if port.rings.is_empty() {
                    port.wants = (FilterMode::BROADCAST | FilterMode::ALL_MULTICAST, Vec::new());
                }
                port.rings.insert(opened.end.queue.index, opened);
            }
            None => home(opened),
        }
    }

    /// One batch of each ring; whether there was anything.
    fn carry(&mut self) -> bool {
        let all: Vec<(usize, u32)> = self
            .ports
            .iter()
            .flat_map(|(port, at)| {
                at.rings.keys().filter(|index| *index % 2 == 0).map(|index| (*port, *index))
            })
            .collect();
        let mut found = false;
        for (port, index) in all {
            for _ in 0..BATCH {
                if !self.take(port, index) {
                    break;
                }
                found = true;
                // What was asked before this record was sent counts for it.
                self.heed();
                self.forward(port, index / 2);
            }
        }
        if found {
            self.ports.values_mut().flat_map(|port| port.rings.values_mut()).for_each(publish);
        }
        found
    }

    /// Copies the next record of a ring; `false` if there is none.
    fn take(&mut self, port: usize, index: u32) -> bool {
        let ring = self.ports.get_mut(&port).and_then(|port| port.rings.get_mut(&index));
        let Some(Opened { end: End { ring: Ring::ToHost(consumer), .. }, .. }) = ring else { return false };
        let record = &mut self.record;
        let read = consumer.read(|span| {
            record.resize(span.len(), 0);
            // A copy, of which alone everything is decided (GEN-6).
            let _ = span.copy_to(0, record);
        });
        read.is_ok()
    }

    /// Sends the record to whom it is for.
    fn forward(&mut self, from: usize, pair: u32) {
        let mut record = std::mem::take(&mut self.record);
        self.forward_record(&mut record, from, pair);
        self.record = record;
    }

    fn forward_record(&mut self, record: &mut [u8], from: usize, pair: u32) {
        let Some(source) = self.ports.get(&from) else { return };
        let (counts, isolated) = (Arc::clone(&source.counts), source.config.isolated);
        let Some(features) = source.rings.get(&(pair * 2)).map(|ring| ring.end.features) else { return };
        let features = NetFeatures::from_bits_retain(features);
        let rules = Rules { features, mtu: source.config.mtu, max_frame: source.config.max_frame };
        let Some((header, frame)) = Header::split(record, &rules) else {
            counts.bad.add();
            return;
        };
        let mac = |at: usize| frame.get(at..).and_then(|part| part.first_chunk::<6>()).copied();
        let (Some(to), Some(by)) = (mac(0), mac(6)) else { return };
        if !source.carries()
            || source.config.own_address_only && by != source.config.mac && !planted!("mac-policy-off")
        {
            counts.refused.add();
            return;
        }
        counts.sent.add();
        if self.reflects {
            if let Some(port) = self.ports.get_mut(&from) {
                deliver(port, pair, header, frame);
            }
            return;
        }
        self.table.learn(by, from);
        let known = if is_group(to) { None } else { self.table.port(to) };
        let both_isolated = |port: &Port<W>| isolated && port.config.isolated && !planted!("isolation-off");
        for (at, port) in &mut self.ports {
            let is_meant =
                known.is_none_or(|known| known == *at || planted!("known-address-flooded")) && *at != from;
            if is_meant && !both_isolated(port) && port.wants(to) {
                deliver(port, pair, header, frame);
            }
        }
    }

    /// Asks to be kicked; `false` where something has come meanwhile.
    fn arm(&mut self) -> bool {
        let mut sleeps = true;
        for ring in self.ports.values_mut().flat_map(|port| port.rings.values_mut()) {
            if let Ring::ToHost(consumer) = &mut ring.end.ring {
                // A ring that is corrupt has nothing more.
                sleeps &= consumer.arm(1).unwrap_or(true);
            }
            tell(ring);
        }
        sleeps
    }
}

/// Gives an end back, with all that was written visible to its guest.
fn home<W: Words>(mut ring: Opened<W>) {
    publish(&mut ring);
    ring.home.give(ring.end);
}

/// Shows what was written and what was read, and wakes the guest for it.
fn publish<W: Words>(ring: &mut Opened<W>) {
    let _ = match &mut ring.end.ring {
        Ring::ToGuest(producer) => producer.flush(),
        Ring::ToHost(consumer) => consumer.release(),
        Ring::Requests(_) => Ok(()),
    };
    tell(ring);
}

fn tell<W: Words>(ring: &Opened<W>) {
    if ring.end.owed.take() {
        ring.bell.ring();
    }
}

/// Writes a frame to a guest, as its features and its MTU admit it (NET-12); one for which there is no room
/// is dropped (NET-8).
fn deliver<W: Words>(port: &mut Port<W>, pair: u32, header: Header, frame: &[u8]) {
    let counts = Arc::clone(&port.counts);
    let [plain, long] = [port.config.mtu + FRAME_EXTRA, port.config.max_frame].map(|len| len as usize);
    if !port.carries() {
        counts.refused.add();
        return;
    }
    let Some(ring) = port.ring_for(pair) else {
        counts.full.add();
        return;
    };
    let features = NetFeatures::from_bits_retain(ring.end.features);
    let Ring::ToGuest(producer) = &mut ring.end.ring else { return };
    let mut write = |header: Header, frame: &[u8], most: usize| {
        let fits = frame.len() <= most;
        let wire = header.to_wire();
        if planted!("frame-carried-twice") {
            let _ = producer.write_vectored(&[wire.as_bytes(), frame]);
        }
        match fits.then(|| producer.write_vectored(&[wire.as_bytes(), frame])) {
            Some(Ok(())) => counts.received.add(),
            Some(Err(tenon_rings::Error::Full)) => counts.full.add(),
            _ => counts.long.add(),
        }
    };
    let sums = features.contains(NetFeatures::CSUM_TO_GUEST);
    match (header.cut, header.sum) {
        (Some(_), _) if features.contains(NetFeatures::SEGMENT_TO_GUEST) => {
            write(header, frame, long);
        }
        (Some(how), Some(sum)) => {
            let done = Header { sum: None, cut: None };
            if !cut(frame, Cut { ..how }, sum, |piece| write(done, piece, plain)) {
                counts.bad.add();
            }
        }
        (_, Some(sum)) if !sums && !planted!("sum-left-out") => {
            let mut whole = frame.to_vec();
            complete(&mut whole, sum.start, sum.offset);
            write(Header { sum: None, cut: None }, &whole, plain);
        }
        _ => write(header, frame, plain),
    }
}
