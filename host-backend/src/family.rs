// SPDX-License-Identifier: MIT OR Apache-2.0
//! Leaf families: each has its own state, and nothing but what this trait hands it. Calls, events and vCPUs are not leaves: every family needs them.

use crate::base::Base;
use crate::call::{Call, Done};
use crate::console::Console;
use crate::late::{Key, Waits};
use crate::lifecycle::Lifecycle;
use crate::memory::Memory;
use crate::region::Region;
use crate::services::Services;
use serde::{Deserialize, Serialize};
use tenon_abi::{Features, Status};

/// A family of operations with its state. What lives as long as a session does is forgotten by `end_session`; the rest is saved.
pub(crate) trait Family {
    /// Features that it cannot offer with these services.
    fn missing(_services: &Services) -> Features {
        Features::empty()
    }

    /// Does an operation of the family's, for which all has been checked that its row says. `Done::Later` puts the request into the map of late ones;
    /// [`Base::finish`] takes it out.
    fn call<M: Memory>(&mut self, base: &mut Base<M>, call: &Call<'_>) -> Result<Done, Status>;

    /// Whether the family knows of a request that waits for what the family completes.
    fn waits(&self, _key: Key, _waits: Waits) -> bool {
        false
    }

    /// How many such requests it knows of.
    fn waiting(&self) -> usize {
        0
    }

    /// A request that waited for what the family completes has gone: it was cancelled, or its queue has gone.
    fn dropped(&mut self, _key: Key, _waits: Waits) {}

    /// The session is over, and with it every request.
    fn end_session(&mut self) {}

    /// The domain goes on from a saved state: tells a new attachment what the old one knew.
    fn resume<M: Memory>(&self, _base: &mut Base<M>) {}
}

macro_rules! families {
    ($($number:literal $name:ident: $family:ident;)*) => {
        /// Every leaf family.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) struct Families {
            $( pub(crate) $name: $family, )*
        }

        impl Families {
            /// Features that no family can offer with these services.
            pub(crate) fn missing(services: &Services) -> Features {
                Features::empty()$(.union(<$family as Family>::missing(services)))*
            }

            #[inline]
            pub(crate) fn call<M: Memory>(
                &mut self,
                base: &mut Base<M>,
                call: &Call<'_>,
            ) -> Result<Done, Status> {
                match call.op.family() {
                    $( $number => self.$name.call(base, call), )*
                    _ => Err(Status::NOT_SUPPORTED),
                }
            }

            pub(crate) fn waits(&self, key: Key, waits: Waits) -> bool {
                false $(|| self.$name.waits(key, waits))*
            }

            pub(crate) fn waiting(&self) -> usize {
                0usize $(.saturating_add(self.$name.waiting()))*
            }

            pub(crate) fn dropped(&mut self, key: Key, waits: Waits) {
                $( self.$name.dropped(key, waits); )*
            }

            pub(crate) fn end_session(&mut self) {
                $( self.$name.end_session(); )*
            }

            pub(crate) fn resume<M: Memory>(&self, base: &mut Base<M>) {
                $( self.$name.resume(base); )*
            }
        }
    };
}

// A family's number is the high byte of its operations (CALL-12).
families! {
    0x03 region: Region;
    0x06 console: Console;
    0x08 lifecycle: Lifecycle;
}
