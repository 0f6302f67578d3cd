// SPDX-License-Identifier: MIT OR Apache-2.0
//! One machine per disk (BLK-11).
//!
//! The lock is `flock`'s. It belongs to the *open file description* by which all I/O of the disk goes. The
//! kernel holds that description for each request that it has under way, in io_uring too. So a process that
//! was killed holds the lock until the last of its requests has landed or is given up, and a successor, which
//! waits for the lock before it shows a session, never has one of them land behind its own.
//!
//! For the same reason the description is never duplicated for another use, and nobody unlocks it: it ends
//! with its last holder. (A witness has a description of its own, no I/O, and unlocks it.)

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks at a lock that somebody else holds.
const LOOK: Duration = Duration::from_millis(5);

/// Locks the open file description of `file`: alone, or with others that only read. `false`: somebody else
/// has it, and has had it for all of `patience`.
pub(crate) fn lock(file: &File, exclusive: bool, patience: Duration) -> io::Result<bool> {
    if tenon_rings::planted!("disk-not-locked") {
        return Ok(true);
    }
    let how = if exclusive {
        FlockOperation::NonBlockingLockExclusive
    } else {
        FlockOperation::NonBlockingLockShared
    };
    let until = Instant::now().checked_add(patience);
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => {
                if until.is_some_and(|until| Instant::now() >= until) {
                    return Ok(false);
                }
                sleep(LOOK);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
