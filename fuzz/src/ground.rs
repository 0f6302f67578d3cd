// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory and window that record every access of the host, with a second writer that races it.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use tenon_host::Memory;
use tenon_rings::{Site, Words};

use crate::store::Store;

/// Bytes of region 0.
pub(crate) const MEMORY_LEN: u64 = 256 << 10;
/// Bytes of the longest window.
pub(crate) const WINDOW_MOST: u64 = PAGED + (0x4000 << 4);
/// Bytes of a window that suffice for a record and a page at the largest granule.
pub(crate) const PAGED: u64 = 0x2_0000;

/// One access of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A word: `index` counts from the start of what was granted.
    Load { grant: usize, index: usize, value: u64, site: Site },
    /// As above; so many of them, in order, if what is stored is zero.
    Store { grant: usize, index: usize, count: usize, value: u64, site: Site },
    /// Payload, copied out.
    Read { len: u64 },
    /// Payload, copied in.
    Write { offset: u64, len: u64 },
}

/// A word that another processor of the guest's will write, after so many loads of the host's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Race {
    pub(crate) after: u32,
    pub(crate) word: usize,
    pub(crate) value: u64,
}

/// Where a granted range lies, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) in_window: bool,
    pub(crate) first: usize,
    pub(crate) len: usize,
}

/// The grant of the whole window, which the record is written through.
pub(crate) const WINDOW: usize = 0;

pub(crate) struct Ground {
    memory: Store,
    window: Store,
    pub(crate) log: RefCell<Vec<Access>>,
    pub(crate) grants: RefCell<Vec<Grant>>,
    pub(crate) race: Cell<Option<Race>>,
    /// Region 0 as the embedder sees it now: it may shrink.
    pub(crate) visible: Cell<u64>,
    /// A hole that payload cannot reach.
    pub(crate) hole: Cell<(u64, u64)>,
}

/// Number of words in `len` bytes.
pub(crate) fn words(len: u64) -> usize {
    usize::try_from(len / 8).expect("a length of memory")
}

impl Ground {
    /// A window of at most [`WINDOW_MOST`] bytes.
    pub(crate) fn new(window_len: u64) -> Rc<Self> {
        let whole = Grant { in_window: true, first: 0, len: words(window_len) };
        Rc::new(Self {
            memory: Store::new(words(MEMORY_LEN), words(MEMORY_LEN)),
            window: Store::new(words(window_len), words(WINDOW_MOST)),
            log: RefCell::default(),
            grants: RefCell::new(vec![whole]),
            race: Cell::new(None),
            visible: Cell::new(MEMORY_LEN),
            hole: Cell::new((0, 0)),
        })
    }

    /// The same contents under a guest that is elsewhere.
    pub(crate) fn twin(&self) -> Rc<Self> {
        Rc::new(Self {
            memory: self.memory.twin(),
            window: self.window.twin(),
            log: RefCell::default(),
            grants: RefCell::new(self.grants.borrow().clone()),
            race: Cell::new(None),
            visible: self.visible.clone(),
            hole: self.hole.clone(),
        })
    }

    pub(crate) fn same_contents(&self, other: &Self) -> bool {
        self.memory.same_contents(&other.memory) && self.window.same_contents(&other.window)
    }

    /// A store of the guest's.
    pub(crate) fn poke(&self, word: usize, value: u64) {
        // Where there is no memory, a store goes nowhere.
        let _ = self.memory.set(word, value);
    }

    /// A load of the guest's.
    pub(crate) fn peek(&self, word: usize) -> u64 {
        self.memory.get(word).unwrap_or(0)
    }

    /// A word of the window.
    pub(crate) fn window(&self, word: usize) -> u64 {
        self.window.get(word).unwrap_or(0)
    }

    fn grant(self: &Rc<Self>, in_window: bool, first: usize, len: usize) -> Piece {
        let mut grants = self.grants.borrow_mut();
        grants.push(Grant { in_window, first, len });
        Piece { ground: Rc::clone(self), grant: grants.len() - 1, base: first, first, len, in_window }
    }

    fn reachable(&self, offset: u64, len: u64) -> bool {
        let (from, to) = self.hole.get();
        let Some(end) = offset.checked_add(len) else { return false };
        end <= self.visible.get().min(MEMORY_LEN) && (end <= from || offset >= to || len == 0)
    }

    fn race(&self) {
        let Some(mut race) = self.race.get() else { return };
        if race.after == 0 {
            self.poke(race.word, race.value);
            self.race.set(None);
        } else {
            race.after -= 1;
            self.race.set(Some(race));
        }
    }
}

