// SPDX-License-Identifier: MIT OR Apache-2.0
//! The floor of every channel, and the limit of one for large messages: bytes from one processor to the other
//! through a ring of slots in which nothing is checked. What the peer wrote is believed, and the copy is the
//! standard library's.
#![allow(unsafe_code, reason = "the point of it is to check nothing")]

use std::ops::Range;
use std::ptr::copy_nonoverlapping;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::memory::Pages;
use super::message::{Channel, Message};
use super::pair::rest;

/// Where the sender's position, the receiver's, and the slots are.
const SENT: usize = 0;
const TAKEN: usize = 256;
const SLOTS: usize = 4096;

/// The floor.
pub struct Bare;

/// One end.
pub struct End {
    pages: Arc<Pages>,
    stride: usize,
    slots: u64,
    /// The slot of the next message.
    slot: u64,
    /// Position of the next message, what of that the other side knows, and how far it has come as far as
    /// this one knows.
    position: u64,
    published: u64,
    theirs: u64,
}

impl End {
    #[inline(always)]
    fn place(&self) -> *mut u8 {
        self.pages.base().wrapping_add(SLOTS + self.slot as usize * self.stride)
    }

    /// Goes on to the next message, and publishes an eighth of the ring.
    #[inline(always)]
    fn advance(&mut self, own: usize) {
        self.position += 1;
        self.slot = if self.slot + 1 == self.slots { 0 } else { self.slot + 1 };
        if self.position - self.published >= self.slots / 8 {
            self.publish(own);
        }
    }

    #[inline(always)]
    fn publish(&mut self, own: usize) {
        self.published = self.position;
        self.pages.word(own).store(self.position, Ordering::Release);
    }

    /// Waits while the other side stands at `blocked`.
    #[inline(always)]
    fn wait(&mut self, own: usize, theirs: usize, blocked: u64) {
        if self.theirs == blocked {
            self.publish(own);
            loop {
                self.theirs = self.pages.word(theirs).load(Ordering::Acquire);
                if self.theirs != blocked {
                    break;
                }
                rest();
            }
        }
    }
}

impl<const N: usize> Channel<N> for Bare {
    type Tx = End;
    type Rx = End;

    fn make(slots: usize) -> (End, End) {
        let stride = N.next_multiple_of(8);
        let pages = Pages::new(SLOTS + slots * stride);
        let end = || End {
            pages: Arc::clone(&pages),
            stride,
            slots: slots as u64,
            slot: 0,
            position: 0,
            published: 0,
            theirs: 0,
        };
        (end(), end())
    }

    #[inline(always)]
    fn send(tx: &mut End, numbers: Range<u64>) {
        let mut message = Message::<N>::new();
        for number in numbers {
            tx.wait(SENT, TAKEN, tx.position.wrapping_sub(tx.slots));
            // SAFETY: a slot of the pages that the receiver has left.
            unsafe { copy_nonoverlapping(message.number(number).as_ptr(), tx.place(), N) };
            tx.advance(SENT);
        }
        tx.publish(SENT);
    }

    #[inline(always)]
    fn receive(rx: &mut End, count: u64) -> u64 {
        let (mut message, mut sum) = (Message::<N>::new(), 0u64);
        for _ in 0..count {
            rx.wait(TAKEN, SENT, rx.position);
            // SAFETY: a slot of the pages that the sender has left.
            unsafe { copy_nonoverlapping(rx.place(), message.0.as_mut_ptr(), N) };
            rx.advance(TAKEN);
            sum = sum.wrapping_add(message.sum());
        }
        rx.publish(TAKEN);
        sum
    }
}
