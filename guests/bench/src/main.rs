// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times calls, doorbells and events from inside a guest. What it finds goes out on the serial port, never
//! through Tenon.
//!
//! Boot parameters: `bench` = `exits`, `call`, `clock`, `disk`, `doorbell`, `event`, `frames` or `timer`;
//! `rounds`, or of `exits` `calls` and `batches`; `bare`, the port of the bare `out`; `control`, the port
//! that hands the host a page; `idle` = `halt` or `spin`; `shared` = 1: a clock of several CPUs; those of
//! `io`. A line is a word and numbers.
#![no_std]
#![no_main]

mod call;
mod clock;
mod event;
mod io;
mod line;
mod platform;
mod time;
mod timer;
mod virtio;

use platform::Bench;
use tenon_guest::discovery::cpuid_by;
use tenon_guest::{Error, Found, Session, Vcpu, Wish};
use tenon_guest_rt::Params;

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_terse!();

/// The boot parameters make no sense.
const BAD_PARAMETERS: u32 = 1;
/// The host refused something, or broke the protocol.
const NO_HOST: u32 = 2;

fn main() -> u32 {
    match attach() {
        Ok(code) => code,
        Err(_) => NO_HOST,
    }
}

fn attach() -> Result<u32, Error> {
    let found = Found::at(platform::window(cpuid_by(tenon_guest_rt::cpuid)?)?)?;
    let platform = Bench::of(&found)?;
    let mut pages = platform::pages(1 << 17)?;
    let session = Session::open(&platform, found, &mut pages, Wish::default())?;
    let vcpu: Vcpu<'_, _> = session.bind(0, &mut pages, [256, 256])?;
    match Params::get("bench") {
        Some("exits") => call::exits(&vcpu)?,
        Some("call") => call::times(&vcpu)?,
        Some("doorbell") => call::doorbells(&vcpu)?,
        Some("clock") => clock::times(&session, &vcpu, &mut pages)?,
        Some("disk") => io::disk(&session, &vcpu, &platform)?,
        Some("frames") => io::frames(&session, &vcpu, &platform)?,
        Some("event") => event::answer(&vcpu)?,
        Some("timer") => timer::times(&session, &vcpu, &mut pages)?,
        _ => return Ok(BAD_PARAMETERS),
    }
    Ok(0)
}

/// A boot parameter that is a number.
fn number(key: &str) -> u64 {
    Params::number(key).unwrap_or(0)
}
