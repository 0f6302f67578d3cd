// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the payload copy costs: the candidates of `docs/decisions/0001-payload-copy.md`, and what `Mapping`
//! does.
//!
//! `cargo bench -p tenon-rings --bench copy`: all candidates in turn, many rounds, medians; nothing is
//! asserted. The memory is warm and nobody else writes it. Lengths are multiples of eight.
#![allow(unsafe_code, reason = "the candidates copy through raw pointers")]
#![allow(missing_docs, reason = "a bench")]
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tenon_rings::Mapping;

const SIZES: [usize; 14] = [8, 24, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1504, 4096, 16384];
const MOST: usize = 16384;
/// With room for a displacement of up to a page, and for the word behind.
const ROOM: usize = MOST + 4096 + 16;
const ROUNDS: usize = 301;
/// Bytes that one sample copies, about: a few microseconds each.
const SAMPLE: usize = 1 << 16;

/// Copies from the first pointer to the second. The bench's memory holds all lengths at all offsets.
type Copy = unsafe fn(*const u8, *mut u8, usize);

/// Eight bytes at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned(u64);

/// A loop of words: how one is read, and how one is written.
#[inline(always)]
unsafe fn words(
    from: *const u8,
    to: *mut u8,
    len: usize,
    read: impl Fn(*const Unaligned) -> Unaligned,
    write: impl Fn(*mut Unaligned, Unaligned),
) {
    for at in (0..len).step_by(8) {
        write(to.wrapping_add(at).cast(), read(from.wrapping_add(at).cast()));
    }
}

/// Relaxed atomic words from an aligned place.
unsafe fn relaxed_loads(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: inside the bench's memory; the source is aligned.
    let load =
        |from: *const Unaligned| Unaligned(unsafe { (*from.cast::<AtomicU64>()).load(Ordering::Relaxed) });
    // SAFETY: inside the bench's memory.
    unsafe { words(from, to, len, load, |to, word| to.write(word)) };
}

/// Relaxed atomic words to an aligned place.
unsafe fn relaxed_stores(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: inside the bench's memory; the destination is aligned.
    let store = |to: *mut Unaligned, word: Unaligned| unsafe {
        (*to.cast::<AtomicU64>()).store(word.0, Ordering::Relaxed);
    };
    // SAFETY: inside the bench's memory.
    unsafe { words(from, to, len, |from| from.read(), store) };
}

/// Words that are volatile on both sides.
unsafe fn volatile(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: inside the bench's memory.
    unsafe { words(from, to, len, |from| from.read_volatile(), |to, word| to.write_volatile(word)) };
}

/// Words that are volatile where they are read.
unsafe fn volatile_loads(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: inside the bench's memory.
    unsafe { words(from, to, len, |from| from.read_volatile(), |to, word| to.write(word)) };
}

/// Words that are volatile where they are written.
unsafe fn volatile_stores(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: inside the bench's memory.
    unsafe { words(from, to, len, |from| from.read(), |to, word| to.write_volatile(word)) };
}

/// One string instruction.
#[cfg(target_arch = "x86_64")]
unsafe fn string(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: inside the bench's memory.
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
}

/// What may not be used on shared memory: the limit.
unsafe fn memcpy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: inside the bench's memory.
    unsafe { from.copy_to_nonoverlapping(to, len) };
}

/// The mapping around an address, and the address's offset there.
fn around(shared: *const u8, len: usize) -> (Mapping, usize) {
    let offset = shared.addr() % 8;
    // SAFETY: inside the bench's memory, whose shared side consists of atomics.
    (unsafe { Mapping::new(shared.wrapping_sub(offset).cast_mut(), len + 8) }.expect("aligned"), offset)
}

/// What is shipped, out of shared memory.
unsafe fn shipped_read(from: *const u8, to: *mut u8, len: usize) {
    let (mapping, offset) = around(from, len);
    // SAFETY: inside the bench's memory.
    assert!(mapping.read(offset, unsafe { std::slice::from_raw_parts_mut(to, len) }));
}

/// What is shipped, into shared memory.
unsafe fn shipped_write(from: *const u8, to: *mut u8, len: usize) {
    let (mapping, offset) = around(to, len);
    // SAFETY: inside the bench's memory.
    assert!(mapping.write(offset, unsafe { std::slice::from_raw_parts(from, len) }));
}

/// Name, routine, and whether it needs an aligned shared side.
type Candidate = (&'static str, Copy, bool);

const READ: &[Candidate] = &[
    ("relaxed", relaxed_loads, true),
    ("volatile", volatile, false),
    ("volatile loads", volatile_loads, false),
    #[cfg(target_arch = "x86_64")]
    ("rep movsb", string, false),
    ("memcpy", memcpy, false),
    ("Mapping::read", shipped_read, false),
];

const WRITE: &[Candidate] = &[
    ("relaxed", relaxed_stores, true),
    ("volatile", volatile, false),
    ("volatile stores", volatile_stores, false),
    #[cfg(target_arch = "x86_64")]
    ("rep movsb", string, false),
    ("memcpy", memcpy, false),
    ("Mapping::write", shipped_write, false),
];

/// Nanoseconds a copy.
fn sample(copy: Copy, from: *const u8, to: *mut u8, len: usize) -> f64 {
    let times = SAMPLE / len.max(64);
    let start = Instant::now();
    for _ in 0..times {
        // SAFETY: both sides hold `MOST` bytes, whatever the offset.
        unsafe { copy(black_box(from), black_box(to), black_box(len)) };
    }
    start.elapsed().as_nanos() as f64 / times as f64
}

/// One line: the median of each candidate. Each round lies elsewhere in the destination, because string
/// instructions are slow or fast by how the two addresses differ modulo the page size.
fn line(candidates: &[Candidate], from: *const u8, to: *mut u8, len: usize, aligned: bool) -> String {
    let mut samples = vec![Vec::new(); candidates.len()];
    for round in 0..ROUNDS {
        let to = to.wrapping_add(round * 832 % 4096);
        for (samples, (_, copy, needs)) in samples.iter_mut().zip(candidates) {
            if aligned || !needs {
                samples.push(sample(*copy, from, to, len));
            }
        }
    }
    let median = |samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples.get(ROUNDS / 2).map_or_else(|| format!("{:>16}", "-"), |median| format!("{median:>16.1}"))
    };
    samples.iter_mut().map(median).collect()
}

fn main() {
    let shared: Vec<AtomicU64> = (0..ROOM / 8).map(|_| AtomicU64::new(1)).collect();
    let mut private = vec![0u64; ROOM / 8];
    let private: *mut u8 = private.as_mut_ptr().cast();
    for offset in [0, 3] {
        let shared: *mut u8 = shared.as_ptr().cast_mut().cast::<u8>().wrapping_add(offset);
        for (name, candidates, from, to) in
            [("out of", READ, shared, private), ("into", WRITE, private, shared)]
        {
            println!(
                "ns a copy {name} shared memory at offset {offset}, medians of {ROUNDS} interleaved samples"
            );
            let names: String = candidates.iter().map(|(name, ..)| format!("{name:>16}")).collect();
            println!("{:>8}{names}", "bytes");
            for len in SIZES {
                println!("{len:>8}{}", line(candidates, from, to, len, offset == 0));
            }
        }
    }
}
