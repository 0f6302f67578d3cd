// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host pages: where they lie, and what is written there (PAGE-1 to PAGE-7). What a page tells is its
//! family's; a family writes it by [`HostPage::write`].

use crate::base::Base;
use crate::config::Config;
use crate::memory::Memory;
use crate::range::Range;
use crate::request::{Call, Done};
use crate::time::COPY_WORDS;
use serde::{Deserialize, Serialize};
use tenon_abi::page::COPIES;
use tenon_abi::{Features, PageKind, Status};
use tenon_rings::page::Writer;
use tenon_rings::{Site, Words, planted};

/// The kinds of pages, with what each needs: in the order of their places, from the window's end on.
const KINDS: [(PageKind, Features); 2] = [
    (PageKind::TIME, Features::PAGES.union(Features::TIME)),
    (PageKind::GENERATION, Features::PAGES.union(Features::GENERATION)),
];

/// Every page of a domain.
pub(crate) struct Pages<W> {
    pub(crate) time: HostPage<W, COPY_WORDS>,
    pub(crate) generation: HostPage<W, 2>,
}

/// One page: in the window for the life of the domain, donated for a session, or both.
pub(crate) struct HostPage<W, const N: usize> {
    /// What it tells.
    content: [u64; N],
    /// The sequence that was published last; 0 before the first time.
    sequence: u64,
    window: Option<Writer<W, N>>,
    donated: Option<Donated<W, N>>,
}

struct Donated<W, const N: usize> {
    range: Range,
    writer: Writer<W, N>,
}

/// One page as it is saved. What it tells is its family's to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedPage {
    sequence: u64,
    /// Offset in region 0, and length.
    donated: Option<(u64, u64)>,
}

/// Every page as it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedPages {
    time: SavedPage,
    generation: SavedPage,
}

impl SavedPages {
    /// Goes on behind what has been published since (PAGE-7).
    pub(crate) fn follow<W: Words>(&mut self, earlier: &Pages<W>) {
        self.time.sequence = self.time.sequence.max(earlier.time.sequence);
        self.generation.sequence = self.generation.sequence.max(earlier.generation.sequence);
    }
}

/// What is known of a page in the window when its domain is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nobody looks at it yet.
    Nothing,
    /// A host that is gone wrote it, and a guest looks at it (PAGE-7).
    Lost,
}

/// Where the two copies of a page begin, in words: each on a cache line.
const fn copies<const N: usize>() -> [usize; 2] {
    // A page begins like every other: COPIES is a number of the wire, far below 2^16.
    let first = 8;
    [first, N.next_multiple_of(8).saturating_add(first)]
}

const _: () = assert!(COPIES == 64);

impl Config {
    /// The largest granule offered: pages in the window are aligned to it (PAGE-5).
    fn page_align(&self) -> u64 {
        1u64.checked_shl(self.granules.bits().checked_ilog2().unwrap_or(12)).unwrap_or(0)
    }

    /// Where the pages of the window begin, and with that the room for areas ends: each page that is offered
    /// has a granule of its own at the window's end. `None` where the window has no room for them.
    pub(crate) fn pages_from(&self) -> Option<u64> {
        let offered = |(_, needs): &&(PageKind, Features)| self.features.contains(*needs);
        let count = u64::try_from(KINDS.iter().filter(offered).count()).ok()?;
        if count == 0 || !self.features.contains(Features::WINDOW) {
            return Some(self.window_len);
        }
        let align = self.page_align();
        let end = self.window_len.checked_sub(self.window_len.checked_rem(align)?)?;
        end.checked_sub(count.checked_mul(align)?).filter(|from| *from > 0)
    }

    /// Where the page of a kind lies in the window, if it is offered there.
    fn page_at(&self, wanted: PageKind) -> Option<u64> {
        if !self.features.contains(Features::WINDOW) {
            return None;
        }
        let mut offered = KINDS.iter().filter(|(_, needs)| self.features.contains(*needs));
        let index = u64::try_from(offered.position(|(kind, _)| *kind == wanted)?).ok()?;
        self.pages_from()?.checked_add(index.checked_mul(self.page_align())?)
    }
}

