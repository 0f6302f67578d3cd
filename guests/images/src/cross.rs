// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images that are built when they are asked for: those for other architectures, which need a target that not
//! everyone has, and those that few need and that are made of much.

use crate::ALL;
use crate::toolchain::{Arch, HOSTED_TARGET, Toolchain, has_target};
use std::fs;
use std::path::{Path, PathBuf};

/// Images for every architecture: one source each.
pub const NEUTRAL: [&str; 4] = ["conformance", "smoke", "webfs", "writer"];

/// Images that are built when they are asked for, also for x86-64.
pub const ON_DEMAND: [&str; 2] = ["webfs", "writer"];

/// The ELF file of the image `name`, for this architecture. One for x86-64 is here, if it is none of
/// [`ON_DEMAND`]; others are built, or brought up to date, in the build's own folder, which takes half a
/// minute the first time.
///
/// # Errors
///
/// Why there is none, in one line: what is missing on this machine together with what would bring it, or that
/// the build failed, whose messages went to standard error.
pub fn image(name: &str, arch: Arch) -> Result<Vec<u8>, String> {
    let here = ALL.iter().find(|image| image.name == name);
    match here {
        Some(image) if arch == Arch::X86_64 => return Ok(image.bytes.to_vec()),
        None if !ON_DEMAND.contains(&name) => return Err(format!("there is no image `{name}`")),
        _ if !NEUTRAL.contains(&name) => return Err(format!("the image {name} is for x86_64 alone")),
        _ => {}
    }
    let path = build(name, arch)?;
    fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))
}

fn build(name: &str, arch: Arch) -> Result<PathBuf, String> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guests = guests.canonicalize().map_err(|_| {
        format!("an image for {} is built from sources, and {} is gone", arch.name(), guests.display())
    })?;
    let toolchain = match arch {
        // As the build script does.
        Arch::X86_64 if !has_target(arch.target()) => Toolchain::own(HOSTED_TARGET),
        _ => Toolchain::bare(arch)?,
    };
    // <target folder>/<profile>/build/<package>/out
    let target = Path::new(env!("OUT_DIR")).ancestors().nth(4).ok_or("the build has no folder")?;
    let (mut cargo, images) = toolchain.build(arch, &guests, &[name], &target.join("guests"));
    match cargo.status() {
        Ok(status) if status.success() => Ok(images.join(name)),
        Ok(status) => Err(format!("the image {} for {} was not built ({status})", name, arch.name())),
        Err(why) => Err(format!("the image {} for {} was not built: {why}", name, arch.name())),
    }
}
