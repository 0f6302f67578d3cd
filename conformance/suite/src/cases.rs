// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cases, a file for each chapter; names of files as everywhere.

pub mod block;
pub mod call;
pub mod console;
pub mod device;
pub mod discovery;
pub mod entropy;
pub mod event;
pub mod generation;
pub mod lifecycle;
pub mod memory;
pub mod meter;
pub mod net;
pub mod page;
pub mod region;
pub mod session;
pub mod shared;
pub mod stream;
pub mod time;
mod tools;
pub mod vcpu;

pub(crate) use tools::op;

use crate::case::Case;

/// The chapters in the spec's order.
pub const CHAPTERS: &[&[Case]] = &[
    discovery::record::CASES,
    discovery::window::CASES,
    discovery::doorbell::CASES,
    shared::CASES,
    session::negotiate::CASES,
    session::granule::CASES,
    session::control::CASES,
    session::bind::CASES,
    session::reset::CASES,
    session::smp::CASES,
    session::shim::CASES,
    call::turn::CASES,
    call::queue::CASES,
    call::corrupt::CASES,
    call::arguments::CASES,
    call::inline::CASES,
    call::batch::CASES,
    call::upcall::CASES,
    call::interrupted::CASES,
    call::kicks::CASES,
    call::late::CASES,
    call::ops::CASES,
    call::emergency::CASES,
    call::random::CASES,
    call::shim::CASES,
    call::shim_distrust::CASES,
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
    vcpu::races::CASES,
    vcpu::stolen::CASES,
    region::CASES,
    page::CASES,
    page::donated::CASES,
    memory::info::CASES,
    memory::give::CASES,
    memory::misuse::CASES,
    memory::watch::CASES,
    memory::closed::CASES,
    memory::shares::CASES,
    memory::shim::CASES,
    console::CASES,
    time::clock::CASES,
    time::timer::CASES,
    time::keep::CASES,
    time::misuse::CASES,
    time::shim::CASES,
    time::shim_timer::CASES,
    lifecycle::crash::CASES,
    lifecycle::kept::CASES,
    lifecycle::ends::CASES,
    generation::repaired::CASES,
    generation::restored::CASES,
    generation::suspend::CASES,
    generation::shim::CASES,
    entropy::CASES,
    device::query::CASES,
    device::open::CASES,
    device::queue::CASES,
    device::parts::CASES,
    device::requests::CASES,
    device::ports::CASES,
    device::close::CASES,
    device::held::CASES,
    device::change::CASES,
    device::restored::CASES,
    device::closed::CASES,
    block::content::CASES,
    block::discard::CASES,
    block::list::CASES,
    block::misuse::CASES,
    block::shim::CASES,
    net::echo::CASES,
    net::header::CASES,
    net::drops::CASES,
    net::misuse::CASES,
    net::state::CASES,
    net::repaired::CASES,
    net::shim::CASES,
    meter::read::CASES,
    meter::counts::CASES,
    meter::shim::CASES,
    stream::producer::CASES,
    stream::consumer::CASES,
    stream::wake::CASES,
    stream::breach::CASES,
];
