// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each image has one place in its file for a boot command line.

use tenon_guest_images::{ALL, PARAMETERS_MARK, PARAMETERS_MAX, place_of_parameters};

#[test]
fn the_place_is_there_once_and_empty() {
    for image in ALL {
        let marks =
            image.bytes.windows(PARAMETERS_MARK.len()).filter(|bytes| bytes == PARAMETERS_MARK).count();
        assert_eq!(marks, 1, "{}", image.name);
        let at = place_of_parameters(image.bytes).expect("a place");
        assert!(image.bytes[at..at + PARAMETERS_MAX].iter().all(|&byte| byte == 0), "{}", image.name);
    }
}

#[test]
fn two_places_are_none_and_so_is_a_short_one() {
    let place = [&PARAMETERS_MARK[..], &[0; PARAMETERS_MAX]].concat();
    assert_eq!(place_of_parameters(&place), Some(PARAMETERS_MARK.len()));
    assert_eq!(place_of_parameters(&[&place[..], &place[..]].concat()), None);
    assert_eq!(place_of_parameters(&place[..place.len() - 1]), None);
    assert_eq!(place_of_parameters(b"nothing"), None);
}
