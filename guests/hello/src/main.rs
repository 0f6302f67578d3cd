// SPDX-License-Identifier: MIT OR Apache-2.0
//! The smallest guest of Tenon's: finds its host, says hello on the console, and ends the domain.
#![no_std]
#![no_main]

mod platform;

use platform::Hello;
use tenon_guest::discovery::cpuid_by;
use tenon_guest::{Error, Found, Session, Vcpu, Wish};
use tenon_guest_rt::is_native;

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_terse!();

fn main() -> u32 {
    match greet() {
        Err(Error::NotPresent) => 1,
        Err(_) => 2,
        Ok(never) => never,
    }
}

fn greet() -> Result<u32, Error> {
    let found = Found::at(platform::window(cpuid_by(tenon_guest_rt::cpuid)?)?)?;
    let platform = Hello::of(&found)?;
    let mut pages = platform::pages(1 << 17)?;
    let session = Session::open(&platform, found, &mut pages, Wish::default())?;
    let vcpu: Vcpu<'_, _> = session.bind(0, &mut pages, [256, 256])?;
    vcpu.console().write(if is_native() { b"hello from CPL3\n" } else { b"hello from CPL0\n" })?;
    // Comes back only if the host did not end the domain.
    Err(vcpu.lifecycle().exit(0))
}