impl<W: Words> Pages<W> {
    pub(crate) const fn new() -> Self {
        Self { time: HostPage::new(), generation: HostPage::new() }
    }

    /// The ranges of region 0 that are pages in this session (PAGE-6).
    pub(crate) fn donated(&self) -> impl Iterator<Item = Range> + use<W> {
        [self.time.donated_range(), self.generation.donated_range()].into_iter().flatten()
    }

    pub(crate) fn end_session(&mut self) {
        self.time.donated = None;
        self.generation.donated = None;
    }

    pub(crate) fn save(&self) -> SavedPages {
        SavedPages { time: self.time.save(), generation: self.generation.save() }
    }
}

impl<W: Words, const N: usize> HostPage<W, N> {
    const fn new() -> Self {
        Self { content: [0; N], sequence: 0, window: None, donated: None }
    }

    fn donated_range(&self) -> Option<Range> {
        self.donated.as_ref().map(|donated| donated.range)
    }

    /// Tells something else from now on (PAGE-3).
    pub(crate) fn write(&mut self, content: [u64; N]) {
        self.content = content;
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(window) = &mut self.window {
            self.sequence = window.write(&content);
        }
        if let Some(donated) = &mut self.donated {
            donated.writer.write(&content);
        }
    }

    /// Has a page in the window.
    fn place(&mut self, words: W, before: Before) -> Option<()> {
        let writer = match before {
            Before::Nothing => {
                clear(&words);
                Writer::new(words, copies::<N>(), self.sequence)
            }
            Before::Lost if planted!("recover-shows-no-sequence") => Writer::new(words, copies::<N>(), 0),
            Before::Lost => Writer::succeed(words, copies::<N>()),
        };
        let writer = writer.ok()?;
        self.sequence = writer.sequence();
        self.window = Some(writer);
        Some(())
    }

    /// Is donated a page, of which all has been checked, and writes it.
    fn donate(&mut self, range: Range, words: W) -> Option<()> {
        clear(&words);
        // It shows the same sequence as the others.
        let mut writer = Writer::new(words, copies::<N>(), self.sequence.wrapping_sub(1)).ok()?;
        writer.write(&self.content);
        self.donated = Some(Donated { range, writer });
        Some(())
    }

    fn save(&self) -> SavedPage {
        SavedPage {
            sequence: if planted!("save-loses-sequence") { 0 } else { self.sequence },
            donated: self.donated.as_ref().map(|donated| (donated.range.offset, donated.range.len)),
        }
    }

    /// Goes on from what was saved: what is written next has a larger sequence (PAGE-7).
    fn restore<M: Memory<Words = W>>(
        saved: &SavedPage,
        memory: &M,
        window: Option<W>,
    ) -> Result<Self, Status> {
        let sequence = saved.sequence.wrapping_sub(u64::from(planted!("restore-shows-old-sequence")));
        let mut page = Self { sequence, ..Self::new() };
        if let Some(words) = window {
            page.window = Some(Writer::new(words, copies::<N>(), sequence).map_err(|_| Status::BAD_RANGE)?);
        }
        if let Some((offset, len)) = saved.donated {
            let range = Range::check_area(memory, offset, len, len)?;
            memory.hand_over(offset, len);
            let writer = Writer::new(range.words(memory)?, copies::<N>(), sequence);
            page.donated = Some(Donated { range, writer: writer.map_err(|_| Status::BAD_RANGE)? });
        }
        Ok(page)
    }
}

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

    /// A range overlaps none of `others`, no area of a bound vCPU and no donated page (VCPU-10, PAGE-6).
    pub(crate) fn check_apart(&self, range: Range, others: &[Range]) -> Result<(), Status> {
        let places = self.vcpus.iter().filter_map(|vcpu| Some(vcpu.areas.as_ref()?.place));
        let pages = self.pages.donated().filter(|_| !planted!("area-over-page"));
        let mut taken = places.flat_map(|place| place.in_region()).chain(pages).chain(others.iter().copied());
        if taken.any(|other| range.overlaps(other)) { Err(Status::BAD_RANGE) } else { Ok(()) }
    }
}

fn clear<W: Words>(words: &W) {
    for index in 0..words.len() {
        words.store(index, 0, Site::Status);
    }
}
