// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console output and input (CON-1 to CON-5).

use crate::action::Action;
use crate::call::{Done, arguments, payload};
use crate::domain::Domain;
use crate::memory::Memory;
use crate::region::Range;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::{Status, Submission};

/// Output that waits for the embedder, at most, in bytes.
const OUTPUT_MAX: usize = 65_536;
/// Input that waits for the guest, at most, in bytes.
const INPUT_MAX: usize = 4096;

/// A read that waits for input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) queue: u32,
    pub(crate) id: u16,
    pub(crate) address: u64,
    pub(crate) len: u64,
}

/// A domain's console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Console {
    pub(crate) output: Vec<u8>,
    pub(crate) input: Vec<u8>,
    pub(crate) read: Option<Read>,
}

impl<M: Memory> Domain<M> {
    /// Output since the last call, in order. At most 64 KiB wait; what has no room the guest keeps (CON-2).
    pub fn take_output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.state.console.output)
    }

    /// Gives the guest console input; the result is the number of bytes taken, from the front.
    pub fn input(&mut self, bytes: &[u8]) -> usize {
        let room = INPUT_MAX.saturating_sub(self.state.console.input.len());
        let taken = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.state.console.input.extend_from_slice(taken);
        self.answer_read();
        taken.len()
    }

    pub(crate) fn console_write(&mut self, submission: &Submission) -> Result<Done, Status> {
        let limit = self.config.max_payload;
        // Copying what there is no room for would be work for nothing, a megabyte at a time.
        let room = OUTPUT_MAX.saturating_sub(self.state.console.output.len());
        let (bytes, extra) = payload(self, submission, limit, room)?;
        if extra != 0 {
            return Err(Status::BAD_RESERVED);
        }
        if let Some(taken) = self.memory.keep_output(&bytes) {
            return Ok(Done::Value(u64::try_from(taken.min(bytes.len())).unwrap_or(0)));
        }
        let output = &mut self.state.console.output;
        if output.is_empty() && !bytes.is_empty() {
            self.actions.push(Action::Output);
        }
        output.extend_from_slice(&bytes);
        Ok(Done::Value(u64::try_from(bytes.len()).unwrap_or(0)))
    }

    pub(crate) fn console_read(
        &mut self,
        queue: u32,
        id: u16,
        submission: &Submission,
    ) -> Result<Done, Status> {
        let [address, len] = arguments(submission)?;
        if len == 0 {
            return Err(Status::BAD_ARGUMENT);
        }
        if len > u64::from(self.config.max_payload) {
            return Err(Status::TOO_LONG);
        }
        Range::check(&self.memory, address, len)?;
        if self.state.console.read.is_some() {
            return Err(Status::EXISTS);
        }
        self.state.console.read = Some(Read { queue, id, address, len });
        self.answer_read();
        Ok(Done::Later)
    }

    /// Completes the waiting read if there is input.
    fn answer_read(&mut self) {
        let console = &mut self.state.console;
        let Some(read) = console.read else { return };
        if console.input.is_empty() {
            return;
        }
        let len = usize::try_from(read.len).unwrap_or(usize::MAX).min(console.input.len());
        console.read = None;
        // The range was checked when the read was fetched; a memory that shrank since refuses the write, and
        // the input stays.
        let data = console.input.get(..len).unwrap_or_default();
        let written = Range::check(&self.memory, read.address, read.len)
            .is_ok_and(|range| self.memory.write(range.region, range.offset, data));
        let status = if written { Status::OK } else { Status::BAD_RANGE };
        if written {
            console.input.drain(..len);
        }
        self.complete_later(read.queue, read.id, status, u64::try_from(len).unwrap_or(0));
    }
}
