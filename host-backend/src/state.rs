// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything private of a domain as one serialisable value.
//!
//! A saved submission is unfetched in the guest's memory, or in flight here with what its operation needs, or
//! completed in memory; nothing else exists between two entries into the core.

mod back;
mod check;
mod devices;
mod queue;

use crate::action::{EventAction, VcpuAction};
use crate::areas::{Areas, Place, Positions};
use crate::base::{Base, Session};
use crate::config::Config;
use crate::counted::Counted;
use crate::domain::Domain;
use crate::error::Error;
pub use crate::error::Misfit;
use crate::families::Families;
use crate::late::{Late, Saved};
use crate::ledger::{Job, Ledger, Work, ask};
use crate::memory::Memory;
use crate::pages::SavedPages;
use crate::port::{Port, Target};
use crate::queues::Queues;
use crate::range::Range;
use crate::services::Services;
use crate::time::{SavedTime, Time};
use alloc::vec::Vec;
use devices::SavedDevices;
use queue::{SavedQueue, corrupt, restore_queue, save_queue};
use serde::{Deserialize, Serialize};
use tenon_abi::Features;
use tenon_rings::event::RaiserState;
use tenon_rings::{Arm, planted};

/// A domain's private state. Together with the guest's memory and the window it is all there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    config: Config,
    session: Session,
    vcpus: Vec<SavedVcpu>,
    ports: Vec<Port>,
    late: Vec<Saved>,
    families: Families,
    ledger: Ledger,
    devices: SavedDevices,
    counted: Counted,
    time: SavedTime,
    pages: SavedPages,
    ended: bool,
    /// Not saved: said of a state where it is restored.
    #[serde(skip)]
    moved: bool,
}

