// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue: 64-byte submissions one way, 16-byte completions the other, no shared indices (CALL-1 to
//! CALL-8).

mod completer;
mod exchange;
mod lane;
mod queue;
mod submitter;

pub use completer::{Completer, CompleterState, Fetched, Next, Run};
pub use exchange::{Begun, Unusual};
pub use lane::Lane;
pub use queue::{Parts, Queue};
pub use submitter::{Outcome, Submitter, Ticket};

use crate::order::Site;

/// A submission's words, and a completion's, as they are stored.
const SUBMISSION_PUBLISH: [Site; 2] = [Site::SubmissionBody, Site::SubmissionPublish];
const COMPLETION_PUBLISH: [Site; 2] = [Site::CompletionBody, Site::CompletionPublish];
/// The same as they are loaded.
const SUBMISSION_TAKE: [Site; 2] = [Site::SubmissionBody, Site::SubmissionTake];
const COMPLETION_TAKE: [Site; 2] = [Site::CompletionBody, Site::CompletionTake];

/// Index of the first word of the slot of `position` (CALL-1).
#[inline(always)]
fn slot(position: u32, depth: u32, words: usize) -> usize {
    // A masked position is below 4096, which every `usize` holds.
    usize::try_from(position & depth.wrapping_sub(1)).unwrap_or(0).wrapping_mul(words)
}
