// SPDX-License-Identifier: MIT OR Apache-2.0
//! The books of a disk's queue: which request has which place, what it owns, and how it ended.
//!
//! All of it is private. A host can only say that an id is done, with a status and a value.

use super::done::{Done, Token};
use super::io::Io;
use super::set::Set;
use tenon_abi::Status;
use tenon_rings::call::Outcome;
use tenon_rings::planted;

/// Stands for a place in `places` where CANCEL is in flight.
const CANCEL: u16 = u16::MAX;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Free,
    /// The host has it.
    Flying,
    /// The host has it, and nobody asks for its result any more.
    GivenUp,
    /// Its result was not taken yet.
    Done(Result<(), Status>),
    /// It was given up and is over: what it owned was not taken yet.
    Over,
}

struct Slot<T> {
    phase: Phase,
    /// Which request of all of this queue's: no two have the same.
    serial: u64,
    /// The value with which it succeeds, if that is known.
    moved: Option<u64>,
    id: u16,
    io: Option<Io<T>>,
}

impl<T> Slot<T> {
    const fn new() -> Self {
        Self { phase: Phase::Free, serial: 0, moved: None, id: 0, io: None }
    }
}

/// Who a completion was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Booked {
    /// A request whose result may be taken, by its place.
    Done(u16),
    /// One that was given up.
    Over,
    /// CANCEL.
    Cancel(Outcome),
}

pub(super) struct Table<T, const D: usize> {
    slots: [Slot<T>; D],
    /// The place of each id.
    places: [u16; D],
    /// Stack of the free places: the first `free_len`.
    free: [u16; D],
    free_len: usize,
    /// Requests that the host has.
    flying: usize,
    serial: u64,
    done: Set,
    over: Set,
}

impl<T, const D: usize> Table<T, D> {
    pub(super) fn new() -> Self {
        let mut free = [0; D];
        for (place, free) in (0u16..).zip(free.iter_mut().rev()) {
            *free = place;
        }
        Self {
            slots: [const { Slot::new() }; D],
            places: [CANCEL; D],
            free,
            free_len: D,
            flying: 0,
            serial: 0,
            done: Set::new(),
            over: Set::new(),
        }
    }

    /// Requests that the host has.
    pub(super) const fn flying(&self) -> usize {
        self.flying
    }

    /// Whether every place is free.
    pub(super) const fn is_empty(&self) -> bool {
        self.free_len == D
    }

