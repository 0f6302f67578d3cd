// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device's shared memory: what the record promises of it, and what the shim takes for a host.

use crate::case::{Case, Ctx, Fail, Lacks, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{case, op, status};
use crate::raw::{self, Control, load, store};
use tenon_abi::{ConduitKind, Status};
use tenon_guest::{Error, shared::attach};
use tenon_rings::{Mapping, Words};

/// The cases.
pub const CASES: &[Case] = &[
    case("shared.layout", &["SHM-1", "SHM-2", "SHM-3"], Needs::NONE, layout),
    case("shared.hole", &["SHM-1", "REG-1"], Needs::NONE, hole),
    case("shared.lost-doorbell", &["SHM-2", "DISC-7"], Needs::NONE, lost_doorbell),
    case("shared.same-frame-again", &["SHM-3", "DISC-8"], Needs::NONE, same_frame_again),
    case("shared.shim-attach", &["SHM-6", "DISC-2", "GEN-6"], Needs::NONE, shim_attach),
];

/// The conduit has to be a device's memory.
fn shared(ctx: &Ctx) -> Outcome {
    let kind = ConduitKind(raw::record(ctx.env).conduit.get());
    if kind == ConduitKind::SHARED { Ok(()) } else { Err(Fail::Skip(Lacks::Kind(kind))) }
}

fn layout(ctx: &Ctx) -> Outcome {
    shared(ctx)?;
    let window = ctx.env.window();
    check(load(&window, 0x20) < 1 << 32, "kick_base is no value of a doorbell")?;
    equal(load(&window, 0x28) & 0xffff_ffff, 0, "kick_stride")?;
    let (bind, window_len, len) = (load(&window, 0x30), load(&window, 0x38), load(&window, 0x58));
    check(bind % 8 == 0 && bind >= window_len && bind + 8 <= len, "the place of the bind word")?;
    let (page, at) = raw::pages(ctx.env, 4096, 4096)?;
    check(at > bind && at + page.byte_len() as u64 <= len, "memory of the guest's lies in the host's part")
}

fn hole(ctx: &Ctx) -> Outcome {
    shared(ctx)?;
    let desk = Desk::new(ctx.env)?;
    let shift = desk.smallest();
    desk.negotiate(desk.features() & !1, shift)?;
    let word = load(&ctx.env.window(), 0x30) >> shift << shift;
    let window_end = (load(&ctx.env.window(), 0x38) >> shift << shift) - (1 << shift);
    for at in [0, window_end, word] {
        for (guest, host) in [(at, desk.scratch.1), (desk.scratch.1, at)] {
            let mut request = Control::bind(ctx.env, 0, 64, [16, 16], guest);
            request.0[8] = host;
            desk.expect(request, status::BAD_RANGE, "an area in the host's part of the memory")?;
        }
    }
    Ok(())
}

fn lost_doorbell(ctx: &Ctx) -> Outcome {
    shared(ctx)?;
    let mut bound = raw::attach(ctx.env)?;
    for value in 0..3 {
        // As if the doorbell had been lost.
        bound.submit(op::NOP, 0, [0, value, 0, 0, 0, 0, 0]);
        equal(bound.wait()?.value, value, "NOP without a doorbell")?;
    }
    Ok(())
}

fn same_frame_again(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    for lap in 0..8u16 {
        desk.expect(Control::new(ctx.env, 0x7000 + lap), status::NOT_SUPPORTED, "the same frame again")?;
    }
    desk.open()?;
    desk.reset()
}

/// What a good device's memory says, in the words that count.
const GOOD: [(usize, u64); 6] = [
    (0x08, (1 << 16) | (256 << 32)),
    (0x18, (1 << 12) | (4 << 32)),
    (0x20, 0),
    (0x30, 0x1_0000),
    (0x38, 0x1_0000),
    (0x58, 0x4_0000),
];

fn shim_attach(ctx: &Ctx) -> Outcome {
    let (memory, _) = raw::pages(ctx.env, 0x4_0000, 4096)?;
    let (register, _) = raw::pages(ctx.env, 4096, 4096)?;
    // SAFETY: pages of this case's own: the doorbell is a word of the second that nobody else uses.
    #[allow(unsafe_code, reason = "the case plays the device")]
    let look = |memory: Mapping| unsafe { attach(memory, register.base().cast()) };
    let fresh = || {
        for (offset, value) in GOOD {
            store(&memory, offset, value);
        }
        store(&memory, 0, u64::from_le_bytes(*b"Tenon\0DR"));
    };
    let refused = |memory: Mapping, error: Error, what| check(look(memory).err() == Some(error), what);
    refused(memory, Error::NotPresent, "cleared memory passes for a record")?;
    fresh();
    let good = look(memory).map_err(|_| Fail::Failed("a good device is not taken", 0, 0))?;
    equal(good.pages.address(), 0x2_0000, "where the guest's memory begins")?;
    equal(good.found.window().byte_len() as u64, 0x1_0000, "the window's length")?;
    for words in [0, 31, 0x2_0000 / 8, 0x4_0000 / 8 - 1] {
        let short = memory.slice(0, words).ok_or(Fail::Error("no slice of a page"))?;
        check(look(short).is_err(), "memory that is too short is taken")?;
    }
    for offset in (0..256).step_by(8) {
        store(&memory, offset, u64::MAX);
    }
    refused(memory, Error::NotPresent, "memory that reads all ones passes for a record")?;
    for (offset, value, error) in [
        (0x08, (1 << 16) | (256 << 32) | 1, Error::Refused(Status::BAD_VERSION)),
        (0x08, u64::MAX >> 32 | (256 << 32), Error::Refused(Status::BAD_VERSION)),
        (0x18, (1 << 12) | (2 << 32), Error::NotPresent),
        (0x20, 1 << 32, Error::BadMemory),
        (0x30, 0x1_0004, Error::BadMemory),
        (0x30, 0xfff8, Error::BadMemory),
        (0x30, 0x4_0000, Error::BadMemory),
        (0x30, u64::MAX - 7, Error::BadMemory),
        (0x38, 0x1_0008, Error::BadMemory),
        (0x38, u64::MAX, Error::BadMemory),
        (0x58, 0x4_0001, Error::BadMemory),
        (0x58, 0x1_fff8, Error::BadMemory),
        (0x58, u64::MAX, Error::BadMemory),
    ] {
        for offset in (0..256).step_by(8) {
            store(&memory, offset, 0);
        }
        fresh();
        store(&memory, offset, value);
        refused(memory, error, "a record that does not fit is taken")?;
    }
    Ok(())
}
