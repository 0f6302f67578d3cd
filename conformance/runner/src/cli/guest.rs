// SPDX-License-Identifier: MIT OR Apache-2.0
//! `guest`: guests are judged, clause by clause.

use super::{draw, hex, read_image};
use crate::out::{complain, print};
use crate::report::Format;
use crate::stand::judge::{self, Guest};
use crate::stand::report;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `guest`.
#[derive(Debug, Args)]
pub(super) struct Wish {
    /// The images, ELF files; without one: those of Tenon's own guests.
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The boot command line of the images.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "images")]
    params: String,
    /// How many lying hosts a guest meets at most.
    #[arg(long, value_name = "N", default_value_t = 32)]
    lies: usize,
    /// How many seconds a boot may take on a quiet machine.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    bound: u64,
    /// How many bytes a boot may write to its serial port.
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20)]
    serial: u64,
    /// Seed of sessions and lies, hexadecimal; drawn where it is not given, and part of every report.
    #[arg(long, value_name = "HEX", value_parser = hex)]
    seed: Option<u64>,
    /// How the report is written: human or json.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A case of the conformance image in which the shim talks to its host and breaks nothing on purpose.
const KIND_CASES: [&str; 1] = ["call.shim-nop"];

/// Judges them; whether all passed.
pub(super) fn judge(wish: &Wish) -> Result<bool, String> {
    if !matches!(wish.format, Format::Human | Format::Json) {
        return Err("`guest` reports as human or json".to_owned());
    }
    let guests = if wish.images.is_empty() { ours() } else { named(wish)? };
    let seed = wish.seed.unwrap_or_else(draw);
    let how =
        judge::Wish { seed, bound: Duration::from_secs(wish.bound), lies: wish.lies, serial: wish.serial };
    let mut judged = Vec::new();
    for guest in &guests {
        judged.push(judge::judge(guest, &how, &mut |boot| complain(&format!("{}: {boot}", guest.name)))?);
    }
    print(&report::text(&judged, seed, wish.format))?;
    Ok(report::is_good(&judged))
}

fn ours() -> Vec<Guest> {
    let guest = |name: &str, image: &tenon_guest_images::Image, params: String| Guest {
        name: name.to_owned(),
        image: image.bytes.into(),
        params,
        is_ours: true,
    };
    let mut all = vec![guest("hello", &tenon_guest_images::HELLO, String::new())];
    all.extend(KIND_CASES.map(|cases| {
        let name = format!("conformance {cases}");
        guest(&name, &tenon_guest_images::CONFORMANCE, format!("filter={cases}"))
    }));
    all
}

fn named(wish: &Wish) -> Result<Vec<Guest>, String> {
    let guest = |path: &PathBuf| {
        let (image, name) = (read_image(path)?, path.display().to_string());
        Ok(Guest { name, image, params: wish.params.clone(), is_ours: false })
    };
    wish.images.iter().map(guest).collect()
}
