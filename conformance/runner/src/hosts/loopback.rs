// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loopback rows: a child process of the same executable is the machine, so that hangs and crashes are
//! survived.

use super::process::{self, Whose};
use super::{Host, Machine};
use std::path::PathBuf;
use std::process::Command;

/// Boots child processes.
pub struct Loopback {
    executable: PathBuf,
    name: String,
    fault: Option<String>,
}

impl Loopback {
    /// The row of this name, with a broken host where a fault is given.
    ///
    /// # Errors
    ///
    /// Where this process does not know its own executable.
    pub fn new(name: &str, fault: Option<&str>) -> Result<Self, String> {
        let executable = std::env::current_exe()
            .map_err(|error| format!("the executable does not know itself: {error}"))?;
        Ok(Self::of(executable, name, fault))
    }

    /// As [`Self::new`], with the executable of the runner.
    #[must_use]
    pub fn of(executable: PathBuf, name: &str, fault: Option<&str>) -> Self {
        Self { executable, name: name.to_owned(), fault: fault.map(str::to_owned) }
    }
}

impl Host for Loopback {
    fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String> {
        let mut command = Command::new(&self.executable);
        command.args(["--child", &self.name, "--command-line", command_line]);
        if let Some(fault) = &self.fault {
            command.args(["--fault", fault]);
        }
        process::start(command, Whose::Ours)
    }
}
