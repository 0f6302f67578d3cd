// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads of 1 MiB, one behind the other, of a file in the page cache, beside `dd`.

use std::fs;
use std::path::Path;
use std::process::Command;

use tenon_devices::block::{Access, Disk, Method};
use tenon_host::device::Attached;

use super::guest::{Guest, Plan, Theirs, Virtio};
use super::reads::numbered;
use crate::call::Trouble;
use crate::listen::Medians;
use crate::row::tenth;

const MIB: usize = 1 << 20;
const BLOCKS: usize = 16;
const RUNS: usize = 50;

/// Microseconds of a read by a guest, eight under way at a time, and of one by `dd`. With `direct` the
/// guest's reads go around the page cache, and those of `dd` do not.
///
/// # Errors
///
/// [`Trouble`].
pub fn along(direct: bool) -> Result<Medians, Trouble> {
    let folder = std::env::temp_dir().join(format!("tenon-bench-{}", std::process::id()));
    let broken = |why: std::io::Error| Trouble::Broken(format!("{}: {why}", folder.display()));
    fs::create_dir(&folder).map_err(broken)?;
    let file = folder.join("disk");
    let found =
        fs::write(&file, numbered(BLOCKS * MIB, MIB)).map_err(broken).and_then(|()| measure(&file, direct));
    // What was made here; it may be gone already.
    let _ = fs::remove_file(&file);
    let _ = fs::remove_dir(&folder);
    found
}

fn measure(file: &Path, direct: bool) -> Result<Medians, Trouble> {
    let mut theirs = dd(file)?;
    let broken = |why: tenon_devices::Error| Trouble::Broken(why.to_string());
    let plan = Plan { polled: false, rounds: [100, BLOCKS as u64], virtio: Virtio::default() };
    let access = Access { read_only: true, direct, ..Access::default() };
    let disk = Disk::raw(file, access, Method::Auto);
    // Not every file system reads around its cache.
    let disk = disk.map_err(|why| if direct { Trouble::Absent(why.to_string()) } else { broken(why) })?;
    let disk = disk.with_queues(1, 64).with_waiter(plan.waiter());
    let (device, queues, _control) = disk.start().map_err(broken)?;
    let guest = Guest::new(Attached::new(device, queues))?;
    let parameters = format!("bench=disk depth=8 along=1 blocks={BLOCKS} bytes={MIB}");
    let found = guest.run(plan, &parameters, Theirs::Nothing)?;
    theirs.extend(dd(file)?);
    Ok(Medians { ours: found.medians.ours, theirs: tenth(theirs).unwrap_or(f64::NAN) })
}

/// What `dd` says that it took, in microseconds a block.
fn dd(file: &Path) -> Result<Vec<f64>, Trouble> {
    let run = |_| {
        let mut input = std::ffi::OsString::from("if=");
        input.push(file);
        let mut dd = Command::new("dd");
        let output = dd.arg(input).args(["of=/dev/null", "bs=1M"]).env("LC_ALL", "C").output();
        let output = output.map_err(|why| Trouble::Absent(format!("dd: {why}")))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let seconds = text.split(" copied, ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let seconds: f64 =
            seconds.ok_or_else(|| Trouble::Broken(format!("dd says nothing of its time: {text}")))?;
        Ok(seconds * 1e6 / BLOCKS as f64)
    };
    (0..RUNS).map(run).collect()
}
