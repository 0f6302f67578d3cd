// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends of rings that stand anywhere, each of a ring of its own: a test's two ends see memory in two ways.

use tenon_rings::call::{CompleterState, Parts, Queue};
use tenon_rings::event::{RaiserState, Ring};
use tenon_rings::{Completer, Raiser, Submitter, Taker, Words};

/// The guest's end of a queue without control words.
pub(crate) fn submitter<W: Words, const D: usize>(s: W, c: W, seed: u32, position: u32) -> Submitter<W, D> {
    let parts = Parts::bare(s, c).unwrap();
    Queue::new(parts, seed, u32::try_from(D).unwrap()).unwrap().submitter_at(position).unwrap()
}

/// The host's end of a queue without control words.
pub(crate) fn completer<W: Words>(s: W, c: W, seed: u32, depth: u32, position: u32) -> Completer<W> {
    let parts = Parts::bare(s, c).unwrap();
    Queue::new(parts, seed, depth).unwrap().completer_at(CompleterState::at(position)).unwrap()
}

/// The host's end of an event ring, as large as its entries.
pub(crate) fn raiser<W: Words>(guest: W, entries: W, class: u32, seed: u32, position: u64) -> Raiser<W> {
    let state = RaiserState { written: position, taken: position, ..RaiserState::default() };
    ring(guest, entries, class, seed).raiser_at(state).unwrap()
}

/// The guest's end of an event ring, as large as its entries.
pub(crate) fn taker<W: Words>(
    guest: W,
    entries: W,
    class: u32,
    seed: u32,
    max_ports: u32,
    position: u32,
) -> Taker<W> {
    ring(guest, entries, class, seed).taker_at(max_ports, position).unwrap()
}

fn ring<W: Words>(guest: W, entries: W, class: u32, seed: u32) -> Ring<W> {
    let size = u32::try_from(entries.len()).unwrap();
    Ring::new(guest, entries, class, seed, size).unwrap()
}
