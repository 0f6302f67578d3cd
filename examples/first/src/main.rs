// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first steps of docs/guide-guest.md, and nothing else: a kernel that finds its host, prints, exits.
#![no_std]
#![no_main]

use core::{fmt::Write as _, ptr::NonNull};
use tenon_guest::{Error, Found, Pages, Platform, Session, Vcpu, Wish, conduit::Doorbells, discovery};
use tenon_rings::Mapping;

core::arch::global_asm!(include_str!("../../kernel/src/boot.s"));

unsafe extern "C" {
    static mut pool: u8;
}

struct Kernel(Doorbells);

// SAFETY: one CPU, and interrupts are off; the doorbells are those of the host that was found.
unsafe impl Platform for Kernel {
    type Conduit = Doorbells;

    fn conduit(&self) -> &Doorbells {
        &self.0
    }

    fn enter(&self) -> usize {
        0
    }

    fn leave(&self, _were_on: usize) {}
}

#[unsafe(no_mangle)]
extern "C" fn kernel(_start_info: *const u8) {
    let _ = run();
}

fn run() -> Result<(), Error> {
    let at = discovery::cpuid()?;
    // SAFETY: the host keeps its window there, mapped one to one; this kernel stores nothing to it.
    let window = unsafe { Mapping::new(at.address as *mut u8, at.len as usize) };
    let found = Found::at(window.ok_or(Error::NotPresent)?)?;
    // SAFETY: the record is the host's; all of the first 4 GiB are mapped.
    let bells = unsafe { Doorbells::of(found.record(), |address, _| NonNull::new(address as *mut u32)) };
    let kernel = Kernel(bells.ok_or(Error::NotPresent)?);
    let start = &raw mut pool;
    // SAFETY: the pool has 256 KiB, is handed out once, and is mapped one to one.
    let mut pages = unsafe { Pages::new(start, 0x4_0000, start.addr() as u64) }?;
    let session = Session::open(&kernel, found, &mut pages, Wish::default())?;
    let vcpu: Vcpu<'_, _> = session.bind(0, &mut pages, [64, 64])?;
    let _ = writeln!(vcpu.console(), "first: session {}", session.number());
    Err(vcpu.lifecycle().exit(0)) // comes back only if the host did not end the domain
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
