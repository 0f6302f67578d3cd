// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows of a run: which hosts are played, several at a time, and then again what timed out.

use crate::again;
use crate::faults;
use crate::hosts::{self, Host, Image, loopback::Loopback};
use crate::judge::Judge;
use crate::play::{Played, Wish, play};
use crate::progress::Screen;
use crate::report::Row;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// A row's name, and its host or why there is none.
pub type Chosen = (String, Result<Box<dyn Host>, String>);

/// The hosts to play, with the reason where one is absent: `usual`, or what was named, which has to be there.
///
/// # Errors
///
/// Why a host that was named is not there, in one line.
pub fn choose(
    names: &[String],
    usual: &[&str],
    image: Option<&Image>,
    fault: Option<&str>,
) -> Result<Vec<Chosen>, String> {
    if let Some(fault) = fault {
        faults::by_name(fault)?;
        if names.iter().any(|name| name != "loopback") {
            return Err(
                "a fault is one of the loopback host's: no other `--host` goes with `--fault`".to_owned()
            );
        }
        let host: Box<dyn Host> = Box::new(Loopback::new("loopback", Some(fault))?);
        return Ok(vec![(format!("loopback with {fault}"), Ok(host))]);
    }
    if names.is_empty() {
        return Ok(usual.iter().map(|name| ((*name).to_owned(), hosts::by_name(name, image))).collect());
    }
    let found = |name: &String| match hosts::by_name(name, image) {
        Ok(host) => Ok((name.clone(), Ok(host))),
        Err(reason) => Err(format!("host {name}: {reason}")),
    };
    names.iter().map(found).collect()
}

/// Plays hosts, as many at a time as there are processors, and then again what timed out, one case at a time;
/// the rows are in the order of the
/// hosts. `is_named`: a host that cannot boot is an error, and else a row with the reason.
///
/// # Errors
///
/// Why a host that was named cannot boot, in one line.
pub fn play_all(chosen: Vec<Chosen>, wish: &Wish, is_named: bool) -> Result<Vec<Row>, String> {
    let players = thread::available_parallelism().map_or(1, NonZero::get).min(chosen.len());
    let screen = Screen::default();
    let mut rows: Vec<_> = chosen.iter().map(|_| None).collect();
    // The last ones boot machines and take longest: they begin first.
    let waiting = Mutex::new(chosen.into_iter().zip(&mut rows).rev());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..players {
            scope.spawn(|| {
                while let Some(((name, host), place)) = next() {
                    *place = Some(player(name, host, wish, &screen));
                }
            });
        }
    });
    rows.into_iter().flatten().map(|player| player.finish(wish, is_named, &screen)).collect()
}

/// A host, and what came of it.
struct Player {
    name: String,
    host: Option<Box<dyn Host>>,
    played: Result<Played, String>,
}

/// Plays one host.
fn player(name: String, host: Result<Box<dyn Host>, String>, wish: &Wish, screen: &Screen) -> Player {
    let progress = screen.progress(&name, wish.cases().len());
    let mut watch = |judge: &Judge| progress.show(judge);
    let (host, played) = match host {
        Ok(mut host) => {
            let played = play(&mut *host, wish, &mut watch);
            (Some(host), played)
        }
        Err(reason) => (None, Err(reason)),
    };
    progress.finish();
    Player { name, host, played }
}

impl Player {
    /// Runs again what timed out, while no other host is played.
    fn finish(self, wish: &Wish, is_named: bool, screen: &Screen) -> Result<Row, String> {
        let Self { name, host, played } = self;
        match played {
            Ok(mut played) => {
                if let Some(mut host) = host.filter(|_| again::is_due(&played)) {
                    let progress = screen.progress(&format!("{name} again"), wish.cases().len());
                    again::settle(&mut *host, wish, &mut played, &mut |judge| progress.show(judge));
                    progress.finish();
                }
                Ok(Row { host: name, arch: played.arch, reason: None, cases: played.results })
            }
            Err(reason) if is_named => Err(format!("host {name}: {reason}")),
            Err(reason) => Ok(Row { host: name, arch: None, reason: Some(reason), cases: Vec::new() }),
        }
    }
}
