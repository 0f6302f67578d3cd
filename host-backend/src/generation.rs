// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generation of a domain: what its guest is told after a restore (LIFE-5 to LIFE-8).

use crate::services::Services;
use serde::{Deserialize, Serialize};
use tenon_rings::planted;

/// The life of a domain from one restore to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    id: [u64; 2],
    repaired: bool,
}

impl Generation {
    /// One with a new id, unlike any other; `None` where the source has no bits. The first of a domain is
    /// repaired from the start (LIFE-8).
    pub(crate) fn draw(services: &mut Services, is_first: bool) -> Option<Self> {
        let mut bytes = [[0; 8]; 2];
        let source = services.generation.as_mut()?;
        source(bytes.as_flattened_mut()).then_some(())?;
        Some(Self { id: bytes.map(u64::from_le_bytes), repaired: is_first || planted!("clone-repaired") })
    }

    /// The id: its low 64 bits, then its high 64 bits.
    #[must_use]
    pub const fn id(&self) -> [u64; 2] {
        self.id
    }

    /// Whether the guest uses nothing any more that a copy of it may have too. Until then, whoever has a
    /// network or other domains behind this one holds back what leaves it (LIFE-8).
    #[must_use]
    pub const fn is_repaired(&self) -> bool {
        self.repaired
    }

    /// The guest has repaired the generation with this id; `false` if that is not this one (LIFE-7).
    pub(crate) fn repair(&mut self, id: [u64; 2]) -> bool {
        let is_this = id == self.id || planted!("repaired-with-any-id");
        self.repaired |= is_this && !planted!("repaired-forgotten");
        is_this
    }
}
