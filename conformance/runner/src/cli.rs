// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

mod guest;
mod machines;
mod reports;
mod times;

use crate::child;
use crate::emulated;
use crate::faults;
use crate::hosts::{self, Image, command::Command};
use crate::image;
use crate::judge::Limits;
use crate::keeper;
use crate::out::{complain, is_written, print};
use crate::play::{Part, Wish};
use crate::report::{Format, Report};
use crate::rows::{choose, play_all};
use clap::{Parser, Subcommand};
use machines::{Kill, Machines};
use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tenon_guest_images::Arch;
use times::{Clocks, Timers};

/// Boots guests on hosts and says which clauses of the spec both kept.
///
/// Exit code: 0 when nothing failed, 1 when a case failed or could not be judged, 2 when the run could not be
/// made.
#[derive(Debug, Parser)]
#[command(name = "tenon-conformance", version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    task: Option<Task>,
    /// Play this host; may be given several times. Without it: those that need nothing but Rust.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// How the guest rings its host, where a host has more than one way: on x86-64 port-io (as without this),
    /// mmio, vmcall, on Arm mmio, hvc.
    #[arg(long, value_name = "NAME", requires = "host")]
    conduit: Option<String>,
    /// The machine of the host `qemu`, or the image of a command: x86_64, aarch64 or riscv64, as far as there
    /// is one.
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Play all hosts: also those that need a C compiler, QEMU, or a KVM that hands hypercalls over, and
    /// those inside emulated machines.
    #[arg(long, conflicts_with = "host")]
    all: bool,
    /// Of all hosts, leave out those inside emulated machines: `cargo xtask ci` has them.
    #[arg(long, requires = "all")]
    without_emulated: bool,
    /// Play any other hypervisor, by its command line: it boots the image `{image}`, an ELF file, with the
    /// boot command line `{params}`, and its standard
    /// output is the machine's first serial port. `{seed}` and `{arch}` say more of the image; a doubled
    /// brace is a brace. No shell sees the line. Without
    /// `{params}` the boot command line is written into the image's file.
    #[arg(long, value_name = "LINE", conflicts_with_all = ["fault", "all"])]
    command: Option<String>,
    /// The name of that row.
    #[arg(long, value_name = "NAME", default_value = "command", requires = "command")]
    name: String,
    /// Run the cases whose names contain this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run the K-th of N shares of the cases, to spread a run over machines: `report merge` joins the
    /// reports.
    #[arg(long, value_name = "K/N", value_parser = part)]
    partition: Option<Part>,
    #[command(flatten)]
    against: reports::Against,
    /// List cases with the clauses that they cite, and run nothing.
    #[arg(long)]
    list: bool,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Name in the report for people each case that was skipped, with the reason.
    #[arg(short, long)]
    verbose: bool,
    /// Seed of random cases and sessions, hexadecimal; drawn where it is not given, and part of every report.
    #[arg(long, value_name = "HEX", value_parser = hex)]
    seed: Option<u64>,
    /// Give everything this many times as long.
    #[arg(long, value_name = "X", default_value = "1", value_parser = limits)]
    timeout_scale: Limits,
    /// Boot this image, an ELF file, where a host boots images: a guest of your own that reports as the
    /// suite's does.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// List the faults that a loopback host can be given, and run nothing.
    #[arg(long)]
    list_faults: bool,
    /// Play the loopback host with this fault: cases are expected to fail.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// The machine that this runs in: its rows are called so, in place of `kvm`.
    #[arg(long, hide = true, value_name = "NAME", default_value = "kvm")]
    kvm_is: String,
    /// Be the machine of this loopback host.
    #[arg(long, hide = true, value_name = "HOST")]
    child: Option<String>,
    /// Keep a command: end its process group when standard input ends, and remove this folder.
    #[arg(long, hide = true, value_name = "FOLDER", requires = "words")]
    keep: Option<PathBuf>,
    /// The command that is kept.
    #[arg(hide = true, last = true)]
    words: Vec<OsString>,
    /// The machine's boot command line.
    #[arg(long, hide = true, default_value = "")]
    command_line: String,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
