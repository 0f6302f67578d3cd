// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times a call against a bare loop behind the same device: a word, a doorbell, and looking until the word
//! comes back. Interleaved, for one is as disturbed as the other. A line `pace <nanoseconds of a call> <of
//! the bare loop>` for each round, then `paced`.
#![allow(unsafe_code, reason = "rings a doorbell that no conduit rings")]

use crate::bar;
use tenon_abi::{Granule, Op};
use tenon_conformance::env::Env;
use tenon_conformance::report::Line;
use tenon_conformance::shim::SuitePlatform;
use tenon_guest::shared::Shared;
use tenon_guest::{Error, Platform, Session, Vcpu, Wish};
use tenon_guest_rt as rt;
use tenon_rings::{Mapping, Site, Words};

/// Trips of each kind in a round.
const TRIPS: u64 = 100;
/// The host's message that rings the bare loop.
const REFERENCE: u32 = 1;
/// Behind the bind word: what is asked, and what was answered.
const PLACES: [usize; 2] = [64, 128];
/// Looks until the bare loop is taken to be absent.
const LOOKS: u32 = 100_000_000;

/// The shim's platform, whose waiter looks as often as the bare loop's.
struct Fast(&'static Shared);

// SAFETY: no interrupt's handler uses Tenon while this runs, for none is set; the doorbell is that of the
// host that wrote the record.
unsafe impl Platform for Fast {
    type Conduit = Shared;

    fn conduit(&self) -> &Shared {
        self.0
    }

    fn enter(&self) -> usize {
        0
    }

    fn leave(&self, _: usize) {}
}

/// As the boot parameter `pace` asks; `None` where it asks for nothing.
pub(crate) fn asked(env: &'static dyn Env) -> Option<()> {
    let rounds = rt::Params::number("pace")?;
    let mut sequence = 0;
    let mut say = |payload: core::fmt::Arguments<'_>| {
        env.report(Line::new(sequence, payload).as_bytes());
        sequence += 1;
    };
    match run(env, rounds, &mut say) {
        Ok(()) => say(format_args!("paced")),
        Err(error) => say(format_args!("failed {error}")),
    }
    Some(())
}

fn run(
    env: &'static dyn Env,
    rounds: u64,
    say: &mut dyn FnMut(core::fmt::Arguments<'_>),
) -> Result<(), Error> {
    let attached = bar::attached().ok_or(Error::NotPresent)?;
    let platform = Fast(&attached.conduit);
    let pages = |len, granule| SuitePlatform::new(env).pages(len, granule).map_err(|_| Error::BadMemory);
    let session = Session::open(&platform, attached.found, &mut pages(4096, Granule::K64)?, Wish::default())?;
    let vcpu: Vcpu<'_, Fast> = session.bind(0, &mut pages(1 << 16, Granule::K64)?, [256, 256])?;
    let [doorbell, word] = attached.conduit.places();
    let bare = Bare { doorbell: doorbell as *mut u32, words: words(word).ok_or(Error::BadMemory)? };
    for round in 0..rounds {
        let begun = env.micros();
        for trip in 0..TRIPS {
            vcpu.call(Op::NOP, [trip])?;
        }
        let between = env.micros();
        for trip in 1..=TRIPS {
            bare.trip(round * TRIPS + trip).ok_or(Error::Pending)?;
        }
        let ended = env.micros();
        let nanoseconds = |micros: u64| micros * 1000 / TRIPS;
        say(format_args!("pace {} {}", nanoseconds(between - begun), nanoseconds(ended - between)));
    }
    Ok(())
}

fn words(bind_word: usize) -> Option<[Mapping; 2]> {
    // SAFETY: the granule of the bind word is the device's, mapped, and nobody else's but the host's.
    let [asked, answered] = PLACES.map(|place| unsafe { Mapping::new((bind_word + place) as *mut u8, 8) });
    Some([asked?, answered?])
}

/// The least that a guest can do.
struct Bare {
    doorbell: *mut u32,
    words: [Mapping; 2],
}

impl Bare {
    fn trip(&self, number: u64) -> Option<()> {
        let [asked, answered] = self.words;
        asked.store(0, number, Site::ControlPublish);
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
        // SAFETY: the device's doorbell register, and its host is peer 0.
        unsafe { self.doorbell.write_volatile(REFERENCE.to_le()) };
        for _ in 0..LOOKS {
            if answered.load(0, Site::ControlTake) == number {
                return Some(());
            }
            core::hint::spin_loop();
        }
        None
    }
}
