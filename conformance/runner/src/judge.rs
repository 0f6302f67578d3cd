// SPDX-License-Identifier: MIT OR Apache-2.0
//! The judge: from the bytes that machines sent, and how they ended, to a verdict for each case. Knows no
//! host and no clock.
//!
//! The guest is not trusted to be orderly: it may be silent, cut its lines, flip bits, report twice or reboot
//! for ever. Every case that is asked for gets exactly one result, whatever comes; a pass needs an intact
//! report (REP-10, REP-11, REP-12).

#[cfg(test)]
mod chaos;
mod ends;
mod limits;
pub(crate) mod line;
#[cfg(test)]
mod tests;

pub use limits::Limits;

use crate::hosts::{Crash, End};
use crate::verdict::{CaseResult, Time, Verdict};
use ends::{Words, kept};
use line::Lines;
use std::time::Duration;
use tenon_conformance::Case;
use tenon_conformance::case::Ends;

/// This many boots in a row without a sign of life, and the host is given up.
const MUTE_BOOTS_MAX: u32 = 2;

/// This many cases in a row that timed out, and the host's row is stopped.
pub const HUNG_MAX: u32 = 3;

/// Results for cases that nobody asked for: more are not kept.
const STRAYS_MAX: usize = 16;

/// Judges one host.
pub struct Judge {
    cases: Vec<&'static Case>,
    /// Results of the first cases, in order: all that come before the one that is next.
    results: Vec<CaseResult>,
    /// Results for which there was no case.
    strays: Vec<CaseResult>,
    limits: Limits,
    boot: Boot,
    mute_boots: u32,
    /// Cases in a row that timed out.
    hung: u32,
    /// Whether the machine would go on behind the last case, with cases that are not asked for.
    goes_on: bool,
    /// What earlier boots took up to their first case.
    booting: Duration,
    /// Some boot has said hello.
    heard: bool,
    arch: Option<String>,
}

/// One boot of the machine.
#[derive(Default)]
struct Boot {
    lines: Lines,
    /// Sequence number of the next line.
    sequence: u32,
    hello: bool,
    /// Nothing that comes still counts: the guest said that it is done, or has to be stopped.
    over: bool,
    /// Results that were there when it began.
    results: usize,
    running: Option<Running>,
    /// The crash record that its host held, where the host told.
    crash: Option<Option<Crash>>,
    /// When it began, and its first case, if that has begun.
    begun: [Option<Duration>; 2],
    /// The last sign of progress.
    since: Duration,
}

/// A case between its beginning and its verdict. It is the one behind the last result.
struct Running {
    /// Why its verdict cannot be believed.
    breach: Option<&'static str>,
    /// It said that it is about to end the machine.
    ending: bool,
}

impl Judge {
    /// A judge of these cases, which the machine is asked to run in this order.
    #[must_use]
    pub fn new(cases: Vec<&'static Case>, limits: Limits) -> Self {
        Self {
            cases,
            results: Vec::new(),
            strays: Vec::new(),
            limits,
            boot: Boot::default(),
            mute_boots: 0,
            hung: 0,
            goes_on: false,
            booting: Duration::ZERO,
            heard: false,
            arch: None,
        }
    }

    /// A machine is stopped when the last case has its verdict: it would run others behind it.
    pub fn stop_behind_last(&mut self) {
        self.goes_on = true;
    }

