// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which setting is wrong, and what does not fit in a saved state.

use core::fmt;

/// A setting of [`Config`](crate::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// [`Config::minor`](crate::Config::minor).
    Minor,
    /// [`Config::features`](crate::Config::features): one that the minor version does not know.
    Features,
    /// [`Config::granules`](crate::Config::granules).
    Granules,
    /// [`Config::window_len`](crate::Config::window_len).
    WindowLen,
    /// [`Config::max_vcpus`](crate::Config::max_vcpus).
    MaxVcpus,
    /// [`Config::max_depth`](crate::Config::max_depth).
    MaxDepth,
    /// [`Config::max_events`](crate::Config::max_events).
    MaxEvents,
    /// [`Config::max_ports`](crate::Config::max_ports).
    MaxPorts,
    /// [`Config::max_payload`](crate::Config::max_payload).
    MaxPayload,
    /// [`Config::interrupts`](crate::Config::interrupts).
    Interrupts,
    /// [`Config::balloon`](crate::Config::balloon).
    Balloon,
    /// [`Config::closed`](crate::Config::closed).
    Closed,
    /// [`Config::devices`](crate::Config::devices).
    Devices,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minor => "minor",
            Self::Features => "features",
            Self::Granules => "granules",
            Self::WindowLen => "window_len",
            Self::MaxVcpus => "max_vcpus",
            Self::MaxDepth => "max_depth",
            Self::MaxEvents => "max_events",
            Self::MaxPorts => "max_ports",
            Self::MaxPayload => "max_payload",
            Self::Interrupts => "interrupts",
            Self::Balloon => "balloon",
            Self::Closed => "closed",
            Self::Devices => "devices",
        })
    }
}

/// Why a saved state does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// It was saved by a host whose states mean something else.
    #[error("it is of another version")]
    Version,
    /// Its configuration promises another number of ports or vCPUs.
    #[error("it has another number of ports or vCPUs")]
    Counts,
    /// A device, or a queue of one, that cannot be so.
    #[error("a device or one of its queues is as it cannot be")]
    Device,
    /// A back end had the end of a queue when it was saved.
    #[error("the end of a queue was not home")]
    EndOut,
    /// It offers a feature that the services of the new domain cannot serve.
    #[error("a feature that it offers has no service")]
    NoService,
    /// A ring of a size that no guest can have bound.
    #[error("a ring has a size that cannot be")]
    RingSize,
    /// The memory lacks what a vCPU's area lies in.
    #[error("an area lies outside the memory")]
    OutsideMemory,
    /// The window lacks what a vCPU's area lies in.
    #[error("an area lies outside the window")]
    OutsideWindow,
    /// An area without room for its parts.
    #[error("an area is too small")]
    SmallArea,
    /// A bitmap of ids of another length.
    #[error("a bitmap of ids has another length")]
    Ids,
    /// A session with what was not offered, or with something bound while idle (NEG-2 to NEG-4).
    #[error("its session was never offered")]
    Session,
    /// An area on another one (VCPU-10).
    #[error("two areas overlap")]
    Overlap,
    /// An unbound port with an entry.
    #[error("a port that is not bound has an entry")]
    UnboundPort,
    /// A direct port with an entry or an interrupt that is not offered (EVT-22).
    #[error("a direct port has what it cannot have")]
    DirectPort,
    /// A port that is bound to an unbound vCPU.
    #[error("a port is bound where nothing is")]
    Nowhere,
    /// A port whose last entry lies beyond what was written.
    #[error("a port's last entry was never written")]
    NeverWritten,
    /// More direct ports than are offered.
    #[error("it has too many direct ports")]
    DirectPorts,
    /// An event ring that holds what it cannot (EVT-4).
    #[error("an event ring's positions do not fit")]
    RingPositions,
    /// A queue with other requests in flight than its positions say (CALL-8).
    #[error("a queue's positions do not fit its requests in flight")]
    QueuePositions,
    /// A late request that is not in flight, or that nothing knows of (CALL-7).
    #[error("something waits for a request that is not in flight")]
    Stray,
    /// A request in flight that nothing completes (CALL-7).
    #[error("nothing completes a request that is in flight")]
    Forgotten,
    /// An upcall with an interrupt that is not offered (VCPU-8).
    #[error("an upcall has a vector that cannot be")]
    Vector,
    /// Memory that is given or shared where it cannot be (MEM-6, MEM-12).
    #[error("memory is given or shared that cannot be")]
    Ledger,
    /// It is not of the domain that is to go back to it.
    #[error("it is of another domain")]
    Other,
    /// It is older than what the guest can have read: a count would fall (MET-4).
    #[error("it is older than the domain: a count would fall")]
    Fell,
    /// A generation where none is offered, or none where one is (LIFE-5).
    #[error("it has no generation where one is offered, or one where none is")]
    Generation,
    /// A port watches that is not bound (LIFE-9).
    #[error("a port watches that is not bound")]
    Watch,
    /// Counts without an epoch, or that contradict each other (MET-4).
    #[error("its meter has counts that cannot be")]
    Meter,
    /// A timer of a port that is not bound, two of one port, or one of a clock that there is not (TIME-12).
    #[error("a timer belongs to nothing")]
    Timer,
    /// A donated page outside of the memory, on an area, or in a session without pages (PAGE-6).
    #[error("a page lies where none can")]
    Page,
    /// The guest could read the clocks when the state was saved (TIME-7).
    #[error("it was saved while its clocks ran")]
    ClocksRan,
    /// A request for the stop of a vCPU that does not stop (VCPU-6).
    #[error("a vCPU was asked to stop and does not")]
    NotStopping,
}
