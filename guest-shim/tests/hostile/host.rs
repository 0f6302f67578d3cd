// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host that serves honestly and then spoils what it wrote, as the test says.
#![allow(unsafe_code, reason = "the platform's trait is unsafe, and memory is handed over by address")]

use std::cell::{Cell, RefCell};

use tenon_guest::{Buffer, Conduit, Found, Pages, Platform};
use tenon_host::{Action, Balloon, Config, Domain, Memory, MemoryAction};
use tenon_rings::{Mapping, Site, Words};

/// Bytes of guest memory: control frame, a vCPU's area, its donated area, a buffer; a granule each.
pub(crate) const REGION: usize = 4 * GRANULE;
/// Bytes of the window: the record's granule and two more.
pub(crate) const WINDOW: usize = 3 * GRANULE;
pub(crate) const GRANULE: usize = 4096;
/// Words on either side that nobody may touch.
const FENCE: usize = 64;
const CANARY: u64 = 0xc0de_c0de_c0de_c0de;
/// What lies where neither side has written.
const FALLOW: u64 = 0x5555_5555_5555_5555;
/// Looks of a waiter, before it gives up.
pub(crate) const PATIENCE: u32 = 3;
/// More looks than a whole session can need.
const LOOKS_MAX: u32 = 2_000;

/// The memory of one test, used for session after session.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    all: Mapping,
    region: Mapping,
    window: Mapping,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let words = 3 * FENCE + (REGION + WINDOW) / 8;
        let block: &'static mut [u64] = Vec::leak(vec![CANARY; words]);
        // SAFETY: the block is never freed, and only reached through mappings from here on.
        let all = unsafe { Mapping::new(block.as_mut_ptr().cast(), words * 8) }.expect("it is aligned");
        let region = all.slice(FENCE, REGION / 8).expect("it lies inside");
        let window = all.slice(2 * FENCE + REGION / 8, WINDOW / 8).expect("it lies inside");
        Self { all, region, window }
    }

    fn clear(&self) {
        (0..self.region.len()).for_each(|word| self.region.store(word, FALLOW, Site::Status));
        (0..self.window.len()).for_each(|word| self.window.store(word, 0, Site::Status));
    }

    fn assert_fences(&self) {
        let starts = [0, FENCE + REGION / 8, 2 * FENCE + (REGION + WINDOW) / 8];
        for word in starts.into_iter().flat_map(|start| start..start + FENCE) {
            assert_eq!(self.all.load(word, Site::Status), CANARY, "a word outside of the pages was written");
        }
    }

    /// Whether a part of guest memory is as it was before the session.
    fn assert_fallow(&self, from: usize, to: usize) {
        for word in from / 8..to / 8 {
            assert_eq!(
                self.region.load(word, Site::Status),
                FALLOW,
                "word {word} of guest memory was written"
            );
        }
    }
}

impl Memory for Shared {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then_some(REGION as u64)
    }

    fn words(&self, _: u16, offset: u64, len: u64) -> Option<Mapping> {
        self.region.slice(offset as usize / 8, len as usize / 8)
    }

    fn read(&self, _: u16, offset: u64, out: &mut [u8]) -> bool {
        self.region.read(offset as usize, out)
    }

    fn write(&self, _: u16, offset: u64, data: &[u8]) -> bool {
        self.region.write(offset as usize, data)
    }

    fn window(&self) -> Mapping {
        self.window
    }
}

/// What a host does to one of its words, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    /// After this many doorbells, and other entries into the host.
    pub(crate) after: u32,
    /// Word of the window.
    pub(crate) word: usize,
    /// What becomes of it.
    pub(crate) value: fn(u64) -> u64,
}

