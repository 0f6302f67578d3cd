// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two ways of the same, timed in turns.

use crate::line::line;
use tenon_guest::Error;
use tenon_guest_rt::ticks;

/// Times blocks of `ours` and `theirs` in turns, the order changing from round to round, and writes a line
/// for each round: the ticks of either block, and the clock.
pub(crate) fn in_turns(
    rounds: u64,
    block: u64,
    mut ours: impl FnMut() -> Result<u64, Error>,
    mut theirs: impl FnMut() -> Result<u64, Error>,
) -> Result<(), Error> {
    line("block", &[block, ticks()]);
    for round in 0..rounds {
        let (mut a, mut b) = (0, 0);
        for half in 0..2 {
            if (round + half) % 2 == 0 {
                for _ in 0..block {
                    a += ours()?;
                }
            } else {
                for _ in 0..block {
                    b += theirs()?;
                }
            }
        }
        line("round", &[a, b, ticks()]);
    }
    Ok(())
}

/// The ticks that `run` takes.
#[inline(always)]
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (u64, T) {
    let start = ticks();
    let result = run();
    (ticks().wrapping_sub(start), result)
}

/// Lets `ticks` pass.
pub(crate) fn pause(time: u64) {
    let start = ticks();
    while ticks().wrapping_sub(start) < time {
        core::hint::spin_loop();
    }
}
