// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults that are planted in product code, to see that tests see them. No part of the interface.
//!
//! `planted!("name")` is `false`, a constant, in every build without the feature `planted-faults`: nothing of
//! a fault is compiled. With the feature it is whether that name was chosen when the process started, by the
//! environment variable `TENON_FAULT`: so one build has all of them. The crate `tenon-planted` lists them,
//! with the test that sees each.

/// Whether this build has faults to choose from.
pub const BUILT: bool = cfg!(feature = "planted-faults");

/// Whether the fault of this name was chosen.
#[cfg(feature = "planted-faults")]
#[must_use]
pub fn is_chosen(name: &str) -> bool {
    extern crate std;
    static CHOSEN: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var_os("TENON_FAULT")).as_ref().is_some_and(|chosen| chosen == name)
}

/// Whether the fault of this name was chosen.
#[cfg(feature = "planted-faults")]
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is_chosen($name)
    };
}

/// Whether the fault of this name was chosen: in this build there is none.
#[cfg(not(feature = "planted-faults"))]
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}
