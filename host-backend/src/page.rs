// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host pages: they are placed in the window, or donated by the guest (PAGE-2, PAGE-5, PAGE-6).

use crate::base::Base;
use crate::memory::Memory;
use crate::pages::{Before, HostPage, KINDS, Pages, SavedPages};
use crate::range::Range;
use crate::request::{Call, Done};
use tenon_abi::{Features, PageKind, Status};
use tenon_rings::planted;

impl<M: Memory> Base<M> {
    /// Makes the pages of the window, and writes them.
    pub(crate) fn place_pages(&mut self, before: Before) -> Option<()> {
        if let Some(words) = self.page_words(PageKind::TIME) {
            self.pages.time.place(words, before)?;
        }
        if let Some(words) = self.page_words(PageKind::GENERATION) {
            self.pages.generation.place(words, before)?;
        }
        self.write_time();
        Some(())
    }

    /// Makes the pages of a saved domain. They are written when its clocks are started, and when its
    /// generation begins (PAGE-7).
    pub(crate) fn restore_pages(&mut self, saved: &SavedPages) -> Result<(), Status> {
        let window = self.page_words(PageKind::TIME);
        let time = HostPage::restore(&saved.time, &self.memory, window)?;
        let window = self.page_words(PageKind::GENERATION);
        let generation = HostPage::restore(&saved.generation, &self.memory, window)?;
        self.pages = Pages { time, generation };
        Ok(())
    }

    /// The page TIME says what the clocks say.
    pub(crate) fn write_time(&mut self) {
        if self.config.features.contains(Features::PAGES | Features::TIME) && !planted!("page-not-written") {
            self.pages.time.write(self.time.clocks.copy());
        }
    }

    /// The page GENERATION says this id (LIFE-6).
    pub(crate) fn write_generation(&mut self, id: [u64; 2]) {
        if self.config.features.contains(Features::PAGES | Features::GENERATION) {
            self.pages.generation.write(id);
        }
    }

    fn page_words(&self, kind: PageKind) -> Option<M::Words> {
        self.window_words(self.config.page_at(kind)?, self.config.page_align())
    }

    /// PAGE (PAGE-2, PAGE-5, PAGE-6).
    pub(crate) fn page(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [kind, ..] = call.numbers();
        let [_, address, ..] = call.arguments.words;
        let in_window = self.has(Features::WINDOW);
        if in_window && address != 0 && !planted!("page-address-unchecked") {
            return Err(Status::BAD_RESERVED);
        }
        let known = |(wanted, needs): &&(PageKind, Features)| {
            u32::from(wanted.0) == kind && (self.has(*needs) || planted!("page-of-any-session"))
        };
        let (kind, _) = *KINDS.iter().find(known).ok_or(Status::NOT_FOUND)?;
        if in_window {
            return self.config.page_at(kind).map(Done::Value).ok_or(Status::NOT_FOUND);
        }
        match kind {
            PageKind::TIME => {
                let placed = self.pages.time.donated_range();
                if let Some((range, words)) = self.donation(address, placed)? {
                    self.pages.time.donate(range, words).ok_or(Status::BAD_RANGE)?;
                }
            }
            PageKind::GENERATION => {
                let placed = self.pages.generation.donated_range();
                if let Some((range, words)) = self.donation(address, placed)? {
                    self.pages.generation.donate(range, words).ok_or(Status::BAD_RANGE)?;
                }
            }
            _ => return Err(Status::NOT_FOUND),
        }
        Ok(Done::Value(0))
    }

    /// The checks of a page that the guest donates; `None` where it has donated that one (PAGE-6).
    fn donation(&self, address: u64, placed: Option<Range>) -> Result<Option<(Range, M::Words)>, Status> {
        let len = self.granule().size();
        let align = if planted!("page-alignment-unchecked") { 8 } else { len };
        let range = Range::check_area(&self.memory, address, len, align)?;
        match placed {
            Some(placed) if placed == range => return Ok(None),
            Some(_) if !planted!("page-placed-twice") => return Err(Status::EXISTS),
            _ => {}
        }
        if !planted!("page-overlap-unchecked") {
            self.check_apart(range, &[])?;
        }
        self.check_had(range)?;
        self.memory.hand_over(range.offset, range.len);
        let words = range.words(&self.memory).inspect_err(|_| self.memory.let_go(range.offset, range.len))?;
        Ok(Some((range, words)))
    }

    /// A range overlaps none of `others`, no area of a bound vCPU, no donated page and no part of a device's
    /// queue (VCPU-10, PAGE-6, DEV-8).
    pub(crate) fn check_apart(&self, range: Range, others: &[Range]) -> Result<(), Status> {
        let places = self.vcpus.iter().filter_map(|vcpu| Some(vcpu.areas.as_ref()?.place));
        let pages = self.pages.donated().filter(|_| !planted!("area-over-page"));
        let areas = places.flat_map(|place| place.in_region());
        let mut taken = areas.chain(pages).chain(self.devices.parts()).chain(others.iter().copied());
        if taken.any(|other| range.overlaps(other)) { Err(Status::BAD_RANGE) } else { Ok(()) }
    }
}
