// SPDX-License-Identifier: MIT OR Apache-2.0
//! Discovery by CPUID (DISC-4), what was found, and errors as text.

use tenon_abi::discovery::{CPUID_FIRST, CPUID_SIGNATURE, CPUID_STEP, CPUID_TRIES};
use tenon_abi::{Features, Reason, Status};
use tenon_guest::discovery::WindowAt;
use tenon_guest::{Error, Found};
use tenon_rings::Corrupt;

use crate::lies::host;

#[test]
#[cfg(target_arch = "x86_64")]
fn the_leaves_are_found_at_each_of_their_places() {
    use tenon_guest::discovery::cpuid_by;
    let [ebx, ecx, edx] = CPUID_SIGNATURE;
    for place in 0..=CPUID_TRIES {
        let base = CPUID_FIRST + place * CPUID_STEP;
        let found = cpuid_by(|leaf| match leaf.wrapping_sub(base) {
            0 => [base + 1, ebx, ecx, edx],
            1 => [0xfed00, 0x10, 0, 0],
            _ => [0; 4],
        });
        let there = WindowAt { address: 0xfed00000, len: 0x1_0000 };
        assert_eq!(
            found,
            if place < CPUID_TRIES { Ok(there) } else { Err(Error::NotPresent) },
            "place {place}"
        );
    }
    // Another hypervisor's, and one that has no second leaf.
    for leaf in [[CPUID_FIRST + 1, 1, ecx, edx], [CPUID_FIRST + 1, ebx, ecx, 1], [CPUID_FIRST, ebx, ecx, edx]]
    {
        assert_eq!(cpuid_by(|_| leaf), Err(Error::NotPresent));
    }
}

#[test]
fn what_the_record_says_is_what_is_told() {
    let host = host();
    let found = host.found().expect("it is there");
    assert!(found.features().contains(Features::WINDOW | Features::CONSOLE | Features::EVENTS));
    host.spoil(0x10, Features::CONSOLE.bits() | 1 << 63);
    let less = host.found().expect("it is there");
    assert_eq!(less.features(), Features::CONSOLE, "bits that nobody knows are left out");
    assert_eq!(found.record().features.get() & 1 << 63, 0, "a record is read once");
    let session = tenon_abi::discovery::Session::from_word(host.word(0x80));
    assert_eq!(found.session(), session);
    assert_eq!(found.window().byte_len(), crate::host::WINDOW);
    // Magic and length are looked at, each for itself.
    for (offset, value) in [(0x00, 1), (0x08, 1 << 16 | 255 << 32), (0x08, 1 << 16 | 257 << 32)] {
        let before = host.word(offset);
        host.spoil(offset, value);
        assert_eq!(host.found().err(), Some(Error::NotPresent));
        host.spoil(offset, before);
    }
    assert!(Found::at(host.found().expect("it is there").window()).is_ok());
}

#[test]
fn each_error_says_what_it_is() {
    let corrupt = Corrupt { reason: Reason::UNKNOWN_ID, position: 3 };
    let texts = [
        (Error::NotPresent, "there is no Tenon here"),
        (Error::Refused(Status::BAD_STATE), "BAD_STATE"),
        (Error::Refused(Status(0xfffe)), "refused with an unknown status"),
        (Error::Pending, "not answered yet"),
        (Error::Full, "the queue is full"),
        (Error::Busy, "the queue is in use"),
        (Error::Corrupt(corrupt), "the host broke the protocol"),
        (Error::BadMemory, "the pages do not fit"),
        (Error::TooLong, "the payload is too long"),
        (Error::NoMatch, "the host offers nothing that was wished for"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
    for (from, to) in [
        (tenon_rings::Error::Full, Error::Full),
        (tenon_rings::Error::Corrupt(corrupt), Error::Corrupt(corrupt)),
        (tenon_rings::Error::BadSize, Error::BadMemory),
        (tenon_rings::Error::Empty, Error::Pending),
    ] {
        assert_eq!(Error::from(from), to);
    }
}
