// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder can do wrong. What a guest does wrong is answered on the wire.

mod reason;

pub use reason::{Misfit, Setting};

use thiserror::Error;

/// Why the host side could not be set up.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A value of [`crate::Config`] is outside what the spec allows.
    #[error("the configuration's `{0}` is outside what the spec allows (DISC-9)")]
    BadConfig(Setting),
    /// The window is smaller than the configuration says.
    #[error("the window has {found} bytes, the configuration promises {promised}")]
    SmallWindow {
        /// Bytes that the memory offers.
        found: u64,
        /// Bytes that the record would promise.
        promised: u64,
    },
    /// A saved state does not fit this configuration, this memory or these services.
    #[error("the saved state does not fit: {0}")]
    BadState(Misfit),
    /// The source of ids for generations has none.
    #[error("the source of ids for generations has none")]
    NoGeneration,
    /// The caller is called by this domain itself, which waits for it: it may not enter the domain again.
    #[error("the domain was entered again by what it calls itself")]
    Entered,
    /// There is no such device, or none can be had.
    #[error("there is no such device, or it is not offered")]
    NoDevice,
    /// There is no such end of a queue.
    #[error("there is no such end of a queue here")]
    NoQueue,
    /// A port that the guest has not bound.
    #[error("port {0} is not bound")]
    NotBound(u32),
}

impl From<Misfit> for Error {
    fn from(misfit: Misfit) -> Self {
        Self::BadState(misfit)
    }
}
