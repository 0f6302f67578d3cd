// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a kernel provides.
#![allow(unsafe_code, reason = "the trait is unsafe because the shim's memory safety rests on its duties")]

use crate::conduit::Conduit;

/// What a kernel provides to the shim.
///
/// # Safety
///
/// The implementer promises:
///
/// - between [`Self::enter`] and the matching [`Self::leave`] no upcall and no other interrupt whose handler
///   uses Tenon runs on this CPU, and the running code does not migrate to another CPU. Pairs nest.
///   Non-maskable interrupts may still come: the shim answers them with [`crate::Error::Busy`], and the
///   emergency lane is theirs;
/// - [`Self::conduit`] rings the doorbell of the host that wrote the record, with the store ordering that the
///   spec's table asks for;
/// - memory handed to [`crate::Pages::new`] is the memory at that region-0 offset.
///
/// Whatever the methods return or do, the shim stays within the pages that it was given.
pub unsafe trait Platform {
    /// How the host is reached.
    type Conduit: Conduit;

    /// The doorbells.
    fn conduit(&self) -> &Self::Conduit;

    /// Keeps upcalls and migration away; the result is handed to [`Self::leave`].
    fn enter(&self) -> usize;

    /// Undoes one [`Self::enter`].
    fn leave(&self, token: usize);

    /// Called between two looks at memory while waiting.
    fn relax(&self) {
        core::hint::spin_loop();
    }

    /// How often a waiter looks before it gets [`crate::Error::Pending`].
    fn patience(&self) -> u32 {
        10_000_000
    }
}
