// SPDX-License-Identifier: MIT OR Apache-2.0
//! A producer under a consumer that lies.

use super::truth::{Heard, Truth};
use super::{DATA, LARGE, LATCH, LOOK, Message, PUBLISH, SHAPES, Shape, line, memory};
use crate::ground::{Access, Ground, Strike, View};
use crate::noise::{Noise, effort};
use crate::story::{Count, Said, Told, exhaust, strikes};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tenon_abi::call::pack;
use tenon_abi::stream::{LINE_WORDS, RecordLength, max_record, record_units};
use tenon_abi::turn;
use tenon_rings::stream::{Consumer, ConsumerSide, Producer, SetupError, channel};
use tenon_rings::{Corrupt, Error};

type Bell = Box<dyn FnMut()>;

enum End<'a> {
    Records(Producer<View<'a>, Bell>),
    Messages(channel::Producer<View<'a>, Message, Bell>),
}

/// The honest side.
enum Peer<'a> {
    Absent(ConsumerSide<View<'a>>),
    Records(Consumer<View<'a>>),
    Messages(channel::Consumer<View<'a>, Message>),
    /// For the moment of its coming, and when it does not come because of what it wrote there itself.
    Gone,
}

struct Story<'a> {
    ground: &'a Ground,
    shape: Shape,
    end: End<'a>,
    peer: Peer<'a>,
    truth: Truth,
    rings: Rc<Cell<u32>>,
    /// How much was written: lengths and contents follow from it.
    written: u32,
    stood: Vec<u32>,
}

/// What a call did to the data and to its own position.
#[derive(Default)]
struct Done {
    stored: BTreeMap<usize, u64>,
    /// Positions as they were shown, and how many words had been stored by then.
    shown: Vec<(u32, usize)>,
}

impl<'a> Story<'a> {
    fn begin(ground: &'a Ground, shape: Shape) -> Result<Self, SetupError> {
        let (side, _) = memory(ground, shape, Some(true)).split();
        let (_, peer) = memory(ground, shape, None).split();
        let rings = Rc::new(Cell::new(0));
        let counted = Rc::clone(&rings);
        let bell: Bell = Box::new(move || counted.set(counted.get() + 1));
        let end = ground.setup(|| {
            Ok(match shape.message {
                0 => End::Records(side.records(shape.data() * 8, shape.seed, bell)?),
                _ => End::Messages(side.messages(shape.units, shape.seed, bell)?),
            })
        })?;
        let truth = Truth::new(shape, true);
        Ok(Self { ground, shape, end, peer: Peer::Absent(peer), truth, rings, written: 0, stood: Vec::new() })
    }

    fn hear(&mut self, log: &[Access], stood: u32) -> Done {
        let (shape, mut done) = (self.shape, Done::default());
        self.truth.hear(log, |truth, heard| match heard {
            Heard::Stored { index, value } => {
                // Never where the consumer, as far as was seen, still reads.
                let unit = ((index - DATA) / shape.unit()) as u32;
                let by = unit.wrapping_sub(truth.at) & (shape.units - 1);
                assert!(by < truth.room(), "a unit that is not free is written (STR-10)");
                done.stored.insert(index, value);
            }
            Heard::Shown { at } => done.shown.push((at, done.stored.len())),
            Heard::Loaded { .. } => panic!("the producer reads what it wrote (GEN-2)"),
        });
        self.stood.resize(self.ground.loads(), stood);
        done
    }

    /// Compares what was done with what should have been: words, and how far each position that was shown had
    /// come with so many of them.
    fn compare(
        &mut self,
        done: &Done,
        units: u32,
        words: &BTreeMap<usize, u64>,
        complete: impl Fn(u32) -> usize,
    ) {
        assert_eq!(done.stored, *words, "other words than should be");
        for &(at, stored) in &done.shown {
            let by = at.wrapping_sub(self.truth.at);
            assert!(by <= units, "more is published than was written (STR-6)");
            assert_eq!(stored, complete(by), "published before it was written (STR-6)");
        }
        self.truth.at = self.truth.at.wrapping_add(units);
        if done.shown.is_empty() || done.shown.last().is_some_and(|(at, _)| *at != self.truth.at) {
            let behind = self.truth.at.wrapping_sub(self.truth.shown);
            assert!(behind < (self.shape.units / 8).max(1), "an eighth of the ring is not published (STR-6)");
        }
    }

    fn refused(&self, error: Error, done: &Done, needed: u32) {
        assert!(done.stored.is_empty(), "a refusal that wrote");
        match error {
            Error::Full => {
                assert!(self.truth.corrupt.is_none() && self.truth.room() < needed, "full, it says");
                assert_eq!(self.truth.shown, self.truth.at, "it waits for what it did not publish (STR-6)");
            }
            Error::Corrupt(corrupt) => self.broken(corrupt),
            other => panic!("{other:?}"),
        }
    }

    fn broken(&self, corrupt: Corrupt) {
        assert_eq!(Some(corrupt.reason), self.truth.corrupt, "a breach that no word shows");
    }

    fn write(&mut self, vectored: bool) {
        let End::Records(end) = &mut self.end else { unreachable!() };
        let most = max_record(self.shape.units);
        let len = self.written * 7 % (most + 1);
        let bytes: Vec<u8> = (0..len).map(|n| (self.written + n) as u8).collect();
        let units = record_units(len).unwrap();
        let (at, stood) = (self.truth.at, self.truth.seen);
        let to_end = self.shape.to_end(at);
        let skip = if units > to_end { to_end } else { 0 };
        // Its words, one more for the skip, and the last one, which may be stored twice.
        let bound = 2 * PUBLISH + LOOK + LATCH + units as usize + 2;
        let (result, log) = self.ground.call(bound, || match vectored {
            true => end.write_vectored(&[&bytes[..bytes.len() / 3], &bytes[bytes.len() / 3..]]),
            false => end.write(&bytes),
        });
        let done = self.hear(&log, stood);
        if let Err(error) = result {
            self.refused(error, &done, units + skip);
            return;
        }
        self.written += 1;
        let mut words = BTreeMap::new();
        if skip > 0 {
            words.insert(self.shape.place(at), pack(RecordLength::SKIP.0, turn(self.shape.seed, at)));
        }
        let at = at.wrapping_add(skip);
        words.insert(self.shape.place(at), pack(len, turn(self.shape.seed, at)));
        for (index, chunk) in (self.shape.place(at) + 1..).zip(bytes.chunks(8)) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            words.insert(index, u64::from_le_bytes(word));
        }
        let all = words.len();
        self.compare(&done, units + skip, &words, |by| if by == 0 { 0 } else { all });
    }

    fn push(&mut self, most: u32, slice: bool) {
        let End::Messages(end) = &mut self.end else { unreachable!() };
        let (at, stood, first) = (self.truth.at, self.truth.seen, u64::from(self.written));
        let message = |n: u64| [first + n, !(first + n)];
        let all: Vec<Message> = (0..u64::from(most)).map(message).collect();
        // Each message may be the last of a batch.
        let bound = PUBLISH + LOOK + LATCH + most as usize * (2 + PUBLISH);
        let (result, log) = self.ground.call(bound, || match most {
            1 => end.push(message(0)).map(|()| 1),
            _ if slice => end.push_slice(&all),
            _ => end.push_all(&mut all.iter().copied()),
        });
        let done = self.hear(&log, stood);
        let sent = match result {
            Ok(sent) => sent as u32,
            Err(error) => return self.refused(error, &done, 1),
        };
        assert_eq!(sent, self.truth.room().min(most), "fewer than there is room for");
        self.written += sent;
        let mut words = BTreeMap::new();
        for n in 0..sent {
            let place = self.shape.place(at.wrapping_add(n));
            words.extend((place..).zip(message(n.into())));
        }
        self.compare(&done, sent, &words, |by| by as usize * 2);
    }

    /// A call that moves nothing: it publishes, and may look.
    fn other(&mut self, bound: usize, call: impl FnOnce(&mut End<'a>) -> Result<bool, Error>) {
        let (stood, rings) = (self.truth.seen, self.rings.get());
        let (result, log) = self.ground.call(bound, || call(&mut self.end));
        let done = self.hear(&log, stood);
        self.compare(&done, 0, &BTreeMap::new(), |_| 0);
        assert!(self.rings.get() <= rings + 1, "one publication, two wakes (STR-11)");
        match result {
            Err(Error::Corrupt(corrupt)) => self.broken(corrupt),
            Err(other) => panic!("{other:?}"),
            Ok(_) => assert_eq!((self.truth.shown, self.truth.corrupt), (self.truth.at, None)),
        }
    }

    fn peer(&mut self, step: u8) {
        let shape = self.shape;
        self.peer = match (std::mem::replace(&mut self.peer, Peer::Gone), step) {
            (Peer::Absent(side), b'P') if shape.message == 0 => {
                side.records(shape.data() * 8, shape.seed, ()).map_or(Peer::Gone, Peer::Records)
            }
            (Peer::Absent(side), b'P') => {
                side.messages(shape.units, shape.seed, ()).map_or(Peer::Gone, Peer::Messages)
            }
            (same, _) => same,
        };
        match (&mut self.peer, step) {
            (Peer::Records(peer), b'r') => _ = peer.read(|span| span.len()),
            (Peer::Messages(peer), b'r') => _ = peer.pop(),
            (Peer::Records(peer), b'R') => _ = peer.release(),
            (Peer::Messages(peer), b'R') => _ = peer.release(),
            (Peer::Records(peer), b'A') => _ = peer.arm(1),
            (Peer::Messages(peer), b'A') => _ = peer.arm(1),
            _ => {}
        }
    }

    fn step(&mut self, step: u8) {
        let was = self.truth.corrupt;
        let records = self.shape.message == 0;
        match step {
            b'w' | b'v' if records => self.write(step == b'v'),
            b'w' => self.push(1, false),
            b'v' => self.push(3, self.written.is_multiple_of(2)),
            b'f' => self.other(PUBLISH, |end| match end {
                End::Records(end) => end.flush().map(|()| true),
                End::Messages(end) => end.flush().map(|()| true),
            }),
            b'a' => self.other(PUBLISH + 1 + LOOK + LATCH, |end| match end {
                End::Records(end) => end.arm(end.max_record()),
                End::Messages(end) => end.arm(2),
            }),
            _ => self.peer(step),
        }
        assert!(was.is_none() || was == self.truth.corrupt, "a breach was forgotten");
        let corrupt = match &self.end {
            End::Records(end) => end.corrupt(),
            End::Messages(end) => end.corrupt(),
        };
        assert_eq!(corrupt.map(|corrupt| corrupt.reason), self.truth.corrupt, "not what the words show");
    }
}

/// One history under strikes.
fn tell(shape: Shape, history: &[u8], strikes: &[Strike]) -> Told {
    let ground = Ground::new(shape.words(), strikes);
    let mut story = Story::begin(&ground, shape).unwrap();
    history.iter().for_each(|step| story.step(*step));
    let corrupt = story.truth.corrupt.map(|reason| Corrupt { reason, position: 0 });
    let told = Told { corrupt, stood: std::mem::take(&mut story.stood) };
    if corrupt.is_some() {
        // Nothing cures it, not even a cleared line.
        ground.truce();
        (LINE_WORDS..DATA).for_each(|word| ground.poke(word, 0));
        b"wvfaw".iter().for_each(|step| story.step(*step));
        fresh(&ground, shape);
    }
    told
}

/// A session of its own over the memory that is left, its lines cleared (STR-3).
fn fresh(ground: &Ground, shape: Shape) {
    memory(ground, shape, None).clear();
    let mut fresh = Story::begin(ground, shape.next()).unwrap();
    b"wPvwffrrraRwfrrrRa".iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.truth.corrupt, None, "a fresh session does not work");
    assert!(fresh.written >= 2 && fresh.truth.seen != shape.next().seed);
}

/// The consumer dies before its store number `life`. `None`: it lived longer.
fn outlive(shape: Shape, history: &[u8], life: usize) -> Option<()> {
    let ground = Ground::new(shape.words(), &[]);
    let mut story = Story::begin(&ground, shape).unwrap();
    ground.dies(life);
    history.iter().for_each(|step| story.step(*step));
    b"wvwvwvwvfaw".iter().for_each(|step| story.step(*step));
    assert_eq!(story.truth.corrupt, None, "death was taken for a lie");
    if ground.life() > 0 {
        return None;
    }
    ground.dies(usize::MAX);
    // Until the lines are cleared, nobody can come: not in this session, and not in another.
    assert_eq!(Story::begin(&ground, shape).err(), Some(SetupError::Taken));
    assert_eq!(Story::begin(&ground, shape.next()).err(), Some(SetupError::Alive));
    fresh(&ground, shape);
    Some(())
}

const HISTORIES: [&[u8]; 3] = [
    b"awfPwvrwrfwvarwrRvwrrwAwfrvwrRrwvwf",
    b"PAwwfrwvwrrrRawvwvwvrrarwAwfR",
    b"wvwvwvaPrrrwvwvwvfrrrrrawvRwf",
];

/// What the consumer writes, and what it may say there.
fn values(shape: Shape) -> impl Fn(usize, u32) -> Vec<u64> {
    move |word, stood| line(shape, word - LINE_WORDS, stood)
}

#[test]
fn each_word_at_each_look() {
    let mut count = Count::default();
    for shape in SHAPES {
        for history in HISTORIES {
            count += exhaust(LINE_WORDS..DATA, values(shape), |strikes| tell(shape, history, strikes));
        }
    }
    count.report("producer, rings of 1 to 16 units, each word before each look");
}

#[test]
fn several_words_at_random() {
    let (mut noise, mut count) = (Noise::new("producer"), Count::default());
    for shape in LARGE {
        for _ in 0..shape.rounds() * effort() {
            let history: Vec<u8> = (0..120).map(|_| noise.pick(b"PwwwvvfarrrrRA")).collect();
            let honest = tell(shape, &history, &[]);
            let aim = |noise: &mut Noise, _| LINE_WORDS + noise.pick(&[0, 0, 0, 1, 2, 3, 4, 7]);
            let strikes = strikes(&honest.stood, &mut noise, aim, values(shape));
            let _said = Said(&strikes);
            count.add(&tell(shape, &history, &strikes));
        }
    }
    count.report("producer, rings of 8 to 4096 units, at random");
}

#[test]
fn a_peer_that_dies_at_each_store() {
    let mut deaths = 0;
    for shape in SHAPES {
        for history in HISTORIES {
            deaths += (0..).map_while(|life| outlive(shape, history, life)).count();
        }
    }
    println!("hostile: producer: its peer died {deaths} deaths");
    assert!(deaths > 200);
}
