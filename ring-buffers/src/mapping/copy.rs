// SPDX-License-Identifier: MIT OR Apache-2.0
//! The copy routine for payload: bytes that the other side may be writing, or reading, at the same time.
//!
//! The compiler sees volatile accesses to shared memory there, or opaque instructions, so it can neither
//! repeat, merge nor invent one (GEN-6).

use crate::order::Site;
use crate::words;
use core::sync::atomic::AtomicU64;

/// From this many bytes on `rep movsb` wins over a loop; see `docs/decisions/0001-payload-copy.md`.
#[cfg(target_arch = "x86_64")]
const STRING_COPY_FROM: usize = if cfg!(target_feature = "sse2") { 1280 } else { 512 };

/// Copies bytes out of shared memory (`OUT`) or into it. Words in memory are little-endian, and so are those
/// that are copied.
///
/// # Safety
///
/// `from` is readable and `to` is writable for `len` bytes, and the two do not overlap.
#[inline(always)]
pub(super) unsafe fn copy<const OUT: bool>(to: *mut u8, from: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    if len >= STRING_COPY_FROM {
        // SAFETY: the caller's contract; the direction flag is clear by the calling convention.
        unsafe {
            core::arch::asm!("rep movsb", inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _,
                options(nostack, preserves_flags));
        }
        return;
    }
    let mut at = 0;
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    while at < len & !15 {
        // SAFETY: the 16 bytes end at or before `len`.
        unsafe { wide::shift(to.add(at), from.add(at)) };
        at = at.wrapping_add(16);
    }
    while at < len & !7 {
        // SAFETY: the value ends at or before `len`; a packed one may lie anywhere.
        unsafe { shift::<OUT, Unaligned<u64>>(to.add(at).cast(), from.add(at).cast()) };
        at = at.wrapping_add(8);
    }
    if len & 4 != 0 {
        // SAFETY: as above.
        unsafe { shift::<OUT, Unaligned<u32>>(to.add(at).cast(), from.add(at).cast()) };
        at = at.wrapping_add(4);
    }
    while at < len {
        // SAFETY: `at < len`.
        unsafe { shift::<OUT, u8>(to.add(at), from.add(at)) };
        at = at.wrapping_add(1);
    }
}

/// Copies one value, with a volatile access to the shared side. On every supported target that of a packed
/// word compiles to plain loads or stores.
///
/// # Safety
///
/// `from` is readable and `to` is writable, and both are aligned.
#[inline(always)]
unsafe fn shift<const OUT: bool, T>(to: *mut T, from: *const T) {
    // SAFETY: the caller's contract.
    unsafe {
        if OUT {
            to.write(from.read_volatile());
        } else {
            to.write_volatile(from.read());
        }
    }
}

/// A value at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned<T>(#[allow(dead_code, reason = "moved as a whole, never looked into")] T);

/// `slice::as_chunks`, which Rust 1.85 does not have.
#[inline(always)]
const fn as_chunks<const N: usize, T>(all: &[T]) -> (&[[T; N]], &[T]) {
    let Some(chunks) = all.len().checked_div(N) else { return (&[], all) };
    let (whole, rest) = all.split_at(chunks.wrapping_mul(N));
    // SAFETY: so many arrays are there, and an array has the layout of its elements.
    (unsafe { core::slice::from_raw_parts(whole.as_ptr().cast(), chunks) }, rest)
}

/// `slice::as_chunks_mut`, as above.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
const fn as_chunks_mut<const N: usize, T>(all: &mut [T]) -> (&mut [[T; N]], &mut [T]) {
    let Some(chunks) = all.len().checked_div(N) else { return (&mut [], all) };
    let (whole, rest) = all.split_at_mut(chunks.wrapping_mul(N));
    // SAFETY: so many arrays are there, and an array has the layout of its elements.
    (unsafe { core::slice::from_raw_parts_mut(whole.as_mut_ptr().cast(), chunks) }, rest)
}

/// Stores words that may still be in registers, in as few stores as there can be: each is one of few that
/// wait for a line which the other processor has.
#[inline(always)]
pub(super) fn store_run<const N: usize>(run: &[AtomicU64; N], words: &[u64; N], site: Site) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    let (run, words) = {
        let ((places, run), (pairs, words)) = (as_chunks::<2, _>(run), as_chunks::<2, _>(words));
        for (place, pair) in places.iter().zip(pairs) {
            // SAFETY: two words are there.
            unsafe { wide::store(place.as_ptr().cast_mut().cast(), *pair) };
        }
        (run, words)
    };
    for (word, value) in run.iter().zip(words) {
        words::store(word, *value, site);
    }
}

