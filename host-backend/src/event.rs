// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports: binding, moving, raising (EVT-1 to EVT-22).

use crate::action::EventAction;
use crate::base::Base;
use crate::counted::add;
use crate::memory::Memory;
use crate::port::{Port, Target};
use crate::request::{Call, Done};
use alloc::collections::BTreeSet;
use tenon_abi::event::CLASSES;
use tenon_abi::vcpu::host;
use tenon_abi::{Features, Status};
use tenon_rings::{Raised, Raiser, Site, Words, planted};

impl<M: Memory> Base<M> {
    pub(crate) fn event_bind(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [port, vcpu, class, ..] = call.numbers();
        if self.port(port)?.target.is_some() {
            return Err(Status::EXISTS);
        }
        self.reserve(vcpu, class)?;
        *self.port_mut(port)? = Port { target: Some(Target::Ring { vcpu, class }), last: None };
        self.port_came(port);
        Ok(Done::Value(0))
    }

    pub(crate) fn event_bind_direct(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [port, vcpu, vector, ..] = call.numbers();
        if self.port(port)?.target.is_some() {
            return Err(Status::EXISTS);
        }
        if self.areas_mut(vcpu).is_none() {
            return Err(Status::NOT_FOUND);
        }
        if self.direct >= self.config.max_direct {
            return Err(Status::NO_CAPACITY);
        }
        *self.port_mut(port)? = Port { target: Some(Target::Direct { vcpu, vector }), last: None };
        self.direct = self.direct.saturating_add(1);
        self.actions.push(EventAction::Route { port, vcpu, vector });
        self.port_came(port);
        Ok(Done::Value(0))
    }

    pub(crate) fn event_unbind(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [port, ..] = call.numbers();
        self.detach(port)?;
        if !planted!("unbind-keeps-timer") {
            self.time.timers.remove(port);
        }
        Ok(Done::Value(0))
    }

    pub(crate) fn event_move(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [port, vcpu, class, ..] = call.numbers();
        let old = self.port(port)?.target.ok_or(Status::NOT_FOUND)?;
        let target = Target::Ring { vcpu, class };
        if old == target {
            return Ok(Done::Value(0));
        }
        self.reserve(vcpu, class)?;
        let untaken = self.detach(port)?;
        if planted!("move-drops-timer") {
            self.time.timers.remove(port);
        }
        *self.port_mut(port)? = Port { target: Some(target), last: None };
        if untaken {
            // The port has moved, whatever its new ring turns out to be: that stands in the ring's state word
            // (EVT-20).
            let _ = self.raise_port(port);
        } else {
            self.port_came(port);
        }
        Ok(Done::Value(0))
    }

    pub(crate) fn event_signal(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [port, ..] = call.numbers();
        self.raise_port(port)?;
        Ok(Done::Value(0))
    }