/// Changes with each change of [`State`]'s meaning.
const STATE_VERSION: u32 = 4;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedVcpu {
    running: bool,
    stopping: bool,
    vector: Option<u32>,
    owed: bool,
    stolen: u64,
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
struct SavedRing {
    written: u64,
    taken: u64,
    reserved: u32,
    departed: u32,
    departed_until: u64,
    corrupt: Option<(u16, u32)>,
}

impl State {
    /// The domain goes on here and nowhere else, as after a live migration: the guest has no copy, and its
    /// generation goes on (LIFE-5). Of a state that may be restored a second time nobody says so.
    #[must_use]
    pub const fn moved(mut self) -> Self {
        self.moved = true;
        self
    }

    /// Without what spurious upcalls change (EVT-13), and without the disruptions of the clocks (TIME-9). In
    /// this form the states of two domains are equal if the same happened to both, and one of them was
    /// restored on the way.
    #[must_use]
    pub fn without_upcalls(mut self) -> Self {
        self.vcpus.iter_mut().for_each(|vcpu| vcpu.owed = false);
        self.counted = self.counted.without_upcalls();
        self.time.forget_disruptions();
        self
    }
}

/// A vCPU's areas and queues, as they were saved.
type Restored<W> = (Areas<W>, Queues<W>);

impl<M: Memory> Domain<M> {
    /// The private state. Do all actions first: they are not part of it. Where devices are open, their ends
    /// come home before ([`Self::recall_ends`]): a state that was saved while one was out is not restored.
    /// Where TIME is offered,
    /// [`Self::stop_clocks`] comes before: a state that was saved while its guest could read a clock is not
    /// restored.
    #[must_use]
    pub fn save(&self) -> State {
        let vcpus = self.base.vcpus.iter().zip(&self.queues).map(|(vcpu, queues)| SavedVcpu {
            running: vcpu.running,
            stopping: vcpu.stopping && !planted!("save-loses-stop"),
            vector: vcpu.vector.filter(|_| !planted!("save-loses-vector")),
            owed: vcpu.owed,
            stolen: if planted!("save-loses-stolen") { 0 } else { vcpu.stolen.told },
            areas: vcpu.areas.as_ref().zip(queues.as_ref()).map(|(areas, queues)| SavedAreas {
                place: areas.place,
                call: save_queue(queues.call.state()),
                emergency: save_queue(queues.emergency.state()),
                rings: areas.rings.each_ref().map(|ring| save_ring(ring.state())),
            }),
        });
        let mut families = self.families.clone();
        if planted!("save-loses-crash") {
            families.lifecycle = Default::default();
        }
        State {
            version: STATE_VERSION,
            config: self.base.config.clone(),
            session: self.base.session.clone(),
            vcpus: vcpus.collect(),
            ports: self.base.ports.clone(),
            late: self.base.late.save(planted!("save-loses-asker")),
            families,
            ledger: self.base.ledger.save(),
            devices: SavedDevices::save(&self.base.devices),
            counted: self.base.counted,
            time: self.base.time.save(),
            pages: self.base.pages.save(),
            ended: self.base.ended && !planted!("save-loses-end"),
            moved: false,
        }
    }

    /// A domain that goes on where `state` was saved, over memory with the same contents, with services of
    /// its own. Every bound vCPU gets a spurious upcall (EVT-13), because what was armed is not part of the
    /// state. The actions tell a new attachment what the old one knew: interrupt routes, vCPUs that are to
    /// stop, output that waits.
    ///
    /// Where GENERATION is offered, it begins another generation, unless [`State::moved`] says that the guest
    /// has no copy: restoring one state twice gives two guests with different ids (LIFE-5).
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] when the state is of another version, does not fit memory or services, or is one
    /// in which no domain can be; [`Error::NoGeneration`].
    pub fn restore(state: State, memory: M, services: Services) -> Result<Self, Error> {
        if state.config.features.intersects(Families::missing(&services)) {
            return Err(Misfit::NoService.into());
        }
        let moved = state.moved;
        let mut domain = Self::put_together(state, memory)?;
        domain.base.services = services;
        domain.go_on(moved)?;
        Ok(domain)
    }

    /// All of a restored domain but its services, and what begins with it.
    fn put_together(state: State, memory: M) -> Result<Self, Error> {
        if state.version != STATE_VERSION {
            return Err(Misfit::Version.into());
        }
        let mut domain = Self::assemble(state.config, memory, Services::stand_in(), state.session)?;
        if state.ports.len() != domain.base.ports.len() || state.vcpus.len() != domain.base.vcpus.len() {
            return Err(Misfit::Counts.into());
        }
        if domain.base.config.features.contains(Features::TIME) && !state.time.stood() {
            return Err(Misfit::ClocksRan.into());
        }
        domain.base.ports = state.ports;
        domain.base.counted = state.counted;
        domain.base.time = Time::restore(&state.time).ok_or(Misfit::Timer)?;
        domain.base.restore_pages(&state.pages).map_err(|_| Misfit::Page)?;
        domain.base.late = Late::restore(&state.late).ok_or(Misfit::Stray)?;
        if planted!("restore-loses-asker") {
            domain.base.late.clear();
        }
        (domain.families, domain.base.ended) =
            (state.families, state.ended && !planted!("restore-loses-end"));
        domain.base.ledger = state.ledger;
        for (vcpu, saved) in (0u32..).zip(state.vcpus) {
            domain.restore_vcpu(vcpu, &saved)?;
        }
        for (number, port) in (0u32..).zip(&domain.base.ports) {
            if let Some(Target::Direct { vcpu, vector }) = port.target {
                domain.base.direct = domain.base.direct.saturating_add(1);
                domain.base.actions.push(EventAction::Route { port: number, vcpu, vector });
            }
        }
        domain.restore_devices(&state.devices)?;
        domain.families.resume(&mut domain.base);
        domain.base.resume_ledger();
        domain.check_parts()?;
        Ok(domain)
    }

    fn restore_vcpu(&mut self, vcpu: u32, saved: &SavedVcpu) -> Result<(), Error> {
        if let Some(slot) = self.base.vcpu_mut(vcpu) {
            (slot.running, slot.stopping) = (saved.running, saved.stopping);
            (slot.vector, slot.owed) = (saved.vector, saved.owed);
            slot.stolen.told = saved.stolen;
        }
        if let Some(areas) = &saved.areas {
            let (areas, queues) = self.restore_areas(areas)?;
            self.attach(vcpu, areas, queues);
        }
        if saved.vector.is_some() {
            self.base.actions.push(VcpuAction::Route { vcpu, vector: saved.vector });
        }
        if saved.stopping {
            self.base.actions.push(VcpuAction::Stop { vcpu });
        }
        if saved.areas.is_some() && !planted!("restore-owes-nothing") {
            self.base.owe(vcpu);
        }
        Ok(())
    }

    fn restore_areas(&self, saved: &SavedAreas) -> Result<Restored<M::Words>, Misfit> {
        let place = saved.place;
        let sizes = place.sizes();
        if !sizes.is_valid() {
            return Err(Misfit::RingSize);
        }
        let memory = &self.base.memory;
        self.base.hand_over(&place);
        let words = |address: u64, len: u64| {
            let range = Range::check(memory, address, len).map_err(|_| Misfit::OutsideMemory)?;
            range.words(memory).map_err(|_| Misfit::OutsideMemory)
        };
        let guest = words(place.guest, sizes.guest_len())?;
        let host = if place.in_window {
            self.base.window_words(place.host, sizes.host_len()).ok_or(Misfit::OutsideWindow)?
        } else {
            words(place.host, sizes.host_len())?
        };
        let [ring0, ring1] = &saved.rings;
        let positions = Positions {
            call: restore_queue(&saved.call)?,
            emergency: restore_queue(&saved.emergency)?,
            rings: [restore_ring(ring0), restore_ring(ring1)],
        };
        Areas::lay_out(place, guest, host, self.base.session.seed, positions).ok_or(Misfit::SmallArea)
    }
}

impl<M: Memory> Base<M> {
    /// Tells a new attachment what is given and what is shared, and what the old one has not answered.
    fn resume_ledger(&mut self) {
        let given = self.ledger.given.iter().map(|(range, _)| (Work::Give, range));
        let shared = self.ledger.shared.iter();
        let shared = shared.map(|(range, rights)| (Work::Share { rights: rights.bits() }, range));
        let known: Vec<_> = given.chain(shared).map(|(work, range)| ask(0, work, range)).collect();
        known.into_iter().for_each(|action| self.actions.push(action));
        let jobs: Vec<_> = self.ledger.jobs.iter().map(Job::action).collect();
        jobs.into_iter().for_each(|action| self.actions.push(action));
    }
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
