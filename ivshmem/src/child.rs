// SPDX-License-Identifier: MIT OR Apache-2.0
//! A child that does not outlive this process, however that ends.
#![allow(unsafe_code, reason = "a child is bound to the life of this process between fork and exec")]

use rustix::io::Errno;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Starts a child that is killed when the thread ends that starts it.
///
/// # Errors
///
/// Why it cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let parent = getpid();
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that.
        if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: between fork and exec only two system calls are made, which touch no memory; an error is a
    // number and allocates nothing.
    unsafe { command.pre_exec(bind) };
    command.spawn()
}
