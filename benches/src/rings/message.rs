// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of one size from one thread to another: what every channel has to do.

use std::hint::black_box;
use std::ops::Range;

use super::pair::{apart, together};
use super::sample::Variant;

/// A private message: the sender's, or the receiver's copy.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Message<const N: usize>(pub [u8; N]);

impl<const N: usize> Message<N> {
    /// A message that nobody has numbered.
    #[must_use]
    pub fn new() -> Self {
        Self([0x5a; N])
    }

    /// Writes the message of a number, all of it. The compiler knows nothing of its bytes afterwards.
    #[inline(always)]
    pub fn number(&mut self, number: u64) -> &[u8; N] {
        write(&mut self.0, number);
        &black_box(self).0
    }

    /// The sum over all of it, after the compiler had to put every byte there.
    #[inline(always)]
    #[must_use]
    pub fn sum(&mut self) -> u64 {
        sum(&black_box(self).0)
    }
}

impl<const N: usize> Default for Message<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the message of a number: its words are the number, the number plus one, and so on.
#[inline(always)]
pub fn write(bytes: &mut [u8], number: u64) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for (word, value) in words.iter_mut().zip(number..) {
        *word = value.to_ne_bytes();
    }
    rest.fill(0x5a);
}

/// The sum over a message's words, and the bytes behind the last whole one.
#[inline(always)]
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)));
    rest.iter().fold(words, |sum, byte| sum.wrapping_add(u64::from(*byte)))
}

/// A channel for messages of `N` bytes.
pub trait Channel<const N: usize> {
    /// Who sends.
    type Tx: Send;
    /// Who receives.
    type Rx: Send;

    /// Both ends of a ring for so many messages; what is published in batches is published at most an eighth
    /// of them at a time.
    fn make(slots: usize) -> (Self::Tx, Self::Rx);
    /// Sends the messages of these numbers. They can be received when it returns.
    fn send(tx: &mut Self::Tx, numbers: Range<u64>);
    /// Receives so many, and says what they sum up to.
    fn receive(rx: &mut Self::Rx, count: u64) -> u64;
}

/// Messages from one thread to another through `slots` slots.
pub fn stream<C: Channel<N>, const N: usize>(group: &str, name: &'static str, slots: usize) -> Variant {
    let warm_up = 3 * slots as u64;
    let run = move |count: u64| {
        let (mut tx, mut rx) = apart(C::make(slots));
        let (tx, rx) = (&mut tx.0, &mut rx.0);
        let mut sum = 0u64;
        let reading = together(
            |warm| send::<C, N>(tx, if warm { 0..warm_up } else { warm_up..warm_up + count }),
            |warm| sum = sum.wrapping_add(receive::<C, N>(rx, if warm { warm_up } else { count })),
        );
        assert_eq!(sum, expected::<N>(warm_up + count), "{name}");
        (count, reading)
    };
    Variant { group: group.to_owned(), name, run: Box::new(run) }
}

#[inline(never)]
fn send<C: Channel<N>, const N: usize>(tx: &mut C::Tx, numbers: Range<u64>) {
    C::send(tx, numbers);
}

#[inline(never)]
fn receive<C: Channel<N>, const N: usize>(rx: &mut C::Rx, count: u64) -> u64 {
    C::receive(rx, count)
}

/// What messages 0 to `count` sum up to.
fn expected<const N: usize>(count: u64) -> u64 {
    let mut first = Message::<N>::new();
    first.number(0);
    let words = (N / 8) as u64;
    first.sum().wrapping_mul(count).wrapping_add(words.wrapping_mul(count * count.saturating_sub(1) / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        for at in [8, 15, 16, 19] {
            let mut message = Message::<20>::new();
            message.number(7);
            let before = message.sum();
            message.0[at] ^= 1;
            assert_ne!(message.sum(), before, "byte {at}");
        }
    }
}
