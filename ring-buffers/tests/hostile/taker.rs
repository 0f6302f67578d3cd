// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-8, EVT-7, EVT-8: the guest's end of an event ring under a host that lies.

use crate::area::{AREA, MAX_PORTS, armed, hints, taken};
use crate::ends;
use crate::ground::{Access, Ground, Strike, View};
use crate::noise::{Noise, effort};
use crate::story::{Count, PLAIN, START, Said, Told, exhaust, near, seed, slots, strikes};
use tenon_abi::{Entry, Reason, turn};
use tenon_rings::{Corrupt, Error, Raiser, Site, Taker};

/// What a taker has to make of the words that it was seen to load.
struct Truth {
    size: u32,
    seed: u32,
    taken: u32,
    corrupt: Option<Corrupt>,
    /// Ports of the last call.
    ports: Vec<u32>,
    /// Whether the last look found an entry.
    found: bool,
}

impl Truth {
    fn look(&mut self, index: usize, value: u64) -> Option<Entry> {
        assert_eq!(self.corrupt, None, "a look at a corrupt ring");
        assert_eq!(index, AREA + (self.taken & (self.size - 1)) as usize, "a look at another entry");
        let entry = Entry::from_word(value);
        self.found = entry.turn == turn(self.seed, self.taken);
        self.found.then_some(entry)
    }

    fn take(&mut self, index: usize, value: u64) {
        let Some(entry) = self.look(index, value) else { return };
        if entry.port >= MAX_PORTS {
            self.corrupt = Some(Corrupt { reason: Reason::BAD_PORT, position: self.taken });
            return;
        }
        self.ports.push(entry.port);
        self.taken = self.taken.wrapping_add(1);
    }
}

/// The tested taker, an honest raiser, and the truth.
struct Story<'a> {
    ground: &'a Ground,
    class: u32,
    taker: Taker<View<'a>>,
    raiser: Raiser<View<'a>>,
    last: [Option<u64>; MAX_PORTS as usize],
    truth: Truth,
    stood: Vec<u32>,
}

impl<'a> Story<'a> {
    fn begin(ground: &'a Ground, class: u32, size: u32, seed: u32, position: u32) -> Self {
        let (ours, theirs) = (ground.ours(0, AREA), ground.theirs(AREA, size as usize));
        let (area, entries) = (ground.peer(0, AREA), ground.peer(AREA, size as usize));
        // As a guest does before it binds (SES-2).
        (0..AREA).for_each(|word| ground.poke(word, 0));
        ground.poke(taken(class), position.into());
        Self {
            ground,
            class,
            taker: ends::taker(ours, theirs, class, seed, MAX_PORTS, position),
            raiser: ends::raiser(area, entries, class, seed, position.into()),
            last: [None; MAX_PORTS as usize],
            truth: Truth { size, seed, taken: position, corrupt: None, ports: Vec::new(), found: false },
            stood: Vec::new(),
        }
    }