    /// The case to boot for; `None` when every case has its result.
    #[must_use]
    pub fn next(&self) -> Option<&'static Case> {
        self.cases.get(self.results.len()).copied()
    }

    /// The case that runs, if one does.
    #[must_use]
    pub fn running(&self) -> Option<&'static Case> {
        self.boot.running.as_ref().and(self.next())
    }

    /// Results so far.
    #[must_use]
    pub fn results(&self) -> &[CaseResult] {
        &self.results
    }

    /// The machine's architecture, when it has said so.
    #[must_use]
    pub fn arch(&self) -> Option<&str> {
        self.arch.as_deref()
    }

    /// A machine was booted for [`Self::next`].
    pub fn booted(&mut self, now: Duration) {
        self.boot =
            Boot { since: now, begun: [Some(now), None], results: self.results.len(), ..Boot::default() };
    }

    /// How much time went into boots up to their first case: no case's time, and not the host's (REP-12).
    #[must_use]
    pub fn booting(&self, now: Duration) -> Duration {
        let [Some(booted), first] = self.boot.begun else { return self.booting };
        self.booting.saturating_add(first.unwrap_or(now).saturating_sub(booted))
    }

    /// Whether the host has used up its time: that of its cases, for what a boot takes is no case's (REP-12).
    #[must_use]
    pub fn is_out(&self, now: Duration) -> bool {
        now.saturating_sub(self.booting(now)) >= self.limits.host
    }

    /// Whether the machine has nothing more to say and is to be stopped.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.boot.over
    }

    /// When [`Self::overdue`] is to be called if nothing comes.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.boot.since.saturating_add(self.limits.case)
    }

    /// The deadline passed: the machine is to be stopped. Whether it hangs or is slow, a second run tells
    /// (REP-14).
    pub fn overdue(&mut self) {
        let limit = self.limits.case.as_secs_f64();
        let detail = match &self.boot.running {
            Some(Running { ending: true, .. }) => format!("the machine did not end within {limit} s"),
            Some(_) => format!("no verdict within {limit} s"),
            None if self.boot.hello => {
                format!("the machine was silent for {limit} s where this case should have begun")
            }
            None => format!("the machine did not say hello within {limit} s{}", self.boot.lines.hint()),
        };
        self.blame(Verdict::Fail, detail, micros(self.limits.case));
        self.is_out_of_time();
        self.boot.over = true;
        self.count_mute(Time::NotRun);
        self.hung = self.hung.saturating_add(1);
        if self.hung >= HUNG_MAX {
            self.stop(&format!(
                "not run: {HUNG_MAX} cases in a row timed out; `--timeout-scale` gives each of them more time"
            ));
        }
    }

    /// The machine sent these bytes.
    pub fn bytes(&mut self, now: Duration, bytes: &[u8]) {
        for &byte in bytes {
            if self.boot.over {
                return;
            }
            if let Some((sequence, payload)) = self.boot.lines.push(byte) {
                self.line(now, sequence, &payload);
            }
        }
    }

    /// The machine is about to end, and its host holds this crash record.
    pub fn crash(&mut self, crash: Option<Crash>) {
        self.boot.crash = Some(crash);
    }

    /// The machine ended, by itself or because it was stopped.
    pub fn ended(&mut self, now: Duration, end: &End) {
        if self.boot.over {
            return;
        }
        let micros = micros(now.saturating_sub(self.boot.since));
        let expected = self.next().and_then(|case| case.ends);
        match (&self.boot.running, expected) {
            (Some(Running { breach: Some(breach), .. }), _) => self.blame(Verdict::Error, *breach, micros),
            (Some(Running { ending: true, .. }), Some(expected)) if end.is(expected) => {
                let (verdict, detail) = kept(expected, self.boot.crash.as_ref());
                self.conclude(verdict, detail, micros);
            }
            (Some(Running { ending: true, .. }), Some(_)) if let End::Untold(how) = end => {
                let detail = format!("this host does not say how the machine ended ({how})");
                self.conclude(Verdict::Warn, detail, micros);
            }
            (Some(Running { ending: true, .. }), Some(expected)) => {
                let detail = format!("{end}; it should have ended by {}", Words(expected));
                self.blame(Verdict::Fail, detail, micros);
            }
            (Some(_), _) => self.blame(Verdict::Fail, format!("{end}, without a verdict"), micros),
            (None, _) if self.boot.hello => {
                self.blame(Verdict::Fail, format!("{end}, before this case began"), micros);
            }
            (None, _) => {
                let detail = format!("{end}, before it said hello{}", self.boot.lines.hint());
                self.blame(Verdict::Fail, detail, micros);
            }
        }
        self.count_mute(Time::Kept);
        self.boot.over = true;
        self.hung = 0;
    }

    /// The machine was stopped because [`Self::is_over`] said so.
    pub fn stopped(&mut self) {
        self.booting = self.booting(self.boot.since);
        self.boot.begun = [None; 2];
        // Each boot brings one result at least: so there are never more boots than cases.
        if self.results.len() == self.boot.results {
            self.conclude(Verdict::Error, "the machine did not run this case", 0);
        }
    }

    /// The time for this host is used up.
    pub fn out_of_time(&mut self) {
        let why = format!("no verdict: the host's {} s are used up", self.limits.host.as_secs_f64());
        if self.boot.running.is_some() {
            self.conclude(Verdict::Fail, why.as_str(), 0);
            self.is_out_of_time();
        }
        self.stop(&why);
    }

    /// The last result is one for want of time.
    fn is_out_of_time(&mut self) {
        if let Some(last) = self.results.last_mut() {
            last.time = Time::Out;
        }
    }

    /// As [`Self::give_up`], for want of time.
    fn stop(&mut self, why: &str) {
        let first = self.results.len();
        self.give_up(why);
        self.results.iter_mut().skip(first).for_each(|result| result.time = Time::NotRun);
    }

    /// No more boots: what has no result gets this error.
    pub fn give_up(&mut self, why: &str) {
        while self.next().is_some() {
            self.conclude(Verdict::Error, why, 0);
        }
    }

    /// Every case's result, in order, and after them what else the machine reported.
    #[must_use]
    pub fn finish(mut self) -> Vec<CaseResult> {
        self.give_up("not run");
        self.results.append(&mut self.strays);
        self.results
    }

    /// Counts boots without a sign of life. `time`: what the results of the cases have to do with time that
    /// get none.
    fn count_mute(&mut self, time: Time) {
        self.mute_boots = if self.boot.hello { 0 } else { self.mute_boots.saturating_add(1) };
        if self.mute_boots < MUTE_BOOTS_MAX {
            return;
        }
        if self.heard {
            let why = "not run: the machine does not come up any more";
            if time == Time::NotRun {
                self.stop(why)
            } else {
                self.give_up(why)
            }
            return;
        }
        // Nothing was heard of any case: nobody's verdict, with one reason for all.
        let why = self.results.last().map_or_else(String::new, |last| last.detail.clone());
        let count = self.cases.len();
        self.results.clear();
        while self.results.len() < count {
            self.conclude(Verdict::Error, why.as_str(), 0);
        }
        self.results.iter_mut().for_each(|result| result.time = time);
        if let Some(first) = self.results.first_mut().filter(|_| time == Time::NotRun) {
            first.time = Time::Out;
        }
    }

    /// Gives the case behind the last result its own.
    fn conclude(&mut self, verdict: Verdict, detail: impl Into<String>, micros: u64) {
        self.boot.running = None;
        if let Some(case) = self.next() {
            self.results.push(CaseResult::new(case, verdict, detail, micros));
        }
    }

    /// As [`Self::conclude`], for a machine that did not go on: behind the last case it is the last one's
    /// fault.
    fn blame(&mut self, verdict: Verdict, detail: impl Into<String>, micros: u64) {
        if self.next().is_some() {
            self.conclude(verdict, detail, micros);
        } else if let Some(last) = self.results.last_mut().filter(|last| !last.verdict.is_bad()) {
            (last.verdict, last.detail) = (Verdict::Error, format!("afterwards: {}", detail.into()));
        }
    }

    fn line(&mut self, now: Duration, sequence: u32, payload: &str) {
        // A machine that boots anew counts from 0 again (REP-3): what that means is looked at there.
        let boots_anew = sequence == 0 && payload.starts_with("hello ");
        let breach = match sequence {
            _ if sequence == self.boot.sequence || boots_anew => None,
            _ if sequence > self.boot.sequence => Some("lines of its report were lost"),
            _ => Some("lines of its report came twice or out of order"),
        };
        self.boot.sequence = sequence.wrapping_add(1) & 0x00ff_ffff;
        if let (Some(running), Some(breach)) = (&mut self.boot.running, breach) {
            running.breach.get_or_insert(breach);
        }
        let (word, rest) = payload.split_once(' ').unwrap_or((payload, ""));
        match word {
            "hello" => self.hello(rest),
            "begin" => self.begin(now, rest),
            "ends" => self.ends(rest),
            "verdict" => self.verdict(rest),
            "absent" => self.give_up(&format!("not run: the guest found no host: {rest}")),
            "done" => self.done(),
            // A later version of the protocol may say more.
            _ => return,
        }
        self.boot.since = now;
    }

    fn hello(&mut self, rest: &str) {
        if self.boot.hello {
            self.boot.over = true;
            // A host that boots the image again by itself has done what RESTART asks for (LIFE-3).
            if let Some(Running { breach: None, ending: true }) = self.boot.running
                && self.next().is_some_and(|case| case.ends == Some(Ends::Restart))
            {
                self.conclude(Verdict::Pass, "", 0);
                return;
            }
            self.conclude(Verdict::Fail, "the machine booted anew by itself", 0);
            return;
        }
        (self.boot.hello, self.heard) = (true, true);
        let mut words = rest.split(' ');
        let version = words.next().unwrap_or_default();
        if version != "1" {
            self.give_up(&format!("the image reports in version `{version}`, which is unknown here"));
            self.boot.over = true;
        }
        if let Some(arch) = words.find_map(|word| word.strip_prefix("arch=")) {
            self.arch = Some(arch.to_owned());
        }
    }

    fn begin(&mut self, now: Duration, name: &str) {
        self.boot.begun[1].get_or_insert(now);
        if self.boot.running.is_some() {
            self.conclude(Verdict::Error, "another case began before it had a verdict", 0);
        }
        if self.reach(name, "it began a second time") {
            self.boot.running = Some(Running { breach: None, ending: false });
        }
    }

    /// Makes `name` the case behind the last result; what was left out on the way has lost its report.
    /// `false` if it is no case that can come now, which is noted with `again` where it had its turn.
    fn reach(&mut self, name: &str, again: &str) -> bool {
        let Some(index) = self.cases.iter().position(|case| case.name == name) else {
            if self.strays.len() < STRAYS_MAX {
                self.strays.push(CaseResult::stray(name, "nobody asked for this case"));
            }
            return false;
        };
        if let Some(result) = self.results.get_mut(index) {
            (result.verdict, result.detail) = (Verdict::Error, again.to_owned());
            return false;
        }
        while self.results.len() < index {
            self.conclude(Verdict::Error, "its report was lost", 0);
        }
        true
    }

    fn ends(&mut self, rest: &str) {
        let Some(case) = self.running() else { return };
        let announced = rest.split_once(' ');
        let agreed = case.ends.is_some_and(|ends| announced == Some((case.name, &Words(ends).to_string())));
        if let Some(running) = &mut self.boot.running {
            running.ending = agreed;
            if !agreed {
                running.breach.get_or_insert("it announced an end that is not its own");
            }
        }
    }

    fn verdict(&mut self, rest: &str) {
        let mut words = rest.splitn(4, ' ');
        let name = words.next().unwrap_or_default();
        let verdict = words.next().and_then(Verdict::from_word);
        let micros = words.next().and_then(|micros| micros.parse().ok());
        let detail = words.next().unwrap_or_default();
        let case = match self.running() {
            Some(case) if case.name == name => case,
            _ => {
                if self.reach(name, "it had two verdicts") {
                    self.conclude(Verdict::Error, "a verdict came, but the case had not begun", 0);
                }
                return;
            }
        };
        let breach = self.boot.running.as_ref().and_then(|running| running.breach);
        match (breach, verdict, micros) {
            (Some(breach), _, micros) => self.conclude(Verdict::Error, breach, micros.unwrap_or(0)),
            (None, Some(Verdict::Pass), Some(micros)) if case.ends.is_some() => {
                self.conclude(
                    Verdict::Fail,
                    "the machine goes on, where the case should have ended it",
                    micros,
                );
            }
            (None, Some(verdict), Some(micros)) => self.conclude(verdict, detail, micros),
            _ => self.conclude(Verdict::Error, "its verdict is unreadable", 0),
        }
        self.hung = 0;
        // What a failed case left behind would be the next one's: that one has a machine of its own (REP-11).
        self.boot.over = self.results.last().is_some_and(|result| result.verdict.is_bad())
            || (self.goes_on && self.next().is_none());
    }

    fn done(&mut self) {
        if self.boot.running.is_some() {
            self.conclude(Verdict::Error, "the machine was done before it had a verdict", 0);
        }
        self.boot.over = true;
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
