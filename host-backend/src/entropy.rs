// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random bytes from the embedder's source (ENT-1 to ENT-3).

use crate::base::Base;
use crate::counted::add;
use crate::family::Family;
use crate::memory::Memory;
use crate::request::{Call, Done};
use crate::services::Services;
use serde::{Deserialize, Serialize};
use tenon_abi::{Features, Op, Status};

/// Bytes of one call, at most: what a call costs does not depend on what its guest asked for (CALL-19).
const MOST: usize = 256;

/// Nothing of a source is a domain's: a restored one draws from its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entropy {}

impl Family for Entropy {
    fn missing(services: &Services) -> Features {
        if services.entropy.is_some() { Features::empty() } else { Features::ENTROPY }
    }

    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        if call.op != Op::ENTROPY {
            return Err(Status::NOT_SUPPORTED);
        }
        let range = call.range(base)?;
        let mut bytes = [0; MOST];
        let len = usize::try_from(range.len).unwrap_or(MOST).min(MOST);
        let drawn = bytes.get_mut(..len).ok_or(Status::TOO_LONG)?;
        let source = base.services.entropy.as_mut().ok_or(Status::NO_CAPACITY)?;
        if !source(drawn) {
            return Err(Status::NO_CAPACITY);
        }
        if tenon_rings::planted!("entropy-of-zeros") {
            drawn.fill(0);
        }
        if tenon_rings::planted!("entropy-again") {
            drawn.fill(0xa5);
        }
        if !base.memory.write(range.region, range.offset, drawn) {
            return Err(Status::BAD_RANGE);
        }
        if tenon_rings::planted!("entropy-one-byte-more") {
            base.memory.write(range.region, range.offset.saturating_add(range.len), &[0]);
        }
        if tenon_rings::planted!("entropy-says-none") {
            return Ok(Done::Value(0));
        }
        let len = u64::try_from(len).unwrap_or(0);
        add(&mut base.counted.counts().entropy, len);
        Ok(Done::Value(len))
    }
}
