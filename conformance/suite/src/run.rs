// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs cases in an environment and reports (REP-3, REP-4, REP-5).

use crate::case::{Case, Ctx, Ends, Fail};
use crate::env::Env;
use crate::kit;
use crate::raw;
use crate::report::Line;
use core::fmt;
use tenon_abi::Record;

/// Which cases run: from the parameters `from=` (a case's name: it and those behind it), `only=` (one case)
/// and `filter=` (part of a name).
#[derive(Clone, Copy, Default)]
pub struct Selection<'a> {
    /// The first case.
    pub from: Option<&'a str>,
    /// Nothing but this case.
    pub only: Option<&'a str>,
    /// A part of the name.
    pub filter: Option<&'a str>,
}

impl<'a> Selection<'a> {
    /// From the environment's parameters.
    #[must_use]
    pub fn of(env: &'a dyn Env) -> Self {
        Self { from: env.param("from"), only: env.param("only"), filter: env.param("filter") }
    }

    fn takes(&self, case: &Case, started: &mut bool) -> bool {
        *started |= self.from.is_none_or(|from| from == case.name);
        *started
            && self.only.is_none_or(|only| only == case.name)
            && self.filter.is_none_or(|filter| case.name.contains(filter))
    }
}

struct Reporter {
    env: &'static dyn Env,
    sequence: u32,
}

impl Reporter {
    fn say(&mut self, payload: fmt::Arguments<'_>) {
        self.env.report(Line::new(self.sequence, payload).as_bytes());
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// Says that no host was found, and why: `report` sends one framed line.
pub fn absent(report: fn(&[u8]), arch: &str, seed: Option<&str>, why: &str) {
    let seed = seed.and_then(|seed| u64::from_str_radix(seed, 16).ok()).unwrap_or(1);
    report(Line::new(0, format_args!("hello 1 arch={arch} seed={seed:x} cases=0")).as_bytes());
    report(Line::new(1, format_args!("absent {why}")).as_bytes());
    report(Line::new(2, format_args!("done")).as_bytes());
}

/// Runs the selected cases, one after the other, each with a session of its own. A case that ends the machine
/// does not come back: the runner boots again with `from=` the next one.
pub fn run(env: &'static dyn Env, selection: Selection<'_>, arch: &str) {
    let seed = env.param("seed").and_then(|seed| u64::from_str_radix(seed, 16).ok()).unwrap_or(1);
    let mut started = false;
    let mut reporter = Reporter { env, sequence: 0 };
    let count = crate::all().filter(|case| selection.takes(case, &mut started)).count();
    reporter.say(format_args!("hello 1 arch={arch} seed={seed:x} cases={count}"));
    started = false;
    if raw::is_open(env) {
        // A kernel before this one left it, on a machine that was reset or in another's place (SES-8). What
        // comes of it the first case tells.
        let _ = raw::reset(env);
        env.clean();
    }
    for case in crate::all().filter(|case| selection.takes(case, &mut started)) {
        let name = case.name;
        reporter.say(format_args!("begin {name}"));
        let before = env.micros();
        let record: Record = raw::record(env);
        let outcome = match case.needs.unmet(&record) {
            Some(lacks) => Err(Fail::Skip(lacks)),
            None => {
                match case.ends {
                    Some(Ends::Exit(code) | Ends::ExitAfterCrash(code, _)) => {
                        reporter.say(format_args!("ends {name} exit={code}"))
                    }
                    Some(Ends::Restart) => reporter.say(format_args!("ends {name} restart")),
                    None => {}
                }
                (case.run)(&Ctx { env, seed })
            }
        };
        // Whatever state the case left, the next one begins with an idle session.
        let idle = raw::reset(env);
        env.clean();
        kit::forget();
        let micros = env.micros().wrapping_sub(before);
        match (outcome, idle) {
            (Ok(()), false) => reporter
                .say(format_args!("verdict {name} fail {micros} the session cannot be reset afterwards")),
            (Ok(()), true) => reporter.say(format_args!("verdict {name} pass {micros} ")),
            (Err(fail @ Fail::Failed(..)), _) => {
                reporter.say(format_args!("verdict {name} fail {micros} {fail}"))
            }
            (Err(fail @ Fail::Skip(_)), _) => {
                reporter.say(format_args!("verdict {name} skip {micros} {fail}"))
            }
            (Err(fail @ Fail::Warn(_)), _) => {
                reporter.say(format_args!("verdict {name} warn {micros} {fail}"))
            }
            (Err(fail @ Fail::Error(_)), _) => {
                reporter.say(format_args!("verdict {name} error {micros} {fail}"))
            }
        }
    }
    reporter.say(format_args!("done"));
}
