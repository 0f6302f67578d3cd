// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of the data ring that carries messages.

use crate::stream::{Ring, SEED, View};
use loom::sync::Notify;
use loom::thread;
use std::sync::Arc;
use tenon_rings::stream::Bell;
use tenon_rings::{Error, Site, channel};

type Producer<B> = channel::Producer<View, [u64; 1], B>;
type Consumer<B> = channel::Consumer<View, [u64; 1], B>;

/// Message `n`: different from all others and from cleared memory.
fn message(n: u64) -> [u64; 1] {
    [n + 0x100]
}

/// Sends message `n`, if there is room; whether there was.
fn push<B: Bell>(producer: &mut Producer<B>, n: &mut u64) -> bool {
    match producer.push(message(*n)) {
        Ok(()) => {
            *n += 1;
            true
        }
        Err(error) => {
            assert_eq!(error, Error::Full);
            false
        }
    }
}

/// Receives the next message, if it is there, which has to be message `n`; whether it was.
fn pop<B: Bell>(consumer: &mut Consumer<B>, n: &mut u64) -> bool {
    match consumer.pop() {
        Ok(found) => {
            assert_eq!(found, message(*n), "a stale message");
            *n += 1;
            true
        }
        Err(error) => {
            assert_eq!(error, Error::Empty, "a message was lost");
            false
        }
    }
}

fn bell(of: &Arc<Notify>) -> impl Bell + use<> {
    let of = Arc::clone(of);
    move || of.notify()
}

/// STR-4, STR-5, STR-6, STR-10, STR-14: `messages` messages through `slots` slots, each side trying `tries`
/// times while the other is at it.
pub(crate) fn exchange(weak: Option<Site>, slots: u32, messages: u64, tries: u64) {
    let ring = Ring::settled(usize::try_from(slots).unwrap(), weak);
    let mut producer = ring.producer().messages::<[u64; 1], _>(slots, SEED, ()).unwrap();
    let mut consumer = ring.consumer().messages::<[u64; 1], _>(slots, SEED, ()).unwrap();
    let other = thread::spawn(move || {
        let mut done = 0;
        for _ in 0..tries {
            pop(&mut consumer, &mut done);
        }
        (consumer, done)
    });
    let mut sent = 0;
    for _ in 0..tries {
        if sent < messages {
            push(&mut producer, &mut sent);
        }
    }
    let (mut consumer, mut done) = other.join().unwrap();
    // Alone now: each round takes at least one message further.
    for _ in 0..2 * messages {
        if sent < messages {
            push(&mut producer, &mut sent);
        }
        pop(&mut consumer, &mut done);
    }
    assert_eq!((sent, done), (messages, messages), "a message was lost");
}

/// STR-11: a consumer that arms, looks and sleeps is woken by the producer; one that is not sleeps for ever,
/// which loom sees.
pub(crate) fn wait_for_messages(weak: Option<Site>, messages: u64) {
    let slots = u32::try_from(messages.next_power_of_two()).unwrap();
    let ring = Ring::settled(usize::try_from(slots).unwrap(), weak);
    let wake = Arc::new(Notify::new());
    let mut producer = ring.producer().messages(slots, SEED, bell(&wake)).unwrap();
    let mut consumer = ring.consumer().messages(slots, SEED, ()).unwrap();
    let other = thread::spawn(move || {
        let mut sent = 0;
        while sent < messages {
            assert!(push(&mut producer, &mut sent), "there is room for all");
        }
        producer.flush().unwrap();
    });
    let mut done = 0;
    while done < messages {
        if !pop(&mut consumer, &mut done) && consumer.arm(1).unwrap() {
            wake.wait();
        }
    }
    other.join().unwrap();
}

/// STR-11: the same with a producer that waits for room, while the consumer empties a full ring.
pub(crate) fn wait_for_room(weak: Option<Site>, slots: u32, wanted: u32) {
    let ring = Ring::settled(usize::try_from(slots).unwrap(), weak);
    let wake = Arc::new(Notify::new());
    let mut producer = ring.producer().messages(slots, SEED, ()).unwrap();
    let mut consumer = ring.consumer().messages(slots, SEED, bell(&wake)).unwrap();
    let (mut sent, mut done) = (0, 0);
    while push(&mut producer, &mut sent) {}
    let full = sent;
    assert_eq!(full, u64::from(slots));
    let other = thread::spawn(move || {
        while done < full {
            assert!(pop(&mut consumer, &mut done), "it was full");
        }
        consumer.release().unwrap();
    });
    while sent < 2 * full {
        if !push(&mut producer, &mut sent) && producer.arm(wanted).unwrap() {
            wake.wait();
        }
    }
    other.join().unwrap();
}

/// STR-11, STR-12: both sides sleep when they cannot go on; never both for ever. One message more than there
/// are slots, of which all are full when it begins.
pub(crate) fn wait_for_each_other(weak: Option<Site>, slots: u32) {
    let ring = Ring::settled(usize::try_from(slots).unwrap(), weak);
    let (wake_consumer, wake_producer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut producer = ring.producer().messages(slots, SEED, bell(&wake_consumer)).unwrap();
    let mut consumer = ring.consumer().messages(slots, SEED, bell(&wake_producer)).unwrap();
    let (mut sent, messages) = (0, u64::from(slots) + 1);
    while push(&mut producer, &mut sent) {}
    let other = thread::spawn(move || {
        let mut done = 0;
        while done < messages {
            if !pop(&mut consumer, &mut done) && consumer.arm(slots).unwrap() {
                wake_consumer.wait();
            }
        }
        consumer.release().unwrap();
    });
    while sent < messages {
        if !push(&mut producer, &mut sent) && producer.arm(slots).unwrap() {
            wake_producer.wait();
        }
    }
    producer.flush().unwrap();
    other.join().unwrap();
}

/// STR-3, STR-4: the sides attach at any moment, over what a session before has left; whoever meets the other
/// finds it whole.
pub(crate) fn attach(weak: Option<Site>, tries: u64) {
    let ring = Ring::left(1, weak);
    let (near, far) = (ring.producer(), ring.consumer());
    let other = thread::spawn(move || {
        let mut consumer = far.messages(1, SEED, ()).unwrap();
        let mut done = 0;
        for _ in 0..tries {
            pop(&mut consumer, &mut done);
        }
    });
    let mut producer = near.messages(1, SEED, ()).unwrap();
    let mut sent = 0;
    push(&mut producer, &mut sent);
    other.join().unwrap();
}
