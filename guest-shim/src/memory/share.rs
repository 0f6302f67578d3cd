// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the guest of a closed domain shares with its host ([MEM-10] to [MEM-15]).
//!
//! A buffer that is in flight is not [`Shared`]: so no share ends under a request.
//!
//! [MEM-10]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#closed-domains
//! [MEM-15]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#closed-domains

use super::moving::{Hold, Moving, sealed};
use super::{Buffer, Pages};
use crate::calls::Calls;
use crate::error::Error;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::{Op, Rights};
use tenon_rings::planted;

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// What a closed domain shares.
    #[must_use]
    pub const fn sharing(&self) -> Sharing<'_> {
        Sharing::over(self)
    }
}

/// What a closed domain shares.
#[derive(Clone, Copy)]
pub struct Sharing<'v> {
    calls: &'v dyn Calls,
}

/// A buffer that the host may reach.
#[derive(Debug)]
pub struct Shared(Buffer);

impl sealed::Sealed for Shared {}

impl Hold for Shared {
    fn of(pages: Pages) -> Self {
        Self(Buffer::new(pages))
    }

    fn into_pages(self) -> Pages {
        self.0.pages
    }
}

/// The share of a buffer that was lent to a request.
#[derive(Debug)]
#[must_use = "without it the share cannot be ended"]
pub struct Lent {
    address: u64,
    len: usize,
}

impl Shared {
    /// The buffer, for requests that end before they come back.
    #[must_use]
    pub const fn buffer(&self) -> &Buffer {
        &self.0
    }

    /// The buffer, for a request that it belongs to until that is over. While it is away, the share cannot
    /// be ended.
    pub const fn lend(self) -> (Buffer, Lent) {
        let lent = Lent { address: self.0.address(), len: self.0.len() };
        (self.0, lent)
    }

    /// The buffer that was lent has come back.
    ///
    /// # Errors
    ///
    /// Both, if the buffer is another one.
    pub fn back(buffer: Buffer, lent: Lent) -> Result<Self, (Buffer, Lent)> {
        let same = (buffer.address(), buffer.len()) == (lent.address, lent.len);
        if same || planted!("share-ends-in-flight") { Ok(Self(buffer)) } else { Err((buffer, lent)) }
    }

    /// The pages, once the session in which they were shared is over ([MEM-14]).
    ///
    /// # Safety
    ///
    /// That session is over.
    ///
    /// [MEM-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#closed-domains
    #[must_use]
    pub unsafe fn after_its_session(self) -> Pages {
        self.0.pages
    }
}

impl<'v> Sharing<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Shares pages, in whole granules of the session ([MEM-12]).
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::Busy`], [`Error::Corrupt`], with the pages.
    ///
    /// [MEM-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#closed-domains
    pub fn share(&self, pages: Pages, rights: Rights) -> Result<Moving<'v, Pages, Shared>, (Error, Pages)> {
        Moving::begin(self.calls, Op::SHARE, pages, rights.bits())
    }

    /// Keeps the host from pages again ([MEM-13]).
    ///
    /// # Errors
    ///
    /// As [`Self::share`].
    ///
    /// [MEM-13]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#closed-domains
    pub fn unshare(&self, shared: Shared) -> Result<Moving<'v, Shared, Pages>, (Error, Shared)> {
        Moving::begin(self.calls, Op::UNSHARE, shared, 0)
    }
}

impl fmt::Debug for Sharing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing").finish_non_exhaustive()
    }
}
