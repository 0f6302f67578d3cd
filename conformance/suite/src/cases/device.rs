// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices and their queues.
//!
//! | module | what |
//! | --- | --- |
//! | `rig` | what the cases work with: devices, arenas and request queues by hand |
//! | [`query`] | limits, and what is known of devices (DEV-1 to DEV-4) |
//! | [`open`] | opening a device (DEV-5, DEV-6) |
//! | [`queue`] | opening a queue (DEV-8) |
//! | [`parts`] | where the parts of a queue may lie (DEV-8) |
//! | [`requests`] | request queues (DEV-9, DEV-10, DEV-14) |
//! | [`ports`] | the ports of devices and queues (DEV-7, DEV-9) |
//! | [`close`] | closing, and the end of a session (DEV-11, DEV-12) |
//! | [`held`] | what waits for a back end that does not come back (DEV-12, DEV-14) |
//! | [`change`] | devices that come, go and change (DEV-3, DEV-5, DEV-13) |
//! | [`restored`] | open queues of a domain that was saved and restored (LIFE-5) |
//! | [`closed`] | arenas of closed domains (DEV-6) |

pub mod change;
pub mod close;
pub mod closed;
pub mod held;
pub mod open;
pub mod parts;
pub mod ports;
pub mod query;
pub mod queue;
pub mod requests;
pub mod restored;
pub(super) mod rig;
