// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart, crash record; generations and suspension (LIFE-1 to LIFE-10).

use crate::action::LifecycleAction;
use crate::base::Base;
pub use crate::crash::CrashRecord;
use crate::family::Family;
pub use crate::generation::Generation;
use crate::memory::Memory;
use crate::request::{Call, Done};
use crate::services::Services;
use crate::suspend::Suspend;
use serde::{Deserialize, Serialize};
use tenon_abi::lifecycle::CRASH_TEXT_MAX;
use tenon_abi::{DeviceKind, Features, Op, Status};
use tenon_rings::planted;

/// What is known of a domain's life. It stays beyond a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lifecycle {
    pub(crate) crash: Option<CrashRecord>,
    /// Where GENERATION is offered.
    pub(crate) generation: Option<Generation>,
    pub(crate) suspend: Suspend,
}

impl Family for Lifecycle {
    fn missing(services: &Services) -> Features {
        if services.generation.is_some() { Features::empty() } else { Features::GENERATION }
    }

    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        match call.op {
            Op::EXIT => {
                let [code, ..] = call.numbers();
                base.end_when_home(LifecycleAction::Exit { code });
            }
            Op::RESTART => base.end_when_home(LifecycleAction::Restart),
            Op::CRASH => return self.crash(base, call),
            Op::REPAIRED => return self.repaired(base, call),
            Op::SUSPEND_WATCH => {
                let [port, ..] = call.numbers();
                return self.suspend.watch(base, port).map(|()| Done::Value(0));
            }
            Op::SUSPEND_READY => return self.ready(base),
            _ => return Err(Status::NOT_SUPPORTED),
        }
        base.ended = true;
        Ok(Done::Never)
    }

    fn end_session(&mut self) {
        self.suspend.end_session();
    }
}

impl Lifecycle {
    fn crash<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        let text = call.payload(base, CRASH_TEXT_MAX, usize::MAX)?;
        let [_, _, code, ..] = call.arguments.words;
        let record = CrashRecord { vcpu: call.vcpu(), code, text };
        if let Some(journal) = &mut base.services.journal {
            journal.keep_crash(&record);
        }
        self.crash = Some(record.clone());
        base.actions.push(LifecycleAction::Crash(record));
        Ok(Done::Value(0))
    }

    fn repaired<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        let [low, high, ..] = call.arguments.words;
        let generation = self.generation.as_mut().ok_or(Status::NOT_SUPPORTED)?;
        if !generation.repair([low, high]) {
            return Err(Status::BAD_STATE);
        }
        if !planted!("repaired-untold") {
            base.actions.push(LifecycleAction::Repaired { id: [low, high] });
        }
        // What was held back goes on (NET-11).
        base.tell_opened(|kind| kind == DeviceKind::NET);
        Ok(Done::Value(0))
    }

    fn ready<M: Memory>(&mut self, base: &mut Base<M>) -> Result<Done, Status> {
        if !self.suspend.ready() {
            return Err(Status::BAD_STATE);
        }
        base.actions.push(LifecycleAction::SuspendReady);
        Ok(Done::Value(0))
    }
}
