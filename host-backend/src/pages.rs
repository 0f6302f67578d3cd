// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host holds of its pages: where they lie, and what stands there (PAGE-1, PAGE-3, PAGE-7). What a
//! page tells is its family's; a family writes it by [`HostPage::write`].

use crate::config::Config;
use crate::memory::Memory;
use crate::range::Range;
use crate::time::COPY_WORDS;
use serde::{Deserialize, Serialize};
use tenon_abi::page::COPIES;
use tenon_abi::{Features, PageKind, Status};
use tenon_rings::page::Writer;
use tenon_rings::{Site, Words, planted};

/// The kinds of pages, with what each needs: in the order of their places, from the window's end on.
pub(crate) const KINDS: [(PageKind, Features); 2] = [
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
    pub(crate) donated: Option<Donated<W, N>>,
}

pub(crate) struct Donated<W, const N: usize> {
    pub(crate) range: Range,
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
    pub(crate) time: SavedPage,
    pub(crate) generation: SavedPage,
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
    pub(crate) fn page_align(&self) -> u64 {
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
    pub(crate) fn page_at(&self, wanted: PageKind) -> Option<u64> {
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

    pub(crate) fn donated_range(&self) -> Option<Range> {
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
    pub(crate) fn place(&mut self, words: W, before: Before) -> Option<()> {
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
    pub(crate) fn donate(&mut self, range: Range, words: W) -> Option<()> {
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
    pub(crate) fn restore<M: Memory<Words = W>>(
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

fn clear<W: Words>(words: &W) {
    for index in 0..words.len() {
        words.store(index, 0, Site::Status);
    }
}
