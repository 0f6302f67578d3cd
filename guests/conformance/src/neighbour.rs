// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that tries to reach another one behind a device of the same kind (SHM-7): fills all its memory
//! with a pattern, rings every doorbell that is not its host's, and looks whether anything of anybody else's
//! arrives.
//!
//! It reports `filled`, and at last `neighbour heard=<0 or 1> rings=<N> words=<N> foreign=<N> messages=<N>`.
#![allow(unsafe_code, reason = "rings doorbells that are nobody's to ring")]

use crate::bar;
use core::sync::atomic::{AtomicU64, Ordering};
use tenon_conformance::env::Env;
use tenon_conformance::report::Line;
use tenon_guest_rt as rt;
use tenon_rings::{Site, Words};

/// Messages that are tried of each peer.
const MESSAGES: [u32; 4] = [0, 1, 15, 0xffff];

static ARRIVED: AtomicU64 = AtomicU64::new(0);

/// Tries for so many milliseconds.
pub(crate) fn run(env: &'static dyn Env, pattern: u64, millis: u64) -> Option<()> {
    let attached = bar::attached()?;
    let (memory, [doorbell, _]) = (attached.pages.mapping(), attached.conduit.places());
    let doorbell = doorbell as *mut u32;
    env.set_handler(Some(|_, _| {
        ARRIVED.fetch_add(1, Ordering::Relaxed);
    }));
    // SAFETY: the register before the doorbell says which peer this guest is; loads have no effect.
    let own = u32::from_le(unsafe { doorbell.sub(1).read_volatile() });
    // A message that is this guest's own to ring arrives, where any do: the others would be seen.
    // SAFETY: the device's doorbell register; a ring of this guest's changes no memory of its own.
    unsafe { doorbell.write_volatile((own << 16).to_le()) };
    let patience = env.micros() + 100_000;
    while ARRIVED.load(Ordering::Relaxed) == 0 && env.micros() < patience {
        core::hint::spin_loop();
    }
    let heard = ARRIVED.swap(0, Ordering::Relaxed);
    for index in 0..memory.len() {
        memory.store(index, pattern, Site::Status);
    }
    let begun = env.micros();
    env.report(Line::new(0, format_args!("filled")).as_bytes());
    let (mut rings, mut foreign) = (0_u64, 0_u64);
    while env.micros().wrapping_sub(begun) < millis * 1000 {
        for peer in (1..=0xffff).filter(|&peer| peer != own) {
            for message in MESSAGES {
                // SAFETY: as above.
                unsafe { doorbell.write_volatile((peer << 16 | message).to_le()) };
                rings += 1;
            }
        }
        foreign +=
            (0..memory.len()).filter(|&index| memory.load(index, Site::Status) != pattern).count() as u64;
    }
    let (words, messages) = (memory.len(), ARRIVED.load(Ordering::Relaxed));
    let line = Line::new(
        1,
        format_args!(
            "neighbour heard={heard} rings={rings} words={words} foreign={foreign} messages={messages}"
        ),
    );
    env.report(line.as_bytes());
    Some(())
}

/// As [`run`], by the boot parameters; `None` where they ask for nothing.
pub(crate) fn asked(env: &'static dyn Env) -> Option<()> {
    let (pattern, millis) = (rt::Params::number("pattern")?, rt::Params::number("neighbour")?);
    run(env, pattern, millis)
}
