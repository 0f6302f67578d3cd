// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tenon for guests of an unmodified QEMU: its ivshmem device gives shared memory and doorbells (SHM-1 to
//! SHM-7).
//!
//! Two processes serve one guest. The *broker* holds what must survive: the socket, the memory, the
//! doorbells. It parses nothing that a guest writes. The *worker* is `tenon-host`'s core over that memory; it
//! may be killed at any time, and the broker starts another one (SES-9).
//!
//! | module | what |
//! | --- | --- |
//! | [`cli`] | the command line of both |
//! | [`shape`] | how memory and messages are laid out |
//! | [`protocol`] | what a client of the ivshmem protocol is told |
//! | [`guest`] | what belongs to one guest: its memory and its doorbells |
//! | [`socket`] | the broker's socket |
//! | `folder` | the folder of a socket that has no other place |
//! | [`broker`] | the process that lives |
//! | [`run`] | broker and QEMU by one command |
//! | [`child`] | a child that does not outlive this process |
//! | [`worker`] | the process that may die |
//! | [`memory`] | the shared memory behind the core |
//! | `metrics` | what workers tell of their counts |
//! | [`time`] | clocks by call, and what wakes a worker for a timer |
#![cfg(target_os = "linux")]

pub mod broker;
pub mod child;
pub mod cli;
mod folder;
pub mod guest;
pub mod memory;
mod metrics;
pub mod protocol;
pub mod run;
pub mod shape;
pub mod socket;
pub mod time;
pub mod worker;

use std::io;

/// Why broker or worker cannot do their part: one line each.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that the system refused.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// The socket cannot be served.
    #[error("the socket {0}: {1}")]
    Socket(String, #[source] io::Error),
    /// Counts cannot be told there.
    #[error("{0}: {1}")]
    Metrics(String, #[source] io::Error),
    /// The command that was to be run is none.
    #[error("the command: {0}")]
    Command(&'static str),
    /// The memory's length is none that a BAR can have, or too short for the window.
    #[error("{0} bytes of memory: a power of two from {1} on is needed")]
    Length(u64, u64),
    /// The other side of a socket does not speak the ivshmem protocol.
    #[error("this is no ivshmem server: {0}")]
    Protocol(&'static str),
    /// The core refused its configuration.
    #[error(transparent)]
    Core(#[from] tenon_host::Error),
    /// The core asks for what this worker does not know.
    #[error("the core asks for {0}, which this worker cannot do")]
    Action(String),
    /// Workers die before they serve.
    #[error("{0} workers in a row ended before they served: {1}")]
    Workers(u32, String),
}

impl Error {
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System(what, error.into())
    }
}
