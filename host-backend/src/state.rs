// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything private of a domain as one serialisable value.
//!
//! A saved submission is unfetched in the guest's memory, or in flight here with what its operation needs, or
//! completed in memory; nothing else exists between two entries into the core.

mod check;

use crate::action::Action;
use crate::config::Config;
use crate::domain::{Core, Domain};
use crate::error::Error;
use crate::event::{Port, Target};
use crate::lifecycle::CrashRecord;
use crate::memory::Memory;
use crate::region::Range;
use crate::vcpu::{Areas, Place, Positions};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::Reason;
use tenon_rings::call::CompleterState;
use tenon_rings::event::RaiserState;
use tenon_rings::{Arm, Corrupt, planted};

/// A domain's private state. Together with the guest's memory and the window it is all there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    config: Config,
    core: Core,
    vcpus: Vec<SavedVcpu>,
    ports: Vec<Port>,
    crash: Option<CrashRecord>,
    ended: bool,
}

/// Changes with each change of [`State`]'s meaning.
const STATE_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedVcpu {
    running: bool,
    stopping: bool,
    asked: Option<(u32, u16)>,
    vector: Option<u32>,
    owed: bool,
    areas: Option<SavedAreas>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedAreas {
    place: Place,
    call: SavedQueue,
    emergency: SavedQueue,
    rings: [SavedRing; 2],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedQueue {
    fetched: u32,
    completed: u32,
    in_flight: Vec<u64>,
    corrupt: Option<(u16, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRing {
    written: u64,
    taken: u64,
    reserved: u32,
    departed: u32,
    departed_until: u64,
    corrupt: Option<(u16, u32)>,
}

impl<M: Memory> Domain<M> {
    /// The private state. Do all actions first: they are not part of it.
    #[must_use]
    pub fn save(&self) -> State {
        let vcpus = self.vcpus.iter().map(|vcpu| SavedVcpu {
            running: vcpu.running,
            stopping: vcpu.stopping && !planted!("save-loses-stop"),
            asked: vcpu.asked.filter(|_| !planted!("save-loses-asker")),
            vector: vcpu.vector.filter(|_| !planted!("save-loses-vector")),
            owed: vcpu.owed,
            areas: vcpu.areas.as_ref().map(|areas| SavedAreas {
                place: areas.place,
                call: save_queue(areas.call.state()),
                emergency: save_queue(areas.emergency.state()),
                rings: areas.rings.each_ref().map(|ring| save_ring(ring.state())),
            }),
        });
        State {
            version: STATE_VERSION,
            config: self.config.clone(),
            core: self.state.clone(),
            vcpus: vcpus.collect(),
            ports: self.ports.clone(),
            crash: self.crash.clone().filter(|_| !planted!("save-loses-crash")),
            ended: self.ended && !planted!("save-loses-end"),
        }
    }

    /// A domain that goes on where `state` was saved, over memory with the same contents. Every bound vCPU
    /// gets a spurious upcall (EVT-13), because what was armed is not part of the state. The actions tell a
    /// new attachment what the old one knew: interrupt routes, vCPUs that are to stop, output that waits.
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] when the state is of another version, does not fit the memory, or is one in which
    /// no domain can be.
    pub fn restore(state: State, memory: M) -> Result<Self, Error> {
        if state.version != STATE_VERSION {
            return Err(Error::BadState("it is of another version"));
        }
        let mut domain = Self::assemble(state.config, memory, state.core)?;
        if state.ports.len() != domain.ports.len() || state.vcpus.len() != domain.vcpus.len() {
            return Err(Error::BadState("it has another number of ports or vCPUs"));
        }
        domain.ports = state.ports;
        (domain.crash, domain.ended) = (state.crash, state.ended && !planted!("restore-loses-end"));
        for (vcpu, saved) in (0u32..).zip(state.vcpus) {
            let areas = match saved.areas {
                Some(areas) => Some(domain.restore_areas(&areas)?),
                None => None,
            };
            let bound = areas.is_some();
            if let Some(slot) = domain.vcpu_mut(vcpu) {
                (slot.running, slot.vector, slot.owed) = (saved.running, saved.vector, saved.owed);
                (slot.stopping, slot.asked, slot.areas) = (saved.stopping, saved.asked, areas);
                slot.asked = slot.asked.filter(|_| !planted!("restore-loses-asker"));
            }
            if saved.vector.is_some() {
                domain.actions.push(Action::Route { vcpu, vector: saved.vector });
            }
            if saved.stopping {
                domain.actions.push(Action::Stop { vcpu });
            }
            if bound && !planted!("restore-owes-nothing") {
                domain.owe(vcpu);
            }
        }
        for (number, port) in (0u32..).zip(&domain.ports) {
            if let Some(Target::Direct { vcpu, vector }) = port.target {
                domain.direct = domain.direct.saturating_add(1);
                domain.actions.push(Action::RouteDirect { port: number, vcpu, vector });
            }
        }
        if !domain.state.console.output.is_empty() {
            domain.actions.push(Action::Output);
        }
        domain.check_parts()?;
        Ok(domain)
    }

    fn restore_areas(&self, saved: &SavedAreas) -> Result<Areas<M::Words>, Error> {
        let place = saved.place;
        let sizes = place.sizes();
        if !sizes.is_valid() {
            return Err(Error::BadState("a ring has a size that cannot be"));
        }
        let unreachable = |_| Error::BadState("an area lies outside the memory");
        let range = Range::check(&self.memory, place.guest, sizes.guest_len()).map_err(unreachable)?;
        let guest = range.words(&self.memory).map_err(unreachable)?;
        let host = if place.in_window {
            self.window_words(place.host, sizes.host_len())
                .ok_or(Error::BadState("an area lies outside the window"))?
        } else {
            let range = Range::check(&self.memory, place.host, sizes.host_len()).map_err(unreachable)?;
            range.words(&self.memory).map_err(unreachable)?
        };
        let [ring0, ring1] = &saved.rings;
        let positions = Positions {
            call: restore_queue(&saved.call)?,
            emergency: restore_queue(&saved.emergency)?,
            rings: [restore_ring(ring0), restore_ring(ring1)],
        };
        Areas::lay_out(place, guest, host, self.state.seed, positions)
            .ok_or(Error::BadState("an area is too small"))
    }
}

fn save_queue(state: &CompleterState) -> SavedQueue {
    SavedQueue {
        fetched: state.fetched,
        completed: state.completed,
        in_flight: state.in_flight.to_vec(),
        corrupt: state
            .corrupt
            .map(|corrupt| (corrupt.reason.0, corrupt.position))
            .filter(|_| !planted!("save-loses-queue-breach")),
    }
}

fn restore_queue(saved: &SavedQueue) -> Result<CompleterState, Error> {
    let in_flight = <[u64; 64]>::try_from(saved.in_flight.as_slice())
        .map_err(|_| Error::BadState("a bitmap of ids has another length"))?;
    Ok(CompleterState {
        fetched: saved.fetched,
        completed: saved.completed,
        in_flight,
        arm: Arm::default(),
        corrupt: saved.corrupt.map(corrupt),
    })
}

fn save_ring(state: &RaiserState) -> SavedRing {
    SavedRing {
        written: state.written,
        taken: state.taken,
        reserved: state.reserved,
        departed: if planted!("save-loses-departed") { 0 } else { state.departed },
        departed_until: state.departed_until,
        corrupt: state
            .corrupt
            .map(|corrupt| (corrupt.reason.0, corrupt.position))
            .filter(|_| !planted!("save-loses-ring-breach")),
    }
}

fn restore_ring(saved: &SavedRing) -> RaiserState {
    RaiserState {
        written: saved.written,
        taken: saved.taken,
        reserved: saved.reserved,
        departed: saved.departed,
        departed_until: saved.departed_until,
        arm: Arm::default(),
        corrupt: saved.corrupt.map(corrupt),
    }
}

fn corrupt((reason, position): (u16, u32)) -> Corrupt {
    Corrupt { reason: Reason(reason), position }
}
