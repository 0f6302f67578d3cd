// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-7, EVT-4, EVT-8 to EVT-11, EVT-15: the host's end of an event ring under a guest that lies.

use crate::area::{AREA, MAX_PORTS, armed, hints, taken};
use crate::ends;
use crate::ground::{Access, Ground, Strike, View};
use crate::noise::{Noise, effort};
use crate::story::{Count, PLAIN, START, Said, Told, exhaust, near, seed, strikes};
use std::collections::VecDeque;
use tenon_abi::call::unpack;
use tenon_abi::{Entry, Reason, turn};
use tenon_rings::{Corrupt, Error, Raised, Raiser, Site, Taker};

/// What a raiser has to make of the words that it was seen to load. Positions are as wide as the raiser's
/// own.
struct Truth {
    size: u32,
    seed: u32,
    class: u32,
    written: u64,
    taken: u64,
    /// The armed value for which an upcall was sent, until it was seen ahead again.
    sent: Option<u32>,
    corrupt: Option<Reason>,
    /// Accesses of the last call.
    log: VecDeque<Access>,
}

impl Truth {
    fn load(&mut self, site: Site, index: usize) -> u64 {
        match self.log.pop_front() {
            Some(Access::Load { index: at, value, site: by }) if (at, by) == (index, site) => value,
            other => panic!("{other:?} in place of {site:?} at word {index}"),
        }
    }

    /// `false`: a breach.
    fn hear_taken(&mut self) -> bool {
        let (low, high) = unpack(self.load(Site::TakenRead, taken(self.class)));
        let step = u64::from(low.wrapping_sub(self.taken as u32));
        if high != 0 || step > self.written - self.taken {
            self.corrupt = Some(Reason::BAD_TAKEN);
            return false;
        }
        self.taken += step;
        true
    }

    /// `None`: a breach.
    fn hear_excuse(&mut self, port: u32, last: Option<u64>) -> Option<Option<Raised>> {
        let word = hints().start + (port / 64) as usize;
        if port < 1024 && self.load(Site::HintRead, word) >> (port % 64) & 1 != 0 {
            return Some(Some(Raised::Masked));
        }
        let untaken = self.hear_taken().then(|| last.is_some_and(|last| last >= self.taken))?;
        Some(untaken.then_some(Raised::Pending))
    }

    fn raise(&mut self, port: u32, last: &mut Option<u64>) -> Option<Raised> {
        // Behind a fence once more, if the first look says that nothing has to be done.
        for looks in 0..2 {
            let excuse = self.hear_excuse(port, *last)?;
            match excuse {
                None => break,
                Some(_) if looks == 0 => {}
                Some(nothing) => return Some(nothing),
            }
        }
        if self.written - self.taken == u64::from(self.size) {
            return None;
        }
        let at = self.written as u32;
        let entry = Entry { port, turn: turn(self.seed, at) }.to_word();
        let index = AREA + (at & (self.size - 1)) as usize;
        assert_eq!(
            self.log.pop_front(),
            Some(Access::Store { index, value: entry, site: Site::EntryPublish }),
            "not the entry that is due (EVT-7)"
        );
        *last = Some(self.written);
        self.written += 1;
        let (value, high) = unpack(self.load(Site::ArmedRead, armed(self.class)));
        if high != 0 {
            self.corrupt = Some(Reason::BAD_ARMED);
            return None;
        }
        // Reached, modulo 2^32: the newest entry lies less than half the circle beyond it (EVT-11).
        let reached = at.wrapping_sub(value) < 1 << 31;
        let upcall = reached && self.sent != Some(value);
        self.sent = if reached { Some(value) } else { self.sent.filter(|sent| *sent != value) };
        Some(Raised::Written { upcall })
    }
}

/// Ports that are raised: with a hint, and without one.
const PORTS: [u32; MAX_PORTS as usize] = [0, 63, 1023, 1024];

/// The tested raiser, an honest taker, and the truth.
struct Story<'a> {
    ground: &'a Ground,
    raiser: Raiser<View<'a>>,
    taker: Taker<View<'a>>,
    bound: [bool; MAX_PORTS as usize],
    last: [Option<u64>; MAX_PORTS as usize],
    truth: Truth,
    stood: Vec<u32>,
}

