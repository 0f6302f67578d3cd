// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads of file data that run while other connections go on.

/// A read was not begun, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No room now: ask again.
    Busy,
    /// The disk does not have these bytes, or failed.
    Failed,
}

/// Each connection has a buffer of its own, by number, and at most one read at a time.
pub trait Transfers {
    /// Bytes of a buffer: no read is longer.
    fn size(&self) -> usize;

    /// Begins to read the disk's bytes from `offset` on into buffer `number`.
    ///
    /// # Errors
    /// [`Refused`].
    fn begin(&mut self, number: usize, offset: u64, len: usize) -> Result<(), Refused>;

    /// How the read of buffer `number` ended; `None` while it runs. Asked until there is an answer, also
    /// for a client that is gone: until then the buffer is the disk's.
    fn end(&mut self, number: usize) -> Option<Result<(), Refused>>;

    /// Copies from what the last read brought, from its byte `at` on.
    fn copy(&self, number: usize, at: usize, to: &mut [u8]);
}