enum Task {
    /// Judge guests: boot each on hosts that use all of what the text allows, and on hosts that lie, and say
    /// which clauses it kept.
    Guest(guest::Wish),
    /// Write an image to a file, to boot it on a hypervisor of your own.
    Image(image::Wish),
    /// Kill a host's worker again and again under load, and see that the guest comes back: on unmodified
    /// QEMU.
    KillWorkers(Kill),
    /// Run two guests at once that try to reach each other's memory and doorbells: on unmodified QEMU.
    Neighbours(Machines),
    /// Read the page TIME on all vCPUs at once, and hold it against the host's clock: on the KVM machine.
    Clocks(Clocks),
    /// Set many timers on all vCPUs at once, with random deadlines, and take each one's event: on the KVM
    /// machine.
    Timers(Timers),
    /// Read reports that were written before.
    #[command(subcommand)]
    Report(reports::Task),
    /// Time calls against a bare loop behind the same device, interleaved: on unmodified QEMU.
    Pace(Machines),
}

/// A seed for a run that was given none.
fn draw() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

fn hex(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .map_err(|_| "it is not a hexadecimal number of at most 16 digits".to_owned())
}

fn part(text: &str) -> Result<Part, String> {
    Part::parse(text).ok_or_else(|| "it is not K/N with K from 1 to N".to_owned())
}

fn limits(text: &str) -> Result<Limits, String> {
    let scale = text.parse().ok().and_then(Limits::scaled);
    scale.ok_or_else(|| "it is not a positive number".to_owned())
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(message) => {
            // Help and version are reports, everything else a complaint.
            let written = is_written(message.print());
            return match written {
                Ok(()) if !message.use_stderr() => ExitCode::SUCCESS,
                _ => refuse(written.err()),
            };
        }
    };
    if let Some(host) = &args.child {
        return child::run(host, &args.command_line, args.fault.as_deref());
    }
    if let Some(folder) = args.keep {
        return keeper::run(&args.words, folder);
    }
    let result = match args.task {
        Some(Task::Guest(wish)) => guest::judge(&wish),
        Some(Task::Image(wish)) => image::write(&wish).map(|()| true),
        Some(Task::KillWorkers(wish)) => machines::kill_workers(&wish),
        Some(Task::Neighbours(machines)) => machines::neighbours(&machines),
        Some(Task::Pace(machines)) => machines::pace(&machines),
        Some(Task::Clocks(wish)) => times::clocks(&wish),
        Some(Task::Timers(wish)) => times::timers(&wish),
        Some(Task::Report(task)) => reports::run(task),
        None => run(args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => refuse(Some(reason)),
    }
}

/// There was no run, or no report of it: says why.
fn refuse(reason: Option<String>) -> ExitCode {
    if let Some(reason) = reason {
        complain(&format!("tenon-conformance: {reason}"));
    }
    ExitCode::from(2)
}

