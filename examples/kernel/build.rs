// SPDX-License-Identifier: MIT OR Apache-2.0
//! The linker's part of a freestanding image.
fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    for flag in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none,-n,--gc-sections"] {
        println!("cargo:rustc-link-arg-bins={flag}");
    }
    // Not behind `-Wl,`: a folder may have a comma in its name.
    println!("cargo:rustc-link-arg-bins=-T{folder}/link.ld");
}
