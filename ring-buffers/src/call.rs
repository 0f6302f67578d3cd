// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue: 64-byte submissions one way, 16-byte completions the other, no shared indices (CALL-1 to CALL-8).

mod completer;
mod exchange;
mod submitter;

pub use completer::{Completer, CompleterState, Fetched, Run};
pub use submitter::{Outcome, Submitter, Ticket};

use crate::error::Error;
use crate::order::Site;
use crate::words::Words;
use tenon_abi::call::{COMPLETION_WORDS, MAX_DEPTH, SUBMISSION_WORDS};

/// A submission's words, and a completion's, as they are stored.
const SUBMISSION_PUBLISH: [Site; 2] = [Site::SubmissionBody, Site::SubmissionPublish];
const COMPLETION_PUBLISH: [Site; 2] = [Site::CompletionBody, Site::CompletionPublish];
/// The same as they are loaded.
const SUBMISSION_TAKE: [Site; 2] = [Site::SubmissionBody, Site::SubmissionTake];
const COMPLETION_TAKE: [Site; 2] = [Site::CompletionBody, Site::CompletionTake];

/// Checks that both parts hold `depth` slots (CALL-1).
fn check_sizes<W: Words>(submissions: &W, completions: &W, depth: u32) -> Result<(), Error> {
    let slots = usize::try_from(depth).map_err(|_| Error::BadSize)?;
    let fits = depth.is_power_of_two()
        && depth <= MAX_DEPTH
        && slots.checked_mul(SUBMISSION_WORDS).is_some_and(|words| words <= submissions.len())
        && slots.checked_mul(COMPLETION_WORDS).is_some_and(|words| words <= completions.len());
    if fits { Ok(()) } else { Err(Error::BadSize) }
}

/// Index of the first word of the slot of `position` (CALL-1).
#[inline(always)]
fn slot(position: u32, depth: u32, words: usize) -> usize {
    // A masked position is below 4096, which every `usize` holds.
    usize::try_from(position & depth.wrapping_sub(1)).unwrap_or(0).wrapping_mul(words)
}
