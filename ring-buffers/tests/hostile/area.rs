// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words of a guest-written area that an event ring uses. Its entries lie behind it here.

use std::ops::Range;
use tenon_abi::vcpu::guest;

/// Words of the area.
pub(crate) const AREA: usize = at(guest::EMERGENCY);
/// Ports of the domain.
pub(crate) const MAX_PORTS: u32 = 4;

const fn at(offset: u64) -> usize {
    (offset / 8) as usize
}

/// The word that says how far a class was taken.
pub(crate) const fn taken(class: u32) -> usize {
    if class == 0 { at(guest::TAKEN0) } else { at(guest::TAKEN1) }
}

/// The armed position of a class.
pub(crate) const fn armed(class: u32) -> usize {
    if class == 0 { at(guest::ARMED0) } else { at(guest::ARMED1) }
}

/// The mask hints.
pub(crate) const fn hints() -> Range<usize> {
    at(guest::MASK_HINTS)..at(guest::MASK_HINTS) + 16
}
