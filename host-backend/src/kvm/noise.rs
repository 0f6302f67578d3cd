// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that a guest can cause as often as it likes: few are logged, all are counted.

use std::time::{Duration, Instant};
use std::vec::Vec;

use super::Error;
use crate::quiet::Quiet;

/// After this time the first messages are logged again.
const PERIOD: Duration = Duration::from_secs(60);

/// One message, which waits until no lock is held: whoever listens may call a handle.
pub(super) enum Message {
    Crash { vcpu: u32, code: u64 },
    Route(Error),
}

/// The messages of one guest, of each kind.
pub(super) struct Noise {
    crash: Quiet,
    route: Quiet,
    since: Instant,
    waiting: Vec<(Message, u64)>,
}

impl Default for Noise {
    fn default() -> Self {
        Self { crash: Quiet::default(), route: Quiet::default(), since: Instant::now(), waiting: Vec::new() }
    }
}

impl Noise {
    /// Keeps a message to be logged, or counts it.
    pub(super) fn note(&mut self, message: Message) {
        if self.since.elapsed() >= PERIOD {
            self.since = Instant::now();
            self.crash.renew();
            self.route.renew();
        }
        let kind = match message {
            Message::Crash { .. } => &mut self.crash,
            Message::Route(_) => &mut self.route,
        };
        let admitted = match tenon_rings::planted!("every-crash-logged") {
            false => kind.admit(),
            true => Some(0),
        };
        if let Some(left_out) = admitted {
            self.waiting.push((message, left_out));
        }
    }

    /// What is to be logged once no lock is held.
    pub(super) fn take(&mut self) -> Vec<(Message, u64)> {
        std::mem::take(&mut self.waiting)
    }

    /// At the end of a run: what was left out since the last line.
    pub(super) const fn left_out(&self) -> u64 {
        self.crash.left_out().saturating_add(self.route.left_out())
    }
}

/// Logs them, with how many of the same kind were left out before each.
pub(super) fn log(messages: Vec<(Message, u64)>) {
    for (message, left_out) in messages {
        match message {
            Message::Crash { vcpu, code } => tracing::warn!(vcpu, code, left_out, "crash record"),
            Message::Route(why) => tracing::warn!(%why, left_out, "an interrupt cannot be routed"),
        }
    }
}
