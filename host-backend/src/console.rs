// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console output and input (CON-1 to CON-5).

use crate::action::ConsoleAction;
use crate::base::Base;
use crate::counted::add;
use crate::family::Family;
use crate::late::{Key, Waits};
use crate::memory::Memory;
use crate::range::Range;
use crate::request::{Call, Done};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::{Op, Status};

/// Output that waits for the embedder, at most, in bytes.
const OUTPUT_MAX: usize = 65_536;
/// Input that waits for the guest, at most, in bytes.
const INPUT_MAX: usize = 4096;

/// A read that waits for input: its request, and where the input goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Read {
    queue: u32,
    id: u16,
    address: u64,
    len: u64,
}

impl Read {
    const fn key(&self) -> Key {
        (self.queue, self.id)
    }
}

/// A domain's console. Input and output stay beyond a session, a read does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Console {
    pub(crate) output: Vec<u8>,
    input: Vec<u8>,
    read: Option<Read>,
}

impl Family for Console {
    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        match call.op {
            Op::CONSOLE_WRITE => self.write(base, call),
            Op::CONSOLE_READ => self.read(base, call),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    fn waits(&self, key: Key, waits: Waits) -> bool {
        waits == Waits::Input && self.read.is_some_and(|read| read.key() == key)
    }

    fn waiting(&self) -> usize {
        usize::from(self.read.is_some())
    }

    fn dropped(&mut self, key: Key, _waits: Waits) {
        self.read = self.read.filter(|read| read.key() != key);
    }

    fn end_session(&mut self) {
        self.read = None;
    }

    fn resume<M: Memory>(&self, base: &mut Base<M>) {
        if !self.output.is_empty() {
            base.actions.push(ConsoleAction::Output);
        }
    }
}

impl Console {
    fn write<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        // Copying what there is no room for would be work for nothing, a megabyte at a time.
        let room = OUTPUT_MAX.saturating_sub(self.output.len());
        let bytes = call.payload(base, base.config.max_payload, room)?;
        if let Some(journal) = &mut base.services.journal {
            let taken = u64::try_from(journal.keep_output(&bytes).min(bytes.len())).unwrap_or(0);
            add(&mut base.counted.counts().console_out, taken);
            return Ok(Done::Value(taken));
        }
        if self.output.is_empty() && !bytes.is_empty() {
            base.actions.push(ConsoleAction::Output);
        }
        self.output.extend_from_slice(&bytes);
        let taken = u64::try_from(bytes.len()).unwrap_or(0);
        let more =
            if tenon_rings::planted!("meter-miscounts-output") { taken.wrapping_add(1) } else { taken };
        add(&mut base.counted.counts().console_out, more);
        Ok(Done::Value(taken))
    }

    fn read<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        let [address, len, ..] = call.arguments.words;
        call.range(base)?;
        if self.read.is_some() {
            return Err(Status::EXISTS);
        }
        let read = Read { queue: call.queue, id: call.id, address, len };
        if self.input.is_empty() {
            self.read = Some(read);
            return Ok(Done::Later(Waits::Input));
        }
        self.deliver(base, read).map(Done::Value)
    }

    /// The read that waits, and where its input goes.
    pub(crate) fn waits_at<M: Memory>(&self, base: &Base<M>) -> Option<(Key, Range)> {
        let read = self.read?;
        Some((read.key(), Range::check(&base.memory, read.address, read.len).ok()?))
    }

    pub(crate) fn take_input<M: Memory>(&mut self, base: &mut Base<M>, bytes: &[u8]) -> usize {
        let room = INPUT_MAX.saturating_sub(self.input.len());
        let taken = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.input.extend_from_slice(taken);
        if !self.input.is_empty()
            && let Some(read) = self.read.take()
        {
            let (status, value) = match self.deliver(base, read) {
                Ok(value) => (Status::OK, value),
                Err(status) => (status, 0),
            };
            base.finish(read.key(), status, value);
        }
        taken.len()
    }

    /// Writes input where a read wants it; the number of bytes. The range was checked when the read was
    /// fetched; a memory that shrank since refuses the write, and the input stays.
    fn deliver<M: Memory>(&mut self, base: &mut Base<M>, read: Read) -> Result<u64, Status> {
        let len = usize::try_from(read.len).unwrap_or(usize::MAX).min(self.input.len());
        let data = self.input.get(..len).unwrap_or_default();
        let range = Range::check(&base.memory, read.address, read.len).map_err(|_| Status::BAD_RANGE)?;
        if !base.memory.write(range.region, range.offset, data) {
            return Err(Status::BAD_RANGE);
        }
        self.input.drain(..len);
        let len = u64::try_from(len).unwrap_or(0);
        let more = if tenon_rings::planted!("meter-counts-input-as-asked") { read.len } else { len };
        add(&mut base.counted.counts().console_in, more);
        Ok(len)
    }
}
