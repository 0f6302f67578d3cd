// SPDX-License-Identifier: MIT OR Apache-2.0
//! A cargo that is not the one which runs us, and builds the same whatever its user configured for the outer
//! one. The build script, the library and the project's chores start theirs here.
//!
//! Two things of the outer build reach an inner one: its environment, which [`command`] cleans, and the
//! user's configuration files. What they say counts before the manifest but not before the command line and
//! the environment, so [`apart`] says there what the inner build needs.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What the outer cargo, its wrappers and its user set for the outer build.
const FOREIGN: [&str; 16] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
    "LLVM_PROFILE_FILE",
    "CARGO_ENCODED_",
    "CARGO_FEATURE_",
    "CARGO_CFG_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_BUILD_",
    "CARGO_LLVM_COV",
    "CARGO_MANIFEST_",
    "CARGO_UNSTABLE_",
];

/// A command that hears nothing of the outer build.
pub fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| FOREIGN.iter().any(|foreign| name.starts_with(foreign))) {
            command.env_remove(&name);
        }
    }
    command
}

/// Keeps a build to a folder and to these flags of the compiler, wherever the user's configuration puts
/// builds and whatever it adds to them. Call it behind the subcommand: it adds arguments.
pub fn apart(cargo: &mut Command, folder: &Path, flags: &[String]) {
    cargo.arg("--target-dir").arg(folder);
    // One build folder for all would be locked by the outer cargo, which waits for us. In a path, braces
    // stand for names that cargo knows; a folder that has some is no place to name here.
    let has_braces = folder.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b'{' | b'}'));
    if !has_braces {
        cargo.env("CARGO_BUILD_BUILD_DIR", folder);
    }
    // They come before those of the configuration, which are not added.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    // Fat LTO cannot be incremental.
    cargo.env("CARGO_INCREMENTAL", "0");
}
