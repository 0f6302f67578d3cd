// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Tenon's calls, doorbells and events cost. `cargo xtask bench` builds the programs of this package,
//! runs them, and holds their numbers against the most that is allowed. Nothing here is a test: a time on a
//! shared machine proves nothing.
//!
//! | module | what |
//! | --- | --- |
//! | [`process`] | a guest and a host in one thread, for counting instructions |
//! | [`disk`] | a guest's disk in one thread with what answers it, likewise |
//! | [`row`] | what the programs print |
//! | `quiet` | threads that stay where they are, and whether somebody took their processor |
//! | `listen` | what a guest says on its serial port, and when |
//! | `host` | a machine that counts exits, rings an eventfd for a queue, and has a bare interrupt and a bare doorbell beside Tenon's |
//! | `call` | calls and doorbells against bare exits and bare doorbells (CALL-24) |
//! | `clock` | clocks by the host's page against a bare counter |
//! | `event` | events against bare interrupts |
//! | `timer` | timers against a timerfd behind a bare doorbell |
//! | `io` | reads of a disk by Tenon and by virtio in turns |
//! | `rings` | rings against other crates and against the floors |

pub mod disk;
pub mod process;
pub mod row;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod call;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod clock;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod event;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod host;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod io;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod listen;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod quiet;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod rings;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod timer;
