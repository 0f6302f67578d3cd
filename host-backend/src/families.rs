// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every leaf family by its number: what the rest of the core knows them by.

use crate::base::Base;
use crate::console::Console;
use crate::family::Family;
use crate::late::{Key, Waits};
use crate::lifecycle::Lifecycle;
use crate::memory::Memory;
use crate::meter::Metering;
use crate::region::Region;
use crate::request::{Call, Done};
use crate::services::Services;
use serde::{Deserialize, Serialize};
use tenon_abi::{Features, Status};

macro_rules! families {
    ($($number:literal $name:ident: $family:ty;)*) => {
        /// Every leaf family.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) struct Families {
            $( pub(crate) $name: $family, )*
        }

        impl Families {
            /// Features that no family can offer with these services.
            pub(crate) fn missing(services: &Services) -> Features {
                crate::stolen::missing(services)$(.union(<$family as Family>::missing(services)))*
            }

            // Where the operation is known, so is its family.
            #[inline(always)]
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
    0x09 memory: crate::give::Balloon;
    0x0a entropy: crate::entropy::Entropy;
    0x0b meter: Metering;
}
