// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file layer that keeps what was not synced in memory of its own, and loses it when it is killed: the page
//! cache of the kernel would outlive the process, and hide a host that never syncs.

use crate::pattern::PAGE;
use rustix::event::{EventfdFlags, eventfd};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::mem::take;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tenon_devices::Error;
use tenon_devices::block::storage::{Call, Over, Storage, Transfer};
use tenon_devices::block::{Access, ByItself, Disk, Shape, open_locked};

pub(crate) struct Volatile {
    file: File,
    cache: BTreeMap<u64, Vec<u8>>,
    fails: Option<PathBuf>,
    over: Vec<Over>,
    event: OwnedFd,
}

impl Volatile {
    /// With `fails`, the first sync of all fails: while there is no such file.
    pub(crate) fn disk(path: &Path, access: Access, fails: Option<PathBuf>) -> Result<Disk, Error> {
        let file = open_locked(path, access)?;
        let shape = Shape {
            block: PAGE as u32,
            discard_align: PAGE as u32,
            ..Shape::of(file.metadata().unwrap().len())
        };
        let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let storage = Self { file, cache: BTreeMap::new(), fails, over: Vec::new(), event };
        Disk::over_storage(storage, shape, ByItself::default())
    }

    fn run(&mut self, transfer: &Transfer) -> io::Result<u64> {
        match transfer.call {
            Call::Read { offset } => {
                let mut bytes = vec![0; transfer.len()];
                self.file.read_exact_at(&mut bytes, offset)?;
                for (at, bytes) in (offset / PAGE as u64..).zip(bytes.chunks_mut(PAGE)) {
                    if let Some(cached) = self.cache.get(&at) {
                        bytes.copy_from_slice(cached);
                    }
                }
                Ok(transfer.fill(&bytes))
            }
            Call::Write { offset } => {
                let bytes = transfer.bytes();
                for (at, bytes) in (offset / PAGE as u64..).zip(bytes.chunks(PAGE)) {
                    self.cache.insert(at, bytes.to_vec());
                }
                Ok(bytes.len() as u64)
            }
            Call::Sync => {
                if let Some(failed) = self.fails.take()
                    && File::create_new(failed).is_ok()
                {
                    // As a kernel does: it tells of it once, and what it could not write is lost.
                    self.cache.clear();
                    return Err(io::Error::from_raw_os_error(libc::EIO));
                }
                for (at, bytes) in take(&mut self.cache) {
                    self.file.write_all_at(&bytes, at * PAGE as u64)?;
                }
                Ok(0)
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Storage for Volatile {
    fn start(&mut self, transfer: Transfer) -> Option<Transfer> {
        let result = self.run(&transfer);
        self.over.push((transfer, result));
        None
    }

    fn push(&mut self) {}

    fn reap(&mut self, over: &mut Vec<Over>) {
        over.append(&mut self.over);
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
