// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that the host writes for the guest to read ([PAGE-1] to [PAGE-7]).
//!
//! [PAGE-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#host-pages
//! [PAGE-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#host-pages

use crate::calls::Calls;
use crate::error::Error;
use crate::memory::Pages;
use crate::platform::Platform;
use crate::session::Session;
use core::mem::offset_of;
use tenon_abi::discovery::Session as WireSession;
use tenon_abi::page::COPIES;
use tenon_abi::{Features, Op, PageKind, Record, Submission};
use tenon_rings::page::Reader;
use tenon_rings::{Mapping, Site, Words, planted};

impl<P: Platform> Session<'_, P> {
    /// Asks where a page lies. Without WINDOW the guest donates it: one granule off the front of `pages`,
    /// from the next boundary of the granule on; a host that refuses leaves it there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], with NOT_FOUND if the host has no such page; [`Error::BadMemory`] if it does not
    /// lie in the window that the kernel mapped, or the pages are too few; as [`crate::Vcpu::call`].
    pub fn page(&self, calls: &dyn Calls, kind: PageKind, pages: &mut Pages) -> Result<HostPage, Error> {
        let ask = |address| calls.call_with(Submission::new(Op::PAGE, [kind.0.into(), address, 0, 0, 0, 0]));
        let session = WireSession { number: self.number(), seed: self.seed() };
        let word = self.found().window().slice(offset_of!(Record, session) / 8, 1);
        let session = (word.ok_or(Error::NotPresent)?, session);
        if self.features().contains(Features::WINDOW) {
            // The host's number, checked against the window that the kernel mapped.
            let words = |bytes: u64| usize::try_from(bytes / 8).map_err(|_| Error::BadMemory);
            let (offset, len) = (ask(0)?, self.granule().size());
            if offset & len.wrapping_sub(1) != 0 && !planted!("page-anywhere") {
                return Err(Error::BadMemory);
            }
            let words = self.found().window().slice(words(offset)?, words(len)?).ok_or(Error::BadMemory)?;
            return Ok(HostPage { words, donated: None, session });
        }
        let donated = pages.split(self.granule().size(), self.granule())?;
        match ask(donated.address()) {
            Ok(_) => Ok(HostPage { words: donated.mapping(), donated: Some(donated), session }),
            Err(error) => {
                // Only who refused will never write there.
                if let Error::Refused(_) = error {
                    pages.put_back(&donated);
                }
                Err(error)
            }
        }
    }
}

/// A page that the host writes, for as long as the session goes on.
#[derive(Debug)]
pub struct HostPage {
    words: Mapping,
    donated: Option<Pages>,
    /// The record's session word, and what it was when the host was asked.
    session: (Mapping, WireSession),
}

impl HostPage {
    /// The page's words: a kernel may map them read-only to its user mode ([PAGE-1]).
    ///
    /// [PAGE-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#host-pages
    #[must_use]
    pub const fn words(&self) -> Mapping {
        self.words
    }

    /// A reader of copies of this kind of page: `stride` words each, of which it reads the first `N`.
    pub(crate) fn reader<const N: usize>(&self, stride: usize) -> Result<Reader<Mapping, N>, Error> {
        let first = usize::try_from(COPIES / 8).map_err(|_| Error::BadMemory)?;
        Ok(Reader::new(self.words, [first, first.wrapping_add(stride)])?)
    }

    /// The pages that were donated, if any were, once the session is over: the host touches them no more
    /// ([PAGE-6]).
    ///
    /// # Errors
    ///
    /// The page itself while its session goes on.
    ///
    /// [PAGE-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#host-pages
    pub fn release(self) -> Result<Option<Pages>, Self> {
        let (word, asked) = &self.session;
        let is_over = WireSession::from_word(word.load(0, Site::ControlTake)) != *asked;
        if is_over || planted!("host-page-given-back-early") { Ok(self.donated) } else { Err(self) }
    }
}
