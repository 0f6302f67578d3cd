// SPDX-License-Identifier: MIT OR Apache-2.0
//! All boots of one guest, and what came of them.

use super::plan::Plan;
use super::watch::{Finding, Findings};
use crate::hosts::Image;
use std::collections::BTreeMap;
use std::time::Duration;

/// A guest that is judged.
pub struct Guest {
    /// Its name in the report.
    pub name: String,
    /// An ELF file.
    pub image: Image,
    /// Its boot command line.
    pub params: String,
    /// It has the exit codes of Tenon's own images: 3 is an exception, 4 a panic.
    pub is_ours: bool,
}

/// What is wanted of a run.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Where everything is drawn from.
    pub seed: u64,
    /// How long a boot may take on a quiet machine.
    pub bound: Duration,
    /// How many hosts lie, at most.
    pub lies: usize,
    /// How many bytes a boot may write to its serial port.
    pub serial: u64,
}

/// What came of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No clause was broken.
    Pass,
    /// A clause was broken.
    Fail,
    /// It could not be judged: why, in one line.
    Error(String),
}

/// A guest after its boots.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
    /// By clause; a breach says under which host.
    pub findings: Findings,
    /// Boots by kind of host: plain, unkind, lying.
    pub boots: [usize; 3],
    /// How boots ended, by how often.
    pub ends: BTreeMap<String, usize>,
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use on_kvm::judge;

/// There is no stand for this platform.
///
/// # Errors
///
/// Always: it says so.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn judge(_: &Guest, _: &Wish, _: &mut dyn FnMut(&str)) -> Result<Judged, String> {
    Err("guests are judged on KVM, on Linux on x86-64".to_owned())
}

impl Judged {
    fn new(name: &str) -> Self {
        let (findings, boots, ends) = (Findings::new(), [0; 3], BTreeMap::new());
        Self { name: name.to_owned(), verdict: Verdict::Pass, findings, boots, ends }
    }

    /// Adds what a boot under `plan` has shown. Under a lying host, only what a guest owes any host counts.
    fn add(&mut self, plan: &Plan, found: Findings) {
        let any_host = ["GEN-8", "GEN-2"];
        for (clause, finding) in found {
            if plan.lie.is_some() && !any_host.contains(&clause) {
                continue;
            }
            match finding {
                Finding::Held => {
                    self.findings.entry(clause).or_insert(Finding::Held);
                }
                Finding::Broken(how) => self.broken(plan, clause, &how),
            }
        }
    }

    fn broken(&mut self, plan: &Plan, clause: &'static str, how: &str) {
        self.verdict = Verdict::Fail;
        let told = Finding::Broken(format!("[{}] {how}", plan.name));
        match self.findings.get(clause) {
            // The first breach is told.
            Some(Finding::Broken(_)) => {}
            _ => drop(self.findings.insert(clause, told)),
        }
    }

    fn error(mut self, why: String) -> Self {
        self.verdict = Verdict::Error(why);
        self
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod on_kvm {
    use super::{Guest, Judged, Plan, Wish};
    use crate::slowness;
    use crate::stand::machine::{self, Ended, Limits};
    use crate::stand::watch::Watch;
    use std::sync::Arc;
    use tenon_host::kvm::Outcome;

    /// So often a guest may ask for a fresh boot in a row.
    const RESTARTS: usize = 8;

    /// One boot, and the boots that it asked for.
    struct Run {
        end: End,
        watch: Arc<Watch>,
    }

    enum End {
        /// By itself, in some way.
        Itself(String),
        /// In a way that no guest may end in.
        Crashed(String),
        /// Not within its time.
        Late,
        /// It cannot be judged.
        Error(String),
    }

    impl Run {
        fn text(&self) -> &str {
            match &self.end {
                End::Itself(text) | End::Crashed(text) | End::Error(text) => text,
                End::Late => "not within its time",
            }
        }
    }

    /// Judges a guest; `tell` hears which boot is made.
    ///
    /// # Errors
    ///
    /// Why there are no machines, in one line.
    pub fn judge(guest: &Guest, wish: &Wish, tell: &mut dyn FnMut(&str)) -> Result<Judged, String> {
        let mut judged = Judged::new(&guest.name);
        let plain = Plan::plain(wish.seed);
        tell(&plain.name);
        let first = run(guest, &plain, wish)?;
        if let End::Error(why) = first.end {
            return Ok(judged.error(why));
        }
        if first.watch.rung().0 == 0 {
            let how = first.text();
            return Ok(judged.error(format!("no control request came from it; it ended: {how}")));
        }
        let by_itself = matches!(first.end, End::Itself(_));
        let stores = first.watch.stores();
        count(&mut judged, 0, &plain, &first);
        let unkind = Plan::unkind(wish.seed, machine::offered());
        let lying = Plan::lying(wish.seed, stores, wish.lies);
        let all = unkind.into_iter().map(|plan| (1, plan)).chain(lying.into_iter().map(|plan| (2, plan)));
        for (kind, plan) in all {
            tell(&plan.name);
            let mut boot = run(guest, &plan, wish)?;
            if by_itself && matches!(boot.end, End::Late) {
                // No verdict by one clock: once more, with more time.
                boot = run(guest, &plan, &Wish { bound: wish.bound.saturating_mul(3), ..*wish })?;
                if matches!(boot.end, End::Late) {
                    judged.broken(&plan, "GEN-8", "it came to no end, twice");
                }
            }
            count(&mut judged, kind, &plan, &boot);
        }
        Ok(judged)
    }

    fn count(judged: &mut Judged, kind: usize, plan: &Plan, run: &Run) {
        if let Some(boots) = judged.boots.get_mut(kind) {
            *boots = boots.saturating_add(1);
        }
        let ends = judged.ends.entry(run.text().to_owned()).or_insert(0);
        *ends = ends.saturating_add(1);
        match &run.end {
            End::Crashed(how) => judged.broken(plan, "GEN-8", how),
            // What it did to its host's error is not told by this boot.
            End::Error(how) => judged.broken(plan, "GEN-8", how),
            End::Itself(_) => run.watch.check("GEN-8", true, String::new),
            End::Late => {}
        }
        judged.add(plan, run.watch.findings());
    }

    fn run(guest: &Guest, plan: &Plan, wish: &Wish) -> Result<Run, String> {
        let watch = Arc::new(Watch::default());
        let line = format!("{} serial=burst", guest.params);
        let limits = Limits { time: wish.bound.mul_f64(slowness::measure()), serial: wish.serial };
        for _ in 0..RESTARTS {
            let ended = machine::boot(&guest.image, line.trim(), plan, &watch, limits)?;
            let end = match ended {
                Ended::NoImage(why) => End::Error(format!("it is no image for this machine: {why}")),
                Ended::Flooded => End::Error("it writes to its serial port without an end".to_owned()),
                Ended::So(Outcome::Restart) => {
                    watch.session_ended();
                    continue;
                }
                Ended::So(Outcome::TimedOut) => End::Late,
                Ended::So(Outcome::Left(code @ 3..=4) | Outcome::Exit(code @ 3..=4)) if guest.is_ours => {
                    let what = if code == 3 { "an unexpected exception" } else { "a panic" };
                    End::Crashed(format!("it ended in {what}"))
                }
                Ended::So(outcome @ Outcome::Failed { .. }) => End::Crashed(outcome.to_string()),
                Ended::So(outcome) => End::Itself(outcome.to_string()),
            };
            return Ok(Run { end, watch });
        }
        let why = format!("it asked {RESTARTS} times in a row for a fresh boot");
        Ok(Run { end: End::Error(why), watch })
    }
}
