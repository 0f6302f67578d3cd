// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands before a frame (NET-5 to NET-7, NET-12). A frame whose header breaks a rule is dropped, and
//! the ring goes on.

use super::{CSUM_TO_GUEST, CSUM_TO_HOST, Card, SEGMENT_TO_GUEST, SEGMENT_TO_HOST, nothing_more, pattern};
use crate::case::{Case, Ctx, Outcome, check, equal};
use crate::cases::device::rig::NET;
use crate::cases::tools::case;

/// The cases.
pub const CASES: &[Case] = &[
    case("net.needs-checksum", &["NET-5", "NET-12"], NET, passed_on),
    case("net.checksum-is-computed", &["NET-12", "NET-5"], NET, computed),
    case("net.segments", &["NET-6", "NET-12"], NET, segments),
    case("net.segments-are-cut", &["NET-6", "NET-12"], NET, cut),
    case("net.checksum-offsets", &["NET-5", "NET-4"], NET, offsets),
    case("net.checksum-without-feature", &["NET-5"], NET, without_csum),
    case("net.segments-without-feature", &["NET-6"], NET, without_segments),
    case("net.segment-fields", &["NET-6"], NET, fields),
    case("net.unknown-flags", &["NET-5", "GEN-5"], NET, flags),
    case("net.checked-to-the-host", &["NET-5"], NET, checked),
    case("net.hash-to-the-host", &["NET-7"], NET, hash),
    case("net.unused-fields", &["NET-5", "NET-6", "GEN-5"], NET, unused),
];

const CSUM: u64 = CSUM_TO_HOST | CSUM_TO_GUEST;
const ALL: u64 = CSUM | SEGMENT_TO_HOST | SEGMENT_TO_GUEST;
const NEEDS_CSUM: u64 = 1;

/// A header: flags, kind, header_len, segment_size; csum_start, csum_offset, hash.
const fn header(first: [u64; 4], second: [u64; 3]) -> [u64; 2] {
    let [flags, kind, len, size] = first;
    let [start, offset, hash] = second;
    [flags | kind << 16 | len << 32 | size << 48, start | offset << 16 | hash << 32]
}

/// Ethernet, IPv4 and TCP: 14 + 20 + 20 bytes, and a payload. The place of TCP's sum holds the sum of the
/// pseudo-header.
fn tcp(len: usize) -> impl Fn(usize) -> u8 + Copy {
    let total = (len - 14) as u16;
    let pseudo = [0x0a00, 1, 0x0a00, 2, 6].iter().fold(total - 20, |sum, word| fold(sum, *word));
    let ip_sum = {
        let words = [0x4500, total, 1, 0x4000, 0x4006, 0x0a00, 0x0001, 0x0a00, 0x0002];
        !words.iter().fold(0u16, |sum, word| fold(sum, u32::from(*word)))
    };
    move |at| {
        let word = |value: u16, low: bool| if low { value as u8 } else { (value >> 8) as u8 };
        match at {
            0..6 => 0xff,
            6..12 => pattern(0, at),
            12 => 8,
            13 => 0,
            14 => 0x45,
            16 | 17 => word(total, at == 17),
            19 => 1,
            20 => 0x40,
            22 => 0x40,
            23 => 6,
            24 | 25 => word(ip_sum, at == 25),
            26 | 30 => 10,
            29 => 1,
            33 => 2,
            34..38 => (at - 33) as u8,
            38..42 => 0,
            46 => 0x50,
            47 => 0x10,
            48 => 0x20,
            50 | 51 => word(pseudo, at == 51),
            54.. => pattern(9, at),
            _ => 0,
        }
    }
}

/// One's complement addition.
fn fold(sum: u16, more: u32) -> u16 {
    let mut all = u32::from(sum) + (more & 0xffff) + (more >> 16);
    while all >> 16 != 0 {
        all = (all & 0xffff) + (all >> 16);
    }
    all as u16
}

