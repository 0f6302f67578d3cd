// SPDX-License-Identifier: MIT OR Apache-2.0
//! Profiles: what a vendor may claim of a hypervisor, and what it takes.

use super::Row;
use crate::verdict::Verdict;
use serde::Serialize;
use tenon_abi::Features;

/// A part of the interface that a host has as a whole, or does not claim.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its cases: those that need any of these features, and else nothing but [`BASE`]. Of `core`: those
    /// that need none.
    features: Features,
}

/// What cases about anything may need beside it.
const BASE: Features = Features::EVENTS.union(Features::UPCALL).union(Features::WINDOW);

/// Every profile.
pub const PROFILES: &[Profile] = &[
    Profile { name: "core", features: Features::empty() },
    Profile { name: "events", features: Features::EVENTS.union(Features::UPCALL) },
    Profile { name: "smp", features: Features::SMP },
    Profile { name: "console", features: Features::CONSOLE },
    Profile { name: "lifecycle", features: Features::LIFECYCLE },
    Profile { name: "entropy", features: Features::ENTROPY },
    Profile { name: "time", features: Features::PAGES.union(Features::TIME) },
    Profile { name: "generation", features: Features::GENERATION },
    Profile { name: "meter", features: Features::METER },
    Profile { name: "memory", features: Features::MEMORY },
    Profile { name: "block", features: Features::DEVICES.union(Features::BLOCK) },
    Profile { name: "net", features: Features::DEVICES.union(Features::NET) },
];

/// A profile that was claimed of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claimed {
    /// The row.
    pub host: String,
    /// The profile.
    pub profile: &'static str,
    /// Cases that passed.
    pub passed: usize,
    /// Cases about what the host need not offer, and does not.
    pub skipped: usize,
    /// Why the claim does not hold, if it does not.
    pub why: Option<String>,
}

impl Profile {
    /// The profile of this name.
    ///
    /// # Errors
    ///
    /// There is none: names all.
    pub fn by_name(name: &str) -> Result<Self, String> {
        let found = PROFILES.iter().find(|profile| profile.name == name).copied();
        let names: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
        found.ok_or_else(|| format!("there is no profile `{name}`: {}", names.join(", ")))
    }

    /// What its cases need.
    #[must_use]
    pub fn needs(self) -> String {
        match self.features.is_empty() {
            true => "no feature".to_owned(),
            false => self.features.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
        }
    }

    fn has(self, case: &str) -> bool {
        let case = tenon_conformance::all().find(|known| known.name == case);
        case.is_some_and(|case| match self.features.is_empty() {
            true => case.needs.features.is_empty(),
            false => {
                let needs = case.needs.features;
                needs.intersects(self.features) && self.features.union(BASE).contains(needs)
            }
        })
    }

    /// Whether the reason of a skip is that the profile is not there.
    fn lacks(self, reason: &str) -> bool {
        let absent = reason.strip_suffix(" not offered").unwrap_or_default();
        absent.split(", ").any(|name| self.features.iter_names().any(|(known, _)| known == name))
            || reason.starts_with("the machine has no ")
    }

    /// Whether a row keeps it: every case of it passed, but for those about what it leaves open. A failure
    /// that is known is a failure here.
    pub(super) fn claim(self, row: &Row) -> Claimed {
        let cases: Vec<_> = row.cases.iter().filter(|case| self.has(&case.name)).collect();
        let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
        let broken = cases.iter().find(|case| case.verdict.is_bad());
        let absent = cases.iter().find(|case| case.verdict == Verdict::Skip && self.lacks(&case.detail));
        let missing = tenon_conformance::all()
            .find(|known| self.has(known.name) && !cases.iter().any(|case| case.name == known.name));
        let why = match (broken, absent, missing) {
            (Some(case), ..) => Some(format!("{} has the verdict {}", case.name, case.verdict)),
            (_, Some(case), _) => Some(format!("{} was skipped: {}", case.name, case.detail)),
            (.., Some(case)) => Some(format!("{} was not run", case.name)),
            _ => None,
        };
        let passed = count(Verdict::Pass) + count(Verdict::Warn);
        let skipped = count(Verdict::Skip);
        Claimed { host: row.host.clone(), profile: self.name, passed, skipped, why }
    }
}
