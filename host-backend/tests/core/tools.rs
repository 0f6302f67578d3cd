// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest by hand: it writes each word itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use tenon_abi::status::StateWord;
use tenon_abi::vcpu::{Sizes, guest, host};
use tenon_abi::{ControlOp, ControlRequest, Entry, Features, Granules, Op, Status, Submission, Tail, turn};
use tenon_host::loopback::{Piece, Ram};
use tenon_host::time::Now;
use tenon_host::{Action, Conduit, Config, Domain, Memory, MemoryAction, Served, Services, VcpuAction};
use tenon_rings::{Site, Words};
use zerocopy::{FromZeros, IntoBytes};

/// Distance between the guest-written areas of two vCPUs.
pub(crate) const AREA: u64 = 0x4_0000 + 0x1000;
/// Where payload may lie: between the control frame and the areas.
pub(crate) const PAYLOAD: u64 = 0x1000;
/// Where the areas begin.
pub(crate) const AREAS: u64 = 0x10_0000;

/// What the host stored, in order, while somebody looked.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Option<Vec<Store>>>>);

/// One store: where, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) place: Place,
    pub(crate) value: u64,
}

/// A byte offset in the window, or in region 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Window(u64),
    Memory(u64),
}

impl Log {
    /// What is stored while `run` runs.
    pub(crate) fn of<T>(&self, run: impl FnOnce() -> T) -> (T, Vec<Store>) {
        *self.0.borrow_mut() = Some(Vec::new());
        let result = run();
        (result, self.0.take().expect("nobody else looks"))
    }
}

/// The host's words, each store of which is in the log.
#[derive(Clone)]
pub(crate) struct Watched {
    piece: Piece,
    /// Of its first word.
    place: Place,
    log: Log,
}

impl Words for Watched {
    fn len(&self) -> usize {
        self.piece.len()
    }

    fn load(&self, index: usize, site: Site) -> u64 {
        self.piece.load(index, site)
    }

    fn store(&self, index: usize, value: u64, site: Site) {
        if let Some(log) = self.log.0.borrow_mut().as_mut() {
            log.push(Store { place: self.place.behind(index), value });
        }
        self.piece.store(index, value, site);
    }

    fn slice(&self, first: usize, len: usize) -> Option<Self> {
        let piece = self.piece.slice(first, len)?;
        Some(Self { piece, place: self.place.behind(first), log: self.log.clone() })
    }
}

impl Place {
    fn behind(self, words: usize) -> Self {
        let bytes = words as u64 * 8;
        match self {
            Self::Window(at) => Self::Window(at + bytes),
            Self::Memory(at) => Self::Memory(at + bytes),
        }
    }
}

/// Memory of which an embedder takes parts away.
#[derive(Clone)]
pub(crate) struct Patchy {
    arena: Ram,
    pub(crate) log: Log,
    pub(crate) len: Cell<u64>,
    pub(crate) hole: Cell<(u64, u64)>,
    /// Largest payload that was copied out at once.
    pub(crate) longest: Cell<usize>,
    /// The session's word when the core said that a session is over.
    pub(crate) over: Cell<Option<u64>>,
}

impl Patchy {
    fn reachable(&self, offset: u64, len: u64) -> bool {
        let (from, to) = self.hole.get();
        // Empty ranges are refused at the end, as vm-memory does.
        len > 0 && offset + len <= self.len.get() && (offset + len <= from || offset >= to)
    }
}

impl Memory for Patchy {
    type Words = Watched;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then(|| self.len.get())
    }

    fn words(&self, region: u16, offset: u64, len: u64) -> Option<Watched> {
        if !self.reachable(offset, len) {
            return None;
        }
        let piece = self.arena.words(region, offset, len)?;
        Some(Watched { piece, place: Place::Memory(offset), log: self.log.clone() })
    }

    fn read(&self, region: u16, offset: u64, out: &mut [u8]) -> bool {
        self.longest.set(self.longest.get().max(out.len()));
        self.reachable(offset, out.len() as u64) && self.arena.read(region, offset, out)
    }

    fn write(&self, region: u16, offset: u64, data: &[u8]) -> bool {
        self.reachable(offset, data.len() as u64) && self.arena.write(region, offset, data)
    }

    fn arena(&self, offset: u64, len: u64) -> Option<tenon_host::device::Arena> {
        let keep = std::sync::Arc::new(self.arena.memory().clone());
        tenon_host::device::Arena::by(self, offset, len, keep, |words| mapping(&words.piece))
    }

    fn end_session(&self) {
        self.over.set(Some(self.arena.window().load(0x80 / 8, Site::ControlTake)));
    }

    fn window(&self) -> Watched {
        Watched { piece: self.arena.window(), place: Place::Window(0), log: self.log.clone() }
    }
}

