// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest on KVM that says what is durable, and its host, which is killed: the guest dies with it.
//!
//! A number is given to one write only, and each boot begins far above the last. So whatever stands on the
//! disk is known to be of this boot, of the one before, or a ghost.

use crate::host;
use crate::pages::Pages;
use crate::random::Random;
use crate::trial::{End, new_disk, part, with_fault};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use tenon_devices::block::{Access, open_locked};
use tenon_guest_images::Arch;
use tenon_host::device::Attached;
use tenon_host::kvm::{Vmm, VmmConfig};

/// Longer than any boot takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// More writes than there are between boot and kill.
const BOOT: u64 = 1 << 24;

/// The guest, built once.
static IMAGE: LazyLock<Result<Vec<u8>, String>> =
    LazyLock::new(|| tenon_guest_images::image("writer", Arch::X86_64));

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Those that a FLUSH has made durable.
    pub(crate) writes: u64,
    pub(crate) flushes: u64,
    /// Writes that were durable by themselves.
    pub(crate) durable: u64,
}

/// One trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial<'a> {
    /// The back end; `None`: the program `tenon-vmm` serves the file.
    pub(crate) how: Option<&'a str>,
    pub(crate) fault: Option<&'a str>,
    pub(crate) rounds: u64,
    pub(crate) least: u64,
    pub(crate) seed: u64,
}

/// The host of the layers that a test brings along.
pub(crate) fn run(how: &str, disk: &Path, image: &Path, words: &str) -> ! {
    let (device, queues, _control) = host::disk(how, disk).start().unwrap();
    let devices = vec![Attached::new(device, queues)];
    let config = VmmConfig { devices, limit: Duration::from_secs(300), ..VmmConfig::default() };
    let image = std::fs::read(image).unwrap();
    match Vmm::new(config).and_then(|vmm| vmm.run(&image, words)) {
        Ok(outcome) => eprintln!("the machine: {outcome:?}"),
        Err(error) => eprintln!("{error}"),
    }
    std::process::exit(2)
}

/// A host that runs.
struct Host {
    child: Child,
    says: Receiver<String>,
}

impl Host {
    fn start(mut command: Command, log: &Path) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log).unwrap());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (say, says) = channel();
        thread::spawn(move || {
            // A line without its end was not said.
            let whole = |line: &[u8]| String::from_utf8(line.strip_suffix(b"\n")?.to_vec()).ok();
            let (mut stdout, mut line) = (stdout, Vec::new());
            while stdout.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                if whole(&line).is_some_and(|line| say.send(line).is_err()) {
                    break;
                }
                line.clear();
            }
        });
        Self { child, says }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Why a host says nothing.
fn silent(log: &Path, told: &[String]) -> End {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let is_skipped = ["/dev/kvm", "this KVM"].iter().any(|lack| said.contains(lack));
    if is_skipped {
        End::Skipped(said)
    } else {
        End::Failed(format!("the guest says no more: {told:?}; {said}"))
    }
}

impl Trial<'_> {
    /// Kills so many hosts.
    pub(crate) fn run(&self) -> Result<Log, End> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let image = IMAGE.as_ref().map_err(|why| End::Skipped(why.clone()))?;
        std::fs::write(path("writer"), image).unwrap();
        let file = new_disk(&path("disk"));
        let (mut pages, mut random, mut log) = (Pages::new(), Random(self.seed), Log::default());
        for round in 1..=self.rounds {
            let first = round * BOOT;
            let command = self.command(&path("disk"), &path("writer"), first);
            let mut host = Host::start(command, &path("log"));
            let told = self.listen(&mut host, &path("log"), &mut random)?;
            learn(&mut pages, first, &told, &mut log);
            // Its I/O is over when its lock is.
            let access = Access { patience: PATIENCE, ..Access::default() };
            open_locked(&path("disk"), access).map_err(|why| End::Failed(why.to_string()))?;
            pages.stand(&file).map_err(|why| End::Failed(format!("round {round}: {why}")))?;
        }
        Ok(log)
    }

    fn command(&self, disk: &Path, image: &Path, first: u64) -> Command {
        // Writes that are durable by themselves sync all the rest: a fault of FLUSH would be seen by luck.
        let words = [format!("first={first}"), format!("durable={}", u8::from(self.fault.is_none()))];
        let Some(how) = self.how else {
            let mut command = with_fault(Command::new(env!("CARGO_BIN_EXE_tenon-vmm")), self.fault);
            command.arg("--limit").arg("300").arg("--disk").arg(disk).arg(image).args(words);
            return command;
        };
        let mut command = part(self.fault);
        command.arg("kvm").arg(how).arg(disk).arg(image).arg(words.join(" "));
        command
    }

    /// Kills the host at random: what its guest said until then.
    fn listen(&self, host: &mut Host, log: &Path, random: &mut Random) -> Result<Vec<String>, End> {
        let (mut told, mut flushes) = (Vec::new(), self.least + random.below(8));
        while flushes > 0 || told.is_empty() {
            let line = host.says.recv_timeout(PATIENCE).map_err(|_| silent(log, &told))?;
            flushes -= u64::from(line.starts_with("flushed") && flushes > 0);
            told.push(line);
        }
        thread::sleep(Duration::from_micros(random.below(12_000)));
        host.kill();
        // What it has said is in the pipe, which ends with it.
        told.extend(host.says.iter());
        Ok(told)
    }
}

/// What the guest of one boot has been promised.
fn learn(pages: &mut Pages, first: u64, told: &[String], log: &mut Log) {
    pages.submitted_from(first);
    let (mut durable, mut flushed) = (Vec::new(), first - 1);
    for line in told {
        match line.split_once(' ').and_then(|(what, number)| Some((what, number.parse::<u64>().ok()?))) {
            Some(("flushed", number)) => {
                log.flushes += 1;
                flushed = flushed.max(number);
            }
            Some(("durable", number)) => {
                log.durable += 1;
                durable.push(number);
            }
            _ => {}
        }
    }
    log.writes += flushed + 1 - first;
    for version in (first..=flushed).chain(durable) {
        pages.durable(version);
    }
}
