// SPDX-License-Identifier: MIT OR Apache-2.0
//! vCPUs: binding, start and stop, the upcall's vector; all by hand.

pub mod bind;
pub mod races;
pub mod start;
pub mod stolen;
pub mod stop;
pub mod upcall;