pub(crate) struct Host {
    pub(crate) shared: Shared,
    pub(crate) domain: RefCell<Domain<Shared>>,
    /// Does nothing for doorbells while it is set.
    pub(crate) deaf: Cell<bool>,
    /// Becomes deaf after so many more kicks.
    pub(crate) silent_after: Cell<Option<u32>>,
    /// Answers no request about memory while it is set.
    pub(crate) slow: Cell<bool>,
    /// The last such request.
    pub(crate) job: Cell<Option<u32>>,
    /// Every kick.
    pub(crate) rung: RefCell<Vec<u32>>,
    attack: Cell<Option<Attack>>,
    entered: Cell<u32>,
    /// The window as the host left it.
    left: RefCell<Vec<u64>>,
    looks: Cell<u32>,
    guards: Cell<usize>,
}

fn config() -> Config {
    let mut config = Config::new(tenon_host::Conduit::call(true), 2, 99);
    (config.granules, config.window_len) = (tenon_abi::Granules::K4, WINDOW as u64);
    (config.max_depth, config.max_events, config.max_ports, config.max_payload) = (64, 256, 64, 4096);
    config.with_balloon(Balloon { granule: 4096, max_range: 4096, max_ranges: 64 })
}

impl Host {
    pub(crate) fn new(shared: Shared, attack: Option<Attack>) -> Self {
        shared.clear();
        let domain = RefCell::new(Domain::new(config(), shared).expect("the configuration is legal"));
        let this = Self {
            shared,
            domain,
            deaf: Cell::new(false),
            silent_after: Cell::new(None),
            slow: Cell::new(false),
            job: Cell::new(None),
            rung: RefCell::default(),
            attack: Cell::new(attack),
            entered: Cell::new(0),
            left: RefCell::default(),
            looks: Cell::new(0),
            guards: Cell::new(0),
        };
        this.attack();
        this
    }

    /// Anything that happens on the host's side.
    pub(crate) fn enter<R>(&self, run: impl FnOnce(&mut Domain<Shared>) -> R) -> R {
        self.assert_window_untouched();
        let mut domain = self.domain.borrow_mut();
        let result = run(&mut domain);
        while let Some(action) = domain.next_action() {
            self.act(&mut domain, &action);
        }
        self.entered.set(self.entered.get() + 1);
        self.attack();
        result
    }

    /// Nothing is done about memory: that it was is all that the shim can see.
    fn act(&self, domain: &mut Domain<Shared>, action: &Action) {
        if let Action::Memory(MemoryAction::Give { job, .. } | MemoryAction::Take { job, .. }) = action {
            self.job.set(Some(*job));
            if !self.slow.get() {
                domain.memory_done(*job, true);
            }
        }
    }

    pub(crate) const fn entered(&self) -> u32 {
        self.entered.get()
    }

    /// Writes a word of the window.
    pub(crate) fn spoil(&self, offset: u64, value: u64) {
        self.assert_window_untouched();
        self.shared.window.store(offset as usize / 8, value, Site::ControlPublish);
        self.remember();
    }

    pub(crate) fn word(&self, offset: u64) -> u64 {
        self.shared.window.load(offset as usize / 8, Site::ControlTake)
    }

    fn attack(&self) {
        if let Some(attack) = self.attack.get()
            && attack.after == self.entered.get()
        {
            let word = self.shared.window.load(attack.word, Site::ControlTake);
            self.shared.window.store(attack.word, (attack.value)(word), Site::ControlPublish);
        }
        self.remember();
    }

    fn remember(&self) {
        let window = self.shared.window;
        *self.left.borrow_mut() = (0..window.len()).map(|word| window.load(word, Site::Status)).collect();
    }

    fn assert_window_untouched(&self) {
        for (word, left) in self.left.borrow().iter().enumerate() {
            assert_eq!(self.shared.window.load(word, Site::Status), *left, "the shim wrote to the window");
        }
    }

    /// Everything that must hold after a session, whatever the host did. `area` bytes were for the vCPU.
    pub(crate) fn assert_contained(&self) {
        self.assert_window_untouched();
        self.shared.assert_fences();
        self.shared.assert_fallow(128, GRANULE);
        // The host donates nothing here, and the buffer is the host's to write within the request that it
        // belongs to.
        self.shared.assert_fallow(2 * GRANULE, 3 * GRANULE);
        assert_eq!(self.guards.get(), 0, "a guard was not given back");
    }

