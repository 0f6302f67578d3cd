// SPDX-License-Identifier: MIT OR Apache-2.0
//! One guest's host side.

use crate::action::{Action, Actions};
use crate::config::Config;
use crate::console::Console;
use crate::discovery::{RecordWriter, first_session, next_session};
use crate::error::Error;
use crate::event::Port;
use crate::lifecycle::CrashRecord;
use crate::memory::Memory;
use crate::vcpu::Vcpu;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::discovery::Session;
use tenon_abi::{Features, Granule, Record};
use tenon_rings::{Site, Words};

/// The host side of one guest. Every entry ends within a bound that the guest cannot move.
///
/// Not synchronised: an attachment with several vCPU threads keeps it behind a lock.
pub struct Domain<M: Memory> {
    pub(crate) config: Config,
    pub(crate) memory: M,
    pub(crate) state: Core,
    pub(crate) vcpus: Vec<Vcpu<M::Words>>,
    pub(crate) ports: Vec<Port>,
    /// How many of them are direct.
    pub(crate) direct: u32,
    pub(crate) actions: Actions,
    pub(crate) crash: Option<CrashRecord>,
    /// The guest asked for its end: nothing more is served.
    pub(crate) ended: bool,
}

/// The private state that belongs to no vCPU and no port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Core {
    pub(crate) session: u32,
    pub(crate) seed: u32,
    pub(crate) random: u64,
    /// log2 of the session's granule; `None` while idle.
    pub(crate) granule: Option<u8>,
    pub(crate) features: u64,
    pub(crate) console: Console,
}

impl Core {
    /// At the beginning of a session that nobody has negotiated.
    fn idle(session: Session, random: u64) -> Self {
        Self {
            session: session.number,
            seed: session.seed,
            random,
            granule: None,
            features: 0,
            console: Console::default(),
        }
    }
}

impl<M: Memory> Domain<M> {
    /// A domain before its guest has come: writes the record.
    ///
    /// # Errors
    ///
    /// [`Error::BadConfig`] or [`Error::SmallWindow`].
    pub fn new(config: Config, memory: M) -> Result<Self, Error> {
        let mut random = config.seed;
        let session = first_session(&mut random);
        let domain = Self::assemble(config, memory, Core::idle(session, random))?;
        let record = domain.record();
        record.clear();
        record.write_fixed(&domain.config, domain.memory.region_len(0).unwrap_or(0));
        record.set_session(session);
        Ok(domain)
    }

    /// A domain whose host process died and left nothing but the window: ends the session that is found
    /// there, whatever state it was in, and begins the next one (SES-9). What the window says is taken for a
    /// number, no more.
    ///
    /// # Errors
    ///
    /// [`Error::BadConfig`] or [`Error::SmallWindow`].
    pub fn again(config: Config, memory: M) -> Result<Self, Error> {
        let mut random = config.seed;
        let found = memory.window().load(core::mem::offset_of!(Record, session) / 8, Site::Status);
        let session = next_session(Session::from_word(found), &mut random);
        let domain = Self::assemble(config, memory, Core::idle(session, random))?;
        let record = domain.record();
        if tenon_rings::planted!("again-session-first") {
            record.set_session(session);
        }
        record.set_active(None);
        record.write_fixed(&domain.config, domain.memory.region_len(0).unwrap_or(0));
        // Last, as in a reset: whoever sees the new session finds nothing of the old one in use (SES-6).
        record.set_session(session);
        Ok(domain)
    }

    pub(crate) fn assemble(config: Config, memory: M, state: Core) -> Result<Self, Error> {
        config.check()?;
        let found = u64::try_from(memory.window().len()).unwrap_or(u64::MAX).saturating_mul(8);
        if found < config.window_len {
            return Err(Error::SmallWindow { found, promised: config.window_len });
        }
        let ports = usize::try_from(config.max_ports).map_err(|_| Error::BadConfig("max_ports"))?;
        let vcpus = (0..config.max_vcpus).map(|vcpu| Vcpu::new(vcpu == 0)).collect();
        Ok(Self {
            config,
            memory,
            state,
            vcpus,
            ports: vec![Port::default(); ports],
            direct: 0,
            actions: Actions::default(),
            crash: None,
            ended: false,
        })
    }

    /// The next thing to do. An attachment asks after every entry until there is nothing.
    #[inline]
    pub fn next_action(&mut self) -> Option<Action> {
        let action = self.actions.pop()?;
        if let Action::Upcall { vcpu, .. } = action
            && let Some(slot) = self.vcpu_mut(vcpu)
        {
            slot.queued = false;
        }
        Some(action)
    }

    /// What the domain was offered.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The memory that the domain was made with.
    #[must_use]
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// The last crash record, if the guest left one (LIFE-4).
    #[must_use]
    pub const fn crash_record(&self) -> Option<&CrashRecord> {
        self.crash.as_ref()
    }

    /// Number of the current session (SES-1).
    #[must_use]
    pub const fn session(&self) -> u32 {
        self.state.session
    }

    pub(crate) fn wire_session(&self) -> Session {
        Session { number: self.state.session, seed: self.state.seed }
    }

    pub(crate) fn record(&self) -> RecordWriter<M::Words> {
        RecordWriter::new(self.memory.window())
    }

    /// Whether all of `needs` were negotiated.
    #[inline]
    pub(crate) const fn has(&self, needs: Features) -> bool {
        self.state.features & needs.bits() == needs.bits()
    }

    /// The granule that counts now (GEN-4).
    pub(crate) fn granule(&self) -> Granule {
        let negotiated = self.state.granule.and_then(|shift| Granule::from_shift(u32::from(shift)));
        negotiated.unwrap_or_else(|| self.config.smallest_granule())
    }
}
