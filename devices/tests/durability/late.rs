// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file layer whose I/O outlives the host, as that of a slow disk does: a process of its own plays the
//! kernel. It has the open file description, and with it the lock, until the last call has landed.

use crate::pattern::PAGE;
use crate::random::Random;
use rustix::net::{RecvFlags, recv};
use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::take;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, sleep};
use std::time::Duration;
use tenon_devices::Error;
use tenon_devices::block::storage::{Call, Over, Storage, Transfer};
use tenon_devices::block::{Access, ByItself, Disk, Shape, open_locked};

/// Words of a request (its number, what, where, how much) and of an answer (its number, whether it failed,
/// how much).
const ASK: usize = 4;
const ANSWER: usize = 3;
/// Microseconds that a call takes at most.
const SLOW: u64 = 300;

pub(crate) struct Late {
    kernel: UnixStream,
    waiting: BTreeMap<u64, Transfer>,
    next: u64,
    heard: Vec<u8>,
    over: Vec<Over>,
}

impl Late {
    /// A disk whose I/O takes so many milliseconds more once its host is dead.
    #[expect(clippy::zombie_processes, reason = "it outlives this process, which is killed")]
    pub(crate) fn disk(path: &Path, access: Access, linger: u64) -> Result<Disk, Error> {
        let file = open_locked(path, access)?;
        let shape = Shape {
            block: PAGE as u32,
            discard_align: PAGE as u32,
            ..Shape::of(file.metadata().unwrap().len())
        };
        let (kernel, its) = UnixStream::pair().unwrap();
        // Who waits for this process's output to end waits for that of its I/O.
        let life = io::stdout().as_fd().try_clone_to_owned().unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg("kernel").arg(linger.to_string()).stdin(file).stdout(OwnedFd::from(its)).stderr(life);
        command.spawn().unwrap();
        let storage = Self { kernel, waiting: BTreeMap::new(), next: 0, heard: Vec::new(), over: Vec::new() };
        Disk::over_storage(storage, shape, ByItself::default())
    }

    fn ask(&mut self, transfer: &Transfer) -> io::Result<()> {
        let (what, offset, data) = match transfer.call {
            Call::Read { offset } => (0, offset, Vec::new()),
            Call::Write { offset } => (1, offset, transfer.bytes()),
            Call::Sync => (2, 0, Vec::new()),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let words: [u64; ASK] = [self.next, what, offset, transfer.len() as u64];
        self.kernel.write_all(&words.map(u64::to_le_bytes).concat())?;
        self.kernel.write_all(&data)
    }

    /// The next answer, if all of it is there.
    fn answer(&mut self) -> Option<Over> {
        let [number, failed, len] = words::<ANSWER>(self.heard.get(..ANSWER * 8)?);
        let transfer = self.waiting.get(&number)?;
        let is_read = matches!(transfer.call, Call::Read { .. });
        let data = if is_read { len as usize } else { 0 };
        let bytes = self.heard.get(ANSWER * 8..)?.get(..data)?.to_vec();
        self.heard.drain(..ANSWER * 8 + data);
        let transfer = self.waiting.remove(&number)?;
        let result = match failed {
            0 if is_read => Ok(transfer.fill(&bytes)),
            0 => Ok(len),
            _ => Err(io::ErrorKind::Other.into()),
        };
        Some((transfer, result))
    }
}

fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}

impl Storage for Late {
    fn start(&mut self, transfer: Transfer) -> Option<Transfer> {
        match self.ask(&transfer) {
            Ok(()) => {
                self.waiting.insert(self.next, transfer);
                self.next += 1;
            }
            Err(error) => self.over.push((transfer, Err(error))),
        }
        None
    }

    fn push(&mut self) {}

    fn reap(&mut self, over: &mut Vec<Over>) {
        let mut bytes = [0; 4 * PAGE];
        while let Ok((count, _)) = recv(&self.kernel, &mut bytes, RecvFlags::DONTWAIT) {
            if count == 0 {
                break;
            }
            self.heard.extend_from_slice(&bytes[..count]);
        }
        while let Some(one) = self.answer() {
            over.push(one);
        }
        over.append(&mut take(&mut self.over));
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.kernel.as_fd()
    }
}

/// The process that plays the kernel. Its standard input is the disk, its standard output the host.
pub(crate) fn run(linger: u64) -> ! {
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut host = UnixStream::from(io::stdout().as_fd().try_clone_to_owned().unwrap());
    let mut from = host.try_clone().unwrap();
    let is_dead = Arc::new(AtomicBool::new(false));
    let (dead, (asks, asked)) = (Arc::clone(&is_dead), channel());
    thread::spawn(move || {
        while let Some(ask) = hear(&mut from) {
            asks.send(ask).unwrap();
        }
        dead.store(true, Ordering::SeqCst);
    });
    let (mut random, mut lingers) = (Random(linger), true);
    for ([number, what, offset, len], data) in asked {
        sleep(Duration::from_micros(random.below(SLOW)));
        if is_dead.load(Ordering::SeqCst) && std::mem::take(&mut lingers) {
            sleep(Duration::from_millis(linger));
        }
        let mut bytes = Vec::new();
        let result = match what {
            0 => {
                bytes.resize(len as usize, 0);
                file.read_exact_at(&mut bytes, offset)
            }
            1 => file.write_all_at(&data, offset),
            _ => file.sync_data(),
        };
        let words: [u64; ANSWER] = [number, u64::from(result.is_err()), len];
        // A host that is dead does not hear it.
        let _ = host.write_all(&words.map(u64::to_le_bytes).concat()).and_then(|()| host.write_all(&bytes));
    }
    exit(0)
}

/// The next request, with its bytes if it is a write.
fn hear(host: &mut UnixStream) -> Option<([u64; ASK], Vec<u8>)> {
    let mut bytes = [0; ASK * 8];
    host.read_exact(&mut bytes).ok()?;
    let ask = words::<ASK>(&bytes);
    let mut data = vec![0; if ask[1] == 1 { ask[3] as usize } else { 0 }];
    host.read_exact(&mut data).ok()?;
    Some((ask, data))
}
