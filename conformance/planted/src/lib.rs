// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faults that are planted in Tenon's own code, and the tests that see them.
//!
//! A fault sits where it does harm, as `if tenon_rings::planted!("its-name") { … }`. Without the feature
//! `planted-faults` of `tenon-rings` that is `if false`. `cargo test --workspace` builds with the feature,
//! because the runner's tests ask for it. One fault at a time is chosen, when a process starts, by the
//! environment variable `TENON_FAULT`: one build has them all.
//!
//! To add one:
//!
//! 1. plant it, and add a row to the table of its crate in `faults`, with the test that sees it;
//! 2. where the binary of that test has no [`see!`] yet, add a test that calls it;
//! 3. run it by hand: `TENON_FAULT=its-name cargo test -p tenon-host --features tenon-rings/planted-faults
//!    --test core` has to fail.
//!
//! [`see!`] runs each test of its binary's rows twice, as processes: without a fault it has to pass, with the
//! fault it has to fail. A row whose fault is seen by a case of the conformance suite is run by the runner's
//! tests in the same way.

mod faults;
mod see;

pub use faults::all;
pub use see::see;

/// Chooses a fault when a process starts.
pub const CHOICE: &str = "TENON_FAULT";

/// One fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What the code does wrong.
    pub what: &'static str,
    /// The clause that it breaks.
    pub clause: &'static str,
    /// What sees it.
    pub seen: Seen,
    /// A case of the suite that sees it beside a test, on the row `loopback`.
    pub also: Option<&'static str>,
}

impl Fault {
    /// The case that sees it, and the host of the runner's that it runs on.
    #[must_use]
    pub const fn case(&self) -> Option<(&'static str, &'static str)> {
        match (self.seen, self.also) {
            (Seen::Case { host, case }, _) => Some((host, case)),
            (Seen::Test { .. }, Some(case)) => Some(("loopback", case)),
            (Seen::Test { .. }, None) => None,
        }
    }

    /// It is seen by this case as well, on the row `loopback`.
    const fn and(self, case: &'static str) -> Self {
        Self { also: Some(case), ..self }
    }
}

/// What sees a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A test.
    Test {
        /// Its package.
        package: &'static str,
        /// The name of its target: of an integration test its file's, of unit tests the library's.
        target: &'static str,
        /// Its name, with its modules.
        test: &'static str,
    },
    /// A case of the conformance suite, on this host of the runner's.
    Case {
        /// The host.
        host: &'static str,
        /// The case.
        case: &'static str,
    },
}

/// Runs the tests of this binary that see a fault: see [`see()`].
#[macro_export]
macro_rules! see {
    () => {
        $crate::see(env!("CARGO_PKG_NAME"), env!("CARGO_CRATE_NAME"), tenon_rings::planted::BUILT)
    };
}
