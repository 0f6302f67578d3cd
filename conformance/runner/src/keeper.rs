// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keeper of a command: a process of this executable that leads the command's process group and outlives
//! neither the command nor the runner.
//!
//! A foreign hypervisor does not end when its runner does, however that happened. Its keeper does: its
//! standard input is a pipe of the runner's, and when that is closed it ends the whole group, itself last.

use crate::out::complain;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread;

/// What the keeper's last line on standard error starts with where the command cannot be run.
pub const NOT_RUN: &str = "~NOT-RUN ";

/// Runs a command of at least one word, as long as standard input is open. Its output is the keeper's own.
/// Where the runner has ended, `folder` goes as well.
#[must_use]
pub fn run(words: &[OsString], folder: PathBuf) -> ExitCode {
    let Some((program, arguments)) = words.split_first() else { return ExitCode::from(2) };
    let watch = || {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        end_group(folder);
    };
    if thread::Builder::new().name("runner-watch".into()).spawn(watch).is_err() {
        complain(&format!("{NOT_RUN}no thread can be had"));
        return ExitCode::from(2);
    }
    match Command::new(program).args(arguments).stdin(Stdio::null()).status() {
        Ok(status) => ExitCode::from(code(status)),
        Err(error) => {
            complain(&format!("{NOT_RUN}`{}` cannot be run: {error}", program.display()));
            ExitCode::from(2)
        }
    }
}

fn end_group(folder: PathBuf) {
    // What cannot be removed lies where temporary things do.
    let _ = fs::remove_dir_all(folder);
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};
        // Only a group that was made for it: never that of whoever tries this by hand.
        if getpgrp() == getpid() {
            let _ = kill_current_process_group(Signal::KILL);
        }
    }
    std::process::exit(2)
}

/// The command's exit code, as shells have it; a signal is told as well.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        complain(&format!("ended by signal {signal}"));
        return u8::try_from(128 + signal).unwrap_or(255);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}
