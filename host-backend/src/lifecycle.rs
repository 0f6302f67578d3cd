// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart, crash record (LIFE-1 to LIFE-4).

use crate::action::LifecycleAction;
use crate::base::Base;
pub use crate::crash::CrashRecord;
use crate::family::Family;
use crate::memory::Memory;
use crate::request::{Call, Done};
use serde::{Deserialize, Serialize};
use tenon_abi::lifecycle::CRASH_TEXT_MAX;
use tenon_abi::{Op, Status};

/// What is known of a domain's end. It stays beyond a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lifecycle {
    pub(crate) crash: Option<CrashRecord>,
}

impl Family for Lifecycle {
    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        match call.op {
            Op::EXIT => {
                let [code, ..] = call.numbers();
                base.actions.push(LifecycleAction::Exit { code });
            }
            Op::RESTART => base.actions.push(LifecycleAction::Restart),
            Op::CRASH => return self.crash(base, call),
            _ => return Err(Status::NOT_SUPPORTED),
        }
        base.ended = true;
        Ok(Done::Never)
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
}