/// Stores a word and a run behind it.
#[inline(always)]
pub(super) fn store_headed<const N: usize>(
    place: &AtomicU64,
    run: &[AtomicU64; N],
    head: u64,
    words: &[u64; N],
    site: Site,
) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    if let ([first, words @ ..], [_, run @ ..]) = (words.as_slice(), run.as_slice()) {
        // SAFETY: the run lies behind the word, so that two words are there.
        unsafe { wide::store(place.as_ptr().cast(), [head, *first]) };
        let ((places, run), (pairs, words)) = (as_chunks::<2, _>(run), as_chunks::<2, _>(words));
        for (place, pair) in places.iter().zip(pairs) {
            // SAFETY: two words are there.
            unsafe { wide::store(place.as_ptr().cast_mut().cast(), *pair) };
        }
        for (word, value) in run.iter().zip(words) {
            words::store(word, *value, site);
        }
        return;
    }
    words::store(place, head, site);
    store_run(run, words, site);
}

/// Stores a word and bytes behind it; the last word ends with zeros.
///
/// # Safety
///
/// `to` is writable for whole words of eight bytes and `bytes.len()`, and `bytes` does not overlap with that.
#[inline(always)]
pub(super) unsafe fn store_record(to: *mut u8, head: u64, bytes: &[u8]) {
    let (words, rest) = as_chunks::<8, _>(bytes);
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    // The first word goes with the header.
    let (first, later) = match words {
        [first, later @ ..] => (*first, later),
        [] => (last, words),
    };
    let pair = [head.to_le(), u64::from_ne_bytes(first)];
    let at = size_of_val(words).wrapping_add(8);
    // SAFETY: the caller's contract: where there is a first word, it lies behind the header, and `later`
    // behind that; the last, unless it went with the header, behind those.
    unsafe {
        if bytes.is_empty() {
            to.cast::<u64>().write_volatile(head.to_le());
            return;
        }
        store_pair(to, pair);
        copy::<false>(to.add(16), later.as_flattened().as_ptr(), size_of_val(later));
        if !words.is_empty() && !rest.is_empty() {
            to.add(at).cast::<u64>().write_volatile(u64::from_ne_bytes(last));
        }
    }
}

/// Stores two words.
///
/// # Safety
///
/// `to` is writable for 16 bytes and aligned to 8.
#[inline(always)]
unsafe fn store_pair(to: *mut u8, words: [u64; 2]) {
    // SAFETY: the caller's contract.
    unsafe {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        wide::store(to, words);
        #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
        {
            let [first, second] = words;
            to.cast::<u64>().write_volatile(first);
            to.add(8).cast::<u64>().write_volatile(second);
        }
    }
}

/// Loads words.
#[inline(always)]
pub(super) fn load_run<const N: usize>(run: &[AtomicU64; N], site: Site) -> [u64; N] {
    let mut words = [0; N];
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    let (run, rest) = {
        let ((places, run), (pairs, rest)) = (as_chunks::<2, _>(run), as_chunks_mut::<2, _>(&mut words));
        for (place, pair) in places.iter().zip(pairs) {
            // SAFETY: two words are there.
            *pair = unsafe { wide::load(place.as_ptr().cast()) };
        }
        (run, rest)
    };
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    let rest = &mut words;
    for (value, word) in rest.iter_mut().zip(run) {
        *value = words::load(word, site);
    }
    words
}

/// Vector registers, where the build has them: that of a kernel has not.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod wide {
    use core::arch::asm;
    use core::arch::x86_64::__m128i;

    /// Copies 16 bytes by one load and one store.
    ///
    /// # Safety
    ///
    /// `from` is readable and `to` is writable for 16 bytes.
    #[inline(always)]
    pub(super) unsafe fn shift(to: *mut u8, from: *const u8) {
        let value: __m128i;
        // SAFETY: the caller's contract; neither instruction needs alignment.
        unsafe {
            asm!("movups {}, [{}]", out(xmm_reg) value, in(reg) from, options(readonly, nostack, preserves_flags));
            asm!("movups [{}], {}", in(reg) to, in(xmm_reg) value, options(nostack, preserves_flags));
        }
    }

    /// Stores two words.
    ///
    /// # Safety
    ///
    /// `to` is writable for 16 bytes.
    #[inline(always)]
    pub(super) unsafe fn store(to: *mut u8, words: [u64; 2]) {
        // SAFETY: the caller's contract; an array of two words is as many bytes as the register.
        unsafe {
            let value = core::mem::transmute::<[u64; 2], __m128i>(words);
            asm!("movups [{}], {}", in(reg) to, in(xmm_reg) value, options(nostack, preserves_flags));
        }
    }

    /// Loads two words.
    ///
    /// # Safety
    ///
    /// `from` is readable for 16 bytes.
    #[inline(always)]
    pub(super) unsafe fn load(from: *const u8) -> [u64; 2] {
        let value: __m128i;
        // SAFETY: the caller's contract; an array of two words is as many bytes as the register.
        unsafe {
            asm!("movups {}, [{}]", out(xmm_reg) value, in(reg) from, options(readonly, nostack, preserves_flags));
            core::mem::transmute::<__m128i, [u64; 2]>(value)
        }
    }
}
