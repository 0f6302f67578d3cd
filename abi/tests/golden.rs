// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every number of the wire, frozen apart from the code that defines it: renumbering is an edit of
//! `golden.txt` that a reviewer sees.
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

use std::fmt::Write;
use tenon_abi::discovery::{CPUID_FIRST, CPUID_SIGNATURE, CPUID_STEP, CPUID_TRIES, Session};
use tenon_abi::layout::{LAYOUT, NUMBERS};
use tenon_abi::operation::OPERATIONS;
use tenon_abi::packed::{Packed, WORDS};
use tenon_abi::status::StateWord;
use tenon_abi::{
    Address, Completion, Entry, Granule, QueueState, Reason, RingPosition, RingShape, Sizes, Status, Tail,
    VERSION, control, discovery, turn,
};

fn rendered() -> String {
    let mut text = String::new();
    let mut line =
        |args: std::fmt::Arguments<'_>| writeln!(text, "{args}").expect("a String takes everything");
    line(format_args!("version {}.{}", VERSION.major, VERSION.minor));
    line(format_args!("magic record {:#018x} request {:#018x}", discovery::MAGIC, control::MAGIC));
    line(format_args!("cpuid {CPUID_FIRST:#x} {CPUID_STEP:#x} {CPUID_TRIES} {CPUID_SIGNATURE:x?}"));
    for layout in LAYOUT {
        line(format_args!("struct {} {}", layout.name, layout.size));
        for field in layout.fields {
            line(format_args!("  {:#04x} {} {} {}", field.offset, field.name, field.ty, field.size));
        }
    }
    for group in NUMBERS {
        line(format_args!("numbers {}", group.name));
        for number in group.numbers {
            line(format_args!("  {:#06x} {}", number.value, number.name));
        }
    }
    for row in OPERATIONS {
        let names = |bits: Vec<&str>| bits.join("|");
        let checks: Vec<String> = row.checks.iter().map(|check| format!("{check:?}")).collect();
        let needs = names(row.needs.iter_names().map(|(name, _)| name).collect());
        let traits = names(row.traits.iter_names().map(|(name, _)| name).collect());
        let (name, checks) = (row.name, checks.join(" "));
        line(format_args!("operation {name} since {} [{needs}] [{traits}] {checks}", row.since()));
    }
    for word in WORDS {
        let fields = word.placed().map(|(shift, field)| format!(" {}@{shift}+{}", field.name, field.bits));
        line(format_args!("packed {}{}", word.name, fields.collect::<String>()));
    }
    for (depth, events) in [(1, [1, 1]), (64, [256, 256]), (4096, [65_536, 2])] {
        let sizes = Sizes { depth, events };
        let (ring0, ring1) = (sizes.ring_offset(0), sizes.ring_offset(1));
        line(format_args!(
            "areas depth {depth} events {events:?}: guest {} ring0 {ring0} ring1 {ring1} host {}",
            sizes.guest_len(),
            sizes.host_len()
        ));
    }
    text
}

#[test]
fn no_number_has_moved() {
    // An addition is written by `TENON_WRITE_GOLDEN=1 cargo test -p tenon-abi`, and read by a reviewer.
    if std::env::var_os("TENON_WRITE_GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.txt");
        std::fs::write(file, rendered()).expect("the file can be written");
        return;
    }
    let golden = include_str!("golden.txt");
    for (number, (found, expected)) in rendered().lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of golden.txt", number + 1);
    }
    assert_eq!(rendered().lines().count(), golden.lines().count());
}

#[test]
fn structures_have_no_gaps() {
    for layout in LAYOUT {
        let mut end = 0;
        for field in layout.fields {
            assert_eq!(field.offset, end, "{}.{}", layout.name, field.name);
            end += field.size;
        }
        assert_eq!(end, layout.size, "{}", layout.name);
    }
}

#[test]
fn numbers_of_a_group_are_unique_and_in_order() {
    for group in NUMBERS {
        for pair in group.numbers.windows(2) {
            assert!(pair[0].value < pair[1].value, "{}: {} and {}", group.name, pair[0].name, pair[1].name);
        }
    }
}

