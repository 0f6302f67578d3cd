// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds in every domain, checked where one is made from a file: the rings' fast paths rely on it and
//! look at nothing twice.

use super::Misfit;
use crate::areas::Areas;
use crate::domain::Domain;
use crate::late::Waits;
use crate::ledger::{Ledger, MAX_JOBS, Work};
use crate::memory::Memory;
use crate::port::Target;
use crate::queues::{Lane, Queues};
use crate::range::Range;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use tenon_abi::event::CLASSES;
use tenon_abi::vcpu::call_queue;
use tenon_abi::{Features, Granule, Rights};
use tenon_rings::call::CompleterState;
use tenon_rings::event::RaiserState;

/// Bytes of the discovery record, at the start of the window (DISC-1).
const RECORD_LEN: u64 = 256;
/// Positions have 64 bits and never come near this.
const FAR: u64 = 1 << 62;

impl<M: Memory> Domain<M> {
    /// Checks a domain whose parts were all put in from outside.
    ///
    /// # Errors
    ///
    /// The first rule that does not hold.
    pub(super) fn check_parts(&self) -> Result<(), Misfit> {
        self.check_session()?;
        require(self.base.counted.is_sound(), Misfit::Meter)?;
        let (life, offered) = (&self.families.lifecycle, self.base.config.features);
        let has = life.generation.is_some();
        require(has == offered.contains(Features::GENERATION), Misfit::Generation)?;
        require(life.suspend.is_sound(&self.base), Misfit::Watch)?;
        self.check_areas()?;
        self.check_ports()?;
        self.check_ledger()?;
        self.check_time()?;
        self.check_devices()?;
        self.check_requests()
    }

    /// A session has what was offered in its version (NEG-1 to NEG-3), and without one nothing is bound
    /// (NEG-4).
    fn check_session(&self) -> Result<(), Misfit> {
        let (session, config) = (&self.base.session, &self.base.config);
        let holds = match session.granule {
            Some(shift) => {
                Granule::from_shift(u32::from(shift)).is_some_and(|granule| config.granules.offers(granule))
            }
            None => session.features.is_empty() && self.base.vcpus.iter().all(|vcpu| vcpu.areas.is_none()),
        };
        let offered = config.features.intersection(Features::of_minor(session.minor));
        let known = session.minor <= config.minor && offered.contains(session.features);
        require(holds && known, Misfit::Session)
    }

    /// No area lies on another, in memory (VCPU-10) or in the window, nor on the record there.
    fn check_areas(&self) -> Result<(), Misfit> {
        let places = || self.base.vcpus.iter().filter_map(|vcpu| Some(vcpu.areas.as_ref()?.place));
        let record = Range { region: 0, offset: 0, len: RECORD_LEN };
        let in_memory = places().flat_map(|place| place.in_region()).chain(self.base.pages.donated());
        let in_memory = in_memory.chain(self.base.devices.parts()).collect();
        let end = self.base.config.pages_from().unwrap_or(0);
        let pages = Range { region: 0, offset: end, len: self.base.config.window_len.saturating_sub(end) };
        let in_window = places().filter_map(|place| place.in_window()).chain([record, pages]).collect();
        require(are_apart(in_memory) && are_apart(in_window), Misfit::Overlap)
    }

    /// What is given or shared is memory, within the limits, in a session that may do so; no area is given.
    fn check_ledger(&self) -> Result<(), Misfit> {
        let base = &self.base;
        let Ledger { given, shared, jobs, .. } = &base.ledger;
        let room = |most: Option<u32>| {
            most.and_then(|most| usize::try_from(most).ok()).map_or(0, |most| most.saturating_add(MAX_JOBS))
        };
        let balloon = base.config.balloon.filter(|_| base.has(Features::MEMORY));
        let closed = base.config.closed.filter(|_| base.has(Features::CLOSED));
        let limits = [
            (given, room(balloon.map(|balloon| balloon.max_ranges))),
            (shared, room(closed.map(|closed| closed.max_ranges))),
        ];
        for (ranges, limit) in limits {
            let is_memory = ranges.iter().all(|(range, _)| range.is_memory(&base.memory));
            require(ranges.is_sound() && ranges.count() <= limit && is_memory, Misfit::Ledger)?;
        }
        let apart = given.iter().all(|(range, _)| !base.is_area(range) && !shared.touches(range));
        let numbers: BTreeSet<_> = jobs.iter().map(|job| job.number).collect();
        let sound = jobs.iter().all(|job| {
            let range = job.range();
            let is_as = match job.work {
                Work::Give | Work::Take => given.covers(range, Rights::empty()),
                Work::Hint => balloon.is_some() && !given.touches(range),
                Work::Share { .. } => closed.is_some() && !shared.touches(range),
                Work::Unshare => closed.is_some() && !shared.touches(range),
            };
            range.len != 0 && range.is_memory(&base.memory) && is_as
        });
        let few = jobs.len() <= MAX_JOBS && numbers.len() == jobs.len() && !numbers.contains(&0);
        require(apart && sound && few, Misfit::Ledger)
    }

