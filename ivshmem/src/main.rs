// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tenon-ivshmem`.

fn main() -> std::process::ExitCode {
    tenon_ivshmem::cli::main(&[], std::env::args_os().skip(1))
}
