// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every operation needs: its row, and its arguments and payload as the host reads them (CALL-10 to
//! CALL-23).

use crate::base::Base;
use crate::memory::Memory;
use crate::queues::Lane;
use crate::range::Range;
use crate::request::Call;
use alloc::vec;
use alloc::vec::Vec;
use tenon_abi::call::unpack;
use tenon_abi::operation::Traits;
use tenon_abi::{Op, Operation, Rights, Status, Submission};
use tenon_rings::{Error, Site, Words};

impl<M: Memory> Base<M> {
    /// The row of an operation that a queue takes (CALL-12, CALL-23).
    pub(crate) fn row(
        &self,
        op: Op,
        lane: Lane,
        submission: &Submission,
    ) -> Result<&'static Operation, Status> {
        let takes = |row: &&Operation| lane == Lane::Call || row.is_for_emergencies(submission.flags.get());
        self.offered(op).filter(takes).ok_or(Status::NOT_SUPPORTED)
    }

    pub(crate) fn probe(&self, call: &Call<'_>) -> u64 {
        let [op, ..] = call.numbers();
        let row = u16::try_from(op).ok().and_then(|op| self.offered(Op(op)));
        match row.map(|row| row.traits.contains(Traits::REPLAY_SAFE)) {
            None => 0,
            Some(false) => 1,
            Some(true) => 3,
        }
    }

    /// A range for bytes that the host writes: at least one, at most `max_payload`.
    pub(crate) fn written(&self, address: u64, len: u64) -> Result<Range, Status> {
        if len == 0 {
            return Err(Status::BAD_ARGUMENT);
        }
        if len > u64::from(self.config.max_payload) {
            return Err(Status::TOO_LONG);
        }
        let range = Range::check(&self.memory, address, len)?;
        self.admit(range, Rights::WRITE)?;
        Ok(range)
    }

    /// Why a queue had no submission: a corrupt one says so (CALL-15).
    pub(crate) fn nothing_fetched(&mut self, queue: u32, error: Error) {
        if let Error::Corrupt(corrupt) = error {
            let (vcpu, lane) = Lane::of(queue);
            self.show_state(vcpu, lane, corrupt.to_word());
        }
    }

    pub(crate) fn show_state(&mut self, vcpu: u32, lane: Lane, word: u64) {
        let offset = match lane {
            Lane::Call => tenon_abi::vcpu::host::CALL_STATE,
            Lane::Emergency => tenon_abi::vcpu::host::EMERGENCY_STATE,
        };
        if let Some(areas) = self.areas_mut(vcpu) {
            areas.host.store(usize::try_from(offset / 8).unwrap_or(0), word, Site::Status);
        }
        if let Some(left_out) = self.quiet.admit() {
            tracing::debug!(vcpu, ?lane, state = word, left_out, "queue is corrupt");
        }
    }
}

impl Call<'_> {
    /// The vCPU on whose queue it came.
    pub(crate) const fn vcpu(&self) -> u32 {
        Lane::of(self.queue).0
    }

    /// The first argument.
    pub(crate) const fn first(&self) -> u64 {
        let [first, ..] = self.arguments.words;
        first
    }

    /// The low halves of all arguments: the whole of each whose check bounds it by 32 bits or fewer.
    #[inline]
    pub(crate) fn numbers(&self) -> [u32; 6] {
        self.arguments.words.map(|word| unpack(word).0)
    }

    /// The range that the first two arguments name, for bytes that the host writes there: at least one, at
    /// most `max_payload` (CON-3, CON-4).
    pub(crate) fn range<M: Memory>(&self, base: &Base<M>) -> Result<Range, Status> {
        let [address, len, ..] = self.arguments.words;
        base.written(address, len)
    }

    /// The payload, copied (CALL-10, REG-2, REG-3). One that is longer than `limit` is refused; what lies
    /// beyond the first `room` bytes is not copied.
    pub(crate) fn payload<M: Memory>(
        &self,
        base: &Base<M>,
        limit: u32,
        room: usize,
    ) -> Result<Vec<u8>, Status> {
        if let Some(count) = self.arguments.inline {
            let bytes = self.submission.inline();
            return Ok(bytes.get(..count.min(room)).unwrap_or_default().to_vec());
        }
        let [address, len, ..] = self.arguments.words;
        if len > u64::from(limit) {
            return Err(Status::TOO_LONG);
        }
        let range = Range::check(&base.memory, address, len)?;
        base.admit(range, Rights::READ)?;
        // Bounded by `limit`, which is the host's.
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| Status::TOO_LONG)?.min(room)];
        // Nothing is wanted of an empty range, and memory that ends there may refuse it (REG-3).
        if !bytes.is_empty() && !base.memory.read(range.region, range.offset, &mut bytes) {
            return Err(Status::BAD_RANGE);
        }
        Ok(bytes)
    }
}
