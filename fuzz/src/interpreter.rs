// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes as a guest's life.

use std::rc::Rc;

use tenon_abi::vcpu::{Sizes, guest};
use tenon_abi::{Address, ControlOp, ControlRequest, Features, Granule, Granules, Status, Tail};
use tenon_host::{Conduit, Config};
use zerocopy::IntoBytes;

use crate::ground::{MEMORY_LEN, PAGED, Race, words};
use crate::guest::{Book, Bytes, lay, numbered, ops, read_request, request, shape};
use crate::model::Model;
use crate::world::{Step, World, assert_alike};

/// Steps of one life, at most.
const STEPS: u32 = 600;
/// Entries that a restored copy lives beside the domain that it was saved from.
const TWIN_STEPS: u32 = 12;
/// Copies in one life, and restarts from a saved state: each costs as much as all else that happens in a
/// short life.
const TWINS: u32 = 1;
const RESTORES: u32 = 2;
/// Word of the record that holds the last control result.
const RESULT: usize = 0xa0 / 8;

/// One guest's life.
pub(crate) struct Life<'a> {
    bytes: Bytes<'a>,
    world: World,
    model: Model,
    books: Vec<Option<Book>>,
    granule: Granule,
    smallest: Granule,
    offered: u64,
    ticket: u32,
    /// A restored copy, and how many more entries it is compared for.
    twin: Option<(World, u32)>,
    twins: u32,
    restores: u32,
    /// States are written and read back, which costs more than all else.
    writes_states: bool,
}

