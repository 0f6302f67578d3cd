// SPDX-License-Identifier: MIT OR Apache-2.0
//! The conformance cases: written once, for any guest environment, knowing no host.
//!
//! Every [`Case`] cites the clauses of `docs/abi.md` that it holds its host (or the shim) to. *Shim* cases
//! use `tenon-guest`; *raw* cases write and check bytes by the spec's offsets alone ([`raw`]), so that an
//! error shared by both sides of ours cannot hide. An environment ([`Env`]) is a process, a bootable image,
//! or whatever else can run a guest; it runs [`run()`] and reports framed lines ([`report`]).
#![no_std]

pub mod case;
pub mod cases;
pub mod env;
mod kit;
pub mod load;
pub mod raw;
pub mod report;
pub mod run;
pub mod shim;
mod since;

pub use case::{Case, Ctx, Fail, Lacks, Needs, Outcome};
pub use env::Env;
pub use run::{Selection, absent, run};

/// Every case, in the order of the spec's chapters.
pub fn all() -> impl Iterator<Item = &'static Case> {
    cases::CHAPTERS.iter().copied().flatten()
}
