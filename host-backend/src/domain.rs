// SPDX-License-Identifier: MIT OR Apache-2.0
//! One guest's host side. What it does by family stands in a file of the family's name below.

mod call;
mod console;
pub(crate) mod device;
mod event;
mod lifecycle;
mod memory;
mod time;
mod vcpu;

use crate::action::{Action, Actions, TimeAction, VcpuAction};
use crate::areas::Vcpu;
use crate::base::{Base, Session};
use crate::config::{Config, Setting};
use crate::counted::Counted;
use crate::devices::Devices;
use crate::discovery::{RecordWriter, first_session, next_session};
use crate::error::Error;
use crate::families::Families;
use crate::late::Late;
use crate::ledger::Ledger;
use crate::memory::Memory;
use crate::pages::{Before, Pages};
use crate::port::Port;
use crate::queues::Queues;
use crate::quiet::Quiet;
use crate::services::Services;
use crate::time::Time;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use tenon_abi::discovery::Session as WireSession;
use tenon_abi::{Granule, Record};
use tenon_rings::{Site, Words};

/// The host side of one guest. Every entry ends within a bound that the guest cannot move.
///
/// Not synchronised: an attachment with several vCPU threads keeps it behind a lock.
pub struct Domain<M: Memory> {
    /// By vCPU. Apart from what operations need, so that one queue is served while its operations are done.
    pub(crate) queues: Vec<Option<Queues<M::Words>>>,
    pub(crate) base: Base<M>,
    pub(crate) families: Families,
}

impl<M: Memory> Domain<M> {
    /// A domain before its guest has come, without services: writes the record.
    ///
    /// # Errors
    ///
    /// [`Error::BadConfig`] or [`Error::SmallWindow`].
    pub fn new(config: Config, memory: M) -> Result<Self, Error> {
        Self::with(config, memory, Services::default())
    }

    /// The same with services. What `config` offers and they cannot serve is left out.
    ///
    /// # Errors
    ///
    /// As [`Self::new`], and [`Error::NoGeneration`].
    pub fn with(config: Config, memory: M, services: Services) -> Result<Self, Error> {
        let mut random = config.seed;
        let session = first_session(&mut random);
        let mut domain = Self::assemble(config, memory, services, Session::idle(session, random))?;
        domain.base.place_pages(Before::Nothing).ok_or(Error::BadConfig(Setting::WindowLen))?;
        domain.next_generation(true)?;
        let record = domain.base.record();
        record.clear();
        record.write_fixed(&domain.base.config, domain.base.memory.region_len(0).unwrap_or(0));
        record.set_session(session);
        Ok(domain)
    }

    /// A domain whose host process died and left nothing but the window: ends the session that is found
    /// there, whatever state it was in, and begins the next one (SES-9). What the window says is taken for a
    /// number, no more.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn recover(config: Config, memory: M, services: Services) -> Result<Self, Error> {
        let mut random = config.seed;
        let found = memory.window().load(core::mem::offset_of!(Record, session) / 8, Site::Status);
        let session = next_session(WireSession::from_word(found), &mut random);
        let mut domain = Self::assemble(config, memory, services, Session::idle(session, random))?;
        domain.base.place_pages(Before::Lost).ok_or(Error::BadConfig(Setting::WindowLen))?;
        domain.next_generation(false)?;
        let record = domain.base.record();
        if tenon_rings::planted!("again-session-first") {
            record.set_session(session);
        }
        record.set_active(None);
        record.write_fixed(&domain.base.config, domain.base.memory.region_len(0).unwrap_or(0));
        // Last, as in a reset: whoever sees the new session finds nothing of the old one in use (SES-6).
        record.set_session(session);
        Ok(domain)
    }

    pub(crate) fn assemble(
        mut config: Config,
        memory: M,
        services: Services,
        session: Session,
    ) -> Result<Self, Error> {
        config.features.remove(Families::missing(&services).union(config.missing()));
        config.check()?;
        let found = u64::try_from(memory.window().len()).unwrap_or(u64::MAX).saturating_mul(8);
        if found < config.window_len {
            return Err(Error::SmallWindow { found, promised: config.window_len });
        }
        let epoch = if tenon_rings::planted!("meter-epoch-kept") { 1 } else { session.wire().to_word() };
        let devices = config.devices;
        let ports = usize::try_from(config.max_ports).map_err(|_| Error::BadConfig(Setting::MaxPorts))?;
        Ok(Self {
            queues: (0..config.max_vcpus).map(|_| None).collect(),
            base: Base {
                vcpus: (0..config.max_vcpus).map(|vcpu| Vcpu::new(vcpu == 0)).collect(),
                limits: config.limits(),
                config,
                memory,
                services,
                counted: Counted::new(epoch),
                devices: Devices::new(
                    devices.map_or([0, 0], |limits| [limits.max_devices, limits.max_queues]),
                ),
                session,
                ports: vec![Port::default(); ports],
                direct: 0,
                late: Late::default(),
                finished: Vec::new(),
                actions: Actions::default(),
                ledger: Ledger::default(),
                time: Time::default(),
                pages: Pages::new(),
                quiet: Quiet::default(),
                ended: false,
            },
            families: Families::default(),
        })
    }

    /// The next thing to do. An attachment asks after every entry until there is nothing.
    #[inline]
    pub fn next_action(&mut self) -> Option<Action> {
        let action = self.base.actions.pop()?;
        match action {
            Action::Vcpu(VcpuAction::Upcall { vcpu, .. }) => {
                if let Some(slot) = self.base.vcpu_mut(vcpu) {
                    slot.queued = false;
                }
            }
            Action::Time(TimeAction::Deadline) => self.base.time.asked = false,
            _ => {}
        }
        Some(action)
    }

    /// What the domain was offered: what was configured, without what the services cannot serve.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.base.config
    }

    /// The memory that the domain was made with.
    #[must_use]
    pub const fn memory(&self) -> &M {
        &self.base.memory
    }

    /// What was done for the guest, which it reads by METER_READ where METER is offered (MET-1).
    #[must_use]
    pub const fn counted(&self) -> &Counted {
        &self.base.counted
    }

    /// Number of the current session (SES-1).
    #[must_use]
    pub const fn session(&self) -> u32 {
        self.base.session.number
    }
}

impl<M: Memory> Base<M> {
    pub(crate) fn record(&self) -> RecordWriter<M::Words> {
        RecordWriter::new(self.memory.window())
    }

    /// The granule that counts now (GEN-4).
    pub(crate) fn granule(&self) -> Granule {
        let negotiated = self.session.granule.and_then(|shift| Granule::from_shift(u32::from(shift)));
        negotiated.unwrap_or_else(|| self.config.smallest_granule())
    }
}

impl<M: Memory> fmt::Debug for Domain<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = self.base.ports.iter().filter(|port| port.target.is_some()).count();
        f.debug_struct("Domain")
            .field("config", &self.base.config)
            .field("session", &self.base.session)
            .field("vcpus", &self.base.vcpus)
            .field("bound_ports", &bound)
            .field("late", &self.base.late)
            .field("waiting_actions", &self.base.actions.len())
            .field("services", &self.base.services)
            .field("ended", &self.base.ended)
            .finish_non_exhaustive()
    }
}
