// SPDX-License-Identifier: MIT OR Apache-2.0
//! One request on its way: what its family is given, and what it answers.

use crate::late::Waits;
use tenon_abi::operation::Arguments;
use tenon_abi::{Op, Submission};

/// An operation that its guest may do, with arguments that passed the checks of its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) op: Op,
    pub(crate) queue: u32,
    pub(crate) id: u16,
    pub(crate) arguments: Arguments,
    /// The private copy, for the bytes of an inline payload.
    pub(crate) submission: &'a Submission,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Complete it with OK and this value.
    Value(u64),
    /// It completes later, when this has come.
    Later(Waits),
    /// The domain or the vCPU is no more: nobody waits.
    Never,
}
