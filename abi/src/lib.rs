// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Tenon wire: every type, number and status code that guest and host share, each beside its clause of
//! [`docs/abi.md`](https://github.com/tenon-abi/tenon/blob/main/docs/abi.md).
//!
//! Everything is little-endian, of fixed width and naturally aligned (GEN-1). Nothing here is a Rust `enum`,
//! `bool`, `usize` or reference: a peer may write any bit pattern, and every bit pattern is a value of these
//! types. Nothing here is `unsafe`, allocates, or can panic.
//!
//! | module | chapter |
//! | --- | --- |
//! | [`address`] | wire addresses and granules |
//! | [`discovery`] | the discovery record and how it is found |
//! | [`control`] | negotiate, bind, reset: the requests that are frozen for ever |
//! | [`call`] | submissions, completions, turns |
//! | [`operation`] | the operations: one row for each |
//! | [`event`] | event entries and event operations |
//! | [`stream`] | data rings: control lines, records |
//! | [`vcpu`] | the two areas of a vCPU, start, stop, upcall |
//! | [`device`], [`block`], [`net`] | devices, and what disks and network interfaces tell |
//! | [`console`] | console output and input |
//! | [`page`] | pages that the host writes |
//! | [`time`] | clocks, their page, timers |
//! | [`lifecycle`] | exit, restart, crash record, generations, suspension |
//! | [`memory`] | memory that is given back, taken again and shared |
//! | [`meter`] | what a host counts for its guest |
//! | [`packed`] | words that hold several fields |
//! | [`status`] | status codes, queue states and corruption reasons |
//! | [`layout`] | all of the above as data |
//! | `item`, `wire`, `word` | what is said of each item, the macros that describe them, words of several fields |
#![no_std]
#![forbid(unsafe_code)]

mod wire;
mod word;

pub mod address;
pub mod block;
pub mod call;
pub mod console;
pub mod control;
pub mod device;
pub mod discovery;
pub mod event;
mod item;
pub mod layout;
pub mod lifecycle;
pub mod memory;
pub mod meter;
pub mod net;
pub mod operation;
pub mod packed;
pub mod page;
pub mod status;
pub mod stream;
pub mod time;
pub mod vcpu;

pub use address::{Address, Granule, Granules};
pub use block::{BlockFlags, BlockInfo, Segment};
pub use call::{Completion, Submission, SubmissionFlags, Tail, turn};
pub use control::{ControlOp, ControlRequest};
pub use device::{DeviceFlags, DeviceInfo, DeviceKind};
pub use discovery::{ConduitFlags, ConduitKind, Features, Record};
pub use event::Entry;
pub use memory::{MemoryInfo, MemoryPiece, Rights};
pub use meter::{Meter, MeterRow};
pub use net::{NetFeatures, NetFlags, NetHeader, NetInfo, SegmentKind};
pub use operation::{Op, Operation};
pub use page::PageKind;
pub use status::{QueueState, Reason, Status};
pub use stream::{RecordHeader, RingLine, RingPosition, RingShape};
pub use time::{Clock, CounterKind, TimeCopy};
pub use vcpu::Sizes;

/// The one ABI version (NEG-1): what this crate describes. Its minor version is that of the newest feature.
pub const VERSION: Version = Version { major: 0, minor: Features::newest() };

/// A version of the ABI. Equal majors can talk; the smaller minor of the two is used (NEG-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changes when something that exists changes its meaning.
    pub major: u16,
    /// Changes when something is added.
    pub minor: u16,
}
