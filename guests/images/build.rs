// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the guest images for x86-64 with a cargo of its own: they are freestanding, so no flag of the outer
//! build may reach them.

use std::path::PathBuf;
use std::process::exit;
use std::{env, fs};
use toolchain::{Arch, HOSTED_TARGET, Toolchain, has_target};

#[allow(dead_code, unreachable_pub, reason = "the library uses the rest of it")]
#[path = "src/toolchain.rs"]
mod toolchain;

const IMAGES: [&str; 6] = ["conformance", "hello", "bare", "selftest", "bench", "smoke"];

/// What the images are built from, seen from this package.
const SOURCES: [&str; 14] = [
    "../Cargo.toml",
    "../Cargo.lock",
    "../rt",
    "../firmware",
    "../hello",
    "../bare",
    "../conformance",
    "../selftest",
    "../bench",
    "../smoke",
    "../../abi",
    "../../ring-buffers",
    "../../guest-shim",
    "../../conformance/suite",
];

fn main() {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let guests =
        here.join("..").canonicalize().unwrap_or_else(|why| fail(&format!("no guests folder: {why}")));
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", here.join(source).display());
    }
    let out = PathBuf::from(variable("OUT_DIR")).join("guests");
    let bare = Arch::X86_64.target();
    let target = if has_target(bare) { bare } else { HOSTED_TARGET };
    let (mut cargo, images) = Toolchain::own(target).build(Arch::X86_64, &guests, &IMAGES, &out);
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!(
            "the guest images were not built ({status}); if their lock file is out of date: \
             cargo update --workspace --manifest-path guests/Cargo.toml"
        )),
        Err(why) => fail(&format!("cargo was not started for the guest images: {why}")),
    }
    for image in IMAGES {
        let path = images.join(image);
        if let Err(why) = fs::metadata(&path) {
            fail(&format!("{}: {why}", path.display()));
        }
        println!("cargo:rustc-env=TENON_IMAGE_{}={}", image.to_uppercase(), path.display());
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|why| fail(&format!("{name}: {why}")))
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    exit(1)
}
