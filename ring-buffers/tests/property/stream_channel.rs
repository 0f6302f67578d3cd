// SPDX-License-Identifier: MIT OR Apache-2.0
//! STR-4 to STR-14: arbitrary histories of messages, against a list of them.

use crate::mapping::mapping;
use crate::stream::{LINE, Memory, Sleeper, bell, ring, seeds};
use proptest::prelude::*;
use std::collections::VecDeque;
use tenon_rings::channel::Message;
use tenon_rings::{Error, Words};

#[derive(Clone, Debug)]
enum Step {
    Push,
    PushAll(u64),
    PushSlice(u64),
    Flush,
    Pop,
    Drain(usize),
    PopSlice(usize),
    Release,
    ArmProducer(u32),
    ArmConsumer(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        2 => (0u64..20).prop_map(Step::PushAll),
        2 => (0u64..20).prop_map(Step::PushSlice),
        1 => Just(Step::Flush),
        4 => Just(Step::Pop),
        2 => (0usize..20).prop_map(Step::Drain),
        2 => (0usize..20).prop_map(Step::PopSlice),
        1 => Just(Step::Release),
        1 => (0u32..20).prop_map(Step::ArmProducer),
        1 => (0u32..20).prop_map(Step::ArmConsumer),
    ]
}

fn message<const N: usize>(n: u64) -> [u64; N] {
    std::array::from_fn(|word| n * 1000 + u64::try_from(word).unwrap())
}

/// What is known of both ends, in messages since the start.
#[derive(Default)]
struct Known {
    slots: u64,
    sent: u64,
    received: u64,
    /// What is certainly published, or released.
    flushed: u64,
    released: u64,
}

impl Known {
    fn batch(&self) -> u64 {
        (self.slots / 8).max(1)
    }

    fn sent(&mut self, result: Result<usize, Error>, most: u64, room: u32) {
        match result {
            Ok(count) => {
                let count = u64::try_from(count).unwrap();
                assert!(count <= most && (count > 0 || most == 0));
                self.sent += count;
                assert!(self.sent - self.received <= self.slots, "sent over what is not received");
                assert!(count == most || room == 0, "fewer than there is room for");
                self.flushed = self.flushed.max((self.sent + 1).saturating_sub(self.batch()));
            }
            Err(error) => {
                assert_eq!(error, Error::Full);
                assert!(self.sent - self.released >= self.slots, "full though there is room");
                self.flushed = self.sent;
            }
        }
    }

    fn received(&mut self, result: Result<usize, Error>, most: usize) {
        match result {
            Ok(count) => {
                assert!(count <= most && (count > 0 || most == 0));
                self.received += u64::try_from(count).unwrap();
                self.released = self.released.max((self.received + 1).saturating_sub(self.batch()));
            }
            Err(error) => {
                assert_eq!(error, Error::Empty);
                assert!(self.flushed <= self.received, "empty though messages are published");
                self.released = self.received;
            }
        }
    }
}