impl<'a> Story<'a> {
    fn begin(ground: &'a Ground, class: u32, size: u32, seed: u32, position: u32) -> Self {
        let (theirs, ours) = (ground.theirs(0, AREA), ground.ours(AREA, size as usize));
        let (area, entries) = (ground.peer(0, AREA), ground.peer(AREA, size as usize));
        // As a guest does before it binds (SES-2).
        (0..AREA).for_each(|word| ground.poke(word, 0));
        ground.poke(taken(class), position.into());
        let (written, nothing) = (u64::from(position), VecDeque::new());
        Self {
            ground,
            raiser: ends::raiser(theirs, ours, class, seed, written),
            taker: ends::taker(area, entries, class, seed, 2048, position),
            bound: [false; MAX_PORTS as usize],
            last: [None; MAX_PORTS as usize],
            truth: Truth {
                size,
                seed,
                class,
                written,
                taken: written,
                sent: None,
                corrupt: None,
                log: nothing,
            },
            stood: Vec::new(),
        }
    }

    fn call<T>(&mut self, most: usize, call: impl FnOnce(&mut Raiser<View<'a>>) -> T) -> T {
        let stood = self.truth.taken as u32;
        let (result, log) = self.ground.call(most, || call(&mut self.raiser));
        self.truth.log = log.into();
        self.stood.resize(self.ground.loads(), stood);
        result
    }

    fn broken(&self, error: Error) {
        let Error::Corrupt(corrupt) = error else { panic!("{error:?}") };
        assert_eq!(Some(corrupt.reason), self.truth.corrupt, "a breach that no word shows");
        assert_eq!(self.raiser.state().corrupt, Some(corrupt), "not latched");
    }

    fn raise(&mut self, at: usize) {
        let was = self.truth.corrupt;
        let mut last = self.last[at];
        // The hint and `taken`, twice if need be; an entry; the armed position.
        let result = self.call(6, |end| end.raise(PORTS[at], &mut last));
        let expected = if was.is_none() { self.truth.raise(PORTS[at], &mut self.last[at]) } else { None };
        assert_eq!(last, self.last[at], "the port's last entry lies elsewhere");
        match result {
            Ok(raised) => assert_eq!(Some(raised), expected),
            Err(Error::Full) => {
                let untaken = self.truth.written - self.truth.taken;
                assert_eq!((expected, untaken), (None, u64::from(self.truth.size)));
            }
            Err(error) => {
                assert_eq!(expected, None);
                self.broken(error);
            }
        }
    }

    /// Binds or unbinds a port.
    fn rebind(&mut self, at: usize) {
        let was = self.truth.corrupt;
        if self.bound[at] {
            let last = self.last[at].take();
            let untaken = self.call(1, |end| end.release(last));
            let heard = was.is_none() && self.truth.hear_taken();
            // What leaves a corrupt ring counts as untaken.
            let expected = last.is_some_and(|last| !heard || last >= self.truth.taken);
            assert_eq!(untaken, expected, "an event was lost, or made up");
            self.bound[at] = false;
            return;
        }
        match self.call(1, Raiser::reserve) {
            Ok(()) => {
                assert!(was.is_none() && self.truth.hear_taken());
                self.bound[at] = true;
            }
            Err(Error::Full) => assert!(was.is_none() && self.truth.hear_taken()),
            Err(error) => {
                assert!(was.is_some() || !self.truth.hear_taken());
                self.broken(error);
            }
        }
    }

    fn step(&mut self, step: u8) {
        let was = self.truth.corrupt;
        match step {
            b'0'..=b'3' => {
                // Bound or not: a host that forgets to reserve overwrites nothing.
                self.raise(usize::from(step - b'0'));
            }
            b'w'..=b'z' => self.rebind(usize::from(step - b'w')),
            b't' => drop(self.taker.take(&mut [0; 2])),
            b'a' => _ = self.taker.arm(),
            b'd' => self.taker.disarm(),
            b'm' => self.taker.hint_masked(63, 1),
            _ => self.taker.hint_unmasked(63, 0),
        }
        assert!(self.truth.log.is_empty(), "more accesses than the spec names: {:?}", self.truth.log);
        assert!(was.is_none() || was == self.truth.corrupt, "a breach was forgotten");
        let state = self.raiser.state();
        assert_eq!(state.corrupt.map(|corrupt| corrupt.reason), self.truth.corrupt);
        assert_eq!((state.written, state.taken), (self.truth.written, self.truth.taken));
        assert!(state.reserved.saturating_add(state.departed) <= self.truth.size, "more ports than entries");
    }
}

/// One history under strikes.
fn tell(class: u32, size: u32, history: &[u8], strikes: &[Strike]) -> Told {
    let ground = Ground::new(AREA + size as usize, strikes);
    let mut story = Story::begin(&ground, class, size, seed(size), START);
    history.iter().for_each(|step| story.step(*step));
    let corrupt = story.truth.corrupt.map(|reason| Corrupt { reason, position: 0 });
    let told = Told { corrupt, stood: std::mem::take(&mut story.stood) };
    if corrupt.is_some() {
        ground.truce();
        let honest = story.truth.taken as u32;
        ground.poke(taken(class), honest.into());
        ground.poke(armed(class), honest.into());
        b"0w1wxyta0".iter().for_each(|step| story.step(*step));
        let mut fresh = Story::begin(&ground, class, size, seed(size).wrapping_add(0x1001), 0);
        b"w0ta0tM".iter().for_each(|step| fresh.step(*step));
        assert_eq!((fresh.truth.corrupt, fresh.truth.written), (None, 2), "a fresh session does not work");
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
    b"0123wxyz0123wxyz".iter().for_each(|step| story.step(*step));
    assert_eq!(story.truth.corrupt, None, "death was taken for a lie");
    if ground.life() > 0 {
        return None;
    }
    ground.dies(usize::MAX);
    let mut fresh = Story::begin(&ground, class, size, seed(size).wrapping_add(0x1001), 0);

    history.iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.truth.corrupt, None, "what a dead peer left was taken for the living one's");
    Some(())
}

const HISTORIES: [&[u8]; 3] =
    [b"wa0ta0x1dt01t0ww0m1Mt1ay2ttx1t", b"wxyz0123ta0123dtt0m1M1atw0tw0", b"wa00tw0xm1M1ta1txz3ttz0w0tat"];

/// What the guest writes, and what it may say there.
fn values(class: u32, size: u32) -> impl Fn(usize, u32) -> Vec<u64> {
    move |word, stood| {
        let mut values = PLAIN.to_vec();
        if word == taken(class) || word == armed(class) {
            let around = near(size, stood & (size - 1), stood);
            for position in around.chain((2..size + 2).map(|by| stood.wrapping_add(by))) {
                values.extend([0, 1, u32::MAX].map(|high| u64::from(position) | u64::from(high) << 32));
            }
        }
        values
    }
}

fn words(class: u32) -> impl Iterator<Item = usize> + Clone {
    // The hints of the ports that have one, and what another class uses.
    [taken(class), armed(class), hints().start, hints().end - 1, taken(1 - class), armed(1 - class)]
        .into_iter()
}

#[test]
fn each_word_at_each_look() {
    let mut count = Count::default();
    for (size, class) in [(1, 0), (2, 1), (4, 0), (4, 1)] {
        for history in HISTORIES {
            let tell = |strikes: &[Strike]| tell(class, size, history, strikes);
            count += exhaust(words(class), values(class, size), tell);
        }
    }
    count.report("raiser, 1, 2 and 4 entries, each word before each look");
}

#[test]
fn several_words_at_random() {
    let (mut noise, mut count) = (Noise::new("raiser"), Count::default());
    for (size, rounds) in [(2, 20_000), (256, 5_000), (1 << 16, 100)] {
        for _ in 0..rounds * effort() {
            let class = noise.below(2) as u32;
            let history: Vec<u8> = (0..120).map(|_| noise.pick(b"01230123ttadmMwxyz")).collect();
            let honest = tell(class, size, &history, &[]);
            let words: Vec<usize> = words(class).collect();
            let strikes =
                strikes(&honest.stood, &mut noise, |noise, _| noise.pick(&words), values(class, size));
            let _said = Said(&strikes);
            count.add(&tell(class, size, &history, &strikes));
        }
    }
    count.report("raiser, 2, 256 and 65536 entries, at random");
}

#[test]
fn a_peer_that_dies_at_each_store() {
    let mut deaths = 0;
    for history in HISTORIES {
        for (class, size) in [(0, 1), (1, 2), (0, 4)] {
            deaths += (0..).map_while(|life| outlive(class, size, history, life)).count();
        }
    }
    println!("hostile: raiser: its peer died {deaths} deaths");
    assert!(deaths > 50);
}
