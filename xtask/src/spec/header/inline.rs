// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the header computes: packed words, lengths of areas, turns, and names of statuses.

use std::fmt::Write as _;

use tenon_abi::Sizes;
use tenon_abi::packed::{Bits, Packed, WORDS};
use tenon_abi::status::Status;

use super::words;

/// Sizes at which the lengths are compared with the project's own, as the header is compiled.
const SIZES: [Sizes; 3] = [
    Sizes { depth: 1, events: [1, 1] },
    Sizes { depth: 64, events: [256, 16] },
    Sizes { depth: 4096, events: [65_536, 2] },
];

/// Lengths of areas and what stands in them, as constant expressions [VCPU-3, VCPU-4].
const LENGTHS: &str = "
// Lengths of areas in bytes, and where the entries of the event rings begin [VCPU-3, VCPU-4]. Sizes must be
// valid [VCPU-2].
#define TENON_LINE(len) (((uint64_t)(len) + 63u) & ~UINT64_C(63)) // up to the next cache line [GEN-1]
#define TENON_GUEST_AREA_LEN(depth) (TENON_GUEST_AREA_SUBMISSIONS + (uint64_t)(depth) * sizeof(struct tenon_submission))
#define TENON_HOST_AREA_RING0(depth) \\
    TENON_LINE(TENON_HOST_AREA_COMPLETIONS + (uint64_t)(depth) * sizeof(struct tenon_completion))
#define TENON_HOST_AREA_RING1(depth, events0) \\
    (TENON_HOST_AREA_RING0(depth) + TENON_LINE((uint64_t)(events0) * sizeof(uint64_t)))
#define TENON_HOST_AREA_LEN(depth, events0, events1) \\
    (TENON_HOST_AREA_RING1(depth, events0) + TENON_LINE((uint64_t)(events1) * sizeof(uint64_t)))
";

const FUNCTIONS: &str = "
// The turn of a position [CALL-4].
static inline uint32_t tenon_turn(uint32_t seed, uint32_t position) { return seed + position + 1u; }

// Whether position a is at or beyond position b [CALL-27].
static inline int tenon_reached(uint32_t a, uint32_t b) { return (uint32_t)(a - b) < UINT32_C(0x80000000); }

// Byte offset of the word with the mask hint of a port in the guest-written area, and the hint's bit in it
// [EVT-15].
static inline uint64_t tenon_hint_offset(uint32_t port) {
    return TENON_GUEST_AREA_MASK_HINTS + (uint64_t)(port / 64u) * sizeof(uint64_t);
}
static inline uint64_t tenon_hint_bit(uint32_t port) { return UINT64_C(1) << (port % 64u); }

// Queue numbers of a vCPU [VCPU-7].
static inline uint32_t tenon_call_queue(uint32_t vcpu) { return vcpu * 2u; }
static inline uint32_t tenon_emergency_queue(uint32_t vcpu) { return vcpu * 2u + 1u; }
";

/// Shifts and masks, lengths, functions.
pub(super) fn write(text: &mut String) {
    for word in WORDS {
        packed(text, word);
    }
    text.push_str(LENGTHS);
    for Sizes { depth, events: [first, second] } in SIZES {
        let sizes = Sizes { depth, events: [first, second] };
        let lengths = [
            (format!("TENON_GUEST_AREA_LEN({depth}u)"), sizes.guest_len()),
            (format!("TENON_HOST_AREA_RING0({depth}u)"), sizes.ring_offset(0)),
            (format!("TENON_HOST_AREA_RING1({depth}u, {first}u)"), sizes.ring_offset(1)),
            (format!("TENON_HOST_AREA_LEN({depth}u, {first}u, {second}u)"), sizes.host_len()),
        ];
        for (length, value) in lengths {
            let _ = writeln!(text, "TENON_STATIC_ASSERT({length} == {value:#x}, \"{length}\");");
        }
    }
    text.push_str(FUNCTIONS);
    status_names(text);
}

/// Shift and mask of each field, one function that packs the word, and one for each field.
fn packed(text: &mut String, word: &Packed) {
    let name = words(word.name);
    let upper = name.to_uppercase();
    let _ = write!(text, "\n// {}: {} [{}]\n", word.name, word.doc, word.clause);
    for (shift, field) in word.placed() {
        let (part, mask) = (field.name.to_uppercase(), (1u64 << field.bits) - 1);
        let _ = writeln!(text, "#define TENON_{upper}_{part}_SHIFT {shift}");
        let _ = writeln!(text, "#define TENON_{upper}_{part}_MASK UINT64_C({mask:#x}) // {}", field.doc);
    }
    let given = || word.placed().filter(|(_, field)| field.name != "zero");
    let parameters: Vec<String> =
        given().map(|(_, field)| format!("{} {}", c_type(field), field.name)).collect();
    let sum: Vec<String> = given().map(|(shift, field)| term(shift, field)).collect();
    let _ = writeln!(text, "static inline uint64_t tenon_pack_{name}({}) {{", parameters.join(", "));
    let _ = writeln!(text, "    return {};\n}}", sum.join(" | "));
    for (shift, field) in word.placed() {
        let (ty, part) = (c_type(field), field.name);
        let mask = format!("TENON_{upper}_{}_MASK", part.to_uppercase());
        let value = if shift == 0 { "word".to_owned() } else { format!("word >> {shift}") };
        let _ = writeln!(
            text,
            "static inline {ty} tenon_{name}_{part}(uint64_t word) {{ return ({ty})({value} & {mask}); }}"
        );
    }
}

