// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a disk has counted.

use super::medium::Fault;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($name:ident: $doc:literal;)*) => {
        /// What a disk has counted, at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $(#[doc = $doc] pub $name: u64,)*
        }

        /// The counts of a disk. The worker alone writes them.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $(pub(crate) $name: Count,)*
        }

        impl Metrics {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }

        impl Counts {
            /// Each count: its name, what it is, and how much.
            #[must_use]
            pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $doc, self.$name),)*]
            }
        }
    };
}

counts! {
    requests: "Requests that were fetched.";
    refused: "Requests that broke a rule, or came to a disk that was taken away.";
    bytes_read: "Bytes that were read.";
    bytes_written: "Bytes that were written.";
    syncs: "Write-backs that were asked of the medium.";
    io_errors: "Requests that the medium could not do.";
    no_space: "Requests for which the medium had no room.";
    sleeps: "Times that the worker fell asleep.";
    bells: "Times that a guest was told of completions.";
    in_flight: "Requests that are under way now.";
    closing: "Queues that are being closed now: they wait for requests that are under way.";
}

/// One number with one writer.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    pub(crate) fn count(&self, fault: Fault) {
        match fault {
            Fault::NoSpace => self.no_space.add(1),
            _ => self.io_errors.add(1),
        }
    }
}
