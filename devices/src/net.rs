// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network ports: what carries the frames of a network interface.
//!
//! [`Interface`] makes one over a [`Port`], and starts its worker: a thread that owns the interface's rings
//! and the port. An embedder's own port is a type with three methods.
//!
//! | port | carries frames |
//! | --- | --- |
//! | [`Stream`] | by a socket, each behind its length: `passt`, QEMU's `-netdev stream` |
//! | [`Datagram`] | by a socket, one in each datagram: QEMU's `-netdev dgram` |
//! | [`Tap`] | by a TAP interface of the system |
//!
//! Guests of one process are joined without a port of the system's:
//!
//! | back end | carries frames |
//! | --- | --- |
//! | [`switch`] | between guests: learns addresses, keeps to policies, computes what a receiver does not take |
//! | [`echo`] | back to where they came from: for tests of guests |

mod checksum;
mod config;
mod control;
mod dgram;
pub mod echo;
mod fabric;
mod header;
mod interface;
mod link;
mod port;
mod queue;
mod segment;
mod stream;
pub mod switch;
mod table;
mod tap;
mod worker;

pub use config::{PortConfig, PortCounts, Total};
pub use control::{Control, Counts};
pub use dgram::Datagram;
pub use echo::Echo;
pub use interface::{Interface, Queues};
pub use link::Link;
pub use port::{Gone, Port};
pub use stream::Stream;
pub use switch::{Switch, SwitchPort};
pub use tap::Tap;
