// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory and window that record every access of the host, with a second writer that races it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tenon_host::Memory;
use tenon_rings::{Site, Words};

/// Bytes of region 0.
pub(crate) const MEMORY_LEN: u64 = 256 << 10;

/// One access of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A word: `index` counts from the start of what was granted.
    Load { grant: usize, index: usize, value: u64, site: Site },
    /// As above.
    Store { grant: usize, index: usize, value: u64, site: Site },
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
    memory: Vec<Cell<u64>>,
    window: Vec<Cell<u64>>,
    pub(crate) log: RefCell<Vec<Access>>,
    pub(crate) grants: RefCell<Vec<Grant>>,
    pub(crate) race: Cell<Option<Race>>,
    /// Region 0 as the embedder sees it now: it may shrink.
    pub(crate) visible: Cell<u64>,
    /// A hole that payload cannot reach.
    pub(crate) hole: Cell<(u64, u64)>,
}

fn cells(words: usize) -> Vec<Cell<u64>> {
    vec![Cell::new(0); words]
}

/// Number of words in `len` bytes.
pub(crate) fn words(len: u64) -> usize {
    usize::try_from(len / 8).expect("a length of memory")
}

impl Ground {
    pub(crate) fn new(window_len: u64) -> Rc<Self> {
        let whole = Grant { in_window: true, first: 0, len: words(window_len) };
        Rc::new(Self {
            memory: cells(words(MEMORY_LEN)),
            window: cells(words(window_len)),
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
            memory: self.memory.clone(),
            window: self.window.clone(),
            log: RefCell::default(),
            grants: RefCell::new(self.grants.borrow().clone()),
            race: Cell::new(None),
            visible: self.visible.clone(),
            hole: self.hole.clone(),
        })
    }

    pub(crate) fn same_contents(&self, other: &Self) -> bool {
        self.memory == other.memory && self.window == other.window
    }

    /// A store of the guest's.
    pub(crate) fn poke(&self, word: usize, value: u64) {
        if let Some(cell) = self.memory.get(word) {
            cell.set(value);
        }
    }

    /// A load of the guest's.
    pub(crate) fn peek(&self, word: usize) -> u64 {
        self.memory.get(word).map_or(0, Cell::get)
    }

    /// A word of the window.
    pub(crate) fn window(&self, word: usize) -> u64 {
        self.window.get(word).map_or(0, Cell::get)
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
    fn cell(&self, index: usize) -> Option<&Cell<u64>> {
        if index >= self.len {
            return None;
        }
        let cells = if self.in_window { &self.ground.window } else { &self.ground.memory };
        cells.get(self.first + index)
    }
}

impl Words for Piece {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        let value = self.cell(index).expect("the core loads inside of what it was granted").get();
        let index = self.first + index - self.base;
        self.ground.log.borrow_mut().push(Access::Load { grant: self.grant, index, value, site });
        self.ground.race();
        value
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        self.cell(index).expect("the core stores inside of what it was granted").set(value);
        let index = self.first + index - self.base;
        self.ground.log.borrow_mut().push(Access::Store { grant: self.grant, index, value, site });
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
        for (at, byte) in (offset..).zip(out) {
            *byte = self.0.peek(words(at)).to_le_bytes()[(at % 8) as usize];
        }
        true
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        let len = data.len() as u64;
        if region != 0 || !self.0.reachable(offset, len) {
            return false;
        }
        self.0.log.borrow_mut().push(Access::Write { offset, len });
        for (at, &byte) in (offset..).zip(data) {
            let mut bytes = self.0.peek(words(at)).to_le_bytes();
            bytes[(at % 8) as usize] = byte;
            self.0.poke(words(at), u64::from_le_bytes(bytes));
        }
        true
    }

    fn window(&self) -> Piece {
        let len = self.0.window.len();
        Piece { ground: Rc::clone(&self.0), grant: WINDOW, base: 0, first: 0, len, in_window: true }
    }
}