    /// Moves every port of `vcpu` to the same class of `to` (VCPU-6). Nothing happens where there is no room.
    pub(crate) fn move_ports(&mut self, vcpu: u32, to: u32) -> Result<(), Status> {
        let mut reserved = [0u32; 2];
        for class in 0..CLASSES {
            let here = Target::Ring { vcpu, class };
            let wanted = self.ports.iter().filter(|port| port.target == Some(here)).count();
            for _ in 0..wanted {
                if let Err(status) = self.reserve(to, class) {
                    self.give_back(to, reserved);
                    return Err(status);
                }
                if let Some(count) = usize::try_from(class).ok().and_then(|class| reserved.get_mut(class)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        // Looked for once, and not for each port: a vCPU may have thousands of them.
        let named: BTreeSet<u32> = self.devices.named_ports().collect();
        for port in 0..self.config.max_ports {
            let moved = match self.port(port)?.target {
                Some(Target::Ring { vcpu: at, class }) if at == vcpu => Target::Ring { vcpu: to, class },
                Some(Target::Direct { vcpu: at, vector }) if at == vcpu => {
                    self.actions.push(EventAction::Route { port, vcpu: to, vector });
                    Target::Direct { vcpu: to, vector }
                }
                _ => continue,
            };
            let untaken = self.detach_quietly(port)?;
            if planted!("stop-drops-timer") {
                self.time.timers.remove(port);
            }
            *self.port_mut(port)? = Port { target: Some(moved), last: None };
            if untaken {
                // A target ring that is corrupt loses its events, as it does for every port (EVT-20).
                let _ = self.raise_port(port);
            } else {
                self.port_came_named(port, named.contains(&port));
            }
        }
        Ok(())
    }

    fn give_back(&mut self, vcpu: u32, reserved: [u32; 2]) {
        for (class, count) in (0..CLASSES).zip(reserved) {
            for _ in 0..count {
                self.release(vcpu, class, None);
            }
        }
    }

    /// Releases a port; whether its last entry is untaken.
    fn detach(&mut self, port: u32) -> Result<bool, Status> {
        if let Some(Target::Direct { .. }) = self.port(port)?.target {
            self.direct = self.direct.saturating_sub(1);
            self.actions.push(EventAction::Unroute { port });
        }
        self.detach_quietly(port)
    }

    fn detach_quietly(&mut self, port: u32) -> Result<bool, Status> {
        let old = core::mem::take(self.port_mut(port)?);
        match old.target.ok_or(Status::NOT_FOUND)? {
            Target::Ring { vcpu, class } => Ok(self.release(vcpu, class, old.last)),
            Target::Direct { .. } => Ok(false),
        }
    }

    /// Gives an entry's reservation back; whether the entry is untaken. A breach that shows on the way is
    /// told (EVT-20).
    fn release(&mut self, vcpu: u32, class: u32, last: Option<u64>) -> bool {
        let Some(ring) = self.ring_mut(vcpu, class) else { return false };
        let untaken = ring.release(last);
        if let Some(corrupt) = ring.state().corrupt {
            self.show_ring_state(vcpu, class, corrupt.to_word());
        }
        untaken
    }

    /// Reserves an entry (EVT-3, EVT-4).
    fn reserve(&mut self, vcpu: u32, class: u32) -> Result<(), Status> {
        let ring = self.ring_mut(vcpu, class).ok_or(Status::NOT_FOUND)?;
        match ring.reserve() {
            Ok(()) => Ok(()),
            Err(tenon_rings::Error::Corrupt(corrupt)) => {
                self.show_ring_state(vcpu, class, corrupt.to_word());
                Err(Status::BAD_STATE)
            }
            Err(_) => Err(Status::NO_CAPACITY),
        }
    }

    #[inline]
    pub(crate) fn raise_port(&mut self, number: u32) -> Result<(), Status> {
        let Port { target, mut last } = *self.port(number)?;
        let target = target.ok_or(Status::NOT_FOUND)?;
        add(
            &mut self.counted.counts().events,
            if tenon_rings::planted!("meter-counts-events-twice") { 2 } else { 1 },
        );
        match target {
            Target::Direct { vcpu, vector } => {
                add(&mut self.counted.counts().direct_interrupts, 1);
                self.actions.push(EventAction::Raise { port: number, vcpu, vector });
            }
            Target::Ring { vcpu, class } => {
                let ring = self.ring_mut(vcpu, class).ok_or(Status::NOT_FOUND)?;
                let raised = ring.raise(number, &mut last);
                // Whatever came of it: an entry may have been written before the ring was found corrupt.
                self.port_mut(number)?.last = last;
                match raised {
                    Ok(Raised::Written { upcall }) => {
                        if upcall && self.has(Features::UPCALL) {
                            self.owe(vcpu);
                        }
                    }
                    Ok(Raised::Masked | Raised::Pending) => {}
                    Err(tenon_rings::Error::Corrupt(corrupt)) => {
                        self.show_ring_state(vcpu, class, corrupt.to_word());
                        return Err(Status::BAD_STATE);
                    }
                    Err(_) => return Err(Status::NO_CAPACITY),
                }
            }
        }
        Ok(())
    }

    fn show_ring_state(&mut self, vcpu: u32, class: u32, word: u64) {
        let offset = if class == 0 { host::EVENT_STATE0 } else { host::EVENT_STATE1 };
        if let Some(areas) = self.areas_mut(vcpu) {
            areas.host.store(usize::try_from(offset / 8).unwrap_or(0), word, Site::Status);
        }
        if let Some(left_out) = self.quiet.admit() {
            tracing::debug!(vcpu, class, state = word, left_out, "event ring is corrupt");
        }
    }

    fn ring_mut(&mut self, vcpu: u32, class: u32) -> Option<&mut Raiser<M::Words>> {
        let [ordinary, urgent] = &mut self.areas_mut(vcpu)?.rings;
        Some(if class == 0 { ordinary } else { urgent })
    }

    /// Whether the guest has bound a port.
    pub(crate) fn is_port_bound(&self, port: u32) -> bool {
        self.port(port).is_ok_and(|port| port.target.is_some())
    }

    /// A port that has to be bound.
    pub(crate) fn bound(&self, port: u32) -> Result<(), Status> {
        self.port(port)?.target.map(drop).ok_or(Status::NOT_FOUND)
    }

    fn port(&self, port: u32) -> Result<&Port, Status> {
        usize::try_from(port).ok().and_then(|index| self.ports.get(index)).ok_or(Status::BAD_ARGUMENT)
    }

    fn port_mut(&mut self, port: u32) -> Result<&mut Port, Status> {
        usize::try_from(port).ok().and_then(|index| self.ports.get_mut(index)).ok_or(Status::BAD_ARGUMENT)
    }
}
