// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two ways in which a chore ends badly, kept apart because callers act on them differently.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a chore did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A check found these problems, one line each: exit code 1.
    Verdict(Vec<String>),
    /// This machine, or the way the command was called, does not allow an answer: exit code 2.
    Environment(String),
}

impl Failure {
    /// A failure of the environment from anything printable.
    pub(crate) fn environment(text: impl Display) -> Self {
        Self::Environment(text.to_string())
    }

    /// Prints one line per problem and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Verdict(problems) => {
                for problem in problems {
                    eprintln!("{problem}");
                }
                ExitCode::from(1)
            }
            Self::Environment(text) => {
                eprintln!("error: {text}");
                ExitCode::from(2)
            }
        }
    }
}

/// Says what was being done when an operating system call failed.
pub(crate) trait Context<T> {
    /// Turns the error into a failure of the environment that begins with `doing`.
    fn context(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::Environment(format!("{doing}: {error}")))
    }
}