/// Makes a run; whether all is good.
fn run(args: Args) -> Result<bool, String> {
    if args.list_faults {
        return print(&faults::list(args.format)).map(|()| true);
    }
    let seed = args.seed.unwrap_or_else(draw);
    let wish =
        Wish { filter: args.filter, only: None, part: args.partition, seed, limits: args.timeout_scale };
    if wish.cases().is_empty() {
        if let Some(part) = wish.part {
            return Err(format!("share {part} has no case: there are fewer than that"));
        }
        let filter = wish.filter.unwrap_or_default();
        return Err(format!("no case's name contains `{filter}`; `--list` shows them all"));
    }
    if args.list {
        return print(&list(&wish, args.format)).map(|()| true);
    }
    let against = args.against.read()?;
    let image = args.image.as_deref().map(read_image).transpose()?;
    let usual = if args.all { hosts::NAMES } else { hosts::OURS };
    let arch = args.arch.as_deref();
    if arch.is_some() && args.command.is_none() && !args.host.iter().any(|name| name == "qemu") {
        return Err("`--arch` goes with `--host qemu` and with `--command`".to_owned());
    }
    let hosts = with_conduit(named(args.host, arch)?, args.conduit.as_deref())?;
    let is_named = !hosts.is_empty() || args.command.is_some();
    let (emulated, hosts): (Vec<_>, Vec<_>) =
        hosts.into_iter().partition(|host| emulated::names().any(|name| name == host));
    let emulated = match (args.all, args.without_emulated) {
        (true, false) => emulated::names().map(str::to_owned).collect(),
        _ => emulated,
    };
    let mut chosen = if is_named && hosts.is_empty() {
        Vec::new()
    } else {
        choose(&hosts, usual, image.as_ref(), args.fault.as_deref())?
    };
    if let Some(line) = &args.command {
        let arch = Arch::by_name(arch.unwrap_or("x86_64")).ok_or("there is no such `--arch`".to_owned());
        let host = arch.and_then(|arch| Command::new(line, image.as_ref(), arch));
        let host = host.map_err(|reason| format!("host {}: {reason}", args.name))?;
        chosen.push((args.name.clone(), Ok(Box::new(host))));
    }
    let mut rows = play_all(chosen, &wish, is_named)?;
    for row in &mut rows {
        if let Some(rest) = row.host.strip_prefix("kvm") {
            row.host = format!("{}{rest}", args.kvm_is);
        }
    }
    // When nothing else runs: each keeps a processor busy.
    rows.extend(emulated::rows(&emulated, &wish, image.is_some()));
    if let Some((row, why)) =
        rows.iter().find_map(|row| Some((&row.host, row.reason.as_ref()?))).filter(|_| is_named)
    {
        return Err(format!("host {row}: {why}"));
    }
    let mut report = Report { seed, rows, ..Report::default() };
    against.apply(&mut report)?;
    print(&report.text(args.format, args.verbose))?;
    let booted = report.rows.iter().any(|row| row.reason.is_none() && hosts::boots_images(&row.host))
        || args.command.is_some();
    if args.image.is_some() && !booted {
        return Err("the image was booted by no host".to_owned());
    }
    Ok(report.is_good())
}

fn read_image(path: &Path) -> Result<Image, String> {
    let read = std::fs::read(path)
        .map_err(|error| format!("the image {} cannot be read: {error}", path.display()))?;
    Ok(read.into())
}

/// The hosts that were named, with the conduit that was.
fn with_conduit(hosts: Vec<String>, conduit: Option<&str>) -> Result<Vec<String>, String> {
    let Some(conduit) = conduit else { return Ok(hosts) };
    hosts.iter().map(|host| hosts::with_conduit(host, conduit)).collect()
}

/// The names of rows, where `qemu` stands for the one of an architecture.
fn named(hosts: Vec<String>, arch: Option<&str>) -> Result<Vec<String>, String> {
    let row = |name: String| match &*name {
        "qemu" => {
            let arch = arch.unwrap_or("x86_64");
            let kind = hosts::qemu::KINDS.iter().find(|kind| kind.arch == arch);
            kind.map(|kind| kind.name.to_owned())
                .ok_or_else(|| format!("there is no QEMU machine for `{arch}`"))
        }
        _ => Ok(name),
    };
    hosts.into_iter().map(row).collect()
}

fn list(wish: &Wish, format: Format) -> String {
    let cases = wish.cases();
    if format == Format::Json {
        let cases: Vec<_> = cases
            .iter()
            .map(|case| serde_json::json!({ "name": case.name, "clauses": case.clauses }))
            .collect();
        return format!("{}\n", serde_json::Value::from(cases));
    }
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for case in cases {
        // A string takes whatever it is given.
        let _ = writeln!(text, "{:width$}  {}", case.name, case.clauses.join(" "));
    }
    text
}
