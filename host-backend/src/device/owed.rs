// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a data ring owes, kept by its end for its own thread.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use tenon_rings::stream::Bell;

/// Whether a data ring owes its guest a wake-up (STR-11): the bell of the rings in here. Whoever has the end
/// asks after each batch ([`super::End::owed`]), and then rings the queue's port.
#[derive(Clone, Debug, Default)]
pub struct Owed(Arc<AtomicBool>);

impl Owed {
    /// Whether a wake-up is owed since the last call.
    #[must_use]
    pub fn take(&self) -> bool {
        // Only the end's own thread sets it.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

impl Bell for Owed {
    fn ring(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
