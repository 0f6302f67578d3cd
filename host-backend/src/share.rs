// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest of a closed domain shares (MEM-10 to MEM-14).

use crate::base::Base;
use crate::config::Sharing;
use crate::ledger::Work;
use crate::memory::Memory;
use crate::range::Range;
use crate::request::Call;
use tenon_abi::{Op, Rights, Status};
use tenon_rings::planted;

impl<M: Memory> Base<M> {
    /// The core may read or write payload there (MEM-9, MEM-11).
    pub(crate) fn admit(&self, range: Range, rights: Rights) -> Result<(), Status> {
        if range.len == 0 {
            return Ok(());
        }
        if !planted!("payload-in-given") {
            self.check_had(range)?;
        }
        let open = self.config.closed.is_none() || planted!("payload-unshared");
        let rights = if planted!("rights-unchecked") { Rights::empty() } else { rights };
        let in_arena = || self.devices.arenas().any(|arena| arena.contains(range));
        if open || self.ledger.shared.covers(range, rights) || in_arena() {
            Ok(())
        } else if range.is_memory(&self.memory) {
            Err(Status::DENIED)
        } else {
            Err(Status::BAD_RANGE)
        }
    }

    /// The range of SHARE and UNSHARE, as far as one call goes, and what is to be done there (MEM-12,
    /// MEM-13).
    pub(crate) fn check_sharing(&self, call: &Call<'_>) -> Result<(Work, Range), Status> {
        let Sharing { max_range, max_ranges } = self.config.closed.ok_or(Status::NOT_SUPPORTED)?;
        let limit = usize::try_from(max_ranges).unwrap_or(usize::MAX);
        let work = if call.op == Op::SHARE { share(call)? } else { Work::Unshare };
        let whole = self.check_ground(call, self.granule().size())?;
        let range = Range { len: whole.len.min(max_range), ..whole };
        let shared = &self.ledger.shared;
        if work == Work::Unshare {
            if !shared.covers(whole, Rights::empty()) {
                return Err(Status::NOT_FOUND);
            }
            if shared.splits(range) && shared.count() >= limit {
                return Err(Status::NO_CAPACITY);
            }
        } else {
            if shared.touches(whole) && !planted!("shared-twice") {
                return Err(Status::EXISTS);
            }
            if self.ledger.given.touches(whole) {
                return Err(Status::BAD_STATE);
            }
            let coming = self.ledger.jobs.iter().filter(|job| matches!(job.work, Work::Share { .. }));
            if shared.count().saturating_add(coming.count()) >= limit {
                return Err(Status::NO_CAPACITY);
            }
        }
        if self.is_area(whole) || self.ledger.is_moving(whole) {
            return Err(Status::BAD_STATE);
        }
        Ok((work, range))
    }
}

/// The rights of a share: known ones, and at least one.
fn share(call: &Call<'_>) -> Result<Work, Status> {
    let [_, _, rights, ..] = call.arguments.words;
    match Rights::from_bits(rights) {
        None => Err(Status::BAD_RESERVED),
        Some(none) if none.is_empty() => Err(Status::BAD_ARGUMENT),
        Some(rights) => Ok(Work::Share { rights: rights.bits() }),
    }
}
