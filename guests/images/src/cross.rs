// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images for any architecture, built when they are asked for: other architectures need a target that not
//! everyone has.

use crate::toolchain::{Arch, Toolchain};
use crate::{ALL, Image};
use std::fs;
use std::path::{Path, PathBuf};

/// Images for every architecture: one source each.
pub const NEUTRAL: [&str; 2] = ["conformance", "smoke"];

/// The ELF file of the image `name`, for this architecture. That for x86-64 is here; for others it is built,
/// or brought up to date, in the build's own folder, which takes half a minute the first time.
///
/// # Errors
///
/// Why there is none, in one line: what is missing on this machine together with what would bring it, or that
/// the build failed, whose messages went to standard error.
pub fn image(name: &str, arch: Arch) -> Result<Vec<u8>, String> {
    let known =
        ALL.iter().find(|image| image.name == name).ok_or_else(|| format!("there is no image `{name}`"))?;
    if arch == Arch::X86_64 {
        return Ok(known.bytes.to_vec());
    }
    if !NEUTRAL.contains(&name) {
        return Err(format!("the image {name} is for x86_64 alone"));
    }
    let path = build(known, arch)?;
    fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))
}

fn build(image: &Image, arch: Arch) -> Result<PathBuf, String> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guests = guests.canonicalize().map_err(|_| {
        format!("an image for {} is built from sources, and {} is gone", arch.name(), guests.display())
    })?;
    let toolchain = Toolchain::bare(arch)?;
    // <target folder>/<profile>/build/<package>/out
    let target = Path::new(env!("OUT_DIR")).ancestors().nth(4).ok_or("the build has no folder")?;
    let (mut cargo, images) = toolchain.build(arch, &guests, &[image.name], &target.join("guests"));
    match cargo.status() {
        Ok(status) if status.success() => Ok(images.join(image.name)),
        Ok(status) => Err(format!("the image {} for {} was not built ({status})", image.name, arch.name())),
        Err(why) => Err(format!("the image {} for {} was not built: {why}", image.name, arch.name())),
    }
}
