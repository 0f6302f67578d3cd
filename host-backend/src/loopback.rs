// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest and host in one process: the doorbell is a function call.
//!
//! | module | what |
//! | --- | --- |
//! | [`ram`] | memory of the process as a guest's memory and window |
//! | [`host`] | a domain behind a lock: served within the call, or by a thread |
//! | `device` | devices and their back ends |
//! | [`clock`] | the process's clocks |
//! | `alarm` | when its timer thread looks next |
//! | `bell` | what guests rang and the thread has not looked at |

mod alarm;
mod bell;
pub mod clock;
#[cfg(target_os = "linux")]
mod device;
pub mod host;
pub mod ram;
#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]
mod tests;

pub use host::{Act, Loopback, Timing};
pub use ram::{Piece, Ram};

use std::io;

/// Why a loopback host could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process has no memory of that length.
    #[error("no {0} bytes of memory for a guest")]
    NoMemory(usize),
    /// The domain refused its configuration or its memory.
    #[error(transparent)]
    Domain(#[from] crate::Error),
    /// The serving thread could not be started.
    #[error("no thread to serve a guest: {0}")]
    Thread(#[source] io::Error),
}