/// The sum over a frame's TCP, with its pseudo-header: 0xffff if it is right.
fn tcp_sum(byte: impl Fn(usize) -> u8, len: usize) -> u16 {
    let word = |at: usize| {
        let low = if at + 1 < len { byte(at + 1) } else { 0 };
        u32::from(byte(at)) << 8 | u32::from(low)
    };
    let total = (u32::from(byte(16)) << 8 | u32::from(byte(17))) as usize;
    let pseudo = (26..34).step_by(2).fold(fold(0, 6 + (total as u32 - 20)), |sum, at| fold(sum, word(at)));
    (34..len).step_by(2).fold(pseudo, |sum, at| fold(sum, word(at)))
}

fn passed_on(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, CSUM)?;
    if card.features != CSUM {
        return Ok(());
    }
    for len in [54, 55, 60, 100, 1000] {
        let head = header([NEEDS_CSUM, 0, 0, 0], [34, 16, 0]);
        card.out.send(head, len, tcp(len))?;
        card.back.wait("a frame that needs a checksum")?;
        let (found, back) = card.back.frame();
        equal(found as u64, len as u64, "its length")?;
        if back == head {
            card.back.is(head, len, tcp(len))?;
        } else {
            // A host may also compute it.
            check(back == [0; 2] || back == [2, 0], "the header of a frame that needed a checksum")?;
            equal(tcp_sum(|at| card.back.byte(at), len).into(), 0xffff, "its checksum")?;
        }
        card.back.release();
    }
    Ok(())
}

/// The guest did not say that it takes frames which need a checksum.
fn computed(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, CSUM_TO_HOST)?;
    if card.features != CSUM_TO_HOST {
        return Ok(());
    }
    for len in [54, 55, 60, 61, 100, 1000] {
        card.out.send(header([NEEDS_CSUM, 0, 0, 0], [34, 16, 0]), len, tcp(len))?;
        card.back.wait("a frame that needs a checksum")?;
        let (found, back) = card.back.frame();
        equal(found as u64, len as u64, "its length")?;
        check(back == [0; 2], "a header that the guest's features do not allow")?;
        for at in (0..len).filter(|at| ![50, 51].contains(at)) {
            equal(card.back.byte(at).into(), tcp(len)(at).into(), "a byte that is no checksum")?;
        }
        equal(tcp_sum(|at| card.back.byte(at), len).into(), 0xffff, "its checksum")?;
        card.back.release();
    }
    Ok(())
}

fn segments(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL)?;
    if card.features != ALL {
        return Ok(());
    }
    // IPv4 has a length of 16 bits.
    let longest = (card.info.own32(0x0c) as usize).min(14 + 65_535);
    for len in [card.longest() + 1, 4000, longest] {
        if len > longest || len <= card.longest() {
            continue;
        }
        let head = header([NEEDS_CSUM, 1, 54, 1000], [34, 16, 0]);
        card.out.send(head, len, tcp(len))?;
        card.back.wait("a frame of segments")?;
        card.back.is(head, len, tcp(len))?;
        card.back.release();
    }
    card.only(5)
}

/// The guest did not say that it takes frames that are to be cut.
fn cut(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, CSUM_TO_HOST | SEGMENT_TO_HOST)?;
    if card.features != CSUM_TO_HOST | SEGMENT_TO_HOST {
        return Ok(());
    }
    let (len, size) = (54 + 3000, 1000);
    card.out.send(header([NEEDS_CSUM, 1, 54, size as u64], [34, 16, 0]), len, tcp(len))?;
    for part in 0..3 {
        card.back.wait("a segment of a frame")?;
        let (found, back) = card.back.frame();
        equal(found as u64, 54 + size as u64, "the length of a segment")?;
        check(back == [0; 2], "the header of a segment")?;
        for at in 54..found {
            let wanted = tcp(len)(at + part * size);
            equal(card.back.byte(at).into(), wanted.into(), "a byte of a segment")?;
        }
        equal(tcp_sum(|at| card.back.byte(at), found).into(), 0xffff, "the checksum of a segment")?;
        let number = (38..42).fold(0u32, |number, at| number << 8 | u32::from(card.back.byte(at)));
        equal(number.into(), (part * size) as u64, "the sequence number of a segment")?;
        card.back.release();
    }
    card.only(6)
}

