// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the window is: what the platform's own means of discovery say.

use tenon_guest::discovery::WindowAt;
use tenon_guest_rt as rt;

/// A window that was found.
pub(crate) struct Place {
    pub(crate) at: WindowAt,
    /// Where it is mapped.
    pub(crate) base: *mut u8,
    /// It was found by CPUID.
    pub(crate) by_cpuid: bool,
}

/// Looks everywhere.
pub(crate) fn window() -> Option<Place> {
    cpuid().or_else(tree)
}

/// DISC-4.
#[cfg(target_arch = "x86_64")]
fn cpuid() -> Option<Place> {
    let at = tenon_guest::discovery::cpuid_by(rt::cpuid).ok()?;
    Some(Place { at, base: rt::map(at.address, at.len, rt::MapAs::Memory)?, by_cpuid: true })
}

#[cfg(not(target_arch = "x86_64"))]
fn cpuid() -> Option<Place> {
    None
}

/// DISC-13.
fn tree() -> Option<Place> {
    let window = rt::platform::get().window?;
    let at = WindowAt { address: window.address, len: window.len };
    Some(Place { at, base: rt::map(at.address, at.len, rt::MapAs::Memory)?, by_cpuid: false })
}
