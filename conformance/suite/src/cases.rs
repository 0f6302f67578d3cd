// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cases, a file for each chapter; names of files as everywhere.

pub mod call;
pub mod console;
pub mod event;
pub mod lifecycle;
pub mod region;
mod tools;
pub mod vcpu;

use crate::case::Case;

/// The chapters in the spec's order.
pub const CHAPTERS: &[&[Case]] = &[
    call::CASES,
    event::bind::CASES,
    event::raise::CASES,
    event::moves::CASES,
    event::arm::CASES,
    event::mask::CASES,
    event::corrupt::CASES,
    event::direct::CASES,
    event::shim::CASES,
    vcpu::bind::CASES,
    vcpu::upcall::CASES,
    vcpu::start::CASES,
    vcpu::stop::CASES,
    region::CASES,
    console::CASES,
    lifecycle::crash::CASES,
    lifecycle::ends::CASES,
];
