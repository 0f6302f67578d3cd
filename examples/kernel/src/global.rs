// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the whole kernel shares, on one CPU without interrupts; and the boot command line.

use core::cell::UnsafeCell;
use core::ffi::CStr;

/// A place for one value. A kernel with more CPUs, or with interrupts that use it, has a lock here.
pub(crate) struct Global<T>(UnsafeCell<Option<T>>);

// SAFETY: there is one CPU, and nothing interrupts it.
unsafe impl<T> Sync for Global<T> {}

impl<T> Global<T> {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Puts a value where none is.
    pub(crate) fn put(&'static self, value: T) -> &'static T {
        // SAFETY: no other reference, as above: what is there is taken first, or put once and kept.
        unsafe { &mut *self.0.get() }.get_or_insert(value)
    }

    pub(crate) fn take(&self) -> Option<T> {
        // SAFETY: as above; nobody keeps a reference to what is taken.
        unsafe { &mut *self.0.get() }.take()
    }

    /// Runs with the value, if it is there.
    pub(crate) fn with<R>(&self, run: impl FnOnce(&T) -> R) -> Option<R> {
        // SAFETY: as above.
        unsafe { &*self.0.get() }.as_ref().map(run)
    }
}

/// The command line, by the monitor's `hvm_start_info`; empty where there is none.
pub(crate) unsafe fn params(start_info: *const u8) -> &'static str {
    // SAFETY: the caller's contract; the line's address is at this offset, and the line ends with a zero.
    let line = unsafe { start_info.add(24).cast::<*const core::ffi::c_char>().read_unaligned() };
    // SAFETY: as above.
    if line.is_null() { "" } else { unsafe { CStr::from_ptr(line) }.to_str().unwrap_or("") }
}