/// Each of these headers has its frame dropped.
fn dropped(card: &mut Card, headers: &[[u64; 2]], len: usize) -> Outcome {
    for (key, header) in (100..).zip(headers) {
        card.send(*header, len, key)?;
        card.only(key ^ 0x40)?;
    }
    nothing_more(card, "a frame whose header breaks a rule is carried")
}

fn offsets(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL)?;
    if card.features & CSUM_TO_HOST == 0 {
        return Ok(());
    }
    let at = |start, offset| header([NEEDS_CSUM, 0, 0, 0], [start, offset, 0]);
    dropped(
        &mut card,
        &[at(0, 0), at(13, 10), at(14, 45), at(58, 1), at(59, 0), at(60, 0), at(0xffff, 0), at(14, 0xffff)],
        60,
    )?;
    dropped(&mut card, &[at(0xffff, 0xffff), at(40, 19), at(14, 0)], 15)?;
    // The last place that there is.
    card.send(at(14, 44), 60, 3)?;
    card.back.wait("a checksum in the last two bytes")?;
    card.back.release();
    card.only(4)
}

fn without_csum(ctx: &Ctx) -> Outcome {
    let mut card = Card::new(ctx)?;
    dropped(
        &mut card,
        &[header([NEEDS_CSUM, 0, 0, 0], [34, 16, 0]), header([NEEDS_CSUM, 0, 0, 0], [14, 0, 0])],
        60,
    )
}

fn without_segments(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, CSUM)?;
    let all = [
        header([NEEDS_CSUM, 1, 54, 1000], [34, 16, 0]),
        header([NEEDS_CSUM, 2, 54, 1000], [34, 16, 0]),
        header([0, 1, 54, 1000], [0, 0, 0]),
    ];
    dropped(&mut card, &all, 60)
}

fn fields(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL)?;
    if card.features & SEGMENT_TO_HOST == 0 {
        return Ok(());
    }
    let with = |flags, kind, len, size| header([flags, kind, len, size], [34, 16, 0]);
    let all = [
        with(NEEDS_CSUM, 3, 54, 1000),
        with(NEEDS_CSUM, 0xffff, 54, 1000),
        with(NEEDS_CSUM, 1, 0, 1000),
        with(NEEDS_CSUM, 1, 100, 1000),
        with(NEEDS_CSUM, 1, 101, 1000),
        with(NEEDS_CSUM, 1, 0xffff, 1000),
        with(NEEDS_CSUM, 1, 54, 0),
        with(0, 1, 54, 1000),
        header([0, 1, 54, 1000], [0, 0, 0]),
    ];
    dropped(&mut card, &all, 100)
}

fn flags(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL)?;
    let mut all = [[0; 2]; 14];
    for (bit, place) in (2..16).zip(&mut all) {
        *place = header([1 << bit, 0, 0, 0], [0; 3]);
    }
    dropped(&mut card, &all, 60)
}

fn checked(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL)?;
    dropped(&mut card, &[header([2, 0, 0, 0], [0; 3]), header([3, 0, 0, 0], [34, 16, 0])], 60)
}

fn hash(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL | 16)?;
    dropped(&mut card, &[header([0; 4], [0, 0, 1]), header([0; 4], [0, 0, 0xffff_ffff])], 60)
}

fn unused(ctx: &Ctx) -> Outcome {
    let mut card = Card::with(ctx, ALL)?;
    let all = [
        header([0, 0, 1, 0], [0; 3]),
        header([0, 0, 0, 1], [0; 3]),
        header([0, 0, 54, 1000], [0; 3]),
        header([0; 4], [34, 0, 0]),
        header([0; 4], [0, 16, 0]),
        header([0; 4], [34, 16, 0]),
    ];
    dropped(&mut card, &all, 60)
}
