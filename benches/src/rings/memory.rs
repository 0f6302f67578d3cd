// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that both ends of a ring share.
#![allow(unsafe_code, reason = "rings lie in memory that has no owner of its own")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tenon_rings::Mapping;

const PAGE: usize = 4096;

/// Zeroed pages.
#[derive(Debug)]
pub struct Pages {
    base: *mut u8,
    layout: Layout,
}

// SAFETY: what reaches the memory are raw pointers; whoever uses one answers for the access.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// Pages for `len` bytes.
    ///
    /// # Panics
    ///
    /// If `len` is zero or no memory can be so large.
    #[must_use]
    pub fn new(len: usize) -> Arc<Self> {
        let layout = Layout::from_size_align(len, PAGE).expect("a length that memory can have");
        assert!(len > 0, "no memory of no bytes");
        // SAFETY: the size is not zero.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            handle_alloc_error(layout);
        }
        Arc::new(Self { base, layout })
    }

    /// Where they lie.
    #[must_use]
    pub const fn base(&self) -> *mut u8 {
        self.base
    }

    /// The word at a byte offset.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    #[inline(always)]
    pub fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < self.layout.size(), "a word inside");
        // SAFETY: aligned and inside; atomics may be shared.
        unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) }
    }

    /// `len` bytes from `offset` on as Tenon's rings see them. The pages outlive every copy: both ends of a
    /// ring hold the pages too.
    ///
    /// # Panics
    ///
    /// If they are not all inside.
    #[must_use]
    pub fn mapping(&self, offset: usize, len: usize) -> Mapping {
        assert!(offset + len <= self.layout.size(), "a part of the pages");
        // SAFETY: inside the pages, which the ends of a ring keep; no reference but to atomics is made to
        // them.
        unsafe { Mapping::new(self.base.add(offset), len) }.expect("an aligned part")
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody holds them any more.
        unsafe { dealloc(self.base, self.layout) };
    }
}