#[test]
fn packed_words_are_little_endian() {
    let tail = Tail { code: 0x0201, id: 0x0403, turn: 0x0807_0605 };
    assert_eq!(tail.to_word().to_le_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(Tail::from_word(tail.to_word()), tail);
    assert_eq!(Entry { port: 7, turn: 9 }.to_word(), 7 | 9 << 32);
    let completion = Completion::new(Status::NOT_FOUND, 5, 11, 13);
    assert_eq!((completion.status(), completion.id(), completion.value.get()), (Status::NOT_FOUND, 5, 13));
}

/// A word of these values for its fields, by the description alone.
fn word(name: &str, values: &[u64]) -> u64 {
    let word: &Packed = WORDS.iter().find(|word| word.name == name).expect("it is described");
    assert_eq!(word.fields.len(), values.len(), "{name}");
    word.placed().zip(values).fold(0, |sum, ((shift, _), value)| sum | value << shift)
}

#[test]
fn packed_words_are_as_they_are_described() {
    let [a, b, c] = [0x1122u16, 0x3344, 0x5566];
    let [x, y] = [0x0123_4567u32, 0x89ab_cdef];
    let address = Address::new(a, 0x1234_5678_9abc).expect("48 bits fit");
    assert_eq!(address.0, word("Address", &[0x1234_5678_9abc, u64::from(a)]));
    assert_eq!(Session { seed: x, number: y }.to_word(), word("Session", &[x.into(), y.into()]));
    let tail = Tail { code: a, id: b, turn: x }.to_word();
    for name in ["SubmissionTail", "CompletionTail"] {
        assert_eq!(tail, word(name, &[a.into(), b.into(), x.into()]));
    }
    let state = StateWord { state: QueueState(b), reason: Reason(c), position: y };
    assert_eq!(state.to_word(), word("StateWord", &[b.into(), c.into(), y.into()]));
    assert_eq!(tenon_abi::call::KICK_AT | u64::from(x), word("KickWanted", &[x.into(), 1]));
    assert_eq!(Entry { port: x, turn: y }.to_word(), word("EventEntry", &[x.into(), y.into()]));
    let position = RingPosition { position: x, seed: y }.to_word();
    assert_eq!(position, word("RingPosition", &[x.into(), y.into()]));
    assert_eq!(RingShape { units: x, message: y }.to_word(), word("RingShape", &[x.into(), y.into()]));
}

/// A description that names widths describes the whole word, from the low end (PACK-1).
#[test]
fn descriptions_of_packed_words_are_whole() {
    let fields = LAYOUT.iter().flat_map(|layout| layout.fields).map(|field| (field.name, field.doc));
    let numbers = NUMBERS.iter().flat_map(|group| group.numbers).map(|number| (number.name, number.doc));
    for (name, doc) in fields.chain(numbers) {
        let widths: Vec<u32> =
            doc.split('(').filter_map(|part| part.split_once(" bits")?.0.parse().ok()).collect();
        assert!(widths.is_empty() || widths.iter().sum::<u32>() == 64, "{name}: {doc}");
        for word in ["high half", "low half", "low end", "high 32", "low 32"] {
            assert!(!doc.contains(word), "{name}: {doc}");
        }
    }
}

#[test]
fn turns_and_seeds_follow_the_spec() {
    assert_eq!(turn(0, 0), 1);
    assert_eq!(turn(u32::MAX, 0), 0);
    // The largest valid seed still has no zero turn in the first lap of the longest ring (CALL-5).
    let largest = (0..=u32::MAX).rev().find(|&seed| discovery::seed_is_valid(seed)).expect("some are valid");
    assert!((0..65_536).all(|position| turn(largest, position) != 0));
    assert!(discovery::seed_is_valid(0));
}

#[test]
fn addresses_and_granules_keep_their_bounds() {
    let address = Address::new(3, Address::OFFSET_MAX).expect("48 bits fit");
    assert_eq!((address.region(), address.offset()), (3, Address::OFFSET_MAX));
    assert_eq!(Address::new(0, Address::OFFSET_MAX + 1), None);
    assert_eq!(Granule::from_shift(13), None);
    assert_eq!(Granule::K16.round_up(1), Some(16_384));
    assert_eq!(Granule::K4.round_up(u64::MAX), None);
}