impl<'a> Life<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        let mut bytes = Bytes::new(data);
        let vcpus = 1 + bytes.below(4);
        let mut config = Config::new(Conduit::call(true), vcpus, 0x7e_40_11);
        config.granules = match bytes.below(8) {
            0 => Granules::K4,
            shape => Granules::from_bits_truncate(shape << 12) | Granules::K16,
        };
        let unwanted = bytes.byte();
        config.features = Features::from_bits_truncate(!u64::from(unwanted & unwanted >> 1));
        let window = 0x4000 << bytes.below(5);
        let has_time = unwanted & 0x60 == 0;
        if !has_time {
            config.features.remove(Features::PAGES | Features::TIME);
        }
        config.window_len = window + if has_time { PAGED } else { 0x1000 };
        (config.max_depth, config.max_events, config.max_payload) = (64, 256, 4096);
        config.max_ports = 64 + bytes.below(2) * 16;
        let hole = u64::from(bytes.byte());
        let (smallest, ports) = (config.smallest_granule(), config.max_ports);
        let world = World::new(config);
        // Without what no service is there for: a guest that asked for more would get no session at all.
        let offered = world.domain.config().features.bits();
        world.ground.hole.set((hole << 10, (hole << 10) + (hole & 7) * 512));
        let has_page = world.domain.config().features.contains(Features::PAGES | Features::WINDOW);
        let model = Model::new(&world.ground, vcpus, ports, has_page);
        let books = (0..vcpus).map(|_| None).collect();
        let granule = smallest;
        // In a plain test always; where inputs come by the thousand, in some lives.
        let writes_states = !cfg!(feature = "libfuzzer") || data.len() % 64 == 1;
        let (twin, twins, restores, ticket) = (None, 0, 0, 1);
        Self {
            bytes,
            world,
            model,
            books,
            granule,
            smallest,
            offered,
            ticket,
            twin,
            twins,
            restores,
            writes_states,
        }
    }

    pub(crate) fn run(mut self) {
        for _ in 0..STEPS {
            if self.bytes.is_empty() {
                break;
            }
            self.live();
        }
        self.end_twin();
        self.aftermath();
    }

    /// What every life ends with: damage that nobody has asked about yet shows now.
    fn aftermath(&mut self) {
        (0..16).for_each(|port| self.enter(&Step::Raise(port)));
        for _ in 0..2 {
            self.enter(&Step::Input(vec![0x5a; 64]));
            self.kick_all();
            (0..self.books.len()).for_each(|vcpu| self.take_all(vcpu));
        }
    }

    fn live(&mut self) {
        match self.bytes.below(32) {
            0 => self.open(),
            1 | 2 => self.bind(),
            3 => self.control(request(ControlOp::RESET, 0, 0)),
            4 => self.forge(),
            5..=12 => self.submit(0),
            13 | 14 => self.submit(1),
            15..=17 => self.kick(),
            18 => self.kick_all(),
            19 => {
                let port = self.bytes.below(90);
                self.enter(&Step::Raise(port));
            }
            20 => {
                let len = usize::from(self.bytes.byte()) * 20;
                self.enter(&Step::Input(vec![0xa5; len]));
            }
            21 => {
                let vcpu = self.bytes.below(5);
                self.enter(&Step::Stopped(vcpu));
            }
            22 => self.pass(),
            23 => {
                let word = self.bytes.edge() as usize % words(MEMORY_LEN);
                let value = self.bytes.edge();
                self.poke(&[(word, value)]);
            }
            24 | 25 => self.scribble(),
            26 | 27 => self.take_events(),
            28 => self.race(),
            29 => self.restore(),
            30 => self.copy(),
            _ => self.shrink(),
        }
    }

    /// Output is taken, or time passes.
    fn pass(&mut self) {
        let (kind, amount) = (self.bytes.byte(), self.bytes.byte());
        let ns = u64::from(amount) << (kind >> 3);
        self.enter(&match kind & 7 {
            0 | 1 => Step::TakeOutput,
            2 => Step::Utc(None),
            3 => Step::Utc(Some(ns)),
            4 => Step::Pass { ns: u64::MAX, budget: 1 },
            5 => Step::Pass { ns, budget: 1 },
            _ => Step::Pass { ns, budget: 64 },
        });
    }

    /// The guest stores words.
    fn poke(&self, all: &[(usize, u64)]) {
        for &(word, value) in all {
            self.world.ground.poke(word, value);
            if let Some((twin, _)) = &self.twin {
                twin.ground.poke(word, value);
            }
        }
    }

    /// One entry into the core, judged; in the restored copy too.
    fn enter(&mut self, step: &Step) {
        let ground = Rc::clone(&self.world.ground);
        let from = ground.grants.borrow().len();
        let racing = ground.race.get().is_some();
        let outcome = self.world.apply(step);
        let raced = racing && ground.race.get().is_none();
        let made = from..ground.grants.borrow().len();
        self.model.judge(&ground, step, &outcome, made, raced);
        for (vcpu, id) in self.model.completed.drain(..) {
            if let Some(Some(book)) = self.books.get_mut(vcpu)
                && let Some(used) = book.used.get_mut(usize::from(id))
            {
                *used = false;
            }
        }
        for (vcpu, book) in self.books.iter_mut().enumerate() {
            if !self.model.is_bound(vcpu) {
                *book = None;
            }
        }
        if let Some((twin, left)) = &mut self.twin {
            let other = twin.apply(step);
            twin.ground.log.borrow_mut().clear();
            assert_alike(&outcome, &other);
            *left -= 1;
            if *left == 0 {
                self.end_twin();
            }
        }
    }

    fn end_twin(&mut self) {
        if let Some((twin, _)) = self.twin.take() {
            self.world.assert_same(&twin);
        }
    }

    fn open(&mut self) {
        let mut request = request(ControlOp::NEGOTIATE, 0, 0);
        request.minor.set(tenon_abi::VERSION.minor);
        request.major.set(tenon_abi::VERSION.major);
        let wish = self.bytes.byte();
        let shift = match wish & 3 {
            0 => u32::from(self.smallest.shift()),
            shift => 10 + 2 * u32::from(shift),
        };
        request.granule.set(shift);
        request.features.set(self.offered & !u64::from(wish >> 2 & wish >> 1));
        self.control(request);
    }

    fn bind(&mut self) {
        let vcpu = self.bytes.below(5);
        let shape = self.bytes.byte();
        let sizes = Sizes {
            depth: 1 << (shape & 7),
            events: [1 << (shape >> 3 & 3), if shape & 0x80 == 0 { 4 } else { 1 << (shape >> 5) }],
        };
        let size = self.granule.size();
        let frames = MEMORY_LEN / size;
        let place = self.bytes.byte();
        let frame = if place == 0 { 1 + 2 * u64::from(vcpu) } else { u64::from(place) };
        let mut request = request(ControlOp::BIND, 0, 0);
        request.vcpu.set(vcpu);
        request.depth.set(sizes.depth);
        let [first, second] = sizes.events;
        request.events0.set(first);
        request.events1.set(second);
        request.guest_area.set(frame % frames * size);
        if self.world.ground.window(0x90 / 8) & Features::WINDOW.bits() == 0 {
            request.host_area.set((frame + 16) % frames * size);
        }
        if place & 1 == 0 {
            // As a good guest does (SES-2).
            let first = words(frame % frames * size);
            let zeroes: Vec<_> = (first..first + words(sizes.guest_len())).map(|word| (word, 0)).collect();
            self.poke(&zeroes);
        }
        self.control(request);
    }

    /// Hands over a request, with one field spoilt where the bytes say so.
    fn control(&mut self, mut request: ControlRequest) {
        let session = Tail::from_word(self.world.ground.window(0x80 / 8)).turn;
        request.session.set(session);
        self.ticket = self.ticket.wrapping_add(1);
        request.ticket.set(self.ticket);
        let spoil = self.bytes.byte();
        if spoil >= 0xc0 {
            let value = self.bytes.edge();
            if let Some(bytes) = request.as_mut_bytes().chunks_exact_mut(4).nth(usize::from(spoil & 31)) {
                bytes.copy_from_slice(&value.to_le_bytes()[..4]);
            }
        }
        let frame = if spoil & 0xe0 == 0xa0 { u32::from(self.bytes.byte()) } else { 0 };
        self.poke(&lay(&request, words(u64::from(frame) * self.granule.size())));
        self.hand_over(frame);
    }

    /// A frame with anything in it.
    fn forge(&mut self) {
        let frame = self.bytes.edge() as u32;
        let at = words((u64::from(frame) * self.granule.size()).min(MEMORY_LEN));
        let len = usize::from(self.bytes.byte() % 17);
        let values: Vec<_> = (at..at + len).map(|word| (word, self.bytes.edge())).collect();
        self.poke(&values);
        self.hand_over(frame);
    }

    fn hand_over(&mut self, frame: u32) {
        let ground = Rc::clone(&self.world.ground);
        // The host's copy and this one are the same only while nobody writes in between.
        ground.race.set(None);
        let request = read_request(&ground, u64::from(frame) << self.granule.shift());
        let from = ground.grants.borrow().len();
        let reset = ControlOp(request.op.get()) == ControlOp::RESET;
        let was_bound = self.model.is_bound(request.vcpu.get() as usize);
        self.enter(&Step::Control(frame));
        let result = Tail::from_word(ground.window(RESULT));
        if !self.model.answered || Status(result.code) != Status::OK {
            return;
        }
        assert_eq!(result.turn, request.ticket.get(), "the answer to another request (SES-4)");
        match ControlOp(request.op.get()) {
            ControlOp::BIND => {
                let vcpu = request.vcpu.get() as usize;
                assert!(!was_bound, "a vCPU was bound twice (VCPU-1)");
                let events = [request.events0.get(), request.events1.get()];
                let sizes = Sizes { depth: request.depth.get(), events };
                let made = from..ground.grants.borrow().len();
                self.model.bound(&ground, vcpu, sizes, made);
                let area = Address(request.guest_area.get()).offset();
                assert!(area.is_multiple_of(self.granule.size()), "a misaligned area was taken (GEN-4)");
                self.books[vcpu] = Some(Book::new(area, sizes));
            }
            ControlOp::NEGOTIATE => {
                self.granule = Granule::from_shift(request.granule.get()).expect("it was taken");
            }
            _ => {
                assert!(reset);
                self.granule = self.smallest;
                self.model.reset();
                self.model.session(&ground);
                self.books.iter_mut().for_each(|book| *book = None);
            }
        }
    }

    fn submit(&mut self, lane: usize) {
        let vcpu = self.bytes.below(self.books.len() as u32) as usize;
        let op = numbered(self.bytes.below(ops()));
        let (a, b, c) = (self.bytes.byte(), self.bytes.byte(), self.bytes.byte());
        let spoil = self.bytes.byte();
        let mut submission = shape(op, [a, b, c]);
        if spoil >= 0xb0 {
            let value = self.bytes.edge();
            match spoil & 7 {
                6 => submission.flags.set(value as u32),
                7 => submission.count.set(value as u32),
                at => submission.args[usize::from(at)].set(value),
            }
        }
        let breach = if spoil & 0xf0 == 0xa0 { self.bytes.edge() << 16 } else { 0 };
        let seed = self.model.seed();
        let Some(Some(book)) = self.books.get_mut(vcpu) else { return };
        let Some(all) = book.submit(lane, submission, seed, breach) else { return };
        self.poke(&all);
        if spoil & 8 != 0 {
            self.enter(&Step::Serve { queue: (vcpu * 2 + lane) as u32, budget: 256 });
        }
    }

    fn kick(&mut self) {
        let queue = self.bytes.below(11);
        let budget = [256, 1, 2, 7][self.bytes.below(4) as usize];
        self.enter(&Step::Serve { queue, budget });
    }

    fn kick_all(&mut self) {
        for queue in 0..self.books.len() as u32 * 2 {
            self.enter(&Step::Serve { queue, budget: 64 });
        }
    }

    /// Writes a control word of an area.
    fn scribble(&mut self) {
        let vcpu = self.bytes.below(self.books.len() as u32) as usize;
        let places = [guest::COMPLETIONS_ARMED, guest::TAKEN0, guest::ARMED0, guest::TAKEN1, guest::ARMED1];
        let place = self.bytes.below(8) as usize;
        let (offset, value) = match places.get(place) {
            Some(&offset) => (offset, self.bytes.edge()),
            None if place == 5 => {
                (guest::MASK_HINTS + u64::from(self.bytes.below(16)) * 8, self.bytes.edge())
            }
            // Next to what would be true.
            None => {
                let class = place - 6;
                let written = self.model.written(vcpu, class).wrapping_sub(2);
                let near = written.wrapping_add(self.bytes.below(5));
                ([guest::TAKEN0, guest::TAKEN1][class], u64::from(near))
            }
        };
        if let Some(Some(book)) = self.books.get(vcpu) {
            self.poke(&[(book.word(offset), value)]);
        }
    }

    /// Takes what was raised, as a good guest does.
    fn take_events(&mut self) {
        let vcpu = self.bytes.below(self.books.len() as u32) as usize;
        self.take_all(vcpu);
    }

    fn take_all(&mut self, vcpu: usize) {
        let Some(Some(book)) = self.books.get(vcpu) else { return };
        let all = [(guest::TAKEN0, guest::ARMED0), (guest::TAKEN1, guest::ARMED1)].into_iter().enumerate();
        let mut stores = Vec::new();
        for (class, (taken, armed)) in all {
            let written = u64::from(self.model.written(vcpu, class));
            stores.extend([(book.word(taken), written), (book.word(armed), written)]);
        }
        self.poke(&stores);
    }

    /// Another processor of the guest's will write a word while the host looks.
    fn race(&mut self) {
        self.end_twin();
        let vcpu = self.bytes.below(self.books.len() as u32) as usize;
        let (after, at, value) = (self.bytes.byte(), self.bytes.byte(), self.bytes.edge());
        if let Some(Some(book)) = self.books.get(vcpu) {
            let word = book.word(u64::from(at) * 8);
            self.world.ground.race.set(Some(Race { after: u32::from(after & 63), word, value }));
        }
    }

    /// The domain is saved and goes on as its restored copy.
    fn restore(&mut self) {
        self.end_twin();
        if self.restores == RESTORES {
            return;
        }
        self.restores += 1;
        self.enter(&Step::Pause);
        let ground = Rc::clone(&self.world.ground);
        ground.log.borrow_mut().clear();
        let from = ground.grants.borrow().len();
        let Some(mut world) = self.world.restored(Rc::clone(&ground), self.writes_states) else {
            ground.log.borrow_mut().clear();
            self.enter(&Step::GoOn);
            return;
        };
        world.drain();
        assert!(ground.log.take().is_empty(), "a restore writes nothing");
        let made = from..ground.grants.borrow().len();
        self.model.restored(made);
        self.world = world;
        self.enter(&Step::GoOn);
    }

    /// A restored copy lives beside the domain for a while.
    fn copy(&mut self) {
        self.end_twin();
        if self.twins == TWINS {
            return;
        }
        self.twins += 1;
        self.world.ground.race.set(None);
        self.enter(&Step::Pause);
        if let Some(mut twin) = self.world.restored(self.world.ground.twin(), self.writes_states) {
            twin.drain();
            self.twin = Some((twin, TWIN_STEPS));
        }
        self.enter(&Step::GoOn);
    }

    /// Region 0 loses its end, or gets it back.
    fn shrink(&mut self) {
        self.end_twin();
        let len = MEMORY_LEN >> self.bytes.below(6);
        self.world.ground.visible.set(len);
    }
}

#[cfg(test)]
mod tests {
    use super::Life;

    /// Without a session nothing that matters is reached.
    #[test]
    fn a_guest_that_asks_for_all_that_is_offered_gets_a_session() {
        for unwanted in [0, 3, 0x60, 0xff] {
            let data = [0, 0, unwanted, 0, 0, 0, 0, 0];
            let mut life = Life::new(&data);
            life.open();
            assert_eq!(life.world.ground.window(0x88 / 8) >> 48, 1, "{unwanted:#x}");
        }
    }
}
