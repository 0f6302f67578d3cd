// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the frames of an interface go, and where they come from.

use std::os::fd::BorrowedFd;

/// The other side is gone for ever: the link is down from now on. Why, in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone(pub String);

/// A way out for frames. One thread uses it, and no call blocks.
pub trait Port: Send {
    /// Becomes readable when frames may be there, and writable when there may be room again.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Sends a frame that the guest sent, whole. `false`: there is no room now.
    ///
    /// # Errors
    /// [`Gone`].
    fn send(&mut self, frame: &[u8]) -> Result<bool, Gone>;

    /// Puts the next frame for the guest into `frame`, which has room for the longest; its length. `None`:
    /// none is there. One that is too long, or no frame, is left out.
    ///
    /// # Errors
    /// [`Gone`].
    fn receive(&mut self, frame: &mut [u8]) -> Result<Option<usize>, Gone>;

    /// Sends what is still kept of frames that were taken; called at the end of each batch.
    ///
    /// # Errors
    /// [`Gone`].
    fn flush(&mut self) -> Result<(), Gone> {
        Ok(())
    }

    /// Whether the other side waits while the guest has no room, so that no frame has to be dropped (NET-8).
    fn waits(&self) -> bool {
        false
    }
}