fn run<W: Words, const N: usize>(memory: W, slots: u32, seed: u32, steps: &[Step]) {
    let (mut waking_producer, mut waking_consumer) = (Sleeper::default(), Sleeper::default());
    let (near, far) = ring(memory).split();
    let mut producer = near.messages::<[u64; N], _>(slots, seed, bell(&waking_consumer.bell)).unwrap();
    let mut consumer = far.messages::<[u64; N], _>(slots, seed, bell(&waking_producer.bell)).unwrap();
    let mut known = Known { slots: u64::from(slots), ..Known::default() };
    let mut expected = 0;
    let mut next = |found: [u64; N]| {
        assert_eq!(found, message(expected), "another message");
        expected += 1;
    };
    for step in steps {
        match *step {
            Step::Push => {
                let result = producer.push(message(known.sent)).map(|()| 1);
                known.sent(result, 1, producer.room());
            }
            Step::PushAll(most) => {
                let first = known.sent;
                let mut all = (first..first + most).map(message);
                let result = producer.push_all(&mut all);
                known.sent(result, most, producer.room());
                assert_eq!(
                    all.next(),
                    (known.sent < first + most).then(|| message(known.sent)),
                    "one was dropped"
                );
            }
            Step::PushSlice(most) => {
                let all: Vec<_> = (known.sent..known.sent + most).map(message).collect();
                let result = producer.push_slice(&all);
                known.sent(result, most, producer.room());
            }
            Step::Flush => {
                producer.flush().unwrap();
                known.flushed = known.sent;
                waking_consumer.settled(known.sent);
            }
            Step::Pop => {
                let result = consumer.pop().map(&mut next).map(|()| 1);
                known.received(result, 1);
            }
            Step::Drain(most) => {
                let result = consumer.drain(most, &mut next);
                known.received(result, most);
            }
            Step::PopSlice(most) => {
                let mut out = vec![[u64::MAX; N]; most];
                let result = consumer.pop_slice(&mut out);
                let count = result.unwrap_or(0);
                out[..count].iter().for_each(|found| next(*found));
                assert!(out[count..].iter().all(|left| *left == [u64::MAX; N]), "more than was said");
                known.received(result, most);
            }
            Step::Release => {
                consumer.release().unwrap();
                known.released = known.received;
                waking_producer.settled(known.received);
            }
            Step::ArmProducer(wanted) => {
                let may_sleep = producer.arm(wanted).unwrap();
                known.flushed = known.sent;
                waking_consumer.settled(known.sent);
                let wanted = u64::from(wanted.min(slots / 2).max(1));
                let from = (known.sent + wanted).saturating_sub(known.slots);
                // Where the consumer has not shown all that it took, either answer is right.
                let shown =
                    if may_sleep == (known.received < from) { known.received } else { known.released };
                waking_producer.armed(from, shown, may_sleep);
            }
            Step::ArmConsumer(wanted) => {
                let may_sleep = consumer.arm(wanted).unwrap();
                known.released = known.received;
                waking_producer.settled(known.received);
                let from = known.received + u64::from(wanted.min(slots / 2).max(1));
                let shown = if may_sleep == (known.sent < from) { known.sent } else { known.flushed };
                waking_consumer.armed(from, shown, may_sleep);
            }
        }
        waking_consumer.quiet(known.sent);
        waking_producer.quiet(known.received);
        assert!(
            u64::from(producer.room()) <= known.slots - (known.sent - known.received),
            "room that is not there"
        );
        assert!(
            u64::from(consumer.available()) <= known.sent - known.received,
            "messages that are not there"
        );
    }
    producer.flush().unwrap();
    waking_consumer.settled(known.sent);
    while let Ok(count) = consumer.drain(usize::MAX, &mut next) {
        known.received(Ok(count), usize::MAX);
    }
    waking_producer.settled(known.received);
    assert_eq!(known.received, known.sent, "a message was lost");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn any_history_of_messages_is_that_of_a_list(
        slots in prop::sample::select(vec![1u32, 2, 4, 8, 16, 32]),
        seed in seeds(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let words = 2 * LINE + usize::try_from(slots).unwrap() * 5;
        run::<_, 1>(Memory::new(words).words(), slots, seed, &steps);
        run::<_, 5>(Memory::new(words).words(), slots, seed, &steps);
        for n in 0..2 {
            let memory = Memory::new(words);
            let mapping = mapping(memory.words());
            if n == 0 { run::<_, 1>(mapping, slots, seed, &steps) } else { run::<_, 4>(mapping, slots, seed, &steps) }
        }
    }
}

/// A type of one's own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Move {
    from: u32,
    to: u32,
    cost: u64,
}

impl Message for Move {
    type Words = [u64; 2];

    fn to_words(self) -> [u64; 2] {
        [u64::from(self.from) | u64::from(self.to) << 32, self.cost]
    }

    fn from_words([ends, cost]: [u64; 2]) -> Self {
        let half = |shift: u32| u32::try_from(ends >> shift & 0xffff_ffff).unwrap();
        Self { from: half(0), to: half(32), cost }
    }
}

/// STR-14: slot by slot, word by word.
#[test]
fn a_type_of_ones_own_travels() {
    let memory = Memory::new(2 * LINE + 8);
    let (near, far) = ring(memory.words()).split();
    let mut producer = near.messages(4, u32::MAX, ()).unwrap();
    let mut consumer = far.messages::<Move, _>(4, u32::MAX, ()).unwrap();
    let mut sent = VecDeque::new();
    for n in 0..9 {
        let message = Move { from: n, to: n + 1, cost: u64::MAX - u64::from(n) };
        producer.push(message).unwrap();
        sent.push_back(message);
        if sent.len() == 3 {
            producer.flush().unwrap();
            assert_eq!(consumer.pop(), Ok(sent.pop_front().unwrap()));
        }
    }
    // Message n lies in slot (2^32 - 1 + n) mod 4: the last in slot 3.
    let words = memory.words().iter().map(|word| word.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(words.skip(2 * LINE + 6).collect::<Vec<_>>(), [8 | 9 << 32, u64::MAX - 8]);
}
