// SPDX-License-Identifier: MIT OR Apache-2.0
//! A consumer under a producer that lies.

use super::truth::{Heard, Truth};
use super::{DATA, LARGE, LATCH, LOOK, Message, PUBLISH, SHAPES, Shape, data, line, memory};
use crate::ground::{Access, Ground, Strike, View};
use crate::noise::{Noise, effort};
use crate::story::{Count, Said, Told, exhaust, strikes};
use std::cell::Cell;
use std::rc::Rc;
use tenon_abi::call::unpack;
use tenon_abi::stream::{LINE_WORDS, RecordLength, max_record, record_units};
use tenon_abi::{Reason, turn};
use tenon_rings::stream::{Consumer, Producer, ProducerSide, SetupError, Span, channel};
use tenon_rings::{Corrupt, Error};

type Bell = Box<dyn FnMut()>;

enum End<'a> {
    Records(Consumer<View<'a>, Bell>),
    Messages(channel::Consumer<View<'a>, Message, Bell>),
}

/// The honest side.
enum Peer<'a> {
    Absent(ProducerSide<View<'a>>),
    Records(Producer<View<'a>>),
    Messages(channel::Producer<View<'a>, Message>),
    /// For the moment of its coming, and when it does not come because of what it wrote there itself.
    Gone,
}

/// What was loaded of the data, record by record or message by message.
#[derive(Default)]
struct Loading {
    whole: Vec<Vec<u64>>,
    /// Of the one under way: its length in bytes, units, first word, and the words that were loaded.
    part: Option<(u32, u32, usize, Vec<Option<u64>>)>,
    /// A skip was passed: what comes is a record, or a breach.
    skipped: bool,
}

struct Story<'a> {
    ground: &'a Ground,
    shape: Shape,
    end: End<'a>,
    peer: Peer<'a>,
    truth: Truth,
    rings: Rc<Cell<u32>>,
    /// How much the peer wrote.
    written: u32,
    /// How much was taken.
    taken: usize,
    stood: Vec<u32>,
}

/// Words of so many bytes, and what each of the last one's bytes counts.
fn masked(len: u32, words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).take(len as usize).collect()
}

impl Loading {
    fn load(&mut self, shape: Shape, truth: &mut Truth, index: usize, value: u64) {
        if self.part.is_none() {
            assert!(truth.ahead() > 0, "a look at what was not published (STR-6)");
            if shape.message > 0 {
                self.part = Some((0, 1, shape.place(truth.at), vec![None; shape.unit()]));
            } else {
                assert_eq!(index, shape.place(truth.at), "not the next header (STR-7)");
                self.header(shape, truth, value);
                self.finish(truth);
                return;
            }
        }
        let (_, _, first, words) = self.part.as_mut().unwrap();
        let word = index.checked_sub(*first).and_then(|at| words.get_mut(at));
        assert_eq!(word.expect("a word of another record").replace(value), None, "loaded twice (GEN-6)");
        self.finish(truth);
    }

    /// What a header says (STR-8, STR-9).
    fn header(&mut self, shape: Shape, truth: &mut Truth, value: u64) {
        let (len, given) = unpack(value);
        let to_end = shape.to_end(truth.at);
        let in_turn = given == turn(shape.seed, truth.at);
        let units = record_units(len).filter(|units| *units <= truth.ahead().min(to_end));
        if let (true, Some(units), true) = (in_turn, units, len <= max_record(shape.units)) {
            let words = vec![None; units as usize - 1];
            self.part = Some((len, units, shape.place(truth.at) + 1, words));
            self.skipped = false;
            return;
        }
        let skips = len == RecordLength::SKIP.0 && to_end < shape.units && to_end < truth.ahead();
        if in_turn && skips && !self.skipped {
            truth.at = truth.at.wrapping_add(to_end);
            self.skipped = true;
        } else {
            truth.corrupt = Some(Reason::BAD_RECORD);
        }
    }

    /// Goes on when all was loaded: not before may the room be given back.
    fn finish(&mut self, truth: &mut Truth) {
        if let Some((len, units, _, words)) =
            self.part.take_if(|(.., words)| words.iter().all(Option::is_some))
        {
            truth.at = truth.at.wrapping_add(units);
            let mut all = vec![u64::from(len)];
            all.extend(words.into_iter().flatten());
            self.whole.push(all);
        }
    }
}

impl<'a> Story<'a> {
    fn begin(ground: &'a Ground, shape: Shape) -> Result<Self, SetupError> {
        let (_, side) = memory(ground, shape, Some(false)).split();
        let (peer, _) = memory(ground, shape, None).split();
        let rings = Rc::new(Cell::new(0));
        let counted = Rc::clone(&rings);
        let bell: Bell = Box::new(move || counted.set(counted.get() + 1));
        let end = ground.setup(|| {
            Ok(match shape.message {
                0 => End::Records(side.records(shape.data() * 8, shape.seed, bell)?),
                _ => End::Messages(side.messages(shape.units, shape.seed, bell)?),
            })
        })?;
        let (truth, peer) = (Truth::new(shape, false), Peer::Absent(peer));
        Ok(Self { ground, shape, end, peer, truth, rings, written: 0, taken: 0, stood: Vec::new() })
    }

    /// The records, or messages, whose words were loaded.
    fn hear(&mut self, log: &[Access], stood: u32) -> Vec<Vec<u64>> {
        let (shape, mut loading) = (self.shape, Loading::default());
        self.truth.hear(log, |truth, heard| match heard {
            Heard::Loaded { index, value } => loading.load(shape, truth, index, value),
            Heard::Shown { at } => {
                let by = at.wrapping_sub(truth.shown);
                let most = truth.at.wrapping_sub(truth.shown);
                assert!(by <= most, "room is given back before it was read (STR-10)");
            }
            Heard::Stored { .. } => panic!("the consumer writes the data"),
        });
        assert!(loading.part.is_none() && (!loading.skipped || self.truth.corrupt.is_some()), "read in part");
        self.stood.resize(self.ground.loads(), stood);
        self.taken += loading.whole.len();
        loading.whole
    }

    /// Takes up to `most`, each copied in full.
    fn take(&mut self, most: usize, drain: bool) {
        let (stood, shape, ground) = (self.truth.at, self.shape, self.ground);
        let body = if shape.message == 0 { max_record(shape.units) as usize / 8 } else { 2 };
        // Two headers, where there is a skip, for each record; a position shown behind each.
        let bound = PUBLISH + LOOK + LATCH + most.max(1) * (2 + body + PUBLISH);
        let mut got: Vec<Vec<u8>> = Vec::new();
        let (result, log) = ground.call(bound, || match &mut self.end {
            End::Records(end) => {
                let copy = |span: Span<'_, View<'a>>| {
                    let mut bytes = vec![0x5a; span.len() + 8];
                    let len = span.copy_into(&mut bytes).map(|copy| copy.len());
                    assert_eq!(len, Some(span.len()));
                    assert!(bytes[span.len()..].iter().all(|byte| *byte == 0x5a), "copied beyond its length");
                    bytes.truncate(span.len());
                    got.push(bytes);
                };
                if drain { end.drain(most, copy) } else { end.read(copy).map(|()| 1) }
            }
            End::Messages(end) => {
                let copy = |message: Message| got.push(masked(16, &message));
                if drain && most > 2 {
                    let mut out = vec![[0; 2]; most];
                    end.pop_slice(&mut out).inspect(|count| out[..*count].iter().copied().for_each(copy))
                } else if drain {
                    end.drain(most, copy)
                } else {
                    end.pop().map(copy).map(|()| 1)
                }
            }
        });
        let whole = self.hear(&log, stood);
        let loaded: Vec<Vec<u8>> = whole
            .iter()
            .map(|words| masked(if shape.message == 0 { words[0] as u32 } else { 16 }, &words[1..]))
            .collect();
        assert_eq!(got, loaded, "not the bytes that were loaded");
        match result {
            Ok(count) => {
                assert!(count == whole.len() && count <= most);
                assert!(most == 0 || count > 0, "nothing, and no reason");
            }
            Err(Error::Empty) => {
                assert_eq!((self.truth.ahead(), self.truth.corrupt), (0, None));
                assert_eq!(
                    self.truth.shown, self.truth.at,
                    "it waits with room that it did not give back (STR-10)"
                );
            }
            Err(Error::Corrupt(corrupt)) => {
                assert!(whole.is_empty());
                self.broken(corrupt);
            }
            Err(other) => panic!("{other:?}"),
        }
        if self.truth.corrupt.is_none() {
            let behind = self.truth.at.wrapping_sub(self.truth.shown);
            assert!(behind < (shape.units / 8).max(1), "an eighth of the ring is not given back (STR-10)");
        }
    }

    fn broken(&self, corrupt: Corrupt) {
        assert_eq!(Some(corrupt.reason), self.truth.corrupt, "a breach that no word shows");
    }

    /// A call that takes nothing: it gives room back, and may look.
    fn other(&mut self, bound: usize, call: impl FnOnce(&mut End<'a>) -> Result<bool, Error>) {
        let (stood, rings) = (self.truth.at, self.rings.get());
        let (result, log) = self.ground.call(bound, || call(&mut self.end));
        assert!(self.hear(&log, stood).is_empty());
        assert!(self.rings.get() <= rings + 1, "one publication, two wakes (STR-11)");
        match result {
            Err(Error::Corrupt(corrupt)) => self.broken(corrupt),
            Err(other) => panic!("{other:?}"),
            Ok(_) => assert_eq!((self.truth.shown, self.truth.corrupt), (self.truth.at, None)),
        }
    }

    fn peer(&mut self, step: u8) {
        let (shape, n) = (self.shape, self.written);
        self.peer = match (std::mem::replace(&mut self.peer, Peer::Gone), step) {
            (Peer::Absent(side), b'P') if shape.message == 0 => {
                side.records(shape.data() * 8, shape.seed, ()).map_or(Peer::Gone, Peer::Records)
            }
            (Peer::Absent(side), b'P') => {
                side.messages(shape.units, shape.seed, ()).map_or(Peer::Gone, Peer::Messages)
            }
            (same, _) => same,
        };
        let sent = match (&mut self.peer, step) {
            (Peer::Records(peer), b'w' | b'W') => {
                let most = peer.max_record();
                let len = if step == b'W' { most } else { n * 7 % (most + 1) };
                peer.write(&vec![n as u8; len as usize]).is_ok()
            }
            (Peer::Messages(peer), b'w' | b'W') => peer.push([n.into(), !u64::from(n)]).is_ok(),
            (Peer::Records(peer), b'f') => peer.flush().is_err(),
            (Peer::Messages(peer), b'f') => peer.flush().is_err(),
            (Peer::Records(peer), b'A') => peer.arm(1).is_err(),
            (Peer::Messages(peer), b'A') => peer.arm(1).is_err(),
            _ => false,
        };
        self.written += u32::from(sent);
    }

    fn step(&mut self, step: u8) {
        let was = self.truth.corrupt;
        match step {
            b'r' => self.take(1, false),
            b'd' => self.take(2, true),
            b'D' => self.take(9, true),
            b'n' => self.take(0, true),
            b'R' => self.other(PUBLISH, |end| match end {
                End::Records(end) => end.release().map(|()| true),
                End::Messages(end) => end.release().map(|()| true),
            }),
            b'a' | b'b' => self.other(PUBLISH + 1 + LOOK + LATCH, |end| match end {
                End::Records(end) => end.arm(if step == b'a' { 1 } else { u32::MAX }),
                End::Messages(end) => end.arm(if step == b'a' { 0 } else { u32::MAX }),
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
        (0..LINE_WORDS).for_each(|word| ground.poke(word, 0));
        b"rdnRabr".iter().for_each(|step| story.step(*step));
        fresh(&ground, shape);
    }
    told
}

/// A session of its own over the memory that is left: its lines cleared (STR-3), its data as it is.
fn fresh(ground: &Ground, shape: Shape) {
    memory(ground, shape, None).clear();
    let mut fresh = Story::begin(ground, shape.next()).unwrap();
    b"raPrd".iter().for_each(|step| fresh.step(*step));
    assert_eq!(fresh.taken, 0, "what an older session left was taken");
    b"wfrwwfrrawfrd".iter().for_each(|step| fresh.step(*step));
    assert_eq!(
        (fresh.truth.corrupt, fresh.taken),
        (None, fresh.written as usize),
        "a fresh session does not work"
    );
    assert!(fresh.taken >= 3);
}

/// The producer dies before its store number `life`. `None`: it lived longer.
fn outlive(shape: Shape, history: &[u8], life: usize) -> Option<()> {
    let ground = Ground::new(shape.words(), &[]);
    let mut story = Story::begin(&ground, shape).unwrap();
    ground.dies(life);
    history.iter().for_each(|step| story.step(*step));
    b"rdDDDrRabr".iter().for_each(|step| story.step(*step));
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

const HISTORIES: [&[u8]; 4] = [
    b"raPrwfrwwfdrwfrRwwwfrrrnwfawfdwwfrrA",
    b"PAwfrwwfDwwwfdrbwfrwwwfDaRwwfr",
    b"PwwwwfrwrwwdbwwfRwnrrwfDwwwwwfDDD",
    b"PwWfrrWfrrWWfrrRwWfrrWfrrWWfrrW",
];

/// What the producer writes, and what it may say there.
fn values(shape: Shape) -> impl Fn(usize, u32) -> Vec<u64> {
    move |word, stood| if word < LINE_WORDS { line(shape, word, stood) } else { data(shape, word, stood) }
}

#[test]
fn each_word_at_each_look() {
    let mut count = Count::default();
    for shape in SHAPES {
        for history in HISTORIES {
            let words = (0..LINE_WORDS).chain(DATA..shape.words());
            count += exhaust(words, values(shape), |strikes| tell(shape, history, strikes));
        }
    }
    count.report("consumer, rings of 1 to 16 units, each word before each look");
}

#[test]
fn several_words_at_random() {
    let (mut noise, mut count) = (Noise::new("consumer"), Count::default());
    for shape in LARGE {
        for _ in 0..shape.rounds() * effort() {
            let history: Vec<u8> = (0..120).map(|_| noise.pick(b"PwwwWWWfffrrdDnRabA")).collect();
            let honest = tell(shape, &history, &[]);
            let aim = |noise: &mut Noise, stood: u32| match noise.below(3) {
                0 => noise.below(LINE_WORDS),
                1 => shape.place(stood.wrapping_add(noise.below(2) as u32)),
                _ => DATA + noise.below(shape.data()),
            };
            let strikes = strikes(&honest.stood, &mut noise, aim, values(shape));
            let _said = Said(&strikes);
            count.add(&tell(shape, &history, &strikes));
        }
    }
    count.report("consumer, rings of 8 to 4096 units, at random");
}

#[test]
fn a_peer_that_dies_at_each_store() {
    let mut deaths = 0;
    for shape in SHAPES {
        for history in HISTORIES {
            deaths += (0..).map_while(|life| outlive(shape, history, life)).count();
        }
    }
    println!("hostile: consumer: its peer died {deaths} deaths");
    assert!(deaths > 500);
}