    fn call<T>(&mut self, most: usize, call: impl FnOnce(&mut Taker<View<'a>>) -> T) -> (T, Vec<Access>) {
        self.truth.ports.clear();
        self.truth.found = false;
        let (result, log) = self.ground.call(most, || call(&mut self.taker));
        self.stood.resize(self.ground.loads(), self.truth.taken);
        (result, log)
    }

    fn take<const N: usize>(&mut self) {
        let was = self.truth.corrupt;
        let mut out = [u32::MAX; N];
        // An entry for each place, and one store behind them.
        let (result, log) = self.call(N + 1, |end| end.take(&mut out));
        for access in log {
            match access {
                Access::Load { index, value, site: Site::EntryTake } => self.truth.take(index, value),
                Access::Store { index, value, site: Site::TakenPublish } => {
                    assert_eq!((index, value), (taken(self.class), u64::from(self.truth.taken)));
                }
                other => panic!("{other:?}"),
            }
        }
        let ports = &self.truth.ports;
        match result {
            Ok(count) => {
                assert_eq!((was, count), (None, ports.len()));
                assert_eq!(out[..count], ports[..], "not the ports that were loaded");
                assert_eq!(self.ground.peek(taken(self.class)) as u32, self.truth.taken, "not told so");
            }
            Err(error) => {
                assert_eq!(Some(error), self.truth.corrupt.map(Error::Corrupt), "another breach");
                assert!(ports.is_empty(), "what came before the breach was lost");
            }
        }
        assert!(out[ports.len()..].iter().all(|port| *port == u32::MAX), "more was written than taken");
    }

    /// What an arm, a look or a hint stored and loaded.
    fn looked(&mut self, log: &[Access], stored: Option<(usize, u64)>) {
        let mut stored = stored;
        for access in log {
            match *access {
                Access::Load { index, value, site: Site::EntryTake } => _ = self.truth.look(index, value),
                Access::Store { index, value, .. } => assert_eq!(Some((index, value)), stored.take()),
                other @ Access::Load { .. } => panic!("{other:?}"),
            }
        }
        assert_eq!(stored, None, "not stored");
    }

    fn step(&mut self, step: u8) {
        let (was, at) = (self.truth.corrupt, self.truth.taken);
        match step {
            b'0'..=b'3' => {
                let port = usize::from(step - b'0');
                _ = self.raiser.raise(port as u32, &mut self.last[port]);
            }
            b't' => self.take::<8>(),
            b'u' => self.take::<1>(),
            b'n' => self.take::<0>(),
            b'a' => {
                let (may_halt, log) = self.call(2, Taker::arm);
                self.looked(&log, Some((armed(self.class), at.into())));
                assert_eq!(may_halt, !self.truth.found);
            }
            b'r' => {
                let (ready, log) = self.call(1, |end| end.is_ready());
                self.looked(&log, None);
                assert_eq!(ready, self.truth.found);
            }
            b'd' => {
                let ((), log) = self.call(1, Taker::disarm);
                self.looked(&log, Some((armed(self.class), at.wrapping_add(u32::MAX >> 1).into())));
            }
            b'm' => {
                let ((), log) = self.call(1, |end| end.hint_masked(1, 0));
                self.looked(&log, Some((hints().start, 2)));
            }
            _ => {
                let ((), log) = self.call(1, |end| end.hint_unmasked(1, 0));
                self.looked(&log, Some((hints().start, 0)));
            }
        }
        assert!(was.is_none() || was == self.truth.corrupt, "a breach was forgotten");
        assert_eq!(self.taker.corrupt(), self.truth.corrupt, "not the breach that the words show");
        assert_eq!(self.taker.taken(), self.truth.taken);
    }
}

/// One history under strikes.
fn tell(class: u32, size: u32, history: &[u8], strikes: &[Strike]) -> Told {
    let ground = Ground::new(AREA + size as usize, strikes);
    let mut story = Story::begin(&ground, class, size, seed(size), START);
    history.iter().for_each(|step| story.step(*step));
    let told = Told { corrupt: story.truth.corrupt, stood: std::mem::take(&mut story.stood) };
    if told.corrupt.is_some() {
        ground.truce();
        (AREA..AREA + size as usize).for_each(|word| ground.poke(word, 0));
        // Its vCPU may halt; nothing else works, and nothing cures it.
        b"tarudM".iter().for_each(|step| story.step(*step));
        let mut fresh = Story::begin(&ground, class, size, seed(size).wrapping_add(0x1001), 0);
        b"0ta1uM".iter().for_each(|step| fresh.step(*step));
        assert_eq!((fresh.truth.corrupt, fresh.truth.taken), (None, 2), "a fresh session does not work");
    }
    told
}

/// The peer dies before its store number `life`, in the middle of whatever it does: nothing but silence
/// follows, every wait ends, and a fresh session works over the memory that is left, as it is. `None`: it
/// lived longer.
fn outlive(class: u32, size: u32, history: &[u8], life: usize) -> Option<()> {
    let ground = Ground::new(AREA + size as usize, &[]);
    let mut story = Story::begin(&ground, class, size, seed(size), START);
    ground.dies(life);
    history.iter().for_each(|step| story.step(*step));
    b"tuarta".iter().for_each(|step| story.step(*step));
    assert_eq!(story.truth.corrupt, None, "death was taken for a lie");
    if ground.life() > 0 {
        return None;
    }
    ground.dies(usize::MAX);
    let mut fresh = Story::begin(&ground, class, size, seed(size).wrapping_add(0x1001), 0);
    // What lies there is of another session: nothing has arrived.
    b"tra".iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.truth.taken, 0, "a stale entry was taken");
    history.iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.truth.corrupt, None, "what a dead peer left was taken for the living one's");
    Some(())
}

const HISTORIES: [&[u8]; 3] =
    [b"ra0ta01u2tarn01d2uutm1M1t3a", b"0123tauru0r1a2t3tdr0t", b"a0ra1ra2uuuna3t012u0u1t"];

/// What the host writes, and what it may say there.
fn values(size: u32) -> impl Fn(usize, u32) -> Vec<u64> {
    move |word, stood| {
        let mut values = PLAIN.to_vec();
        for position in near(size, (word - AREA) as u32, stood) {
            let turn = turn(seed(size), position);
            let ports = [0, 1, MAX_PORTS - 1, MAX_PORTS, MAX_PORTS + 1, 1 << 31, u32::MAX];
            values.extend(ports.map(|port| Entry { port, turn }.to_word()));
        }
        values
    }
}

#[test]
fn each_word_at_each_look() {
    let mut count = Count::default();
    for (size, class) in [(1, 0), (2, 1), (4, 0), (4, 1)] {
        for history in HISTORIES {
            let words = AREA..AREA + size as usize;
            count += exhaust(words, values(size), |strikes| tell(class, size, history, strikes));
        }
    }
    count.report("taker, 1, 2 and 4 entries, each word before each look");
}

#[test]
fn several_words_at_random() {
    let (mut noise, mut count) = (Noise::new("taker"), Count::default());
    for (size, rounds) in [(2, 20_000), (256, 3_000), (1 << 16, 100)] {
        for _ in 0..rounds * effort() {
            let class = noise.below(2) as u32;
            let history: Vec<u8> = (0..120).map(|_| noise.pick(b"012301230123tuuuarndmM")).collect();
            let words = AREA..AREA + size as usize;
            let honest = tell(class, size, &history, &[]);
            let strikes = strikes(&honest.stood, &mut noise, slots(words, 1), values(size));
            let _said = Said(&strikes);
            count.add(&tell(class, size, &history, &strikes));
        }
    }
    count.report("taker, 2, 256 and 65536 entries, at random");
}

#[test]
fn a_peer_that_dies_at_each_store() {
    let mut deaths = 0;
    for history in HISTORIES {
        for (class, size) in [(0, 1), (1, 2), (0, 4)] {
            deaths += (0..).map_while(|life| outlive(class, size, history, life)).count();
        }
    }
    println!("hostile: taker: its peer died {deaths} deaths");
    assert!(deaths > 50);
}
