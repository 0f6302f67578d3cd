// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that is given or shared: what waits for the attachment, and the embedder's end (MEM-4 to MEM-14).

use crate::counted::add;
use crate::domain::Domain;
use crate::give::Stats;
use crate::late::Waits;
use crate::ledger::{Job, Work};
use crate::memory::Memory;
use crate::range::Range;
use crate::request::{Call, Done};
use tenon_abi::{Rights, Status};
use tenon_rings::planted;

impl<M: Memory> Domain<M> {
    /// GIVE, TAKE and HINT (MEM-6 to MEM-8).
    pub(crate) fn give(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let (work, range) = self.base.check_giving(call)?;
        let reads = self.families.console.waits_at(&self.base);
        if reads.is_some_and(|(_, read)| read.overlaps(range)) {
            return Err(Status::BAD_STATE);
        }
        let done = self.begin(call, work, range)?;
        if work == Work::Give {
            // From here on no request may use it. What was given already stays so in a host that is broken.
            self.base.ledger.given.remove(range);
            self.base.ledger.given.insert(range, Rights::empty());
        }
        Ok(done)
    }

    /// SHARE and UNSHARE (MEM-12, MEM-13).
    pub(crate) fn share(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let (work, range) = self.base.check_sharing(call)?;
        let done = self.begin(call, work, range)?;
        if work == Work::Unshare {
            if !planted!("unshare-leaves-read") {
                self.cancel_reads(range);
            }
            if !planted!("unshare-forgotten") {
                self.base.ledger.shared.remove(range);
            }
        }
        Ok(done)
    }

    fn begin(&mut self, call: &Call<'_>, work: Work, range: Range) -> Result<Done, Status> {
        let job = self.base.ledger.begin((call.queue, call.id), work, range)?;
        self.base.actions.push(job.action());
        Ok(Done::Later(Waits::Memory { job: job.number }))
    }

    /// A read that waits where nothing is shared any more is cancelled (MEM-13).
    fn cancel_reads(&mut self, range: Range) {
        let read = self.families.console.waits_at(&self.base);
        let Some((key, _)) = read.filter(|(_, read)| read.overlaps(range)) else { return };
        if let Some(waits) = self.base.late.get(key) {
            self.families.dropped(key, waits);
            self.base.finish(key, Status::CANCELLED, 0);
            self.write_finished();
        }
    }

    /// A job of [`crate::MemoryAction`] is done, or could not be: completes the request that asked for it. A
    /// job of an earlier session, and one that was answered before, is not an error.
    ///
    /// A revocation ([`crate::MemoryAction::Unshare`]) cannot fail: an attachment that is not sure that the
    /// host has no access any more must not answer.
    pub fn memory_done(&mut self, job: u32, done: bool) {
        let Some(job) = self.base.ledger.end(job) else { return };
        let done = done || job.work == Work::Unshare;
        self.settle(&job, done);
        let (status, value) = if done { (Status::OK, job.range().len) } else { (Status::NO_CAPACITY, 0) };
        // Whoever asked may be stopped.
        if self.base.late.get(job.key()) == Some(Waits::Memory { job: job.number }) {
            self.base.finish(job.key(), status, value);
        }
        self.write_finished();
    }

    fn settle(&mut self, job: &Job, done: bool) {
        let ledger = &mut self.base.ledger;
        if done {
            let (counts, len) = (self.base.counted.counts(), job.range().len);
            match job.work {
                Work::Give => add(&mut counts.given, len),
                Work::Take => add(&mut counts.taken, len),
                Work::Share { .. } => add(&mut counts.shared, len),
                _ => {}
            }
        }
        match job.work {
            Work::Give if !done => ledger.given.remove(job.range()),
            Work::Take if done && !planted!("take-counts-nothing") => ledger.given.remove(job.range()),
            Work::Share { rights } if done => {
                ledger.shared.remove(job.range());
                ledger.shared.insert(job.range(), Rights::from_bits_retain(rights));
            }
            _ => {}
        }
    }

    /// Sets the number of bytes that the guest is to have; `None`: all that there are. The guest is told, and
    /// does what it can (MEM-4).
    pub fn set_memory_target(&mut self, bytes: Option<u64>) {
        self.families.memory.target = bytes;
        self.families.memory.tell(&mut self.base);
    }

    /// [`Memory::piece`] has another answer now: memory was added in a hole (MEM-3). The guest is told.
    pub fn memory_changed(&mut self) {
        self.families.memory.tell(&mut self.base);
    }

    /// How much memory there is, is given, and is wanted.
    #[must_use]
    pub fn memory_stats(&self) -> Stats {
        self.families.memory.stats(&self.base)
    }
}
