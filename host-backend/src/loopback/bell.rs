// SPDX-License-Identifier: MIT OR Apache-2.0
//! What guests rang and the serving thread has not looked at.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Frames that wait, at most: a guest that hands over more waits itself.
const FRAMES_MAX: usize = 64;

/// Doorbells without a value: any number of kicks are one (DISC-7). Frames carry a value, so each is kept
/// (DISC-8).
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<Rung>,
    changed: Condvar,
}

/// What was rung.
#[derive(Default)]
pub(super) struct Rung {
    pub(super) kicked: bool,
    pub(super) frames: VecDeque<u32>,
    closed: bool,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, rung: MutexGuard<'a, Rung>) -> MutexGuard<'a, Rung> {
        self.changed.wait(rung).unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kick(&self) {
        self.lock().kicked = true;
        self.changed.notify_all();
    }

    pub(super) fn bind(&self, frame: u32) {
        let mut rung = self.lock();
        while rung.frames.len() >= FRAMES_MAX && !rung.closed {
            rung = self.wait(rung);
        }
        rung.frames.push_back(frame);
        drop(rung);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Everything that was rung since the last call; waits while that is nothing. `None` when it is closed.
    pub(super) fn answer(&self) -> Option<Rung> {
        let mut rung = self.lock();
        loop {
            if rung.closed {
                return None;
            }
            if rung.kicked || !rung.frames.is_empty() {
                let rung = std::mem::take(&mut *rung);
                self.changed.notify_all();
                return Some(rung);
            }
            rung = self.wait(rung);
        }
    }
}
