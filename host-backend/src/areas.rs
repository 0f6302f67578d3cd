// SPDX-License-Identifier: MIT OR Apache-2.0
//! One vCPU and its areas, as the host sees them (VCPU-3, VCPU-4).

use crate::queues::Queues;
use crate::range::Range;
use core::fmt;
use tenon_abi::vcpu::{Sizes, guest, host};
use tenon_rings::call::{CompleterState, Parts, Queue};
use tenon_rings::event::{RaiserState, Ring};
use tenon_rings::{Raiser, Words};

/// What is kept of a bound vCPU's count of stolen time (VCPU-11).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stolen {
    /// What the guest was told last.
    pub(crate) told: u64,
    /// What is added to the source's count: a restored vCPU goes on where it was, whatever its new source
    /// says. It may be negative, and wraps then.
    pub(crate) behind: u64,
}

impl Stolen {
    pub(crate) const NONE: Self = Self { told: 0, behind: 0 };
}

/// One vCPU as the host sees it.
pub(crate) struct Vcpu<W> {
    pub(crate) running: bool,
    /// It was asked to stop and has not yet (VCPU-6).
    pub(crate) stopping: bool,
    pub(crate) vector: Option<u32>,
    /// An upcall is owed and was not handed to the attachment (VCPU-8).
    pub(crate) owed: bool,
    /// An upcall waits in the list of actions: one is enough.
    pub(crate) queued: bool,
    pub(crate) stolen: Stolen,
    pub(crate) areas: Option<Areas<W>>,
}

impl<W> fmt::Debug for Vcpu<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vcpu")
            .field("running", &self.running)
            .field("stopping", &self.stopping)
            .field("vector", &self.vector)
            .field("place", &self.areas.as_ref().map(|areas| areas.place))
            .finish_non_exhaustive()
    }
}

impl<W> Vcpu<W> {
    pub(crate) const fn new(running: bool) -> Self {
        Self {
            running,
            stopping: false,
            vector: None,
            owed: false,
            queued: false,
            stolen: Stolen::NONE,
            areas: None,
        }
    }

    /// Forgets what belonged to the session.
    pub(crate) fn end_session(&mut self) {
        *self = Self { stopping: self.stopping, ..Self::new(self.running) };
    }
}

/// Where the areas of a bound vCPU lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) depth: u32,
    pub(crate) events: [u32; 2],
    /// Wire address of the guest-written area.
    pub(crate) guest: u64,
    /// Wire address of the host-written area, or its offset in the window.
    pub(crate) host: u64,
    pub(crate) in_window: bool,
}

impl Place {
    pub(crate) const fn sizes(&self) -> Sizes {
        Sizes { depth: self.depth, events: self.events }
    }

    /// The areas that lie in region 0 (VCPU-3).
    pub(crate) fn in_region(&self) -> impl Iterator<Item = Range> + use<> {
        let sizes = self.sizes();
        let guest = Range { region: 0, offset: self.guest, len: sizes.guest_len() };
        let host = Range { region: 0, offset: self.host, len: sizes.host_len() };
        [Some(guest), (!self.in_window).then_some(host)].into_iter().flatten()
    }

    /// The area that lies in the window, whose offsets are those of its one region (NEG-6).
    pub(crate) fn in_window(&self) -> Option<Range> {
        let host = Range { region: 0, offset: self.host, len: self.sizes().host_len() };
        self.in_window.then_some(host)
    }
}

/// Private positions of a bound vCPU.
pub(crate) struct Positions {
    pub(crate) call: CompleterState,
    pub(crate) emergency: CompleterState,
    pub(crate) rings: [RaiserState; 2],
}

impl Default for Positions {
    fn default() -> Self {
        let fresh = CompleterState::at(0);
        Self { call: fresh, emergency: fresh, rings: [RaiserState::default(), RaiserState::default()] }
    }
}

/// A bound vCPU's areas and event rings.
pub(crate) struct Areas<W> {
    pub(crate) place: Place,
    pub(crate) host: W,
    pub(crate) rings: [Raiser<W>; 2],
}

impl<W: Words> Areas<W> {
    /// Lays queues and rings over the two areas (VCPU-3, VCPU-4). `None` where they are too small, which the
    /// caller has checked.
    pub(crate) fn lay_out(
        place: Place,
        guest: W,
        host: W,
        seed: u32,
        positions: Positions,
    ) -> Option<(Self, Queues<W>)> {
        let sizes = place.sizes();
        let part = |words: &W, offset: u64, len: u64| {
            words.slice(usize::try_from(offset / 8).ok()?, usize::try_from(len / 8).ok()?)
        };
        let depth = u64::from(sizes.depth);
        let parts = Parts {
            submissions: part(&guest, guest::SUBMISSIONS, depth.checked_mul(64)?)?,
            completions: part(&host, host::COMPLETIONS, depth.checked_mul(16)?)?,
            armed: part(&guest, guest::COMPLETIONS_ARMED, 8)?,
            kick: part(&host, host::KICK_WANTED, 8)?,
        };
        let call =
            Queue::new(parts, seed, sizes.depth).and_then(|mut queue| queue.completer_at(positions.call));
        let parts =
            Parts::bare(part(&guest, guest::EMERGENCY, 64)?, part(&host, host::EMERGENCY, 16)?).ok()?;
        let emergency =
            Queue::new(parts, seed, 1).and_then(|mut lane| lane.completer_at(positions.emergency));
        let [first, second] = sizes.events;
        let ring = |class: u32, size: u32, state: RaiserState| {
            let entries = part(&host, sizes.ring_offset(class), u64::from(size).checked_mul(8)?)?;
            Ring::new(guest.clone(), entries, class, seed, size)
                .and_then(|mut ring| ring.raiser_at(state))
                .ok()
        };
        let [state0, state1] = positions.rings;
        let rings = [ring(0, first, state0)?, ring(1, second, state1)?];
        Some((Self { place, host, rings }, Queues::new(call.ok()?, emergency.ok()?)))
    }
}
