// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit, restart, crash record (LIFE-1 to LIFE-4).

use crate::action::Action;
use crate::call::{Done, arguments, payload};
use crate::domain::Domain;
use crate::memory::Memory;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::lifecycle::CRASH_TEXT_MAX;
use tenon_abi::{Status, Submission};

/// What a guest left behind when it crashed (LIFE-4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashRecord {
    /// The vCPU on whose queue it came.
    pub vcpu: u32,
    /// The guest's code.
    pub code: u64,
    /// The guest's text: any bytes, at most 1024.
    pub text: Vec<u8>,
}

impl<M: Memory> Domain<M> {
    pub(crate) fn exit(&mut self, submission: &Submission) -> Result<Done, Status> {
        let [code] = arguments(submission)?;
        let code = u32::try_from(code).map_err(|_| Status::BAD_ARGUMENT)?;
        self.actions.push(Action::Exit { code });
        self.ended = true;
        Ok(Done::Never)
    }

    pub(crate) fn restart(&mut self, submission: &Submission) -> Result<Done, Status> {
        let [] = arguments(submission)?;
        self.actions.push(Action::Restart);
        self.ended = true;
        Ok(Done::Never)
    }

    pub(crate) fn crash(&mut self, vcpu: u32, submission: &Submission) -> Result<Done, Status> {
        let (text, code) = payload(self, submission, CRASH_TEXT_MAX, usize::MAX)?;
        let record = CrashRecord { vcpu, code, text };
        self.memory.keep_crash(&record);
        self.crash = Some(record.clone());
        self.actions.push(Action::Crash(record));
        Ok(Done::Value(0))
    }
}
