// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host: a process that serves one disk until it is killed. Its standard input is the doorbell.

use crate::late::Late;
use crate::shared::{DEPTH, HOST, LEN, Shared};
use crate::volatile::Volatile;
use std::fs::OpenOptions;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tenon_abi::{DeviceKind, QueueState};
use tenon_devices::block::{Access, Disk, KeptInFile, Method};
use tenon_host::device::{Arena, Backend, Bell, End, Home, Opened, Owed, QueueName, Ring};
use tenon_rings::call::Queue;
use tenon_rings::{Site, Words};

/// The disk, by the name of its back end. With `late` stands how long its I/O outlives its host.
pub(crate) fn disk(how: &str, path: &Path) -> Disk {
    // Who follows one that died waits for its I/O before a guest sees the next session (BLK-11).
    let access = Access { patience: Duration::from_secs(60), ..Access::default() };
    let disk = match how.split_once('=').unwrap_or((how, "")) {
        ("uring", _) => Disk::raw(path, access, Method::Uring),
        ("threads", _) => Disk::raw(path, access, Method::Threads),
        ("volatile", _) => Volatile::disk(path, access, None),
        ("failing", _) => {
            let latch = Arc::new(KeptInFile::new(path.with_extension("latch")));
            let disk = Volatile::disk(path, access, Some(path.with_extension("has-failed")));
            disk.map(|disk| disk.with_latch(latch))
        }
        ("late", linger) => Late::disk(path, access, linger.parse().unwrap()),
        _ => panic!("no such disk: {how}"),
    };
    disk.unwrap()
}

/// Serves. The arguments: how, the memory, the disk, the session's seed.
pub(crate) fn run(how: &str, memory: &Path, path: &Path, seed: u32) -> ! {
    let file = OpenOptions::new().read(true).write(true).open(memory).unwrap();
    let shared = Shared::map(&file);
    let (_, mut queues, _control) = disk(how, path).start().unwrap();
    let mut queue = Queue::new(shared.parts(), seed, DEPTH as u32).unwrap();
    let arena = Arena::of(&shared, 0, LEN as u64, Arc::new(())).unwrap();
    let ring = (Ring::Requests(queue.completer().unwrap()), Owed::default());
    let state = shared.words(HOST, 8);
    let end = End::detached(QueueName { device: 0, index: 0 }, DeviceKind::BLOCK, arena, ring, state);
    queues.opened(Opened {
        end,
        kick: Arc::new(std::io::stdin().as_fd().try_clone_to_owned().unwrap()),
        bell: Bell::new(|| ()),
        home: Home::new(|_| ()),
    });
    state.store(0, QueueState::RUNNING.0.into(), Site::Status);
    loop {
        std::thread::park();
    }
}
