// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a role wakes the other side.

/// Wakes the other side of a ring.
///
/// A role rings it when the other side has asked for that (STR-11), from inside whichever method published. `()` is for sides that never sleep;
/// a closure is a bell too.
pub trait Bell {
    /// The other side is to look.
    fn ring(&mut self);
}

/// Nobody sleeps.
impl Bell for () {
    #[inline(always)]
    fn ring(&mut self) {}
}

impl<F: FnMut()> Bell for F {
    #[inline]
    fn ring(&mut self) {
        self();
    }
}
