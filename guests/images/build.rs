// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the guest images with a cargo of its own: they are freestanding, so no flag of the outer build may reach them.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

const IMAGES: [&str; 5] = ["conformance", "hello", "bare", "selftest", "bench"];
/// Where rustup has it; else the hosted target serves, with the same result but for the linker's command line.
const BARE_TARGET: &str = "x86_64-unknown-none";
const HOSTED_TARGET: &str = "x86_64-unknown-linux-gnu";

/// What the images are built from, seen from this package.
const SOURCES: [&str; 12] = [
    "../Cargo.toml",
    "../Cargo.lock",
    "../rt",
    "../hello",
    "../bare",
    "../conformance",
    "../selftest",
    "../bench",
    "../../abi",
    "../../ring-buffers",
    "../../guest-shim",
    "../../conformance/suite",
];

/// What the outer cargo, its wrappers and its user set for the outer build.
const FOREIGN: [&str; 15] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
    "LLVM_PROFILE_FILE",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_FEATURE_",
    "CARGO_CFG_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_BUILD_",
    "CARGO_LLVM_COV",
    "CARGO_MANIFEST_",
];

fn main() {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let guests =
        here.join("..").canonicalize().unwrap_or_else(|why| fail(&format!("no guests folder: {why}")));
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", here.join(source).display());
    }
    let out = PathBuf::from(variable("OUT_DIR")).join("guests");
    let target = if has_target(BARE_TARGET) { BARE_TARGET } else { HOSTED_TARGET };

    let mut cargo = Command::new(variable("CARGO"));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| FOREIGN.iter().any(|foreign| name.starts_with(foreign))) {
            cargo.env_remove(&name);
        }
    }
    cargo
        .current_dir(&guests)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(target, &guests.join("rt/link/x86_64.ld")).join("\x1f"))
        .args(["build", "--quiet", "--locked", "--release", "--bins", "--target", target, "--target-dir"])
        .arg(&out);
    for image in IMAGES {
        cargo.args(["--package", &format!("tenon-guest-{image}")]);
    }
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!(
            "the guest images were not built ({status}); if their lock file is out of date: \
             cargo update --workspace --manifest-path guests/Cargo.toml"
        )),
        Err(why) => fail(&format!("cargo was not started for the guest images: {why}")),
    }
    for image in IMAGES {
        let path = out.join(target).join("release").join(image);
        if let Err(why) = fs::metadata(&path) {
            fail(&format!("{}: {why}", path.display()));
        }
        println!("cargo:rustc-env=TENON_IMAGE_{}={}", image.to_uppercase(), path.display());
    }
}

fn flags(target: &str, script: &Path) -> Vec<String> {
    let mut flags: Vec<String> =
        ["-Crelocation-model=static", "-Cno-redzone=yes", "-Cforce-unwind-tables=no"]
            .map(String::from)
            .into();
    let link = ["--build-id=none", "-n", "--gc-sections", "-znoexecstack", "-znorelro"];
    if target == BARE_TARGET {
        flags.extend(link.map(|flag| format!("-Clink-arg={flag}")));
        flags.push(format!("-Clink-arg=-T{}", script.display()));
    } else {
        // Only with fat LTO do these two leave the prebuilt core without SSE as well.
        flags.push("-Ctarget-feature=-sse,-sse2".into());
        flags.extend(
            ["-nostartfiles", "-nostdlib", "-static", "-no-pie"].map(|flag| format!("-Clink-arg={flag}")),
        );
        flags.extend(link.map(|flag| format!("-Clink-arg=-Wl,{flag}")));
        flags.push(format!("-Clink-arg=-Wl,-T,{}", script.display()));
    }
    flags
}

fn has_target(target: &str) -> bool {
    let printed =
        Command::new(variable("RUSTC")).args(["--print", "target-libdir", "--target", target]).output();
    printed.is_ok_and(|printed| {
        printed.status.success() && Path::new(String::from_utf8_lossy(&printed.stdout).trim()).is_dir()
    })
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|why| fail(&format!("{name}: {why}")))
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    exit(1)
}
