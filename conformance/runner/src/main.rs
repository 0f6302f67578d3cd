// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tenon-conformance`.

fn main() -> std::process::ExitCode {
    tenon_conformance_runner::hosts::qemu::host_process().unwrap_or_else(tenon_conformance_runner::cli::main)
}
