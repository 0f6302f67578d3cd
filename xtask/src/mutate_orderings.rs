// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask mutate-orderings`: every ordering and fence of the rings is weakened in turn, and a loom
//! model has to fail for it.
//!
//! The table is `tenon_rings::Site`; what weakens a site is the shared memory of `ring-buffers/tests/loom`.
//! An atomic access outside of the table would be out of reach for both, so there may be none.

mod atomics;
mod models;

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use tenon_rings::Site;
use tenon_rings::order::Operation;

use crate::failure::Failure;
use crate::{Outcome, project};
use models::Evidence;

/// Checks, runs, and prints what caught what.
pub(crate) fn run() -> Outcome {
    let mut problems = atomics::check(&project::sources()?);
    let evidence = models::run()?;
    let (lines, missed) = table(&evidence);
    for line in lines {
        println!("{line}");
    }
    problems.extend(missed);
    problems.extend(evidence.failed.iter().map(|test| format!("{test}: the test failed, see above")));
    if problems.is_empty() {
        let relaxed = Site::ALL.iter().filter(|site| site.weaker().is_empty()).count();
        println!(
            "mutate-orderings: {} sites, {} weakened and caught, {relaxed} relaxed; {} models hold in {} runs; no atomic elsewhere",
            Site::ALL.len(),
            Site::ALL.len() - relaxed,
            evidence.held.len(),
            evidence.held.iter().map(|(_, runs)| runs).sum::<u64>(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Verdict(problems))
}

/// The printed lines, and what no model caught.
fn table(evidence: &Evidence) -> (Vec<String>, Vec<String>) {
    let mut lines = vec![line(["site", "operation", "ordering", "weakened to", "caught by (after runs)"])];
    let mut missed = Vec::new();
    for &site in Site::ALL {
        let name = format!("{site:?}");
        let (operation, ordering) =
            (format!("{:?}", site.operation()).to_lowercase(), format!("{:?}", site.ordering()));
        for &weaker in site.weaker() {
            let weak = format!("{weaker:?}");
            let caught: Vec<String> = (evidence.caught.iter())
                .filter(|caught| caught.site == name && caught.weaker == weak)
                .map(|caught| format!("{} ({})", caught.model, caught.runs))
                .collect();
            let none = (site.operation(), weaker) == (Operation::Fence, Ordering::Relaxed);
            let weak = if none { "none" } else { weak.as_str() };
            let by = if caught.is_empty() { "MISSED".to_owned() } else { caught.join(", ") };
            lines.push(line([&name, &operation, &ordering, weak, &by]));
            if caught.is_empty() {
                missed.push(format!(
                    "{name}: weakened to {weak}, and no model fails: it is not needed, or a model is"
                ));
            }
        }
    }
    (lines, missed)
}

fn line([site, operation, ordering, weaker, caught]: [&str; 5]) -> String {
    format!("{site:<18} {operation:<9} {ordering:<8} {weaker:<11} {caught}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::Caught;

    #[test]
    fn a_site_that_nobody_catches_is_named() {
        let all = |site: &Site| {
            let name = format!("{site:?}");
            site.weaker().iter().map(move |weaker| Caught {
                model: "m".to_owned(),
                site: name.clone(),
                weaker: format!("{weaker:?}"),
                runs: 3,
            })
        };
        let mut evidence =
            Evidence { caught: Site::ALL.iter().flat_map(all).collect(), ..Evidence::default() };
        assert!(table(&evidence).1.is_empty(), "all are caught");
        evidence
            .caught
            .retain(|caught| (caught.site.as_str(), caught.weaker.as_str()) != ("GateEnter", "Acquire"));
        evidence.caught.retain(|caught| caught.site != "ArmFence");
        let (lines, missed) = table(&evidence);
        assert_eq!(missed.len(), 3, "{missed:?}");
        assert!(missed[1].starts_with("ArmFence: weakened to none"), "{missed:?}");
        assert!(missed[2].starts_with("GateEnter: weakened to Acquire"), "{missed:?}");
        assert_eq!(lines.iter().filter(|line| line.ends_with("MISSED")).count(), 3);
    }
}