/// A field's share of its word.
fn term(shift: u32, field: &Bits) -> String {
    // A field narrower than its type has bits to spare, which must not reach its neighbour.
    let value = match field.bits {
        16 | 32 => format!("(uint64_t){}", field.name),
        bits => format!("({} & UINT64_C({:#x}))", field.name, (1u64 << bits) - 1),
    };
    if shift == 0 { value } else { format!("{value} << {shift}") }
}

/// The narrowest type that holds a field.
fn c_type(field: &Bits) -> &'static str {
    match field.bits {
        ..=16 => "uint16_t",
        17..=32 => "uint32_t",
        _ => "uint64_t",
    }
}

fn status_names(text: &mut String) {
    text.push_str("\n// The name of a status; of an unknown one NULL [CALL-13].\n");
    text.push_str("static inline const char *tenon_status_name(uint16_t status) {\n    switch (status) {\n");
    for status in Status::NUMBERS {
        let _ = writeln!(text, "    case TENON_STATUS_{0}: return \"{0}\";", status.name);
    }
    text.push_str("    default: return NULL;\n    }\n}\n");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use tenon_abi::discovery::Session;
    use tenon_abi::status::StateWord;
    use tenon_abi::{Address, Entry, QueueState, Reason, Tail};

    use crate::project;
    use crate::spec::header;

    /// A program that prints what the header computes.
    const PROGRAM: &str = r#"
#include <inttypes.h>
#include <stdio.h>
#include "tenon.h"
int main(void) {
    uint64_t tail = tenon_pack_submission_tail(0x600, 7, 0xfffffffe);
    uint64_t words[] = {
        tail, tenon_submission_tail_op(tail), tenon_submission_tail_id(tail), tenon_submission_tail_turn(tail),
        tenon_pack_address(UINT64_C(0xffff123456789abc), 3), tenon_pack_session(5, 9),
        tenon_pack_state_word(2, 4, 0x80000001), tenon_pack_event_entry(4095, 0xabcdef01),
        tenon_pack_guest_position(0xffffffff), tenon_guest_position_zero(UINT64_C(1) << 40),
        tenon_turn(0xffffffff, 0), tenon_reached(5, 5), tenon_reached(4, 5), tenon_reached(0, 0xffffffff),
        tenon_reached(0x80000000, 0), tenon_hint_offset(130), tenon_hint_bit(130),
    };
    for (size_t index = 0; index < sizeof words / sizeof *words; index++) printf("%" PRIx64 "\n", words[index]);
    printf("%s %d\n", tenon_status_name(17), tenon_status_name(999) == NULL);
    return 0;
}
"#;

    #[test]
    fn the_header_computes_what_the_project_does() {
        if project::find_program("cc").is_none() {
            println!("skipped: there is no cc");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        fs::write(place("tenon.h"), header::text()).expect("the header");
        fs::write(place("words.c"), PROGRAM).expect("the program");
        let mut compiler = Command::new("cc");
        compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"]);
        let compiled =
            compiler.arg("-o").arg(place("words")).arg(place("words.c")).output().expect("it starts");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let output = Command::new(place("words")).output().expect("it runs");
        let tail = Tail { code: 0x600, id: 7, turn: 0xffff_fffe }.to_word();
        let state = StateWord { state: QueueState(2), reason: Reason(4), position: 0x8000_0001 };
        let expected = [
            tail,
            0x600,
            7,
            0xffff_fffe,
            Address::new(3, 0x1234_5678_9abc).expect("48 bits").0,
            Session { seed: 5, number: 9 }.to_word(),
            state.to_word(),
            Entry { port: 4095, turn: 0xabcd_ef01 }.to_word(),
            0xffff_ffff,
            1 << 8,
            0,
            1,
            0,
            1,
            0,
            0x110,
            1 << 2,
        ];
        let mut text: String = expected.iter().map(|word| format!("{word:x}\n")).collect();
        text.push_str("BAD_ALIGNMENT 1\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), text);
    }
}
