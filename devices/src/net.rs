// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network ports: what carries the frames of a network interface.
//!
//! [`Interface`] makes one over a [`Port`], and starts its worker: a thread that owns the interface's rings and
//! the port. An embedder's own port is a type with three methods.
//!
//! | port | carries frames |
//! | --- | --- |
//! | [`Stream`] | by a socket, each behind its length: `passt`, QEMU's `-netdev stream` |
//! | [`Tap`] | by a TAP interface of the system |

mod control;
mod interface;
mod port;
mod queue;
mod stream;
mod tap;
mod worker;

pub use control::{Control, Counts};
pub use interface::{Interface, Queues};
pub use port::{Gone, Port};
pub use stream::Stream;
pub use tap::Tap;
