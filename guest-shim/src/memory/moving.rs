// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages on their way to another use: given, taken, shared, or kept from the host again ([MEM-6] to
//! [MEM-13]).
//!
//! [MEM-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#memory
//! [MEM-13]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#closed-domains

use super::Pages;
use crate::call::Request;
use crate::calls::Calls;
use crate::error::Error;
use core::fmt;
use core::marker::PhantomData;
use tenon_abi::{Granule, Op, Status, Submission};
use tenon_rings::planted;

/// Pages in one use: a type of this keeps a kernel from another use of them.
pub trait Hold: Sized + sealed::Sealed {
    /// The pages in this use.
    fn of(pages: Pages) -> Self;
    /// The pages.
    fn into_pages(self) -> Pages;
}

pub(super) mod sealed {
    /// Only the uses of this crate.
    pub trait Sealed {}
}

impl sealed::Sealed for Pages {}

impl Hold for Pages {
    fn of(pages: Pages) -> Self {
        pages
    }

    fn into_pages(self) -> Pages {
        self
    }
}

/// What becomes of pages whose request did not succeed.
#[derive(Debug)]
pub enum Fate<M, F> {
    /// The request is still in flight, and the pages with it.
    Pending(M),
    /// They are what they were.
    Back(F),
    /// Nobody knows what they are: the host said that it did what cannot be.
    Lost,
}

/// What has come to its new use, and the rest.
pub type Parts<T, F> = (T, Option<F>);

/// A request that has pages from one use to another. Dropped, they are gone for good: the host may still do
/// it ([CALL-17]).
///
/// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
#[must_use = "a request that is dropped takes its pages with it"]
pub struct Moving<'v, F, T> {
    request: Request<'v>,
    pages: Pages,
    uses: PhantomData<fn(F) -> T>,
}

impl<'v, F: Hold, T: Hold> Moving<'v, F, T> {
    pub(super) fn begin(calls: &'v dyn Calls, op: Op, from: F, rights: u64) -> Result<Self, (Error, F)> {
        let pages = from.into_pages();
        let len = u64::try_from(pages.mapping().byte_len()).unwrap_or(0);
        match Request::new(calls, Submission::new(op, [pages.address(), len, rights, 0, 0, 0])) {
            Ok(request) => Ok(Self { request, pages, uses: PhantomData }),
            Err(error) => Err((error, F::of(pages))),
        }
    }

    /// Waits as long as the platform's patience lasts. The result is the front that has come to its new use,
    /// and the rest, which is for another request: a host does no more in one call than it likes.
    ///
    /// # Errors
    ///
    /// Why not, and what became of the pages. NO_CAPACITY: the host cannot do it now.
    #[allow(clippy::result_large_err, reason = "the request comes back, and there is no allocator to box it")]
    pub fn wait(mut self) -> Result<Parts<T, F>, (Error, Fate<Self, F>)> {
        match self.request.wait() {
            Ok(done) => match self.cut(done) {
                Some(parts) => Ok(parts),
                None => Err((Error::Refused(Status::INDETERMINATE), Fate::Lost)),
            },
            Err(error @ Error::Refused(_)) => Err((error, Fate::Back(F::of(self.pages)))),
            Err(error) if planted!("pages-used-while-given") => Err((error, Fate::Back(F::of(self.pages)))),
            Err(error) => Err((error, Fate::Pending(self))),
        }
    }

    /// The first `done` bytes, and the rest. `None` for a number that cannot be.
    fn cut(mut self, done: u64) -> Option<Parts<T, F>> {
        let len = u64::try_from(self.pages.mapping().byte_len()).ok()?;
        if done == 0 || done > len || done & Granule::K4.size().wrapping_sub(1) != 0 {
            return None;
        }
        if done == len || planted!("rest-counts-as-done") {
            return Some((T::of(self.pages), None));
        }
        let front = self.pages.split_exactly(done, Granule::K4).ok()?;
        Some((T::of(front), Some(F::of(self.pages))))
    }
}

impl<F, T> fmt::Debug for Moving<'_, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moving").field("request", &self.request).field("pages", &self.pages).finish()
    }
}