    pub(crate) fn found(&self) -> Result<Found, tenon_guest::Error> {
        Found::at(self.shared.window)
    }

    fn pages(&self, granule: usize) -> Pages {
        let offset = granule * GRANULE;
        // SAFETY: the block is never freed; each caller takes another granule, once a session, and the last
        // session is over.
        unsafe { Pages::new(self.shared.region.base().add(offset), GRANULE, offset as u64) }
            .expect("they are aligned")
    }

    /// Ends the session as a host does that was started again (SES-9).
    pub(crate) fn end_session(&self) {
        self.assert_window_untouched();
        let next = Domain::recover(config(), self.shared, tenon_host::Services::default())
            .expect("the configuration is legal");
        drop(self.domain.replace(next));
        self.remember();
    }

    /// Serves both queues of vCPU 0, whether they were kicked or not.
    pub(crate) fn serve_all(&self) {
        for queue in [0, 1] {
            self.enter(|domain| assert!(!domain.serve(queue, 256).again));
        }
    }

    /// Writes payload of guest memory, as a host does.
    pub(crate) fn write_payload(&self, address: u64, bytes: &[u8]) -> bool {
        self.shared.region.write(address as usize, bytes)
    }

    /// A word of guest memory.
    pub(crate) fn guest_word(&self, offset: u64) -> u64 {
        self.shared.region.load(offset as usize / 8, Site::Status)
    }

    /// Guards that are held.
    pub(crate) const fn guards(&self) -> usize {
        self.guards.get()
    }

    /// All pages, and those from an offset of region 0 on, which the mapping's beginning then stands for.
    pub(crate) fn all(&self) -> Pages {
        self.all_from(0)
    }

    pub(crate) fn all_from(&self, offset: u64) -> Pages {
        // SAFETY: as in `pages`; a test that takes all of them takes no others meanwhile.
        unsafe { Pages::new(self.shared.region.base(), REGION, offset) }.expect("they are aligned")
    }

    /// Where nothing else is, with the window: two granules.
    pub(crate) fn rest(&self) -> Pages {
        let offset = 2 * GRANULE;
        // SAFETY: as in `pages`.
        unsafe { Pages::new(self.shared.region.base().add(offset), 2 * GRANULE, offset as u64) }
            .expect("they are aligned")
    }

    pub(crate) fn scratch(&self) -> Pages {
        self.pages(0)
    }

    pub(crate) fn area(&self) -> Pages {
        self.pages(1)
    }

    pub(crate) fn buffer(&self) -> Buffer {
        Buffer::new(self.pages(3))
    }
}

impl Conduit for Host {
    fn kick(&self, queue: u32) {
        self.rung.borrow_mut().push(queue);
        if let Some(left) = self.silent_after.get() {
            self.silent_after.set(left.checked_sub(1));
            self.deaf.set(left == 0);
        }
        let deaf = self.deaf.get();
        self.enter(|domain| {
            if !deaf {
                assert!(!domain.serve(queue, 256).again);
            }
        });
    }

    fn bind(&self, frame: u32) {
        let deaf = self.deaf.get();
        self.enter(|domain| {
            if !deaf {
                domain.control(frame);
            }
        });
    }
}

// SAFETY: one thread and no interrupts, so nothing comes between `enter` and `leave`; the doorbells are those
// of the host that wrote the record; pages lie where they are said to.
unsafe impl Platform for Host {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        self.guards.set(self.guards.get() + 1);
        self.guards.get()
    }

    fn leave(&self, token: usize) {
        assert_eq!(token, self.guards.get(), "guards do not nest");
        self.guards.set(token - 1);
    }

    fn relax(&self) {
        self.looks.set(self.looks.get() + 1);
        assert!(self.looks.get() < LOOKS_MAX, "a waiter does not give up");
    }

    fn patience(&self) -> u32 {
        PATIENCE
    }
}
