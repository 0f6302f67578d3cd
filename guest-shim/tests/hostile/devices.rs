// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices under a host that breaks its promises: what a request owns stays with it, every number is held
//! against what was asked, and each request has one result.

mod cancel;
mod control;
mod core;
mod ends;
mod frames;
mod headers;
mod model;
mod noise;
mod requests;
mod sleep;
