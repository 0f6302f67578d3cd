// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tenon's queues and event rings: both ends, over shared memory that the other side may rewrite at any
//! moment.
//!
//! | module | what |
//! | --- | --- |
//! | [`words`] | shared memory as 64-bit words: the one trait behind every ring |
//! | [`order`] | every atomic access and fence by name, with its ordering |
//! | [`mapping`] | mapped memory as words, and the copy routine for payload |
//! | [`call`] | the queue: submitter and completer |
//! | [`event`] | the event ring: raiser and taker |
//! | `arm`, `role` | when the other side is to be told, and one end for one thread |
//! | [`wait`] | looking for a while, and then sleeping |
//! | [`page`] | host pages: writer and reader; the largest value of a clock |
//! | [`stream`] | the data ring: producer and consumer, of records or of messages |
//! | `error`, `planted` | what a ring can answer besides its result, and faults that tests plant |
//!
//! The rules that all of it keeps:
//!
//! - every shared word is fetched once, the copy is checked, and only the copy is used (GEN-6);
//! - bookkeeping is private: what is shared is output only, so nothing that the peer writes can make an index
//!   or a count wrong;
//! - *try later* ([`Error::Empty`], [`Error::Full`]) and *the peer broke the protocol* ([`Error::Corrupt`],
//!   latched) are different results;
//! - every loop has a bound that is known before it starts, nothing allocates and nothing can panic.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod arm;
pub mod call;
mod error;
pub mod event;
pub mod mapping;
pub mod order;
pub mod page;
#[doc(hidden)]
pub mod planted;
mod role;
pub mod stream;
pub mod wait;
pub mod words;

pub use arm::Arm;
pub use call::{Completer, Submitter, Ticket};
pub use error::{Corrupt, Error};
pub use event::{Raised, Raiser, Taker};
pub use mapping::Mapping;
pub use order::Site;
pub use stream::{RingMemory, SetupError, channel};
pub use wait::Waiter;
pub use words::Words;
