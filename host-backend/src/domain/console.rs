// SPDX-License-Identifier: MIT OR Apache-2.0
//! The embedder's end of the console.

use crate::domain::Domain;
use crate::memory::Memory;
use alloc::vec::Vec;

impl<M: Memory> Domain<M> {
    /// Output since the last call, in order. At most 64 KiB wait; what has no room the guest keeps (CON-2).
    pub fn take_output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.families.console.output)
    }

    /// Gives the guest console input; the result is the number of bytes taken, from the front.
    pub fn input(&mut self, bytes: &[u8]) -> usize {
        let taken = self.families.console.take_input(&mut self.base, bytes);
        self.write_finished();
        taken
    }
}
