// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the window is, and what a guest can do to it.

use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Control, load};

/// The cases.
pub const CASES: &[Case] = &[
    case("discovery.cpuid", &["DISC-4"], Needs::NONE, cpuid),
    case("discovery.window-store", &["DISC-5"], Needs::NONE, window_store),
    case("discovery.window-is-no-memory", &["DISC-5", "REG-1"], Needs::NONE, window_is_no_memory),
];

const NO_CPUID: Fail = Fail::Skip("the conduit's window is not found by CPUID");

fn cpuid(ctx: &Ctx) -> Outcome {
    let (address, len) = ctx.env.discovered_by_cpuid().ok_or(NO_CPUID)?;
    let promised = load(&ctx.env.window(), 0x38);
    check(len >= promised && len - promised < 4096, "CPUID and record disagree on the window's length")?;
    by_hand(address, len)
}

#[cfg(target_arch = "x86_64")]
fn by_hand(address: u64, len: u64) -> Outcome {
    use core::arch::x86_64::__cpuid;
    let signature = [*b"Mort", *b"iseT", *b"enon"].map(u32::from_le_bytes);
    let base = (0..256u32).map(|step| 0x4000_0000 + step * 0x100).find(|&base| {
        let leaf = __cpuid(base);
        [leaf.ebx, leaf.ecx, leaf.edx] == signature
    });
    let base = base.ok_or(Fail::Failed("no leaf with the signature", 0, 0))?;
    let largest = __cpuid(base).eax;
    check(largest > base && largest < base + 0x100, "EAX is not the largest leaf of the group")?;
    let window = __cpuid(base + 1);
    equal(u64::from(window.eax) * 4096, address, "the window's address")?;
    equal(u64::from(window.ebx) * 4096, len, "the window's length")?;
    equal(u64::from(window.ecx), 0, "ECX of the leaf base + 1")?;
    equal(u64::from(window.edx), 0, "EDX of the leaf base + 1")?;
    let found = tenon_guest::discovery::cpuid().map_err(|_| Fail::Failed("the shim finds nothing", 0, 0))?;
    equal(found.address, address, "the shim's address")?;
    equal(found.len, len, "the shim's length")
}

#[cfg(not(target_arch = "x86_64"))]
fn by_hand(_address: u64, _len: u64) -> Outcome {
    Err(NO_CPUID)
}

fn window_store(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    bound.call(op::NOP, [1, 0, 0, 0, 0, 0])?;
    let window = ctx.env.window();
    let mut writable = false;
    // The record's fixed and changing words, and its last; the end of the window.
    for offset in [0x00, 0x08, 0x80, 0x88, 0xa0, 0xf8, window.byte_len() - 8] {
        let before = load(&window, offset);
        let refused = ctx.env.store_to_window(offset, !before);
        let now = load(&window, offset);
        match refused {
            None => return Err(Fail::Skip("a store to the window cannot be tried in this environment")),
            Some(true) => equal(now, before, "a store to the window changed it")?,
            Some(false) => {
                writable = true;
                // The host's word is put back, so that the case harms nobody.
                let _ = ctx.env.store_to_window(offset, before);
            }
        }
    }
    equal(bound.call(op::NOP, [2, 0, 0, 0, 0, 0])?.value, 2, "NOP after stores to the window")?;
    if writable { Err(Fail::Warn("the guest can write to the window")) } else { Ok(()) }
}

fn window_is_no_memory(ctx: &Ctx) -> Outcome {
    let (address, _) = ctx.env.discovered_by_cpuid().ok_or(NO_CPUID)?;
    let desk = Desk::new(ctx.env)?;
    desk.negotiate(desk.features() & !1, desk.smallest())?;
    // The lowest and the highest place that an area could be written to.
    for (guest, host) in [(address, desk.scratch.1), (desk.scratch.1, address)] {
        let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
        request.0[8] = host;
        desk.expect(request, status::BAD_RANGE, "an area in the window passes for memory of region 0")?;
    }
    Ok(())
}
