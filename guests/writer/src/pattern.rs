// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written: the writer fills pages by this, and the test of durability knows them by it.

/// Bytes that are written at once.
pub(crate) const PAGE: usize = 4096;
/// Pages of the disk.
pub(crate) const PAGES: usize = 64;
/// Where a version is written: anywhere, and no two versions after each other in one place.
pub(crate) fn page_of(version: u64) -> usize {
    // The upper bits of a product with this number are spread evenly.
    (version.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % PAGES
}

/// Fills a page with a version: each of its words names both, and its own place.
pub(crate) fn fill(version: u64, bytes: &mut [u8; PAGE]) {
    let (words, _) = bytes.as_chunks_mut::<8>();
    for (at, word) in words.iter_mut().enumerate() {
        *word = (version << 10 | at as u64).to_le_bytes();
    }
}
