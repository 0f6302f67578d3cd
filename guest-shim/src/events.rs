// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rings and masks of a vCPU ([EVT-8], [EVT-14] to [EVT-16]).
//!
//! [EVT-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
//! [EVT-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
//! [EVT-16]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events

use crate::error::Error;
use tenon_abi::event::HINTED_PORTS;
use tenon_abi::vcpu::Sizes;
use tenon_rings::event::Ring;
use tenon_rings::{Mapping, Taker, Words};

/// Events taken under one guard.
pub(crate) const BATCH: usize = 32;
/// Words of the private masks.
const MASK_WORDS: usize = 16;

/// The event side of a vCPU.
#[derive(Debug)]
pub(crate) struct Events {
    /// Urgent first, as they are looked at ([EVT-16]).
    ///
    /// [EVT-16]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub(crate) rings: [Taker<Mapping>; 2],
    pub(crate) masked: [u64; MASK_WORDS],
    /// Taken while masked: handled after unmasking ([EVT-14]).
    ///
    /// [EVT-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub(crate) remembered: [u64; MASK_WORDS],
}

impl Events {
    pub(crate) fn new(
        guest: Mapping,
        host: Mapping,
        sizes: Sizes,
        seed: u32,
        max_ports: u32,
    ) -> Result<Self, Error> {
        let ring = |class: u32, size: u32| {
            let first = usize::try_from(sizes.ring_offset(class) / 8).map_err(|_| Error::BadMemory)?;
            let len = usize::try_from(size).map_err(|_| Error::BadMemory)?;
            let entries = host.slice(first, len).ok_or(Error::BadMemory)?;
            Ring::new(guest, entries, class, seed, size).map_err(Error::from)
        };
        let [ordinary, urgent] = sizes.events;
        let (mut urgent, mut ordinary) = (ring(1, urgent)?, ring(0, ordinary)?);
        Ok(Self {
            rings: [urgent.taker(max_ports)?, ordinary.taker(max_ports)?],
            masked: [0; MASK_WORDS],
            remembered: [0; MASK_WORDS],
        })
    }

    /// Takes one batch: ports to handle now. What is masked is remembered. A ring that is corrupt is told
    /// when the other one has nothing: that one goes on ([EVT-20]).
    ///
    /// [EVT-20]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub(crate) fn take(&mut self, out: &mut [u32; BATCH]) -> Result<usize, Error> {
        let mut kept = 0usize;
        let mut broken = None;
        let mut ports = [0; BATCH];
        for ring in &mut self.rings {
            let Some(room) = ports.get_mut(..BATCH.saturating_sub(kept)) else { break };
            let count = ring.take(room).unwrap_or_else(|error| {
                broken = Some(Error::from(error));
                0
            });
            for &port in room.get(..count).unwrap_or_default() {
                match place(port) {
                    Some((word, bit)) if get(&self.masked, word) & bit != 0 => {
                        set(&mut self.remembered, word, bit)
                    }
                    _ => {
                        if let Some(to) = out.get_mut(kept) {
                            *to = port;
                            kept = kept.wrapping_add(1);
                        }
                    }
                }
            }
        }
        match broken {
            Some(error) if kept == 0 => Err(error),
            _ => Ok(kept),
        }
    }
}

/// Word and bit of a port in the private masks.
pub(crate) fn place(port: u32) -> Option<(usize, u64)> {
    if port >= HINTED_PORTS {
        return None;
    }
    Some((usize::try_from(port >> 6).ok()?, 1u64.wrapping_shl(port & 63)))
}

pub(crate) fn get(words: &[u64; MASK_WORDS], word: usize) -> u64 {
    words.get(word).copied().unwrap_or(0)
}

pub(crate) fn set(words: &mut [u64; MASK_WORDS], word: usize, bit: u64) {
    if let Some(word) = words.get_mut(word) {
        *word |= bit;
    }
}

pub(crate) fn clear(words: &mut [u64; MASK_WORDS], word: usize, bit: u64) {
    if let Some(word) = words.get_mut(word) {
        *word &= !bit;
    }
}
