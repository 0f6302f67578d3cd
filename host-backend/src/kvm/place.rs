// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where devices are.

/// Where a device's register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A port.
    Port(u16),
    /// A guest address.
    Memory(u64),
}
