// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of requests, and how they end.

use tenon_abi::Status;
use tenon_rings::call::Outcome;

/// Names one request of a queue for ever: no later one has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub(super) place: u16,
    pub(super) serial: u64,
}

/// A request that is over.
#[derive(Debug)]
pub struct Done<T> {
    /// Which one.
    pub token: Token,
    /// Whether all of it was done; else why not. INDETERMINATE: nobody knows what was.
    pub result: Result<(), Status>,
    /// What the request owned.
    pub payload: Option<T>,
}

/// What becomes of a CANCEL.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cancelling {
    /// There is none.
    No,
    /// The host has it.
    Asked,
    /// Nobody has heard the answer yet.
    Answered(Outcome),
}
