// SPDX-License-Identifier: MIT OR Apache-2.0
//! The typed channel: messages of one size, one behind the other, without headers (STR-14).

mod consumer;
mod message;
mod producer;

pub use consumer::Consumer;
pub use message::{Message, Run};
pub use producer::Producer;
