// SPDX-License-Identifier: MIT OR Apache-2.0
//! EVT-11 and CALL-16: at most one upcall for each value stored, and none forgotten after a wrap.

use crate::memory;
use proptest::prelude::*;
use std::sync::atomic::Ordering;
use tenon_abi::Reason;
use tenon_rings::call::{CompleterState, Parts, Queue};
use tenon_rings::{Arm, Corrupt, Error};

/// Upcalls while positions run from `first` on, `step` at a time.
fn upcalls(arm: &mut Arm, armed: u32, first: u32, steps: u32, step: u32) -> Vec<u32> {
    let written = |n: u32| first.wrapping_add(n.wrapping_mul(step));
    (0..steps).map(written).filter(|at| arm.reached(armed, *at)).collect()
}

/// A guest that armed once and polls ever since is told once a lap of the circle: a new arm looks the same as
/// the old one then.
#[test]
fn an_old_arm_is_not_a_storm() {
    let step = 1 << 16;
    for armed in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let found = upcalls(&mut Arm::default(), armed, armed.wrapping_add(1), 3 << 16, step);
        assert_eq!(found, [armed.wrapping_add(1); 3], "armed at {armed:#x}");
    }
}

/// `disarm` moves the position half the circle ahead: quiet until then.
#[test]
fn far_ahead_is_quiet() {
    for at in [0, 5, u32::MAX] {
        let armed = at.wrapping_add(u32::MAX >> 1);
        assert_eq!(upcalls(&mut Arm::default(), armed, at, 1 << 15, 1 << 16), [], "disarmed at {at:#x}");
    }
}

/// CALL-16: an armed completion whose high half is not zero latches the queue; what was latched first stands
/// (CALL-15).
#[test]
fn a_high_half_is_a_breach() {
    let (submissions, completions, armed) = (memory(8), memory(2), memory(1));
    let mut parts = Parts::bare(&submissions[..], &completions[..]).unwrap();
    parts.armed = &armed[..];
    let mut completer = Queue::new(parts, 7, 1).unwrap().completer().unwrap();
    armed[0].store(1 << 32, Ordering::Relaxed);
    let Err(Error::Corrupt(corrupt)) = completer.owes_upcall() else { panic!("no breach") };
    assert_eq!(corrupt.reason, Reason::BAD_ARMED);
    assert_eq!(completer.fetch().err(), Some(Error::Corrupt(corrupt)));
    let first = Corrupt { reason: Reason::BAD_ID, position: 3 };
    let state = CompleterState { corrupt: Some(first), ..CompleterState::at(0) };
    let mut parts = Parts::bare(&submissions[..], &completions[..]).unwrap();
    parts.armed = &armed[..];
    let mut completer = Queue::new(parts, 7, 1).unwrap().completer_at(state).unwrap();
    assert_eq!(completer.owes_upcall(), Err(Error::Corrupt(first)));
}

proptest! {
    /// Ascending arms, written positions that jump past them or not: each value is answered once, when it was
    /// reached.
    #[test]
    fn each_value_is_answered_once(start in any::<u32>(), jumps in prop::collection::vec((0u32..4, 1u32..4), 1..60)) {
        let mut arm = Arm::default();
        let (mut written, mut answered) = (start, None);
        for (ahead, jump) in jumps {
            let armed = written.wrapping_add(ahead);
            for _ in 0..2 {
                written = written.wrapping_add(jump);
                let reached = written.wrapping_sub(1).wrapping_sub(armed) < 1 << 31;
                let owed = arm.reached(armed, written);
                assert_eq!(owed, reached && answered != Some(armed));
                if owed {
                    answered = Some(armed);
                }
            }
        }
    }
}
