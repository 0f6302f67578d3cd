// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host counts for its guest (MET-1 to MET-5).

use crate::base::Base;
pub use crate::counted::Counted;
use crate::family::Family;
use crate::memory::Memory;
use crate::range::Range;
use crate::request::{Call, Done};
use serde::{Deserialize, Serialize};
use tenon_abi::meter::READ_MIN;
use tenon_abi::{Op, Rights, Status};
use tenon_rings::planted;

/// The family of METER_READ. What it reads is counted everywhere, and stands in the base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metering {}

impl Family for Metering {
    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        if call.op != Op::METER_READ {
            return Err(Status::NOT_SUPPORTED);
        }
        let [first, address, len, ..] = call.arguments.words;
        if len < READ_MIN {
            return Err(Status::BAD_ARGUMENT);
        }
        if len > u64::from(base.config.max_payload) {
            return Err(Status::TOO_LONG);
        }
        let range = Range::check(&base.memory, address, len)?;
        base.admit(range, Rights::WRITE)?;
        let room = if planted!("meter-one-row-more") { len.saturating_add(16) } else { len };
        let (bytes, len) = base.counted.answer(first, room);
        let written = bytes.get(..len).unwrap_or_default();
        if !base.memory.write(range.region, range.offset, written) {
            return Err(Status::BAD_RANGE);
        }
        if planted!("meter-falls") {
            base.counted.counts().calls /= 2;
        }
        if planted!("meter-epoch-of-each-call") {
            base.counted.begin(base.counted.epoch().wrapping_add(1));
        }
        let short = if planted!("meter-says-a-row-less") { 16 } else { 0 };
        Ok(Done::Value(u64::try_from(len.saturating_sub(short)).unwrap_or(0)))
    }
}
