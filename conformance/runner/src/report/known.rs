// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failures that are known, with their reasons: they fail no run. A file says which:
//!
//! ```toml
//! [[known]]
//! case = "time.deadline-over"
//! host = "acme"               # every row without it
//! reason = "acme's timers have 10 ms granularity: issue 1234"
//! ```

use super::Report;
use crate::verdict::Verdict;
use crate::{emulated, hosts};
use serde::Deserialize;

/// What a file of known failures says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    #[serde(default)]
    known: Vec<Failure>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    case: String,
    host: Option<String>,
    reason: String,
}

impl Known {
    /// What the text of a file says.
    ///
    /// # Errors
    ///
    /// It is not such a file, it names a case that the suite does not have, or it gives no reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known: Self = toml::from_str(text).map_err(|why| why.message().to_owned())?;
        for Failure { case, reason, .. } in &known.known {
            if !tenon_conformance::all().any(|known| known.name == case) {
                return Err(format!("the suite has no case `{case}`"));
            }
            if reason.trim().is_empty() {
                return Err(format!("there is no reason for `{case}`"));
            }
        }
        Ok(known)
    }

    /// Writes the reasons into a report.
    ///
    /// # Errors
    ///
    /// It names a row that neither the report has nor any run of ours could have.
    pub fn apply(&self, report: &mut Report) -> Result<(), String> {
        for Failure { case, host, reason } in &self.known {
            let is_row = |name: &String| host.as_ref().is_none_or(|host| host == name);
            if let Some(host) = host
                && !report.rows.iter().any(|row| row.host == *host)
                && !hosts::NAMES.iter().copied().chain(emulated::names()).any(|name| name == host)
            {
                return Err(format!("no row is called `{host}`"));
            }
            let cases = report.rows.iter_mut().filter(|row| is_row(&row.host)).flat_map(|row| &mut row.cases);
            // What was not judged has not failed.
            for result in cases.filter(|result| result.name == *case && result.verdict != Verdict::Skip) {
                result.known = Some(reason.clone());
            }
        }
        Ok(())
    }
}
