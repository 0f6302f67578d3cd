// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tenon-ivshmem`.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    tenon_ivshmem::cli::main(&[], std::env::args_os().skip(1))
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("tenon-ivshmem: the broker is for Linux");
    std::process::ExitCode::from(2)
}
