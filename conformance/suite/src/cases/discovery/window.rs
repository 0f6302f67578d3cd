// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the window is, and what a guest can do to it.

use crate::case::{Case, Ctx, Fail, Lacks, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Control, load};
use tenon_abi::ConduitKind;

/// The cases.
pub const CASES: &[Case] = &[
    case("discovery.cpuid", &["DISC-4"], Needs::NONE, cpuid),
    case("discovery.shim-cpuid", &["DISC-4", "DISC-2"], Needs::NONE, shim_cpuid),
    case("discovery.window-store", &["DISC-5", "SHM-4"], Needs::NONE, window_store),
    case("discovery.window-is-no-memory", &["DISC-5", "REG-1"], Needs::NONE, window_is_no_memory),
];

/// Address and length of the window. It has none that CPUID could name where the conduit is a function call,
/// or another device's memory; and there is no CPUID but on x86.
pub(in crate::cases) fn by_cpuid(ctx: &Ctx) -> Result<(u64, u64), Fail> {
    let kind = ConduitKind(raw::record(ctx.env).conduit.get());
    if [ConduitKind::CALL, ConduitKind::SHARED].contains(&kind) || !cfg!(target_arch = "x86_64") {
        return Err(Fail::Skip(Lacks::Kind(kind)));
    }
    ctx.env.discovered_by_cpuid().ok_or(Fail::Error("the environment has not looked for the window by CPUID"))
}

/// As [`by_cpuid`], and for a device's memory where that has its hole: the window begins it (SHM-1).
pub(in crate::cases) fn window_in_region(ctx: &Ctx) -> Result<(u64, u64), Fail> {
    let record = raw::record(ctx.env);
    if record.conduit.get() == ConduitKind::SHARED.0 {
        return Ok((0, record.window_len.get()));
    }
    by_cpuid(ctx)
}

fn cpuid(ctx: &Ctx) -> Outcome {
    let (address, len) = by_cpuid(ctx)?;
    let promised = load(&ctx.env.window(), 0x38);
    check(len >= promised && len - promised < 4096, "CPUID and record disagree on the window's length")?;
    let largest = load(&ctx.env.window(), 0x18) & 0xffff_ffff;
    check(
        address.trailing_zeros() >= largest.checked_ilog2().unwrap_or(12),
        "the window is not aligned to the largest granule",
    )?;
    let leaf = |leaf| ctx.env.cpuid(leaf).unwrap_or_default();
    let signature = [*b"Mort", *b"iseT", *b"enon"].map(u32::from_le_bytes);
    let mut bases = (0..256u32).map(|step| 0x4000_0000 + step * 0x100);
    let base = bases.find(|&base| leaf(base)[1..] == signature);
    let base = base.ok_or(Fail::Failed("no leaf with the signature", 0, 0))?;
    let [last, ..] = leaf(base);
    check(last > base && last < base + 0x100, "EAX is not the largest leaf of the group")?;
    let [eax, ebx, ecx, edx] = leaf(base + 1);
    equal(u64::from(eax) * 4096, address, "the window's address")?;
    equal(u64::from(ebx) * 4096, len, "the window's length")?;
    equal(u64::from(ecx), 0, "ECX of the leaf base + 1")?;
    equal(u64::from(edx), 0, "EDX of the leaf base + 1")
}

#[cfg(target_arch = "x86_64")]
fn shim_cpuid(_: &Ctx) -> Outcome {
    use tenon_guest::Error;
    use tenon_guest::discovery::cpuid_by;
    let signature = [*b"Mort", *b"iseT", *b"enon"].map(u32::from_le_bytes);
    // A processor with the group at `at`, and another hypervisor's at the first place.
    let processor = move |at: u32, largest: u32| {
        move |leaf: u32| match leaf {
            _ if leaf == at => [largest, signature[0], signature[1], signature[2]],
            _ if leaf == at + 1 => [0xfed0_0000, 0x31, 0, 0],
            0x4000_0000 => [0x4000_0010, 1, 2, 3],
            _ => [0; 4],
        }
    };
    for at in [0x4000_0000, 0x4000_0100, 0x4000_4200, 0x4000_ff00] {
        let found = cpuid_by(processor(at, at + 1)).map_err(|_| Fail::Failed("not found", at.into(), 0))?;
        equal(found.address, 0xfed0_0000 * 4096, "the window's address")?;
        equal(found.len, 0x31 * 4096, "the window's length")?;
    }
    // Beyond the 256 places, beside them, without a second leaf, with another signature.
    for (at, largest) in [(0x4001_0000, 0x4001_0001), (0x4000_0080, 0x4000_0081), (0x4000_0100, 0x4000_0100)]
    {
        check(cpuid_by(processor(at, largest)) == Err(Error::NotPresent), "found where nothing is")?;
    }
    for word in 1..4 {
        let good = processor(0x4000_0100, 0x4000_0101);
        let bad = |leaf| {
            let mut registers = good(leaf);
            registers[word] ^= 1 << 5;
            registers
        };
        check(cpuid_by(bad) == Err(Error::NotPresent), "found by another signature")?;
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn shim_cpuid(ctx: &Ctx) -> Outcome {
    by_cpuid(ctx).map(|_| ())
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
            None => return Err(Fail::Error("this environment cannot try a store to the window")),
            Some(true) => equal(now, before, "a store to the window changed it")?,
            Some(false) => {
                writable = true;
                // The host's word is put back, so that the case harms nobody.
                let _ = ctx.env.store_to_window(offset, before);
            }
        }
    }
    equal(bound.call(op::NOP, [2, 0, 0, 0, 0, 0])?.value, 2, "NOP after stores to the window")?;
    // Of a device's memory no part is read-only to the guest: there the rule binds the guest alone, and
    // breaking it has harmed nobody (SHM-4).
    let by_contract = raw::record(ctx.env).conduit.get() == ConduitKind::SHARED.0;
    if writable && !by_contract { Err(Fail::Warn("the guest can write to the window")) } else { Ok(()) }
}

fn window_is_no_memory(ctx: &Ctx) -> Outcome {
    let (address, _) = window_in_region(ctx)?;
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
