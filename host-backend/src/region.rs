// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest may ask about its regions (REG-4).

use crate::base::Base;
use crate::family::Family;
use crate::memory::Memory;
use crate::request::{Call, Done};
use serde::{Deserialize, Serialize};
use tenon_abi::{Op, Status};

/// The regions of a domain are its memory's: nothing else is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Region {}

impl Family for Region {
    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status> {
        match call.op {
            Op::REGION_QUERY => {
                let [region, ..] = call.numbers();
                let len = u16::try_from(region).ok().and_then(|region| base.memory.region_len(region));
                len.map(Done::Value).ok_or(Status::BAD_REGION)
            }
            _ => Err(Status::NOT_SUPPORTED),
        }
    }
}
