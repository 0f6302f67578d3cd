// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots guests, plays hosts, judges the reports.
//!
//! | module | what |
//! | --- | --- |
//! | [`cli`] | the command line |
//! | [`hosts`] | hosts that a guest can be booted on |
//! | [`rows`] | the rows of a run: which hosts, how many at a time |
//! | [`play`] | boots, listens, stops, boots again |
//! | [`again`] | runs again what timed out |
//! | [`slowness`] | how much slower this machine is than a quiet one |
//! | [`image`] | an image as a file |
//! | [`emulated`] | rows of emulated machines, each with a runner of its own |
//! | [`judge`] | from bytes and ends to verdicts |
//! | [`verdict`] | what is known about a case |
//! | [`report`] | the report, for people and for programs |
//! | [`stand`] | guests on the stand: judged clause by clause |
//! | `neighbours` | two guests at once that try to reach each other |
//! | `pace` | a call against a bare loop behind the same device |
//! | `restart` | kills workers of a host under load |
//! | `time` | the page TIME against the host's clock, and many timers at once |
//! | [`clauses`] | the clauses of the spec |
//! | [`out`] | standard output and standard error |
//! | [`progress`] | progress on standard error |
//! | [`console`] | the console of a machine under test |
//! | `devices` | its devices, and what cases have done to them |
//! | [`stolen`] | time stolen from the vCPUs of a machine under test |
//! | [`keeper`] | what ends a foreign hypervisor with its runner |
//! | [`child`] | the loopback machines |
//! | [`guest`] | a process as a guest environment |
//! | [`faults`] | broken hosts, to see that cases catch them |

pub mod again;
pub mod child;
pub mod clauses;
pub mod cli;
pub mod console;
#[cfg(target_os = "linux")]
pub mod devices;
pub mod emulated;
pub mod faults;
pub mod guest;
pub mod hosts;
pub mod image;
pub mod judge;
pub mod keeper;
#[cfg(target_os = "linux")]
pub mod neighbours;
pub mod out;
#[cfg(target_os = "linux")]
pub mod pace;
pub mod play;
pub mod progress;
pub mod report;
#[cfg(target_os = "linux")]
pub mod restart;
pub mod rows;
pub mod slowness;
pub mod stand;
pub mod stolen;
#[cfg(target_os = "linux")]
pub mod time;
pub mod verdict;
