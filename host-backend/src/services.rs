// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder does for the core while the core waits for it.

use crate::crash::CrashRecord;
use alloc::boxed::Box;
use core::fmt;

/// Keeps what a guest leaves behind before the guest is told that it is kept: for a host whose process may
/// die at any time, so that what a guest saw completed stays done (SES-9).
pub trait Journal {
    /// Takes console output, from the front; the number of bytes taken. [`crate::Domain::take_output`] has
    /// nothing then.
    fn keep_output(&mut self, bytes: &[u8]) -> usize;

    /// Keeps a crash record. The action is told as well.
    fn keep_crash(&mut self, record: &CrashRecord);
}

/// Declares the services. One line each: name, what it does, what is ready of it on this platform, text.
macro_rules! services {
    ($($name:ident: [$($service:tt)+], $ready:expr, $text:literal;)*) => {
        /// What a domain's families are given beside its memory. A family that needs a service which is not
        /// there is not offered. None of them is saved: a restored domain is given its own.
        #[derive(Default)]
        #[non_exhaustive]
        pub struct Services {
            $( #[doc = $text] pub $name: Option<Box<dyn $($service)+ + Send>>, )*
        }

        impl Services {
            /// What this platform has ready.
            #[cfg(feature = "std")]
            #[must_use]
            pub fn ready() -> Self {
                Self { $( $name: $ready, )* }
            }
        }

        impl fmt::Debug for Services {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Services")$(.field(stringify!($name), &self.$name.is_some()))*.finish()
            }
        }
    };
}

services! {
    journal: [Journal], None, "Keeps output and crash records outside of the process.";
    entropy: [FnMut(&mut [u8]) -> bool], urandom(),
        "Fills bytes that nobody can foresee, for ENTROPY; `false` where there are none now.";
    generation: [FnMut(&mut [u8]) -> bool], urandom(),
        "Fills bytes that nobody has had before, for the ids of generations; `false` where there are none.";
    stolen: [FnMut(u32) -> Option<u64>], None,
        "Nanoseconds, from some start on, that a vCPU could have run and did not, for STOLEN; `None` where that \
         is not known yet. It is asked with the domain locked, each time that a call queue was served.";
}

/// What fills bytes that nobody can foresee.
#[cfg(feature = "std")]
type Source = Box<dyn FnMut(&mut [u8]) -> bool + Send>;

/// The operating system's own source.
#[cfg(feature = "std")]
fn urandom() -> Option<Source> {
    let mut file = std::fs::File::open("/dev/urandom").ok()?;
    Some(Box::new(move |bytes| std::io::Read::read_exact(&mut file, bytes).is_ok()))
}

impl Services {
    /// Stand-ins of those that features need: for a domain that is being put together, and is given the real
    /// ones when it is whole.
    pub(crate) fn stand_in() -> Self {
        Self {
            journal: None,
            entropy: Some(Box::new(|_| false)),
            generation: Some(Box::new(|_| false)),
            stolen: Some(Box::new(|_| None)),
        }
    }

    /// With a journal.
    #[must_use]
    pub fn with_journal(self, journal: impl Journal + Send + 'static) -> Self {
        Self { journal: Some(Box::new(journal)), ..self }
    }
}