/// The words of a piece, for as long as somebody keeps the memory.
#[allow(unsafe_code, reason = "an arena is mapped memory")]
fn mapping(piece: &Piece) -> tenon_rings::Mapping {
    // SAFETY: an arena keeps the memory, whose every byte both sides may write.
    unsafe { tenon_rings::Mapping::new(piece.base(), piece.len() * 8) }.expect("it is aligned")
}

/// A bound vCPU in the guest's books.
#[derive(Clone, Copy)]
struct Book {
    area: u64,
    /// Offset in the window, or in region 0.
    host: u64,
    sizes: Sizes,
    next: [u32; 2],
    taken: [u32; 2],
    events: [u32; 2],
}

/// A result: id, status, value.
pub(crate) type Taken = (u16, Status, u64);

pub(crate) struct Guest {
    pub(crate) domain: Domain<Patchy>,
    pub(crate) arena: Ram,
    books: Vec<Option<Book>>,
    ticket: u32,
}

/// Limits that are small enough to be reached.
pub(crate) fn config(vcpus: u32) -> Config {
    let mut config = Config::new(Conduit::call(true), vcpus, 7);
    config.granules = Granules::K4;
    config
}

pub(crate) fn small() -> Sizes {
    Sizes { depth: 64, events: [16, 16] }
}

impl Guest {
    /// A guest whose session is open with everything that the host offers.
    pub(crate) fn open(config: Config) -> Self {
        Self::open_without(config, Features::empty())
    }

    pub(crate) fn open_without(config: Config, unwanted: Features) -> Self {
        let memory_len = AREAS + AREA * u64::from(config.max_vcpus);
        let arena = Ram::new(memory_len as usize, config.window_len as usize).expect("memory");
        let books = vec![None; config.max_vcpus as usize];
        let memory = patchy(&arena);
        let domain = Domain::with(config, memory, services()).expect("the configuration is legal");
        let mut this = Self { domain, arena, books, ticket: 0 };
        this.negotiate(unwanted);
        this
    }

    pub(crate) fn negotiate(&mut self, unwanted: Features) {
        let features = self.domain.config().features.difference(unwanted);
        let result = self.control(ControlOp::NEGOTIATE, |request| {
            request.minor.set(tenon_abi::VERSION.minor);
            request.major.set(tenon_abi::VERSION.major);
            request.granule.set(12);
            request.features.set(features.bits());
        });
        assert_eq!(result, (Status::OK, 0));
    }

    pub(crate) fn control(&mut self, op: ControlOp, fill: impl FnOnce(&mut ControlRequest)) -> (Status, u64) {
        self.try_control(op, fill).expect("the request was not answered")
    }

    /// A request that the host may not answer.
    pub(crate) fn try_control(
        &mut self,
        op: ControlOp,
        fill: impl FnOnce(&mut ControlRequest),
    ) -> Option<(Status, u64)> {
        let mut request = ControlRequest::new_zeroed();
        request.magic.set(tenon_abi::control::MAGIC);
        request.op.set(op.0);
        self.ticket += 1;
        request.ticket.set(self.ticket);
        request.session.set(self.domain.session());
        fill(&mut request);
        assert!(self.arena.write(0, 0, request.as_bytes()));
        self.domain.control(0);
        let result = Tail::from_word(self.window(0xa0));
        (result.turn == self.ticket).then(|| (Status(result.code), self.window(0x98)))
    }

    pub(crate) fn reset(&mut self) {
        assert_eq!(self.control(ControlOp::RESET, |_| {}).0, Status::OK);
        self.books.fill(None);
    }

    pub(crate) fn try_bind(&mut self, vcpu: u32, sizes: Sizes) -> Status {
        let area = AREAS + AREA * u64::from(vcpu);
        let in_window = self.window(0x90) & Features::WINDOW.bits() != 0;
        for word in (0..sizes.guest_len()).step_by(8) {
            self.store(area + word, 0);
        }
        let donated = area + 0x2_0000;
        let (status, value) = self.control(ControlOp::BIND, |request| {
            request.vcpu.set(vcpu);
            request.depth.set(sizes.depth);
            request.events0.set(sizes.events[0]);
            request.events1.set(sizes.events[1]);
            request.guest_area.set(area);
            request.host_area.set(if in_window { 0 } else { donated });
        });
        if status == Status::OK {
            let host = if in_window { value } else { donated };
            let book = Book { area, host, sizes, next: [0; 2], taken: [0; 2], events: [0; 2] };
            self.books[vcpu as usize] = Some(book);
        }
        status
    }

