// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event ring: entries one way; `taken`, armed positions and mask hints the other (EVT-7 to EVT-15).

mod gate;
mod raiser;
mod ring;
mod taker;

pub use gate::{Count, Gate, run_alone};
pub use raiser::{Raised, Raiser, RaiserState};
pub use ring::Ring;
pub use taker::Taker;

use tenon_abi::vcpu::guest;

/// Words of the guest-written area that an event ring uses.
const GUEST_WORDS: usize = word(guest::EMERGENCY);

/// Index of the word at a byte offset of the guest-written area.
const fn word(offset: u64) -> usize {
    #[allow(clippy::as_conversions, reason = "constant offsets below 512")]
    let index = (offset / 8) as usize;
    index
}

/// The words that belong to one class.
#[derive(Clone, Copy, Debug)]
struct Places {
    taken: usize,
    armed: usize,
}

impl Places {
    const fn of(class: u32) -> Self {
        if class == 0 {
            Self { taken: word(guest::TAKEN0), armed: word(guest::ARMED0) }
        } else {
            Self { taken: word(guest::TAKEN1), armed: word(guest::ARMED1) }
        }
    }
}

/// Index of the entry of a position.
#[inline(always)]
fn slot(position: u32, size: u32) -> usize {
    // A masked position is below 65,536, which every `usize` of a supported target holds.
    usize::try_from(position & size.wrapping_sub(1)).unwrap_or(0)
}

/// Word and bit of a port's mask hint; `None` for ports that have none (EVT-15).
#[inline(always)]
fn hint(port: u32) -> Option<(usize, u64)> {
    if port >= tenon_abi::event::HINTED_PORTS {
        return None;
    }
    let index = usize::try_from(port >> 6).ok()?;
    Some((word(guest::MASK_HINTS).wrapping_add(index), 1u64.wrapping_shl(port & 63)))
}
