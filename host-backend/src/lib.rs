// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host side of Tenon.
//!
//! [`Domain`] is the core: one guest's host side, pure and sans-I/O. It knows no hypervisor, starts no thread
//! and opens no file. An attachment tells it that a doorbell rang ([`Domain::control`], [`Domain::serve`]) or
//! that something happened ([`Domain::raise`], [`Domain::input`]), and then does what it is told
//! ([`Domain::next_action`]).
//!
//! | module | what |
//! | --- | --- |
//! | [`config`] | what a domain is offered |
//! | [`services`] | what an embedder does for the core |
//! | [`memory`] | the memory behind the core: the trait that an embedder implements |
//! | [`domain`] | the domain, its one entry for each doorbell, and the serve loop |
//! | [`action`] | what the core asks of its attachment |
//! | [`discovery`] | the record |
//! | [`control`] | negotiate, bind, reset |
//! | [`call`] | what every operation needs: row, arguments, payload |
//! | [`event`] | ports |
//! | [`vcpu`], `stolen` | start, stop, upcall, and time stolen from vCPUs |
//! | [`region`] | what a guest may ask about regions |
//! | `page`, `pages` | pages that the host writes: what is asked of them, and what it holds |
//! | [`console`] | output and input |
//! | [`time`], `timer` | clocks and timers: what it holds, and what is asked of them |
//! | [`lifecycle`], `crash`, `generation`, `suspend` | exit, restart, crash record, generations, suspension |
//! | `give`, `share` | memory that is given back, and what a closed domain shares |
//! | [`entropy`] | random bytes |
//! | [`device`], `devices` | devices and the ends of their queues; what there is of them |
//! | [`meter`], `counted` | what is counted for a guest |
//! | `base` | what all families share |
//! | `areas`, `port`, `queues` | what it holds of one vCPU, one port, two queues |
//! | `ledger` | what is given and what is shared |
//! | `range` | where a range of the guest's is checked |
//! | `request` | one request on its way |
//! | `family`, `families` | the trait of leaf families, and their list |
//! | `late` | requests that complete late |
//! | [`state`] | everything private as one serialisable value |
//! | `error`, `quiet` | what an embedder can do wrong, and how often a guest's doings are logged |
//! | [`metrics`] | what was counted, for whoever watches machines |
//! | [`loopback`] | guest and host in one process |
//! | [`cpus`] | start, stop and end of vCPU threads, for any hypervisor |
//! | `kvm` | a ready KVM machine |
//!
//! # Threads, locks and callbacks
//!
//! - A [`Domain`] takes `&mut self` and has no lock. An attachment with several threads keeps it behind one
//!   lock, and does the actions of an entry ([`Domain::next_action`]) before it gives the lock back, so that
//!   what one entry asks for is not mixed with another's.
//! - Every entry ends within a bound that the guest cannot move, so the lock is never held for long. None of
//!   them blocks, except in the embedder's own [`Memory`] and [`Services`].
//! - The core calls the embedder in two places, both within an entry: [`Memory`] and [`Services`]. They must
//!   not enter the same domain: with a lock that is not reentrant they would wait for themselves.
//! - Everything else the embedder reads from the list of actions, when no entry runs: it may do with them
//!   what it likes, and hand slow ones (console output, a route) to other threads, as long as the actions of
//!   one port and of one vCPU stay in order.
//! - [`Action`] is not exhaustive. An attachment that meets an action that it does not know ends the run with
//!   an error: the guest waits for what it asked.
//! - A start and a stop of a vCPU complete on its own thread: [`cpus`] is that state machine, free of any
//!   hypervisor.
//! - [`Domain`] logs by `tracing`, and by `log` where no subscriber listens. What a guest can cause as often
//!   as it likes is logged a few times, and then whenever its number has doubled.
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

extern crate alloc;

pub mod action;
mod areas;
mod base;
pub mod call;
pub mod config;
pub mod console;
pub mod control;
mod counted;
#[cfg(feature = "std")]
pub mod cpus;
mod crash;
pub mod device;
mod devices;
pub mod discovery;
pub mod domain;
pub mod entropy;
mod error;
pub mod event;
mod families;
mod family;
pub mod generation;
mod give;
#[cfg(all(feature = "kvm", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod kvm;
mod late;
mod ledger;
pub mod lifecycle;
#[cfg(feature = "std")]
pub mod loopback;
pub mod memory;
pub mod meter;
#[cfg(feature = "std")]
pub mod metrics;
mod page;
mod pages;
mod port;
mod queues;
mod quiet;
mod range;
pub mod region;
mod request;
pub mod services;
pub mod share;
pub mod state;
mod stolen;
mod suspend;
pub mod time;
mod timer;
pub mod vcpu;

pub use action::{
    Action, ConsoleAction, DeviceAction, EventAction, LifecycleAction, MemoryAction, Served, SessionAction,
    TimeAction, VcpuAction,
};
pub use config::{Balloon, Conduit, Config, Devices, Setting, Sharing};
pub use domain::Domain;
pub use error::Error;
pub use lifecycle::{CrashRecord, Generation};
pub use memory::{Memory, Pieces};
pub use meter::Counted;
pub use services::{Journal, Services};
pub use state::{Misfit, State};
/// Their types are in signatures here.
pub use {tenon_abi, tenon_rings};

/// The README's snippets compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The guide's snippets compile.
#[cfg(all(doctest, feature = "kvm"))]
#[doc = include_str!("../../docs/guide-host.md")]
pub struct GuideHost;

/// Where faults are planted in this crate, its unit tests see those that have no other test.
#[cfg(test)]
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
