// SPDX-License-Identifier: MIT OR Apache-2.0
//! A case, its verdict, and what it may ask for.

use crate::env::Env;
use core::fmt;
use tenon_abi::{ConduitFlags, ConduitKind, Features, Record};

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// `chapter.name`, unique.
    pub name: &'static str,
    /// The clauses that it holds the host, or the shim, to.
    pub clauses: &'static [&'static str],
    /// What must have been offered for it to run.
    pub needs: Needs,
    /// It ends the machine: the runner expects this outcome.
    pub ends: Option<Ends>,
    /// The case.
    pub run: fn(&Ctx) -> Outcome,
}

/// How a case ends the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// By EXIT with this code.
    Exit(u32),
    /// By RESTART.
    Restart,
    /// By EXIT with this code, when the host holds this crash record.
    ExitAfterCrash(u32, Crash),
}

/// A crash record as a case has left it (LIFE-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Its code.
    pub code: u64,
    /// Its text.
    pub text: &'static [u8],
}

/// What a case needs, from the record alone: a skip's reason is derived from it.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Features that the host must offer.
    pub features: Features,
    /// vCPUs that the host must offer.
    pub vcpus: u32,
    /// Offered granules: all of these bits.
    pub granules: u32,
}

impl Needs {
    /// Nothing but a host.
    pub const NONE: Self = Self { features: Features::empty(), vcpus: 1, granules: 0 };
    /// Event rings.
    pub const EVENTS: Self = Self { features: Features::EVENTS, ..Self::NONE };
    /// Event rings and upcalls.
    pub const UPCALL: Self = Self { features: Features::EVENTS.union(Features::UPCALL), ..Self::NONE };
    /// Two vCPUs with events.
    pub const SMP: Self = Self { features: Features::EVENTS.union(Features::SMP), vcpus: 2, granules: 0 };
    /// The console.
    pub const CONSOLE: Self = Self { features: Features::CONSOLE, ..Self::NONE };
    /// Lifecycle.
    pub const LIFECYCLE: Self = Self { features: Features::LIFECYCLE, ..Self::NONE };
    /// Direct ports.
    pub const DIRECT: Self =
        Self { features: Features::EVENTS.union(Features::DIRECT).union(Features::UPCALL), ..Self::NONE };

    /// What a host with this record lacks for the case, if anything.
    #[must_use]
    pub fn unmet(&self, record: &Record) -> Option<Lacks> {
        let offered = Features::from_bits_truncate(record.features.get());
        let missing = self.features.difference(offered);
        if !missing.is_empty() {
            return Some(Lacks::Features(missing));
        }
        if record.max_vcpus.get() < self.vcpus {
            return Some(Lacks::Vcpus);
        }
        (record.granules.get() & self.granules != self.granules).then_some(Lacks::Granule)
    }
}

/// What a host does not offer, by its record: there is no other reason to leave a case out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// These features.
    Features(Features),
    /// These capabilities of the conduit.
    Conduit(ConduitFlags),
    /// What the clause is about, with a conduit of this kind.
    Kind(ConduitKind),
    /// So many vCPUs.
    Vcpus,
    /// A granule.
    Granule,
    /// Memory that the host reaches without being let: the domain is closed.
    OpenMemory,
    /// A hole in region 0, by what the platform's firmware says of memory.
    Hole,
    /// A device of this kind.
    Device(&'static str),
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features(features) => names(f, features.iter_names().map(|(name, _)| name)),
            Self::Conduit(flags) => names(f, flags.iter_names().map(|(name, _)| name)),
            Self::Kind(kind) => write!(f, "the conduit is {}", kind.name().unwrap_or("of another kind")),
            Self::Vcpus => f.write_str("max_vcpus is too small"),
            Self::OpenMemory => f.write_str("the domain is closed: its host reaches what is shared alone"),
            Self::Granule => f.write_str("a granule is not offered"),
            Self::Hole => f.write_str("no hole in region 0"),
            Self::Device(kind) => write!(f, "the machine has no {kind}"),
        }
    }
}

fn names<'n>(f: &mut fmt::Formatter<'_>, names: impl Iterator<Item = &'n str>) -> fmt::Result {
    for (index, name) in names.enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        f.write_str(name)?;
    }
    f.write_str(" not offered")
}

/// Why a case did not pass.
#[derive(Clone, Copy, Debug)]
pub enum Fail {
    /// The subject broke a clause: what was expected, with up to two observed values.
    Failed(&'static str, u64, u64),
    /// A capability is not offered: not a fault.
    Skip(Lacks),
    /// Legal but doubtful.
    Warn(&'static str),
    /// The environment could not do its part: nobody's verdict.
    Error(&'static str),
}

/// A case's result.
pub type Outcome = Result<(), Fail>;

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(what, 0, 0) => f.write_str(what),
            Self::Failed(what, a, b) => write!(f, "{what}: {a:#x}, {b:#x}"),
            Self::Skip(lacks) => write!(f, "{lacks}"),
            Self::Warn(what) | Self::Error(what) => f.write_str(what),
        }
    }
}

/// What a case is given.
#[derive(Clone, Copy)]
pub struct Ctx {
    /// The environment.
    pub env: &'static dyn Env,
    /// The seed of random cases: printed with each report.
    pub seed: u64,
}

/// Fails with `what` unless `holds`.
///
/// # Errors
///
/// [`Fail::Failed`].
pub fn check(holds: bool, what: &'static str) -> Outcome {
    if holds { Ok(()) } else { Err(Fail::Failed(what, 0, 0)) }
}

/// Fails with `what` and both values unless they are equal.
///
/// # Errors
///
/// [`Fail::Failed`].
pub fn equal(found: u64, expected: u64, what: &'static str) -> Outcome {
    if found == expected { Ok(()) } else { Err(Fail::Failed(what, found, expected)) }
}
