// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the guest images for x86-64 with a cargo of its own: they are freestanding, so no flag of the outer
//! build may reach them.

use std::path::{Path, PathBuf};
use std::process::exit;
use std::{env, fs};
use toolchain::{Arch, HOSTED_TARGET, Toolchain, has_target};

#[allow(unreachable_pub, reason = "the library has it too")]
#[path = "src/nested.rs"]
mod nested;
#[allow(dead_code, unreachable_pub, reason = "the library uses the rest of it")]
#[path = "src/toolchain.rs"]
mod toolchain;

const IMAGES: [&str; 6] = ["conformance", "hello", "bare", "selftest", "bench", "smoke"];

/// A folder with images that were built before, where they need not be built again: `cargo xtask vm`.
const PREBUILT: &str = "TENON_IMAGES";

/// What the images are built from, seen from this package.
const SOURCES: [&str; 15] = [
    "../Cargo.toml",
    "../Cargo.lock",
    "../profile.toml",
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
    println!("cargo:rerun-if-env-changed={PREBUILT}");
    let images = env::var_os(PREBUILT).map_or_else(|| build(&guests), PathBuf::from);
    for image in IMAGES {
        let path = images.join(image);
        if let Err(why) = fs::metadata(&path) {
            fail(&format!("{}: {why}", path.display()));
        }
        let Some(path) = path.to_str() else {
            fail(&format!("{}: the compiler includes no file whose path is not UTF-8", path.display()))
        };
        println!("cargo:rustc-env=TENON_IMAGE_{}={path}", image.to_uppercase());
    }
}

/// Builds them all and says where they are.
fn build(guests: &Path) -> PathBuf {
    // <target folder>/<profile>/build/<package>/out: the images are the same for every profile.
    let out = PathBuf::from(variable("OUT_DIR"));
    let out = out.ancestors().nth(4).unwrap_or(&out).join("guests");
    let bare = Arch::X86_64.target();
    let target = if has_target(bare) { bare } else { HOSTED_TARGET };
    let (mut cargo, images) = Toolchain::own(target).build(Arch::X86_64, guests, &IMAGES, &out);
    match cargo.status() {
        Ok(status) if status.success() => images,
        Ok(status) => fail(&format!(
            "the guest images were not built ({status}); if their lock file is out of date: \
             cargo update --workspace --manifest-path guests/Cargo.toml"
        )),
        Err(why) => fail(&format!("cargo was not started for the guest images: {why}")),
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|why| fail(&format!("{name}: {why}")))
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    exit(1)
}