/// Words that the host was granted.
#[derive(Clone)]
pub(crate) struct Piece {
    ground: Rc<Ground>,
    grant: usize,
    /// Where the grant begins.
    base: usize,
    first: usize,
    len: usize,
    in_window: bool,
}

impl Piece {
    fn store(&self) -> &Store {
        if self.in_window { &self.ground.window } else { &self.ground.memory }
    }

    /// Where a word of this piece lies.
    fn word(&self, index: usize) -> Option<usize> {
        (index < self.len).then_some(self.first + index)
    }
}

impl Words for Piece {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        let value = self.word(index).and_then(|word| self.store().get(word));
        let value = value.expect("the core loads inside of what it was granted");
        let index = self.first + index - self.base;
        self.ground.log.borrow_mut().push(Access::Load { grant: self.grant, index, value, site });
        self.ground.race();
        value
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        let is_inside = self.word(index).is_some_and(|word| self.store().set(word, value));
        assert!(is_inside, "the core stores inside of what it was granted");
        let (grant, index) = (self.grant, self.first + index - self.base);
        let mut log = self.ground.log.borrow_mut();
        // Areas are cleared when they are bound: one line for all of it.
        if let Some(Access::Store { grant: was, index: at, count, value: 0, site: by }) = log.last_mut()
            && (value, *was, *at + *count) == (0, grant, index)
            && *by == site
        {
            *count += 1;
            return;
        }
        log.push(Access::Store { grant, index, count: 1, value, site });
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        if first.checked_add(len)? > self.len {
            return None;
        }
        if self.grant == WINDOW {
            // An area in the window: told apart from the record.
            return Some(self.ground.grant(true, self.first + first, len));
        }
        Some(Self { first: self.first + first, len, ..self.clone() })
    }
}

/// A range of bytes, cut at words: which word, where in it, and where in the range.
fn cut(offset: u64, len: usize) -> impl Iterator<Item = (usize, Range<usize>, Range<usize>)> {
    let (first, skew) = (words(offset), (offset % 8) as usize);
    (0..(skew + len).div_ceil(8)).map(move |word| {
        let inside = if word == 0 { skew } else { 0 }..(skew + len - word * 8).min(8);
        let start = word * 8 + inside.start - skew;
        (first + word, inside.clone(), start..start + inside.len())
    })
}

/// What the domain is given.
pub(crate) struct Given(pub(crate) Rc<Ground>);

impl Memory for Given {
    type Words = Piece;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then(|| self.0.visible.get())
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Piece> {
        let inside = region == 0 && offset.is_multiple_of(8) && self.0.reachable(offset, len);
        inside.then(|| self.0.grant(false, words(offset), words(len)))
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        let len = out.len() as u64;
        if region != 0 || !self.0.reachable(offset, len) {
            return false;
        }
        self.0.log.borrow_mut().push(Access::Read { len });
        for (word, inside, here) in cut(offset, out.len()) {
            out[here].copy_from_slice(&self.0.peek(word).to_le_bytes()[inside]);
        }
        true
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        let len = data.len() as u64;
        if region != 0 || !self.0.reachable(offset, len) {
            return false;
        }
        self.0.log.borrow_mut().push(Access::Write { offset, len });
        for (word, inside, here) in cut(offset, data.len()) {
            let mut bytes = self.0.peek(word).to_le_bytes();
            bytes[inside].copy_from_slice(&data[here]);
            self.0.poke(word, u64::from_le_bytes(bytes));
        }
        true
    }

    fn window(&self) -> Piece {
        let len = self.0.window.len();
        Piece { ground: Rc::clone(&self.0), grant: WINDOW, base: 0, first: 0, len, in_window: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_arrives_at_every_skew() {
        let given = Given(Ground::new(0x1000));
        for (offset, len) in (0..17).flat_map(|offset| (0..20).map(move |len| (offset, len))) {
            let data: Vec<u8> = (1..=len).collect();
            assert!(given.write(0, 0, &[0xee; 48]) && given.write(0, offset, &data));
            let mut all = [0; 48];
            assert!(given.read(0, 0, &mut all));
            let at = offset as usize;
            let (before, behind) = (&all[..at], &all[at + data.len()..]);
            assert_eq!(all[at..at + data.len()], data, "{offset} {len}");
            assert!(before.iter().chain(behind).all(|&byte| byte == 0xee), "{offset} {len}");
            let mut some = vec![0; data.len()];
            assert!(given.read(0, offset, &mut some) && some == data);
        }
    }
}
