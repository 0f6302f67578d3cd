// SPDX-License-Identifier: MIT OR Apache-2.0
//! `kill-workers`, `neighbours` and `pace`: trials of the hosts behind QEMU's ivshmem device that judge no
//! cases.

use super::{hex, named, read_image};
use crate::hosts::Image;
use clap::Args;
use std::path::PathBuf;

/// The machines of a trial.
#[derive(Debug, Args)]
pub(super) struct Machines {
    /// The row whose machine it is; may be given several times.
    #[arg(long, value_name = "NAME", default_value = "qemu")]
    host: Vec<String>,
    /// The machine of the host `qemu`: x86_64, aarch64 or riscv64.
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Boot this image, an ELF file, in place of the suite's own.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
}

/// Arguments of `kill-workers`.
#[derive(Debug, Args)]
pub(super) struct Kill {
    #[command(flatten)]
    machines: Machines,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Seed of the moments at which workers are killed, hexadecimal; drawn where it is not given.
    #[arg(long, value_name = "HEX", value_parser = hex)]
    seed: Option<u64>,
}

/// What came of a trial on one machine: its report, and whether it is good.
type Outcome = Result<(String, bool), String>;

impl Machines {
    /// Tries each machine; whether all were good.
    fn each(
        &self,
        run: impl Fn(&'static crate::hosts::qemu::Kind, Option<&Image>) -> Outcome,
    ) -> Result<bool, String> {
        let image = self.image.as_deref().map(read_image).transpose()?;
        let mut good = true;
        for host in named(self.host.clone(), self.arch.as_deref())? {
            let kind = crate::hosts::qemu::kind(&host)
                .ok_or_else(|| format!("host {host}: it is not behind a shared memory device"))?;
            let (text, is_good) =
                run(kind, image.as_ref()).map_err(|error| format!("host {host}: {error}"))?;
            crate::out::print(&format!("{host}: {text}\n"))?;
            good &= is_good;
        }
        Ok(good)
    }
}

#[cfg(target_os = "linux")]
pub(super) fn kill_workers(wish: &Kill) -> Result<bool, String> {
    let seed = wish.seed.unwrap_or_else(super::draw);
    wish.machines.each(|kind, image| {
        let outcome = crate::restart::run(kind, image, wish.rounds, seed)
            .map_err(|error| format!("{error} (--seed {seed:x})"))?;
        Ok((format!("{outcome} (seed {seed:x})"), outcome.problems.is_empty()))
    })
}

#[cfg(target_os = "linux")]
pub(super) fn neighbours(machines: &Machines) -> Result<bool, String> {
    machines.each(|kind, image| {
        crate::neighbours::run(kind, image).map(|outcome| (outcome.to_string(), outcome.problems.is_empty()))
    })
}

#[cfg(target_os = "linux")]
pub(super) fn pace(machines: &Machines) -> Result<bool, String> {
    machines.each(|kind, image| {
        crate::pace::run(kind, image).map(|outcome| (outcome.to_string(), outcome.is_good()))
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn kill_workers(wish: &Kill) -> Result<bool, String> {
    neighbours(&wish.machines)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn neighbours(machines: &Machines) -> Result<bool, String> {
    machines.each(|_, _| Err("the ivshmem broker is for Linux".to_owned()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn pace(machines: &Machines) -> Result<bool, String> {
    neighbours(machines)
}
