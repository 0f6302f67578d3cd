// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the session of a device goes on, and the port that tells of it.

use tenon_abi::device::NO_PORT;
use tenon_abi::discovery::Session as WireSession;
use tenon_rings::{Mapping, Site, Words, planted};

/// The record's session word, and what it was when something was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) word: Mapping,
    pub(crate) session: WireSession,
}

impl Life {
    /// Whether that session has ended: the host touches nothing of it any more ([SES-7]).
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    pub(crate) fn is_over(&self) -> bool {
        WireSession::from_word(self.word.load(0, Site::ControlTake)) != self.session
    }
}

/// A port argument that may be none ([DEV-7]).
///
/// [DEV-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
pub(super) fn port_or_none(port: Option<u32>) -> u64 {
    match port {
        Some(_) if planted!("queue-port-dropped") => NO_PORT,
        Some(port) => u64::from(port),
        None => NO_PORT,
    }
}
