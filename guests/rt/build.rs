// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images are linked anew when a linker script changes, which the compiler does not know of.

fn main() {
    println!("cargo:rerun-if-changed=link");
}
