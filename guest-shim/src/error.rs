// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why something was not done.

use core::fmt;
use tenon_abi::Status;
use tenon_rings::Corrupt;
use tenon_rings::call::Outcome;

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no Tenon here ([DISC-2]).
    ///
    /// [DISC-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#discovery
    NotPresent,
    /// The host answered with a status other than OK.
    Refused(Status),
    /// The host has not answered within the platform's patience. What was submitted may still take effect;
    /// its id and buffer stay out of use until it is completed ([CALL-17]).
    ///
    /// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    Pending,
    /// The queue is full: take results, or try later.
    Full,
    /// The queue is in use by code that was interrupted: use the emergency lane, or try later.
    Busy,
    /// The host broke the protocol: nothing works on this queue until the session is reset.
    Corrupt(Corrupt),
    /// The pages are too few, misaligned, or have an address that cannot be expressed.
    BadMemory,
    /// The payload is longer than the limit.
    TooLong,
    /// The host offers none of what was wished for.
    NoMatch,
}

impl From<tenon_rings::Error> for Error {
    fn from(error: tenon_rings::Error) -> Self {
        match error {
            tenon_rings::Error::Full => Self::Full,
            tenon_rings::Error::Corrupt(corrupt) => Self::Corrupt(corrupt),
            tenon_rings::Error::BadSize => Self::BadMemory,
            // Empty, and whatever may be added: not there yet.
            _ => Self::Pending,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPresent => "there is no Tenon here",
            Self::Refused(status) => status.name().unwrap_or("refused with an unknown status"),
            Self::Pending => "not answered yet",
            Self::Full => "the queue is full",
            Self::Busy => "the queue is in use",
            Self::Corrupt(_) => "the host broke the protocol",
            Self::BadMemory => "the pages do not fit",
            Self::TooLong => "the payload is too long",
            Self::NoMatch => "the host offers nothing that was wished for",
        })
    }
}

impl core::error::Error for Error {}

/// The value of what was done, or why it was not.
#[inline]
pub(crate) fn into_value(outcome: Outcome) -> Result<u64, Error> {
    match outcome.status {
        Status::OK => Ok(outcome.value),
        status => Err(Error::Refused(status)),
    }
}
