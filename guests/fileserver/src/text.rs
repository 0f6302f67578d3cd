// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text on its way to a client.

use core::fmt;

/// A buffer that is filled by formatting and emptied from its front. What does not fit is refused.
pub(crate) struct Text<'b> {
    bytes: &'b mut [u8],
    sent: usize,
    len: usize,
}

impl<'b> Text<'b> {
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, sent: 0, len: 0 }
    }

    pub(crate) fn clear(&mut self) {
        (self.sent, self.len) = (0, 0);
    }

    /// What was not sent yet.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..self.len).unwrap_or_default()
    }

    /// The first `count` bytes of the rest were sent.
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.len);
        if self.sent == self.len {
            self.clear();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Forgets what was written behind this length.
    pub(crate) fn cut(&mut self, len: usize) {
        self.len = len.clamp(self.sent, self.len);
    }

    /// Writes over what is there, at `at`.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let place = self.bytes.get_mut(self.len..).and_then(|rest| rest.get_mut(..text.len()));
        place.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}
