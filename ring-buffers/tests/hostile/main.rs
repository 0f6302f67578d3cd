// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers that lie at every word, at every moment, or die: `cargo xtask hostile` runs this optimised and under
//! the sanitizers.
//!
//! | module | what |
//! | --- | --- |
//! | `ground` | memory that knows who may do what, and counts |
//! | `story`, `noise` | histories, strikes, values |
//! | `submitter`, `completer` | each end of a queue against the other |
//! | `taker`, `raiser`, `area` | each end of an event ring against the other |
//! | `ring` | each side of a data ring, of records and of messages, against the other |
//! | `scribble` | all of them on mapped memory, while a second thread writes over what is the peer's |
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

mod area;
mod completer;
#[path = "../ends/mod.rs"]
mod ends;
mod ground;
mod noise;
mod raiser;
mod ring;
mod scribble;
mod story;
mod submitter;
mod taker;
