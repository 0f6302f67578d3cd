// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every atomic access and every fence, by name. No other module names an ordering, so a model can weaken
//! one site at a time and see what breaks (ORD-2).

use core::sync::atomic::Ordering;

/// A place in the protocol where shared memory is accessed or fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// A submission's words but the last: stores and loads (CALL-2).
    SubmissionBody,
    /// A submission's tail is stored (CALL-2).
    SubmissionPublish,
    /// A submission's tail is loaded (CALL-2).
    SubmissionTake,
    /// A completion's value: stores and loads (CALL-3).
    CompletionBody,
    /// A completion's tail is stored (CALL-3).
    CompletionPublish,
    /// A completion's tail is loaded (CALL-3).
    CompletionTake,
    /// An event entry is stored (EVT-7).
    EntryPublish,
    /// An event entry is loaded (EVT-7).
    EntryTake,
    /// `taken` is stored (EVT-8).
    TakenPublish,
    /// Between storing `taken` and looking at the announced state (EVT-8).
    TakenFence,
    /// Between making the state visible and reading `taken` and the mask hint (EVT-9, EVT-15).
    RaiseFence,
    /// `taken` is loaded (EVT-9).
    TakenRead,
    /// An armed position is stored (EVT-12, CALL-16).
    ArmedPublish,
    /// Between storing an armed position and looking at the next turn (EVT-12, CALL-16).
    ArmFence,
    /// Between writing an entry or a completion and reading the armed position (EVT-12, CALL-16).
    WakeFence,
    /// An armed position is loaded (EVT-12, CALL-16).
    ArmedRead,
    /// A mask hint is stored (EVT-15).
    HintPublish,
    /// Between clearing a mask hint and looking at the port's state (EVT-15).
    HintFence,
    /// A mask hint is loaded (EVT-15).
    HintRead,
    /// A word that carries no other data is stored or loaded: state words, limits (CALL-15).
    Status,
    /// A word that other data depend on is published: control results, the session (SES-4, SES-6).
    ControlPublish,
    /// The same words are loaded (SES-4).
    ControlTake,
}

impl Site {
    /// Every site, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::SubmissionBody,
        Self::SubmissionPublish,
        Self::SubmissionTake,
        Self::CompletionBody,
        Self::CompletionPublish,
        Self::CompletionTake,
        Self::EntryPublish,
        Self::EntryTake,
        Self::TakenPublish,
        Self::TakenFence,
        Self::RaiseFence,
        Self::TakenRead,
        Self::ArmedPublish,
        Self::ArmFence,
        Self::WakeFence,
        Self::ArmedRead,
        Self::HintPublish,
        Self::HintFence,
        Self::HintRead,
        Self::Status,
        Self::ControlPublish,
        Self::ControlTake,
    ];

    /// The ordering of the access, or of the fence.
    #[inline(always)]
    #[must_use]
    pub const fn ordering(self) -> Ordering {
        match self {
            Self::SubmissionPublish
            | Self::CompletionPublish
            | Self::EntryPublish
            | Self::TakenPublish
            | Self::ControlPublish => Ordering::Release,
            Self::SubmissionTake
            | Self::CompletionTake
            | Self::EntryTake
            | Self::TakenRead
            | Self::ControlTake => Ordering::Acquire,
            // Fences are fully ordered; accesses never are, because models treat only the former exactly.
            Self::TakenFence | Self::RaiseFence | Self::ArmFence | Self::WakeFence | Self::HintFence => {
                Ordering::SeqCst
            }
            _ => Ordering::Relaxed,
        }
    }
}
