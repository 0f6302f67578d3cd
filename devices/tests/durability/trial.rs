// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest whose memory outlives its hosts, and hosts of one disk that are killed one after the other.

use crate::guest::{Guest, Log};
use crate::pattern::{PAGE, PAGES};
use crate::random::Random;
use crate::shared::{LEN, Shared};
use std::env;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tenon_devices::block::{KeptInFile, Latch};

/// What the guest asks for besides writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) flushes: bool,
    /// Some writes are durable by themselves.
    pub(crate) durable: bool,
}

/// One trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial<'a> {
    /// The back end.
    pub(crate) how: &'a str,
    pub(crate) mix: Mix,
    pub(crate) fault: Option<&'a str>,
    pub(crate) rounds: u64,
    /// Each host lives until it has promised at least so much, or up to so much, as chance has it.
    pub(crate) promises: (u64, u64),
    pub(crate) seed: u64,
}

/// Why a trial has no good end.
pub(crate) enum End {
    /// This machine lacks something for it.
    Skipped(String),
    Failed(String),
}

/// A host, as a process.
struct Host {
    child: Child,
    /// Open for as long as the process or its I/O lives.
    life: ChildStdout,
}

impl Host {
    /// Waits until it and its I/O are over.
    fn wait(mut self) {
        self.child.wait().unwrap();
        let _ = self.life.read_to_end(&mut Vec::new());
    }
}

/// A disk of zeros.
pub(crate) fn new_disk(path: &Path) -> File {
    sized(path, PAGES * PAGE)
}

fn sized(path: &Path, len: usize) -> File {
    let file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path).unwrap();
    file.set_len(len as u64).unwrap();
    file
}

/// This program in another part, with a fault if one is wanted.
pub(crate) fn part(fault: Option<&str>) -> Command {
    with_fault(Command::new(env::current_exe().unwrap()), fault)
}

pub(crate) fn with_fault(mut command: Command, fault: Option<&str>) -> Command {
    match fault {
        Some(fault) => command.env(tenon_planted::CHOICE, fault),
        None => command.env_remove(tenon_planted::CHOICE),
    };
    command
}

impl Trial<'_> {
    /// Kills so many hosts.
    pub(crate) fn run(&self) -> Result<Log, End> {
        self.check(|_, _, result| result)
    }

    /// The first write-back fails, and no later one. No host of the next rounds makes anything durable, until
    /// the latch is cleared before the last of them.
    pub(crate) fn run_failing(&self) -> Result<Log, End> {
        self.check(|round, disk, result| match result {
            Err(why) if round < self.rounds && why.contains("IO_ERROR") => {
                if round + 1 == self.rounds {
                    KeptInFile::new(disk.with_extension("latch")).clear().map_err(|why| why.to_string())?;
                }
                Ok(())
            }
            Ok(()) if round < self.rounds => Err("FLUSH says OK after a write-back failed".to_owned()),
            result => result,
        })
    }

    /// Kills so many hosts, and judges what came of each.
    fn check(
        &self,
        judge: impl Fn(u64, &Path, Result<(), String>) -> Result<(), String>,
    ) -> Result<Log, End> {
        let folder = tempfile::tempdir().unwrap();
        let (memory, disk) = (folder.path().join("memory"), folder.path().join("disk"));
        let mut guest = Guest::new(Shared::map(&sized(&memory, LEN)));
        let file = new_disk(&disk);
        let mut random = Random(self.seed);
        let mut hosts = Vec::new();
        let mut all = || {
            for round in 1..=self.rounds {
                let result = self.round(&mut guest, &memory, &disk, &mut random, &mut hosts);
                judge(round, &disk, result).map_err(|why| format!("round {round}: {why}"))?;
            }
            Ok(())
        };
        let result: Result<(), String> = all();
        hosts.into_iter().for_each(Host::wait);
        result.map_err(End::Failed)?;
        let lost = guest.pages.stand(&file).map_err(|why| End::Failed(format!("at the end: {why}")))?;
        guest.log.lost += lost;
        Ok(guest.log)
    }

    fn round(
        &self,
        guest: &mut Guest,
        memory: &Path,
        disk: &Path,
        random: &mut Random,
        hosts: &mut Vec<Host>,
    ) -> Result<(), String> {
        let session = random.below(1 << 31) as u32;
        guest.clear();
        let mut command = part(self.fault);
        command.arg("host").arg(self.how).arg(memory).arg(disk).arg(session.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (doorbell, life) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        rustix::io::ioctl_fionbio(&doorbell, true).unwrap();
        let (least, most) = self.promises;
        let promises = least + random.below(most - least + 1);
        let result = guest.begin(session, doorbell).and_then(|mut running| {
            let time = Duration::from_micros(random.below(12_000));
            guest.work(&mut running, self.mix, (time, promises), random).map(|()| running)
        });
        child.kill().unwrap();
        // Its process is over; its I/O may go on while the next one starts.
        child.wait().unwrap();
        hosts.push(Host { child, life });
        result.and_then(|running| guest.end(running))
    }
}
