// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds in every domain, checked where one is made from a file: the rings' fast paths rely on it and
//! look at nothing twice.

use crate::call::Lane;
use crate::domain::Domain;
use crate::error::Error;
use crate::event::Target;
use crate::memory::Memory;
use crate::vcpu::Areas;
use alloc::collections::{BTreeMap, BTreeSet};
use tenon_abi::Granule;
use tenon_abi::event::CLASSES;
use tenon_rings::call::CompleterState;
use tenon_rings::event::RaiserState;

/// Positions have 64 bits and never come near this.
const FAR: u64 = 1 << 62;

impl<M: Memory> Domain<M> {
    /// Checks a domain whose parts were all put in from outside.
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] with the first rule that does not hold.
    pub(super) fn check_parts(&self) -> Result<(), Error> {
        self.check_session()?;
        self.check_ports()?;
        self.check_requests()
    }

    /// A session has what was offered (NEG-2, NEG-3), and without one nothing is bound (NEG-4).
    fn check_session(&self) -> Result<(), Error> {
        let holds = match self.state.granule {
            Some(shift) => Granule::from_shift(u32::from(shift))
                .is_some_and(|granule| self.config.granules & granule.bit() != 0),
            None => self.state.features == 0 && self.vcpus.iter().all(|vcpu| vcpu.areas.is_none()),
        };
        require(holds && self.state.features & !self.config.features == 0, "its session was never offered")
    }

    /// Each port is bound to something, and each ring has room for its ports (EVT-4).
    fn check_ports(&self) -> Result<(), Error> {
        const NOWHERE: Error = Error::BadState("a port is bound where nothing is");
        let (mut bound, mut direct) = (BTreeMap::new(), 0u32);
        for port in &self.ports {
            match port.target {
                None => require(port.last.is_none(), "a port that is not bound has an entry")?,
                Some(Target::Direct { vcpu, vector }) => {
                    require(
                        self.config.has_interrupt(vector) && port.last.is_none(),
                        "a direct port has what it cannot have",
                    )?;
                    self.areas(vcpu).ok_or(NOWHERE)?;
                    direct = direct.saturating_add(1);
                }
                Some(Target::Ring { vcpu, class }) => {
                    let index = usize::try_from(class).map_err(|_| NOWHERE)?;
                    let ring = self.areas(vcpu).and_then(|areas| areas.rings.get(index)).ok_or(NOWHERE)?;
                    let written = ring.state().written;
                    require(
                        port.last.is_none_or(|last| last < written),
                        "a port's last entry was never written",
                    )?;
                    let count: &mut u32 = bound.entry((vcpu, class)).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        require(direct <= self.config.max_direct, "it has too many direct ports")?;
        for (vcpu, slot) in (0u32..).zip(&self.vcpus) {
            let Some(areas) = &slot.areas else { continue };
            for ((class, ring), &size) in (0..CLASSES).zip(&areas.rings).zip(&areas.place.events) {
                let bound = bound.get(&(vcpu, class)).copied().unwrap_or(0);
                require(is_ring(ring.state(), size, bound), "an event ring's positions do not fit")?;
            }
        }
        Ok(())
    }

    /// Each request in flight has one thing that completes it, and nothing completes another (CALL-7).
    fn check_requests(&self) -> Result<(), Error> {
        const STRAY: &str = "something waits for a request that is not in flight";
        let mut waiting = BTreeSet::new();
        let read = self.state.console.read.map(|read| (read.queue, read.id));
        for (queue, id) in self.vcpus.iter().filter_map(|slot| slot.asked).chain(read) {
            let (vcpu, lane) = Lane::of(queue);
            let areas = self.areas(vcpu).ok_or(Error::BadState(STRAY))?;
            let in_flight = lane == Lane::Call && areas.call.is_in_flight(id);
            require(in_flight && waiting.insert((vcpu, id)), STRAY)?;
        }
        for (vcpu, slot) in (0u32..).zip(&self.vcpus) {
            require(
                slot.vector.is_none_or(|vector| self.config.has_interrupt(vector)),
                "an upcall has a vector that cannot be",
            )?;
            require(slot.asked.is_none() || slot.stopping, "a vCPU was asked to stop and does not")?;
            let Some(areas) = &slot.areas else { continue };
            let holds =
                is_queue(areas.call.state(), areas.place.depth) && is_queue(areas.emergency.state(), 1);
            require(holds, "a queue's positions do not fit its requests in flight")?;
            // What ended the domain is never completed (LIFE-2, LIFE-3).
            let waits = waiting.range((vcpu, 0)..=(vcpu, u16::MAX)).count();
            let all =
                usize::try_from(areas.call.in_flight()) == Ok(waits) && areas.emergency.in_flight() == 0;
            require(all || self.ended, "nothing completes a request that is in flight")?;
        }
        Ok(())
    }

    fn areas(&self, vcpu: u32) -> Option<&Areas<M::Words>> {
        self.vcpus.get(usize::try_from(vcpu).ok()?)?.areas.as_ref()
    }
}

fn require(holds: bool, why: &'static str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::BadState(why)) }
}

/// Whether as many ids are in flight as positions lie between fetching and completing, all of them below the
/// depth (CALL-6, CALL-8).
fn is_queue(state: &CompleterState, depth: u32) -> bool {
    let mut ids = 0u32;
    let mut left = depth;
    for &word in &state.in_flight {
        let here = left.min(64);
        left = left.saturating_sub(here);
        // None at all are allowed where a shift by 64 would be meant.
        let allowed = u64::MAX.checked_shr(64u32.saturating_sub(here)).unwrap_or(0);
        if word & !allowed != 0 {
            return false;
        }
        ids = ids.saturating_add(word.count_ones());
    }
    ids == state.fetched.wrapping_sub(state.completed)
}

/// Whether a ring holds what was written and not taken, and has an entry for each of its `bound` ports and
/// for those that have gone (EVT-4).
fn is_ring(state: &RaiserState, size: u32, bound: u32) -> bool {
    let untaken = state.written.checked_sub(state.taken);
    state.written < FAR
        && untaken.is_some_and(|untaken| untaken <= u64::from(size))
        && state.departed_until <= state.written
        && state.reserved == bound
        && bound.checked_add(state.departed).is_some_and(|spoken| spoken <= size)
}
