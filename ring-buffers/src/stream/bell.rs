// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a role wakes the other side.

/// Wakes the other side of a ring.
///
/// A role rings it when the other side has asked for that (STR-11), from inside whichever method published.
/// `()` is for two sides that never sleep; a closure is a bell too. What is stored before the bell is rung
/// has to be visible to who is woken by it, and a bell that comes while nobody sleeps wakes who goes to sleep
/// next.
pub trait Bell {
    /// Whether the other side never sleeps: then nobody looks whether it does.
    const QUIET: bool = false;

    /// The other side is to look.
    fn ring(&mut self);
}

/// Nobody sleeps.
impl Bell for () {
    const QUIET: bool = true;

    #[inline(always)]
    fn ring(&mut self) {}
}

impl<F: FnMut()> Bell for F {
    #[inline]
    fn ring(&mut self) {
        self();
    }
}
