// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Internet's checksum (RFC 1071).

/// Where UDP stores its sum, from its header on. There a sum of zero means that there is none.
const UDP_OFFSET: usize = 6;

/// The sum of big-endian words of 16 bits, the last one filled up with zero, not folded.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(2);
    let whole: u64 = words.by_ref().map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    whole + words.remainder().first().map_or(0, |last| u64::from(*last) << 8)
}

/// The complement of a sum in 16 bits.
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Computes the sum from `start` to the end of a frame, and stores it at `offset` from there. The sum of the
/// pseudo-header is there. The place lies inside the frame.
pub(super) fn complete(frame: &mut [u8], start: usize, offset: usize) {
    let Some(part) = frame.get_mut(start..) else { return };
    let folded = match fold(sum(part)) {
        0 if offset == UDP_OFFSET => 0xffff,
        folded => folded,
    };
    if let Some(place) = part.get_mut(offset..offset + 2) {
        place.copy_from_slice(&folded.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // 0001 f203 f4f5 f6f7: 2ddf0, folded ddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum(&bytes), 0x2_ddf0);
        assert_eq!(fold(sum(&bytes)), !0xddf2);
        assert_eq!(sum(&[0x12]), 0x1200, "an odd byte is the upper half of a word");
    }

    #[test]
    fn what_was_completed_sums_up_to_nothing() {
        for len in 20..64 {
            let mut frame: Vec<u8> = (0..len).map(|at| (at * 37 + len) as u8).collect();
            // The sum of the pseudo-header stands at the place: here any.
            complete(&mut frame, 14, 2);
            let pseudo = u64::from(u16::from_be_bytes([(16 * 37 + len) as u8, (17 * 37 + len) as u8]));
            assert_eq!(fold(sum(&frame[14..]) + pseudo), 0, "{len} bytes");
        }
        let mut none = vec![0; 32];
        complete(&mut none, 14, 6);
        assert_eq!(none[20..22], [0xff, 0xff], "UDP has no sum of zero");
    }
}