    /// Pages were donated in a session that has them, whole (PAGE-6), and timers are those of bound ports
    /// (TIME-12).
    fn check_time(&self) -> Result<(), Misfit> {
        let (base, granule) = (&self.base, self.base.granule().size());
        let may_donate = base.has(Features::PAGES) && !base.has(Features::WINDOW);
        require(base.pages.donated().all(|page| may_donate && page.len == granule), Misfit::Page)?;
        for timer in base.time.timers.iter() {
            let may_set = base.has(Features::TIME | Features::EVENTS);
            require(may_set && base.bound(timer.port).is_ok(), Misfit::Timer)?;
        }
        Ok(())
    }

    /// Each port is bound to something, and each ring has room for its ports (EVT-4).
    fn check_ports(&self) -> Result<(), Misfit> {
        const NOWHERE: Misfit = Misfit::Nowhere;
        let (mut bound, mut direct) = (BTreeMap::new(), 0u32);
        for port in &self.base.ports {
            match port.target {
                None => require(port.last.is_none(), Misfit::UnboundPort)?,
                Some(Target::Direct { vcpu, vector }) => {
                    require(
                        self.base.config.has_interrupt(vector) && port.last.is_none(),
                        Misfit::DirectPort,
                    )?;
                    self.areas(vcpu).ok_or(NOWHERE)?;
                    direct = direct.saturating_add(1);
                }
                Some(Target::Ring { vcpu, class }) => {
                    let index = usize::try_from(class).map_err(|_| NOWHERE)?;
                    let ring = self.areas(vcpu).and_then(|areas| areas.rings.get(index)).ok_or(NOWHERE)?;
                    let written = ring.state().written;
                    require(port.last.is_none_or(|last| last < written), Misfit::NeverWritten)?;
                    let count: &mut u32 = bound.entry((vcpu, class)).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        require(direct <= self.base.config.max_direct, Misfit::DirectPorts)?;
        for (vcpu, slot) in (0u32..).zip(&self.base.vcpus) {
            let Some(areas) = &slot.areas else { continue };
            for ((class, ring), &size) in (0..CLASSES).zip(&areas.rings).zip(&areas.place.events) {
                let bound = bound.get(&(vcpu, class)).copied().unwrap_or(0);
                require(is_ring(ring.state(), size, bound), Misfit::RingPositions)?;
            }
        }
        Ok(())
    }

    /// Each request in flight has one thing that completes it, and nothing completes another (CALL-7).
    fn check_requests(&self) -> Result<(), Misfit> {
        let (mut known, mut stops) = (0usize, BTreeSet::new());
        for ((queue, id), waits) in self.base.late.iter() {
            let (vcpu, lane) = Lane::of(queue);
            let queues = self.queues(vcpu).ok_or(Misfit::Stray)?;
            require(lane == Lane::Call && queues.call.is_in_flight(id), Misfit::Stray)?;
            if let Waits::Stop { vcpu } = waits {
                let slot = usize::try_from(vcpu).ok().and_then(|vcpu| self.base.vcpus.get(vcpu));
                require(slot.is_some_and(|slot| slot.stopping), Misfit::NotStopping)?;
                require(stops.insert(vcpu), Misfit::Stray)?;
            } else if let Waits::Memory { job } = waits {
                let jobs = &self.base.ledger.jobs;
                let its = jobs.iter().any(|its| its.number == job && its.key() == (queue, id));
                require(its, Misfit::Stray)?;
            } else {
                require(self.families.waits((queue, id), waits), Misfit::Stray)?;
                known = known.saturating_add(1);
            }
        }
        require(known == self.families.waiting(), Misfit::Stray)?;
        for (vcpu, slot) in (0u32..).zip(&self.base.vcpus) {
            let vector = slot.vector.is_none_or(|vector| self.base.config.has_interrupt(vector));
            require(vector, Misfit::Vector)?;
            let (Some(areas), Some(queues)) = (&slot.areas, self.queues(vcpu)) else { continue };
            let holds =
                is_queue(queues.call.state(), areas.place.depth) && is_queue(queues.emergency.state(), 1);
            require(holds, Misfit::QueuePositions)?;
            // What ended the domain is never completed (LIFE-2, LIFE-3).
            let waits = self.base.late.count(call_queue(vcpu));
            let all =
                usize::try_from(queues.call.in_flight()) == Ok(waits) && queues.emergency.in_flight() == 0;
            require(all || self.base.ended, Misfit::Forgotten)?;
        }
        Ok(())
    }

    fn queues(&self, vcpu: u32) -> Option<&Queues<M::Words>> {
        self.queues.get(usize::try_from(vcpu).ok()?)?.as_ref()
    }

    fn areas(&self, vcpu: u32) -> Option<&Areas<M::Words>> {
        self.base.vcpus.get(usize::try_from(vcpu).ok()?)?.areas.as_ref()
    }
}

/// Whether no two ranges of one region overlap.
fn are_apart(mut ranges: Vec<Range>) -> bool {
    ranges.sort_unstable_by_key(|range| range.offset);
    ranges.windows(2).all(|pair| !matches!(pair, [a, b] if a.overlaps(*b)))
}

fn require(holds: bool, why: Misfit) -> Result<(), Misfit> {
    if holds { Ok(()) } else { Err(why) }
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
