// SPDX-License-Identifier: MIT OR Apache-2.0
//! EVT-11 and CALL-16: at most one upcall for each value stored, and none forgotten after a wrap.

use crate::{memory, scribble};
use proptest::prelude::*;
use tenon_abi::Reason;
use tenon_rings::Error;
use tenon_rings::event::Arm;

/// Upcalls while positions run from `first` on, `step` at a time.
fn upcalls(arm: &mut Arm, armed: u32, first: u32, steps: u32, step: u32) -> Vec<u32> {
    let area = memory(1);
    scribble(&area, 0, u64::from(armed));
    let written = |n: u32| first.wrapping_add(n.wrapping_mul(step));
    (0..steps).map(written).filter(|at| arm.owed(&&area[..], 0, *at).unwrap()).collect()
}

/// A guest that armed once and polls ever since is told once a lap of the circle: a new arm looks the same as the old one then.
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

#[test]
fn a_high_half_is_a_breach() {
    let area = memory(1);
    scribble(&area, 0, 1 << 32);
    let Err(Error::Corrupt(corrupt)) = Arm::default().owed(&&area[..], 0, 9) else { panic!("no breach") };
    assert_eq!((corrupt.reason, corrupt.position), (Reason::BAD_ARMED, 9));
}

proptest! {
    /// Ascending arms, written positions that jump past them or not: each value is answered once, when it was reached.
    #[test]
    fn each_value_is_answered_once(start in any::<u32>(), jumps in prop::collection::vec((0u32..4, 1u32..4), 1..60)) {
        let area = memory(1);
        let mut arm = Arm::default();
        let (mut written, mut answered) = (start, None);
        for (ahead, jump) in jumps {
            let armed = written.wrapping_add(ahead);
            scribble(&area, 0, u64::from(armed));
            for _ in 0..2 {
                written = written.wrapping_add(jump);
                let reached = written.wrapping_sub(1).wrapping_sub(armed) < 1 << 31;
                let owed = arm.owed(&&area[..], 0, written).unwrap();
                assert_eq!(owed, reached && answered != Some(armed));
                if owed {
                    answered = Some(armed);
                }
            }
        }
    }
}
