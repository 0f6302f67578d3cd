// SPDX-License-Identifier: MIT OR Apache-2.0
//! One port, as the host sees it.

use serde::{Deserialize, Serialize};

/// What a port is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// An event ring.
    Ring { vcpu: u32, class: u32 },
    /// An interrupt of its own (EVT-22).
    Direct { vcpu: u32, vector: u32 },
}

/// A port: unbound, or bound with the position of its last entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(crate) target: Option<Target>,
    pub(crate) last: Option<u64>,
}
