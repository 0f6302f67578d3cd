// SPDX-License-Identifier: MIT OR Apache-2.0
//! Back ends of Tenon's devices, on Linux.
//!
//! The core of `tenon-host` does the control of devices and touches no data. It gives each opened queue to
//! a back end as an *end*, which can be sent to another thread. The back ends here own their ends, serve
//! them on threads of their own, and give them back when the core asks.
//!
//! | module | what |
//! | --- | --- |
//! | [`block`] | disks |
//! | [`net`] | network ports |
//! | `error` | why a back end cannot be made |
//! | `event` | what wakes a worker that sleeps |
//! | `inbox` | where a worker is told something |
#![cfg(target_os = "linux")]

pub mod block;
mod error;
mod event;
mod inbox;
pub mod net;

pub use error::Error;
