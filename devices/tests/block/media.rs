// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file layer of the tests': it keeps what was not synced in memory of its own, loses that when the power
//! goes, and fails on purpose.

use rustix::event::{EventfdFlags, eventfd};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem::take;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use tenon_devices::block::storage::{Call, Over, Storage, Transfer};
use tenon_devices::block::{ByItself, Disk, Shape};

pub(crate) const BYTES: u64 = 1 << 20;

/// What of a call a fault hits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Sync,
}

fn kind(call: Call) -> Option<Kind> {
    match call {
        Call::Read { .. } => Some(Kind::Read),
        Call::Write { .. } => Some(Kind::Write),
        Call::Sync => Some(Kind::Sync),
        _ => None,
    }
}

/// What happens to the next call of a kind.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Errno(i32),
    Short(usize),
}

#[derive(Default)]
struct Inner {
    stable: Vec<u8>,
    /// Blocks that were written and not synced.
    cache: BTreeMap<u64, Vec<u8>>,
    faults: VecDeque<(Kind, Fault)>,
    /// Calls of this kind wait until they are let go.
    held: Option<Kind>,
    waiting: Vec<(Transfer, BTreeMap<u64, Vec<u8>>)>,
    room: Option<usize>,
    over: Vec<Over>,
}

/// The medium: it outlives the hosts that use it.
#[derive(Clone)]
pub(crate) struct Media {
    inner: Arc<Mutex<Inner>>,
    event: Arc<OwnedFd>,
}

impl Media {
    pub(crate) fn new() -> Self {
        let inner = Inner { stable: vec![0; BYTES as usize], ..Inner::default() };
        let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        Self { inner: Arc::new(Mutex::new(inner)), event: Arc::new(event) }
    }

    pub(crate) fn disk(&self) -> Disk {
        let shape = Shape { max_discard: 1 << 20, max_zero: 1 << 20, ..Shape::of(BYTES) };
        Disk::over_storage(self.clone(), shape, ByItself::default()).unwrap()
    }

    pub(crate) fn fail(&self, kind: Kind, fault: Fault) {
        self.inner.lock().unwrap().faults.push_back((kind, fault));
    }

    pub(crate) fn hold(&self, kind: Kind) {
        self.inner.lock().unwrap().held = Some(kind);
    }

    /// Takes at most so many calls at once.
    pub(crate) fn with_room(&self, room: usize) {
        self.inner.lock().unwrap().room = Some(room);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.inner.lock().unwrap().waiting.len()
    }

    pub(crate) fn let_go(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.held = None;
        for (transfer, seen) in take(&mut inner.waiting) {
            inner.run(transfer, seen);
        }
        rustix::io::write(&self.event, &1u64.to_ne_bytes()).unwrap();
    }

    /// The power goes, and comes back.
    pub(crate) fn lose_power(&self) {
        self.inner.lock().unwrap().cache.clear();
    }

    pub(crate) fn stable(&self, block: u64) -> u8 {
        self.inner.lock().unwrap().stable[block as usize * 512]
    }
}

impl Inner {
    /// Does a call. A sync makes durable what was `seen` when it began.
    fn run(&mut self, transfer: Transfer, seen: BTreeMap<u64, Vec<u8>>) {
        let found = self.faults.iter().position(|(at, _)| Some(*at) == kind(transfer.call));
        let fault = found.and_then(|at| self.faults.remove(at)).map(|(_, fault)| fault);
        let result = match (transfer.call, fault) {
            (Call::Sync, Some(Fault::Errno(errno))) => {
                // As the kernel does it: what could not be written is forgotten.
                self.cache.clear();
                Err(io::Error::from_raw_os_error(errno))
            }
            (_, Some(Fault::Errno(errno))) => Err(io::Error::from_raw_os_error(errno)),
            (Call::Sync, _) => {
                for (block, bytes) in seen {
                    self.stable[block as usize * 512..][..512].copy_from_slice(&bytes);
                    if self.cache.get(&block) == Some(&bytes) {
                        self.cache.remove(&block);
                    }
                }
                Ok(0)
            }
            (Call::Read { offset }, fault) => {
                let len = short(&transfer, fault);
                let block = |at: u64| match self.cache.get(&at) {
                    Some(bytes) => bytes.clone(),
                    None => self.stable[at as usize * 512..][..512].to_vec(),
                };
                let first = offset / 512;
                let mut bytes: Vec<u8> = (first..first + len as u64 / 512).flat_map(block).collect();
                bytes.truncate(len);
                Ok(transfer.fill(&bytes))
            }
            (Call::Write { offset }, fault) => {
                let bytes = &transfer.bytes()[..short(&transfer, fault)];
                for (number, bytes) in bytes.chunks(512).enumerate() {
                    self.cache.insert(offset / 512 + number as u64, bytes.to_vec());
                }
                Ok(bytes.len() as u64)
            }
            _ => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        };
        self.over.push((transfer, result));
    }
}

fn short(transfer: &Transfer, fault: Option<Fault>) -> usize {
    match fault {
        Some(Fault::Short(len)) => len.min(transfer.len()),
        _ => transfer.len(),
    }
}

impl Storage for Media {
    fn start(&mut self, transfer: Transfer) -> Option<Transfer> {
        let mut inner = self.inner.lock().unwrap();
        if inner.room.is_some_and(|room| inner.waiting.len() >= room) {
            return Some(transfer);
        }
        let seen = inner.cache.clone();
        if inner.held.is_some() && inner.held == kind(transfer.call) {
            inner.waiting.push((transfer, seen));
        } else {
            inner.run(transfer, seen);
        }
        None
    }

    fn push(&mut self) {}

    fn reap(&mut self, over: &mut Vec<Over>) {
        over.append(&mut self.inner.lock().unwrap().over);
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