    pub(crate) fn bind(&mut self, vcpu: u32) {
        assert_eq!(self.try_bind(vcpu, small()), Status::OK);
    }

    fn book(&mut self, vcpu: u32) -> &mut Book {
        self.books[vcpu as usize].as_mut().expect("the vCPU is bound")
    }

    /// Offset in the window of a bound vCPU's host-written area.
    pub(crate) fn host_area(&mut self, vcpu: u32) -> u64 {
        self.book(vcpu).host
    }

    pub(crate) fn window(&self, offset: u64) -> u64 {
        self.arena.window().load((offset / 8) as usize, Site::ControlTake)
    }

    pub(crate) fn store(&self, offset: u64, value: u64) {
        self.arena.memory().store((offset / 8) as usize, value, Site::SubmissionPublish);
    }

    /// Stores a word of a vCPU's guest-written area.
    pub(crate) fn set(&mut self, vcpu: u32, offset: u64, value: u64) {
        let area = self.book(vcpu).area;
        self.store(area + offset, value);
    }

    /// A word of a vCPU's host-written area.
    pub(crate) fn shown(&mut self, vcpu: u32, offset: u64) -> u64 {
        let in_window = self.window(0x90) & Features::WINDOW.bits() != 0;
        let at = self.book(vcpu).host + offset;
        if in_window {
            self.window(at)
        } else {
            self.arena.memory().load((at / 8) as usize, Site::ControlTake)
        }
    }

    pub(crate) fn state(&mut self, vcpu: u32, offset: u64) -> StateWord {
        StateWord::from_word(self.shown(vcpu, offset))
    }

    fn seed(&self) -> u32 {
        tenon_abi::discovery::Session::from_word(self.window(0x80)).seed
    }

    /// Publishes a submission with an id of the caller's.
    pub(crate) fn publish(&mut self, vcpu: u32, lane: usize, id: u16, submission: Submission) {
        let seed = self.seed();
        let book = self.book(vcpu);
        let position = book.next[lane];
        book.next[lane] = position.wrapping_add(1);
        let slot = match lane {
            0 => guest::SUBMISSIONS + u64::from(position % book.sizes.depth) * 64,
            _ => guest::EMERGENCY,
        };
        let at = book.area + slot;
        let mut words = submission.to_words();
        words[7] = Tail { code: submission.op().0, id, turn: turn(seed, position) }.to_word();
        for (word, value) in (0u64..).zip(words) {
            self.store(at + word * 8, value);
        }
    }

    /// The next submission goes where the last one went.
    pub(crate) fn take_back(&mut self, vcpu: u32, lane: usize) {
        let next = &mut self.book(vcpu).next[lane];
        *next = next.wrapping_sub(1);
    }

    pub(crate) fn submit<const N: usize>(&mut self, vcpu: u32, id: u16, op: Op, args: [u64; N]) {
        let words = std::array::from_fn(|index| args.get(index).copied().unwrap_or(0));
        self.publish(vcpu, 0, id, Submission::new(op, words));
    }

    pub(crate) fn kick(&mut self, vcpu: u32) -> Served {
        self.domain.serve(vcpu * 2, 256)
    }

    /// Completions that were not taken before.
    pub(crate) fn take(&mut self, vcpu: u32, lane: usize) -> Vec<Taken> {
        let seed = self.seed();
        let mut all = Vec::new();
        loop {
            let Book { taken, sizes, .. } = *self.book(vcpu);
            let offset = match lane {
                0 => host::COMPLETIONS + u64::from(taken[0] % sizes.depth) * 16,
                _ => host::EMERGENCY,
            };
            let tail = Tail::from_word(self.shown(vcpu, offset + 8));
            if tail.turn != turn(seed, taken[lane]) {
                return all;
            }
            all.push((tail.id, Status(tail.code), self.shown(vcpu, offset)));
            self.book(vcpu).taken[lane] = taken[lane].wrapping_add(1);
        }
    }

    /// One call, with nothing else in flight under id 60.
    pub(crate) fn call<const N: usize>(&mut self, vcpu: u32, op: Op, args: [u64; N]) -> (Status, u64) {
        self.submit(vcpu, 60, op, args);
        while self.kick(vcpu).again {
            self.actions();
        }
        let taken = self.take(vcpu, 0);
        let found = taken.iter().find(|(id, ..)| *id == 60).expect("the call was completed");
        (found.1, found.2)
    }

    pub(crate) fn ok<const N: usize>(&mut self, vcpu: u32, op: Op, args: [u64; N]) -> u64 {
        let (status, value) = self.call(vcpu, op, args);
        assert_eq!(status, Status::OK, "{op:?} {args:?}");
        value
    }

