// SPDX-License-Identifier: MIT OR Apache-2.0
//! `clocks` and `timers`: trials of time that judge no cases.

use super::{hex, read_image};
use crate::hosts::Image;
use clap::Args;
use std::path::PathBuf;

/// The machines of a trial.
#[derive(Debug, Args)]
struct Rows {
    /// The row whose machine it is: one of those of KVM, or for `clocks` of QEMU; may be given several times.
    #[arg(long, value_name = "NAME", default_value = "kvm-native")]
    host: Vec<String>,
    /// The machine that this runs in: its rows are called so, in place of `kvm`.
    #[arg(long, hide = true, value_name = "NAME", default_value = "kvm")]
    kvm_is: String,
    /// Boot this image, an ELF file, in place of the suite's own.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
}

/// Arguments of `clocks`.
#[derive(Debug, Args)]
pub(super) struct Clocks {
    #[command(flatten)]
    rows: Rows,
    /// For so many seconds.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// The host's clock is asked so many times at least.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    kicks: u64,
}

/// Arguments of `timers`.
#[derive(Debug, Args)]
pub(super) struct Timers {
    #[command(flatten)]
    rows: Rows,
    /// So many timers.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: u64,
    /// Seed of the deadlines, hexadecimal; drawn where it is not given.
    #[arg(long, value_name = "HEX", value_parser = hex)]
    seed: Option<u64>,
}

#[cfg(target_os = "linux")]
pub(super) fn clocks(wish: &Clocks) -> Result<bool, String> {
    each(&wish.rows, |host, image| match crate::hosts::qemu::kind(host) {
        Some(kind) => crate::time::bracketed(kind.name, image, wish.seconds, wish.kicks),
        None => crate::time::run((kvm(host)?, image), wish.seconds, wish.kicks),
    })
}

#[cfg(target_os = "linux")]
pub(super) fn timers(wish: &Timers) -> Result<bool, String> {
    let seed = wish.seed.unwrap_or_else(super::draw);
    each(&wish.rows, |host, image| {
        let (text, is_good) = crate::time::timers((kvm(host)?, image), wish.count, seed)
            .map_err(|why| format!("{why} (--seed {seed:x})"))?;
        Ok((format!("{text}\n  seed {seed:x}"), is_good))
    })
}

#[cfg(target_os = "linux")]
fn kvm(host: &str) -> Result<crate::hosts::kvm::Kind, String> {
    crate::hosts::kvm::kind(host).ok_or_else(|| "it is not the KVM machine with an image of today".to_owned())
}

/// Tries each machine; whether all were good.
#[cfg(target_os = "linux")]
fn each(rows: &Rows, run: impl Fn(&str, Option<&Image>) -> crate::time::Outcome) -> Result<bool, String> {
    let image = rows.image.as_deref().map(read_image).transpose()?;
    let mut good = true;
    for host in &rows.host {
        let (text, is_good) = run(host, image.as_ref()).map_err(|why| format!("host {host}: {why}"))?;
        let host = host.strip_prefix("kvm").map_or_else(|| host.clone(), |rest| rows.kvm_is.clone() + rest);
        crate::out::print(&format!("{host}: {text}\n"))?;
        good &= is_good;
    }
    Ok(good)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn clocks(_: &Clocks) -> Result<bool, String> {
    Err("the KVM machine is for Linux".to_owned())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn timers(_: &Timers) -> Result<bool, String> {
    Err("the KVM machine is for Linux".to_owned())
}
