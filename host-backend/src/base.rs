// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all families share: memory, session, vCPUs, ports, actions, late requests.

use crate::action::Actions;
use crate::areas::Vcpu;
use crate::config::Config;
use crate::counted::Counted;
use crate::devices::Devices;
use crate::late::{Key, Late};
use crate::ledger::Ledger;
use crate::memory::Memory;
use crate::pages::Pages;
use crate::port::Port;
use crate::quiet::Quiet;
use crate::services::Services;
use crate::time::Time;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::discovery::Session as WireSession;
use tenon_abi::operation::{Limits, Traits};
use tenon_abi::{Features, Op, Operation, Status};

/// The domain without its queues and without the leaf families.
pub(crate) struct Base<M: Memory> {
    pub(crate) config: Config,
    /// The same, as far as arguments are held against it.
    pub(crate) limits: Limits,
    pub(crate) memory: M,
    pub(crate) services: Services,
    pub(crate) session: Session,
    pub(crate) vcpus: Vec<Vcpu<M::Words>>,
    pub(crate) ports: Vec<Port>,
    /// How many of them are direct.
    pub(crate) direct: u32,
    pub(crate) late: Late,
    /// Late requests that are done and whose completions are not written.
    pub(crate) finished: Vec<Finished>,
    pub(crate) actions: Actions,
    /// Memory that is given or shared.
    pub(crate) ledger: Ledger,
    /// What was done for the guest.
    pub(crate) counted: Counted,
    pub(crate) devices: Devices<M::Words>,
    pub(crate) time: Time,
    pub(crate) pages: Pages<M::Words>,
    /// What the guest causes and is logged.
    pub(crate) quiet: Quiet,
    /// The guest asked for its end: nothing more is served.
    pub(crate) ended: bool,
}

/// The private state of a session, and what the next one is drawn from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) number: u32,
    pub(crate) seed: u32,
    pub(crate) random: u64,
    /// log2 of the granule; `None` while idle.
    pub(crate) granule: Option<u8>,
    /// The minor version that was negotiated (NEG-1).
    pub(crate) minor: u16,
    #[serde(with = "crate::config::features")]
    pub(crate) features: Features,
}

impl Session {
    /// One that nobody has negotiated.
    pub(crate) const fn idle(session: WireSession, random: u64) -> Self {
        let WireSession { number, seed } = session;
        Self { number, seed, random, granule: None, minor: 0, features: Features::empty() }
    }

    pub(crate) const fn wire(&self) -> WireSession {
        WireSession { number: self.number, seed: self.seed }
    }
}

/// How a late request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) key: Key,
    pub(crate) status: Status,
    pub(crate) value: u64,
}

impl<M: Memory> Base<M> {
    /// Whether all of `needs` were negotiated.
    #[inline]
    pub(crate) const fn has(&self, needs: Features) -> bool {
        self.session.features.contains(needs)
    }

    /// The row of an operation that exists in this session (NEG-7, CALL-12).
    #[inline]
    pub(crate) fn offered(&self, op: Op) -> Option<&'static Operation> {
        op.row().filter(|row| self.has(row.needs) && !row.traits.contains(Traits::BLOCK_QUEUE))
    }

    /// Ends a late request. Its completion is written before the entry into the domain that this is part of
    /// ends.
    pub(crate) fn finish(&mut self, key: Key, status: Status, value: u64) {
        if self.late.remove(key).is_some() {
            self.finished.push(Finished { key, status, value });
        }
    }
}
