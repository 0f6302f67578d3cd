// SPDX-License-Identifier: MIT OR Apache-2.0
pub(crate) fn run() -> crate::Outcome { Ok(std::process::ExitCode::SUCCESS) }
