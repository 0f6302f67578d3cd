// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every atomic access and every fence, by name. No other module names an ordering, so a model can weaken
//! one site at a time and see what breaks (ORD-2).

use core::sync::atomic::Ordering;

/// What is done at a [`Site`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Loads.
    Load,
    /// Stores.
    Store,
    /// Loads on one side, stores on the other.
    Access,
    /// A load and a store in one.
    Update,
    /// A fence.
    Fence,
}

/// The table: a site's name, operation and ordering.
macro_rules! sites {
    ($( $(#[$doc:meta])* $site:ident: $operation:ident, $ordering:ident; )*) => {
        /// A place in the protocol where shared memory is accessed or fenced.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Site {
            $( $(#[$doc])* $site, )*
        }

        impl Site {
            /// Every site, in the order of the table.
            pub const ALL: &[Self] = &[$( Self::$site, )*];

            /// What is done there.
            #[must_use]
            pub const fn operation(self) -> Operation {
                match self {
                    $( Self::$site => Operation::$operation, )*
                }
            }

            /// The ordering of the access, or of the fence.
            #[inline(always)]
            #[must_use]
            pub const fn ordering(self) -> Ordering {
                match self {
                    $( Self::$site => Ordering::$ordering, )*
                }
            }

            /// All that the ordering can be weakened to; a Relaxed fence is none.
            #[must_use]
            pub const fn weaker(self) -> &'static [Ordering] {
                match self.ordering() {
                    Ordering::Relaxed => &[],
                    Ordering::AcqRel => &[Ordering::Acquire, Ordering::Release],
                    Ordering::SeqCst => &[Ordering::AcqRel, Ordering::Relaxed],
                    _ => &[Ordering::Relaxed],
                }
            }
        }
    };
}

// A fence may be fully ordered; an access never is, because models treat only the former exactly. What could
// do with less, does: each line but the Relaxed ones has a model that fails without it.
sites! {
    /// A submission's words but the last (CALL-2).
    SubmissionBody: Access, Relaxed;
    /// A submission's tail (CALL-2).
    SubmissionPublish: Store, Release;
    /// A submission's tail (CALL-2).
    SubmissionTake: Load, Acquire;
    /// A completion's value (CALL-3).
    CompletionBody: Access, Relaxed;
    /// A completion's tail (CALL-3).
    CompletionPublish: Store, Release;
    /// A completion's tail (CALL-3).
    CompletionTake: Load, Acquire;
    /// An event entry (EVT-7).
    EntryPublish: Store, Release;
    /// An event entry (EVT-7).
    EntryTake: Load, Relaxed;
    /// `taken` (EVT-8).
    TakenPublish: Store, Relaxed;
    /// Between storing `taken` and looking at the announced state (EVT-8).
    TakenFence: Fence, SeqCst;
    /// Between making the state visible and reading `taken` and the mask hint (EVT-9, EVT-15).
    RaiseFence: Fence, SeqCst;
    /// `taken` (EVT-9).
    TakenRead: Load, Relaxed;
    /// An armed position (EVT-12, CALL-16, STR-11).
    ArmedPublish: Store, Relaxed;
    /// Between storing an armed position and looking at the next turn, or position (EVT-12, CALL-16, STR-11).
    ArmFence: Fence, SeqCst;
    /// Between writing an entry, a completion or a position and reading the armed position (EVT-12, CALL-16,
    /// STR-11).
    WakeFence: Fence, SeqCst;
    /// An armed position (EVT-12, CALL-16, STR-11).
    ArmedRead: Load, Relaxed;
    /// The position from which a kick is wanted (CALL-26).
    KickPublish: Store, Relaxed;
    /// Between storing that position and looking at the next submission (CALL-26).
    RestFence: Fence, SeqCst;
    /// Between publishing submissions and reading that position (CALL-26).
    KickFence: Fence, SeqCst;
    /// The position from which a kick is wanted (CALL-26).
    KickRead: Load, Relaxed;
    /// A mask hint (EVT-15).
    HintPublish: Store, Relaxed;
    /// Between clearing a mask hint and looking at the port's state (EVT-15).
    HintFence: Fence, SeqCst;
    /// A mask hint (EVT-15).
    HintRead: Load, Relaxed;
    /// What a data ring carries: headers, records, messages (STR-6).
    RingBody: Access, Relaxed;
    /// A producer's position, and that it has come (STR-3, STR-6).
    ProducedPublish: Store, Release;
    /// A producer's position, and that it has come (STR-3, STR-6).
    ProducedTake: Load, Acquire;
    /// A consumer's position, and that it has come (STR-3, STR-10).
    ConsumedPublish: Store, Release;
    /// A consumer's position, and that it has come (STR-3, STR-10).
    ConsumedTake: Load, Acquire;
    /// A word that carries no other data: state words, limits (CALL-15).
    Status: Access, Relaxed;
    /// A word that other data depend on: control results, the session (SES-4, SES-6).
    ControlPublish: Store, Release;
    /// The same words (SES-4).
    ControlTake: Load, Acquire;
    /// An event is counted: whoever handles it sees what came before it, and who handles it sees what the
    /// last one did (EVT-18).
    GateEnter: Update, AcqRel;
    /// All events that were counted are handled (EVT-18).
    GateLeave: Update, Release;
    /// Others were counted meanwhile (EVT-18).
    GateAgain: Update, Acquire;
    /// A copy of a host page (PAGE-3).
    PageBody: Access, Relaxed;
    /// Between publishing one copy of a host page and filling the other (PAGE-3).
    PageFillFence: Fence, Release;
    /// A host page's sequence (PAGE-3).
    PagePublish: Store, Release;
    /// A host page's sequence, before its copy (PAGE-4).
    PageTake: Load, Acquire;
    /// Between reading a host page's copy and looking at the sequence again (PAGE-4).
    PageLookFence: Fence, Acquire;
    /// A host page's sequence, behind its copy (PAGE-4).
    PageAgain: Load, Relaxed;
    /// A host page's sequence, as its writer's successor finds it (PAGE-7).
    PageSucceed: Load, Relaxed;
    /// The largest value of a clock, which the CPUs of one guest share.
    LatestKeep: Update, Relaxed;
    /// The same where one CPU has it alone.
    LatestAlone: Access, Relaxed;
}
