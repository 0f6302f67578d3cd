// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host has counted, for whoever watches its machines: as Prometheus text, over HTTP, and as a file of
//! JSON. The numbers are those that guests read by METER_READ (MET-5).

mod server;
mod telling;

pub use server::Server;
pub use telling::{Places, Telling};

use crate::counted::Counted;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::format;
use std::fs;
use std::io;
use std::path::Path;
use std::string::String;
use tenon_abi::Meter;

/// What `Content-Type` says of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What stands behind the name of a count whose unit is not one of something.
fn unit(number: Meter) -> &'static str {
    match number {
        Meter::CONSOLE_OUT
        | Meter::CONSOLE_IN
        | Meter::ENTROPY
        | Meter::GIVEN
        | Meter::TAKEN
        | Meter::SHARED => "_bytes",
        _ => "",
    }
}

/// The name of each count, its text, and how much there is.
fn named(counted: &Counted) -> impl Iterator<Item = (String, &'static str, u64)> + use<> {
    let rows = counted.rows();
    rows.filter_map(|(number, value)| {
        let known = Meter::NUMBERS.iter().find(|known| known.value == number.0)?;
        Some((format!("{}{}", known.name.to_ascii_lowercase(), unit(number)), known.doc, value))
    })
}

/// The exposition format of Prometheus: a counter for each row, and the epoch as a label of
/// `tenon_meter_info`. A rate over a new epoch is that of a counter that began again, which Prometheus knows.
#[must_use]
pub fn text(counted: &Counted) -> String {
    let mut text = String::new();
    // A string takes whatever it is given.
    for (name, doc, value) in named(counted) {
        let _ = writeln!(text, "# HELP tenon_{name}_total {doc}");
        let _ = writeln!(text, "# TYPE tenon_{name}_total counter");
        let _ = writeln!(text, "tenon_{name}_total {value}");
    }
    let _ =
        writeln!(text, "# HELP tenon_meter_info the epoch over which the host has counted without a loss");
    let _ = writeln!(text, "# TYPE tenon_meter_info gauge");
    let _ = writeln!(text, "tenon_meter_info{{epoch=\"{:#x}\"}} 1", counted.epoch());
    text
}

/// The same as one object of JSON.
#[must_use]
pub fn json(counted: &Counted) -> String {
    let mut text = format!("{{\"epoch\":\"{:#x}\"", counted.epoch());
    for (name, _, value) in named(counted) {
        let _ = write!(text, ",\"{name}\":{value}");
    }
    text.push_str("}\n");
    text
}

/// Writes [`json`] to a file: whoever reads the file finds this, or what was there before, and no part of
/// either. It is written beside it, and takes its place when it is whole.
///
/// # Errors
///
/// Those of the file system: the folder must be writable.
pub fn write_json(path: &Path, counted: &Counted) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(beside);
    fs::write(&beside, json(counted))?;
    fs::rename(&beside, path).inspect_err(|_| {
        // It is ours, and of no use.
        let _ = fs::remove_file(&beside);
    })
}
