// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of a word and numbers, without `core::fmt`.

use tenon_guest_rt::serial_write;

/// Writes a line in one piece, so that the monitor may look at its clock when it comes.
pub(crate) fn line(word: &str, numbers: &[u64]) {
    let mut text = [0; 128];
    let mut len = 0;
    let mut put = |byte: u8| {
        if let Some(place) = text.get_mut(len) {
            *place = byte;
            len += 1;
        }
    };
    word.bytes().for_each(&mut put);
    for &number in numbers {
        put(b' ');
        let mut digits = [0; 20];
        let mut rest = number;
        let mut count = 0;
        for digit in &mut digits {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        digits.iter().take(count).rev().copied().for_each(&mut put);
    }
    put(b'\n');
    serial_write(text.get(..len).unwrap_or_default());
}
