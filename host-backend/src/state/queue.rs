// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the host's end of a queue stood.

use crate::error::Misfit;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use tenon_abi::Reason;
use tenon_rings::call::CompleterState;
use tenon_rings::{Arm, Corrupt, planted};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedQueue {
    fetched: u32,
    completed: u32,
    in_flight: Vec<u64>,
    corrupt: Option<(u16, u32)>,
}

pub(super) fn save_queue(state: &CompleterState) -> SavedQueue {
    SavedQueue {
        fetched: state.fetched,
        completed: state.completed,
        in_flight: state.in_flight.to_vec(),
        corrupt: state
            .corrupt
            .map(|corrupt| (corrupt.reason.0, corrupt.position))
            .filter(|_| !planted!("save-loses-queue-breach")),
    }
}

pub(super) fn restore_queue(saved: &SavedQueue) -> Result<CompleterState, Misfit> {
    let in_flight = <[u64; 64]>::try_from(saved.in_flight.as_slice()).map_err(|_| Misfit::Ids)?;
    Ok(CompleterState {
        fetched: saved.fetched,
        completed: saved.completed,
        in_flight,
        arm: Arm::default(),
        corrupt: saved.corrupt.map(corrupt),
    })
}

pub(super) fn corrupt((reason, position): (u16, u32)) -> Corrupt {
    Corrupt { reason: Reason(reason), position }
}
