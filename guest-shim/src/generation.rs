// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generations, and suspension with the kernel's consent ([LIFE-5] to [LIFE-10]).
//!
//! A kernel that finds another id than the one that it has seen may have a copy that goes on from the same
//! state. It draws new keys, nonces and seeds, and then says so, with the id that it found before it began:
//!
//! ```
//! use tenon_guest::Error;
//! use tenon_guest::generation::{Generations, Id};
//!
//! fn look(generations: &Generations<'_>, seen: &mut Id, reseed: impl Fn()) -> Result<(), Error> {
//!     let now = generations.id()?;
//!     if now != *seen {
//!         reseed();
//!         // Refused with BAD_STATE if it was restored once more meanwhile: look again.
//!         generations.repaired(now)?;
//!         *seen = now;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [LIFE-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
//! [LIFE-10]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle

use crate::calls::Calls;
use crate::error::Error;
use crate::page::HostPage;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::{Op, Submission};
use tenon_rings::page::Reader;
use tenon_rings::{Mapping, planted};

/// Words from one copy of the page to the other.
const STRIDE: usize = 8;
/// Looks at a page that changes: a host changes it at a restore, when no vCPU runs.
const LOOKS: u32 = 64;

/// The id of a generation: its low 64 bits, then its high 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub [u64; 2]);

/// The generation of the domain, by its page.
#[derive(Clone, Copy)]
pub struct Generations<'v> {
    calls: &'v dyn Calls,
    reader: Reader<Mapping, 2>,
}

impl<'v> Generations<'v> {
    /// By the page [`tenon_abi::PageKind::GENERATION`], as [`crate::Session::page`] answers it.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if the page is too short for its copies.
    pub fn new(calls: &'v dyn Calls, page: &HostPage) -> Result<Self, Error> {
        Ok(Self { calls, reader: page.reader(STRIDE)? })
    }

    /// The id now: a few loads, no call.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] if the page changed at each of a bounded number of looks.
    pub fn id(&self) -> Result<Id, Error> {
        Ok(Id(self.reader.read(LOOKS, |copy| *copy)?))
    }

    /// Says that nothing is used any more that a copy of this guest may have too. `id` is the one that was
    /// found before that was begun: after another restore meanwhile the host refuses it ([LIFE-7]).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: BAD_STATE if the generation is another one.
    ///
    /// [LIFE-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    pub fn repaired(&self, id: Id) -> Result<(), Error> {
        let Id([low, high]) = if planted!("repaired-with-a-later-id") { self.id()? } else { id };
        let done = self.calls.call_with(Submission::new(Op::REPAIRED, [low, high, 0, 0, 0, 0]));
        if planted!("repair-refused-unheard") {
            return Ok(());
        }
        done.map(|_| ())
    }
}

impl fmt::Debug for Generations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generations").finish_non_exhaustive()
    }
}

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// Suspension with the kernel's consent.
    #[must_use]
    pub const fn suspension(&self) -> Suspension<'_> {
        Suspension::over(self)
    }
}

/// Suspension with the kernel's consent.
#[derive(Clone, Copy)]
pub struct Suspension<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Suspension<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Has a port raised when the host asks the kernel to get ready ([LIFE-9]).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: NOT_FOUND if the port is not bound.
    ///
    /// [LIFE-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    pub fn watch(&self, port: u32) -> Result<(), Error> {
        self.calls.call_with(Submission::new(Op::SUSPEND_WATCH, [port.into(), 0, 0, 0, 0, 0])).map(|_| ())
    }

    /// Says that the kernel may be suspended from now on ([LIFE-10]).
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]: BAD_STATE if the host does not ask, or does not ask any more.
    ///
    /// [LIFE-10]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#lifecycle
    pub fn ready(&self) -> Result<(), Error> {
        self.calls.call_with(Submission::new(Op::SUSPEND_READY, [0; 6])).map(|_| ())
    }
}

impl fmt::Debug for Suspension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspension").finish_non_exhaustive()
    }
}