    /// As [`Self::ok`], for what the attachment does: it does it, as far as anybody looks.
    pub(crate) fn moved(&mut self, vcpu: u32, op: Op, args: [u64; 3]) {
        self.submit(vcpu, 60, op, args);
        let _ = self.kick(vcpu);
        for action in self.actions() {
            if let Action::Memory(
                MemoryAction::Give { job, .. }
                | MemoryAction::Take { job, .. }
                | MemoryAction::Share { job, .. },
            ) = action
            {
                self.domain.memory_done(job, true);
            }
        }
        let taken = self.take(vcpu, 0);
        assert!(
            matches!(taken[..], [(60, Status::OK, value)] if value == args[1]),
            "{op:?} {args:x?}: {taken:?}"
        );
    }

    /// Entries of a ring that were not looked at before; `taken` is left to the caller.
    pub(crate) fn entries(&mut self, vcpu: u32, class: usize) -> Vec<u32> {
        let seed = self.seed();
        let mut ports = Vec::new();
        loop {
            let Book { events, sizes, .. } = *self.book(vcpu);
            let place = u64::from(events[class] % sizes.events[class]) * 8;
            let entry = Entry::from_word(self.shown(vcpu, sizes.ring_offset(class as u32) + place));
            if entry.turn != turn(seed, events[class]) {
                return ports;
            }
            ports.push(entry.port);
            self.book(vcpu).events[class] += 1;
        }
    }

    /// All entries of ring 0 that were looked at are taken.
    pub(crate) fn take_all_events(&mut self) {
        let taken = self.book(0).events[0];
        self.set(0, tenon_abi::vcpu::guest::TAKEN0, taken.into());
    }

    /// The same, and an upcall is wanted for the next.
    pub(crate) fn take_all_events_and_arm(&mut self) {
        self.take_all_events();
        let next = self.book(0).events[0];
        self.set(0, tenon_abi::vcpu::guest::ARMED0, next.into());
    }

    /// A word of region 0.
    pub(crate) fn word(&self, offset: u64) -> u64 {
        self.arena.memory().load((offset / 8) as usize, Site::ControlTake)
    }

    pub(crate) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.domain.next_action()).collect()
    }

    /// A guest of its own with the same contents, whose host goes on at `state`.
    pub(crate) fn fork(&self, state: tenon_host::State) -> Result<Self, tenon_host::Error> {
        let copy = |of: &Piece| (0..of.len()).map(|index| of.load(index, Site::Status)).collect::<Vec<_>>();
        let parts = [copy(self.arena.memory()), copy(&self.arena.window())];
        let arena = Ram::new(parts[0].len() * 8, parts[1].len() * 8).expect("memory");
        for (words, to) in parts.iter().zip([arena.memory().clone(), arena.window()]) {
            words.iter().enumerate().for_each(|(index, &word)| to.store(index, word, Site::Status));
        }
        let domain = Domain::restore(state, patchy(&arena), services())?;
        Ok(Self { domain, arena, books: self.books.clone(), ticket: self.ticket })
    }

    /// The domain goes on as its restored copy, through text. What the copy asks for at once.
    pub(crate) fn migrate(&mut self) -> Vec<Action> {
        assert_eq!(self.actions(), [], "actions are not part of a state");
        let text = serde_json::to_string(&self.domain.save()).expect("a state can be written");
        let state: tenon_host::State = serde_json::from_str(&text).expect("a state can be read");
        assert!(state == self.domain.save());
        self.domain = Domain::restore(state, patchy(&self.arena), services()).expect("it fits");
        self.actions()
    }
}

/// Ids of generations, each another one.
pub(crate) fn services() -> Services {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut services = Services::default();
    services.generation = Some(Box::new(|bytes| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(next.iter().cycle()).for_each(|(byte, next)| *byte = *next ^ 0x5a);
        true
    }));
    services.stolen = Some(Box::new(|vcpu| Some(u64::from(vcpu) * 100 + 7000)));
    services
}

pub(crate) fn patchy(arena: &Ram) -> Patchy {
    Patchy {
        arena: arena.clone(),
        log: Log::default(),
        len: Cell::new(arena.region_len(0).expect("region 0")),
        hole: Cell::new((0, 0)),
        longest: Cell::new(0),
        over: Cell::new(None),
    }
}

/// A moment by the host's clock alone.
pub(crate) fn at(monotonic: u64) -> Now {
    Now { monotonic, counter: None }
}

/// Not an upcall.
pub(crate) fn lasting(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::Vcpu(VcpuAction::Upcall { .. }))).collect()
}