    /// Whether a further request can be given to the host: the last id is for CANCEL.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        let most = if D > 1 { D.wrapping_sub(1) } else { D };
        self.free_len > 0 && (self.flying < most || planted!("cancel-without-slot"))
    }

    fn slot(&mut self, place: u16) -> Option<&mut Slot<T>> {
        self.slots.get_mut(usize::from(place))
    }

    /// Takes a request into the books, which has this id from now on. There is room.
    #[inline]
    pub(super) fn enter(&mut self, io: Io<T>, id: u16, moved: Option<u64>) -> Token {
        // There is room, so that the stack has a place: nothing here falls back on another.
        self.free_len = self.free_len.saturating_sub(1);
        let place = self.free.get(self.free_len).copied().unwrap_or(0);
        let serial = self.serial;
        if let Some(slot) = self.slot(place) {
            *slot = Slot { phase: Phase::Flying, serial, moved, id, io: Some(io) };
        }
        self.serial = serial.wrapping_add(1);
        self.flying = self.flying.wrapping_add(1);
        self.set_place(id, place);
        Token { place, serial }
    }

    /// An id is CANCEL's from now on.
    pub(super) fn enter_cancel(&mut self, id: u16) {
        self.set_place(id, CANCEL);
    }

    fn set_place(&mut self, id: u16, place: u16) {
        if let Some(at) = self.places.get_mut(usize::from(id)) {
            *at = place;
        }
    }

    /// Books a completion. The ring says that the id was in flight.
    #[inline]
    pub(super) fn book(&mut self, id: u16, outcome: Outcome) -> Booked {
        let place = self.places.get(usize::from(id)).copied().unwrap_or(CANCEL);
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return Booked::Cancel(outcome) };
        let result = match (outcome.status, slot.moved) {
            // All of it, or nobody knows what was done: there is no part of a request (BLK-4, BLK-5).
            (Status::OK, Some(moved)) if moved != outcome.value && !planted!("moved-believed") => {
                Err(Status::INDETERMINATE)
            }
            (Status::OK, _) => Ok(()),
            (status, _) => Err(status),
        };
        self.flying = self.flying.saturating_sub(1);
        if slot.phase == Phase::GivenUp {
            self.end(place);
            return Booked::Over;
        }
        slot.phase = Phase::Done(result);
        Booked::Done(place)
    }

    /// A request that was given up is over.
    fn end(&mut self, place: u16) {
        if let Some(slot) = self.slot(place) {
            slot.phase = Phase::Over;
        }
        self.over.insert(place);
    }

    /// Keeps a result until somebody asks for it.
    pub(super) fn keep(&mut self, place: u16) {
        self.done.insert(place);
    }

    /// Takes the result of a place, if it is there.
    #[inline]
    pub(super) fn take(&mut self, place: u16) -> Option<Done<T>> {
        let slot = self.slots.get_mut(usize::from(place))?;
        let Phase::Done(result) = slot.phase else { return None };
        let payload = slot.io.take().and_then(Io::into_payload);
        let token = Token { place, serial: slot.serial };
        self.release(place);
        Some(Done { token, result, payload })
    }

    /// Takes any result that was kept.
    #[inline]
    pub(super) fn take_kept(&mut self) -> Option<Done<T>> {
        let place = self.done.take_any()?;
        self.take(place)
    }

    /// Takes a kept result.
    pub(super) fn take_of(&mut self, token: Token) -> Option<Done<T>> {
        let done = self.take(token.place)?;
        self.done.remove(token.place);
        Some(done)
    }

    /// Whether no result is waiting to be taken.
    pub(super) const fn has_kept(&self) -> bool {
        !self.done.is_empty()
    }

    fn release(&mut self, place: u16) {
        if let Some(slot) = self.slots.get_mut(usize::from(place)) {
            slot.phase = Phase::Free;
            slot.io = None;
        }
        if let Some(free) = self.free.get_mut(self.free_len) {
            *free = place;
            self.free_len = self.free_len.wrapping_add(1);
        }
    }

    /// Whether the token's request has not been taken: `Some(true)` where the host has it.
    #[inline]
    pub(super) fn find(&self, token: Token) -> Option<bool> {
        let slot = self.slots.get(usize::from(token.place))?;
        let same = slot.serial == token.serial || planted!("token-of-any-request");
        match slot.phase {
            Phase::Flying if same => Some(true),
            Phase::Done(_) if same => Some(false),
            _ => None,
        }
    }

    /// The id of a request that the host has.
    pub(super) fn id(&self, token: Token) -> Option<u16> {
        let slot = self.slots.get(usize::from(token.place))?;
        (slot.serial == token.serial && slot.phase == Phase::Flying).then_some(slot.id)
    }

    /// Nobody will ask for this request's result.
    pub(super) fn give_up(&mut self, token: Token) {
        let Some(slot) = self.slots.get_mut(usize::from(token.place)) else { return };
        if slot.serial != token.serial {
            return;
        }
        match slot.phase {
            Phase::Flying => {
                slot.phase = Phase::GivenUp;
                if planted!("buffer-before-completion") {
                    self.over.insert(token.place);
                }
            }
            Phase::Done(_) => {
                self.done.remove(token.place);
                self.end(token.place);
            }
            _ => {}
        }
    }

    /// What a request owned that was given up and is over.
    pub(super) fn reclaim(&mut self) -> Option<T> {
        // Places of requests that owned nothing are free afterwards: there are at most D.
        for _ in 0..D {
            let place = self.over.take_any()?;
            let payload = self.slot(place)?.io.take().and_then(Io::into_payload);
            self.release(place);
            if payload.is_some() {
                return payload;
            }
        }
        None
    }

    /// Requests that were given up and that the host still has.
    pub(super) fn quarantined(&self) -> usize {
        self.slots.iter().filter(|slot| slot.phase == Phase::GivenUp).count()
    }

    /// The queue is settled: what was given up is over.
    pub(super) fn settle(&mut self) {
        let mut places = self.places_of(Phase::GivenUp);
        while let Some(place) = places.take_any() {
            self.flying = self.flying.saturating_sub(1);
            self.end(place);
        }
    }

    /// Ends what the host has, with a status. The queue is settled.
    pub(super) fn finish(&mut self, status: Status) -> usize {
        let mut count = 0usize;
        let mut places = self.places_of(Phase::Flying);
        while let Some(place) = places.take_any() {
            if let Some(slot) = self.slot(place) {
                slot.phase = Phase::Done(Err(status));
            }
            self.flying = self.flying.saturating_sub(1);
            self.keep(place);
            count = count.wrapping_add(1);
        }
        count
    }

    /// The places in a phase.
    fn places_of(&self, phase: Phase) -> Set {
        let mut set = Set::new();
        for (place, slot) in (0u16..).zip(&self.slots) {
            if slot.phase == phase {
                set.insert(place);
            }
        }
        set
    }

    /// Places whose requests are to be submitted again.
    pub(super) fn unanswered(&self) -> Set {
        if planted!("unanswered-forgotten") {
            return Set::new();
        }
        let mut set = self.places_of(Phase::Flying);
        if planted!("answered-submitted-again") {
            for (place, _) in (0u16..).zip(&self.slots).filter(|(_, slot)| slot.io.is_some()) {
                set.insert(place);
            }
        }
        set
    }

    /// A request that is submitted again, as it was.
    pub(super) fn io(&self, place: u16) -> Option<&Io<T>> {
        self.slots.get(usize::from(place))?.io.as_ref()
    }

    /// A request that was submitted again has another id.
    pub(super) fn renew(&mut self, place: u16, id: u16) {
        if let Some(slot) = self.slot(place) {
            slot.id = id;
        }
        self.set_place(id, place);
    }

    /// Keeps whatever the host may still touch from being freed.
    pub(super) fn forget(&mut self) {
        for slot in &mut self.slots {
            if matches!(slot.phase, Phase::Flying | Phase::GivenUp) && !planted!("buffer-freed-in-flight") {
                core::mem::forget(slot.io.take());
            }
        }
    }
}
