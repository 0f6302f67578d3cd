// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copies of payload: they race with whoever writes there, so a thread sanitizer has nothing to say about
//! them.

use super::{End, Shared, race};
use crate::noise::Noise;
use tenon_rings::Mapping;

/// Payload, while somebody writes over it.
struct Copying {
    mapping: Mapping,
    results: u64,
}

const PAYLOAD: usize = 512;

impl End for Copying {
    const CAN_BREAK: bool = false;

    fn step(&mut self, noise: &mut Noise) -> bool {
        const LEN: usize = PAYLOAD * 8;
        let (offset, len) = (noise.below(LEN + 20), noise.below(1300));
        let mut bytes = vec![0x5a; len + 1];
        let inside = offset + len <= LEN;
        assert_eq!(self.mapping.read(offset, &mut bytes[..len]), inside);
        assert_eq!(bytes[len], 0x5a, "copied beyond its buffer");
        assert!(inside || bytes.iter().all(|byte| *byte == 0x5a), "a refused copy copies nothing");
        assert_eq!(self.mapping.write(offset, &bytes[..len]), inside);
        self.results += u64::from(inside);
        true
    }

    fn stands(&self) -> (u32, u64) {
        (0, self.results)
    }
}

#[test]
fn a_payload() {
    let shared = Shared::new(PAYLOAD);
    let make = |_| Some(Copying { mapping: shared.mapping(0..PAYLOAD), results: 0 });
    race("payload", &shared, make, |noise, _, _| (noise.below(PAYLOAD), noise.word()));
}
