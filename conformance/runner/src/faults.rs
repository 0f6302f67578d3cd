// SPDX-License-Identifier: MIT OR Apache-2.0
//! Broken hosts, to see that cases catch them: wrappers around the loopback host, each wrong in one line.
//!
//! | module | what |
//! | --- | --- |
//! | `table` | the faults |
//! | [`memory`] | the host's memory, with a fault in what the host loads, stores and reads |
//! | `access` | what a fault is told about one access |

mod access;
pub mod memory;
mod table;

pub use access::{Access, Past};

use crate::guest::memory::GuestMemory;
use crate::report::Format;
use memory::FaultyMemory;
use std::fmt::Write;
use tenon_host::{Action, Domain};
use tenon_planted::Seen;

/// One fault.
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What the host does wrong.
    pub what: &'static str,
    /// The clause that it breaks.
    pub clause: &'static str,
    /// The wrong line.
    pub line: Line,
}

/// Where a fault sits. What it does not change is done as a sound host does it.
pub enum Line {
    /// In what the host sees when it loads a word: the loaded value becomes the result.
    Load(fn(&Access<'_>, u64) -> u64),
    /// In a store of the host's: instead of it.
    Store(fn(&Access<'_>, u64)),
    /// In a control request as the host reads it, 16 words, with the session's word in the record.
    Request(fn(&mut [u64; 16], u64)),
    /// In what the host writes into a payload's range, by its offset in region 0.
    Write(fn(GuestMemory, u64, &[u8]) -> bool),
    /// In the length of a region, in bytes.
    Length(fn(u64) -> u64),
    /// In an action: what is done instead, if anything.
    Act(fn(&mut Domain<FaultyMemory>, Action) -> Option<Action>),
    /// In a kick: what a doorbell does instead.
    Kick(fn(&mut Domain<FaultyMemory>, u32)),
    /// The host promises to be synchronous and is not.
    LateService,
}

/// Every fault, in the order of the spec.
pub fn all() -> impl Iterator<Item = &'static Fault> + Clone {
    table::CHAPTERS.iter().copied().flatten()
}

/// The fault of this name.
///
/// # Errors
///
/// A line that says where the names are.
pub fn by_name(name: &str) -> Result<&'static Fault, String> {
    let found = all().find(|fault| fault.name == name);
    found.ok_or_else(|| format!("there is no fault `{name}`; `--list-faults` shows them all"))
}

/// All faults, a line each, or as JSON: those of the loopback host, and those that are planted in the code
/// itself, with what sees them.
#[must_use]
pub fn list(format: Format) -> String {
    let ours = all().map(|fault| (fault.name, fault.clause, fault.what, None));
    let planted = tenon_planted::all().map(|fault| (fault.name, fault.clause, fault.what, Some(seen(fault))));
    if format == Format::Json {
        let faults = ours.chain(planted).map(|(name, clause, what, seen)| {
            serde_json::json!({ "name": name, "what": what, "clause": clause, "seen_by": seen })
        });
        return format!("{}\n", serde_json::Value::from_iter(faults));
    }
    let width = ours.clone().chain(planted.clone()).map(|(name, ..)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    // A string takes whatever it is given.
    for (name, clause, what, _) in ours {
        let _ = writeln!(text, "{name:width$}  {clause:8}  {what}");
    }
    let _ = writeln!(
        text,
        "\nPlanted in the code itself: `{}=NAME cargo test --workspace` fails.\n",
        tenon_planted::CHOICE
    );
    for (name, clause, what, seen) in planted {
        let _ = writeln!(
            text,
            "{name:width$}  {clause:8}  {what}\n{:width$}            {}",
            "",
            seen.unwrap_or_default()
        );
    }
    text
}

/// What sees a planted fault.
fn seen(fault: &tenon_planted::Fault) -> String {
    let test = match fault.seen {
        Seen::Test { package, target, test } => Some(format!("{package} {target} {test}")),
        Seen::Case { .. } => None,
    };
    let case = fault.case().map(|(host, case)| format!("{case} on {host}"));
    test.into_iter().chain(case).collect::<Vec<_>>().join("; ")
}
