// SPDX-License-Identifier: MIT OR Apache-2.0
//! Broker and QEMU by one command: the guest's end is QEMU's, and QEMU's is the broker's.

use crate::Error;
use crate::broker::{Broker, Ended, Options, Until};
use crate::child::spawn;
use crate::worker::End;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// What stands for the socket's path in a command. Within a longer word, which is an option of QEMU's, the
/// path's commas are doubled, as QEMU wants it; a word that is nothing else becomes the path as it is.
pub const PLACE: &str = "{socket}";
/// A QEMU that was asked to end does so within this time, or is killed.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs a guest: starts the command, in which [`PLACE`] becomes the path of a socket, and serves its guest. A
/// guest that ends itself by EXIT ends the
/// command, and RESTART starts it again with fresh memory. The exit code is the guest's, 255 for a larger
/// one; where the command ends by itself, it
/// is the command's, 128 and its number for a signal.
///
/// # Errors
///
/// [`Error`], in one line.
pub fn run(command: &[String], options: &Options) -> Result<u8, Error> {
    let Some((program, words)) =
        command.split_first().filter(|_| command.iter().any(|word| word.contains(PLACE)))
    else {
        return Err(Error::Command("it says nowhere {socket}, the path of the socket for QEMU's chardev"));
    };
    loop {
        let mut broker = Broker::new(Options { once: true, ..options.clone() })?;
        let path = broker.socket().and_then(Path::to_str);
        let path = path.ok_or(Error::Command("the folder for temporary files has no name in UTF-8"))?;
        let mut command = Command::new(program);
        command.args(words.iter().map(|word| put(word, path)));
        let mut vmm = Vmm::start(&mut command)?;
        let pid = Pid::from_child(&vmm.0);
        let ended =
            pidfd_open(pid, PidfdFlags::empty()).map_err(Error::system("the command cannot be watched"))?;
        match broker.run(&Until::Ended(ended.as_fd()))? {
            Ended::Guest(End::Restart) => drop(vmm.end(Duration::ZERO)?),
            Ended::Guest(End::Exit(code)) => {
                vmm.end(Duration::ZERO)?;
                return Ok(u8::try_from(code).unwrap_or(u8::MAX));
            }
            // It has ended, or has let go of its device, which no QEMU does that goes on.
            Ended::Guest(End::Left) | Ended::Client | Ended::Asked => {
                return Ok(code(vmm.end(FAREWELL)?));
            }
        }
    }
}

/// A word of a command, with the socket's path in its place.
fn put(word: &str, path: &str) -> String {
    if word == PLACE { path.to_owned() } else { word.replace(PLACE, &path.replace(',', ",,")) }
}

/// The process of a command. Dropped, it is killed.
struct Vmm(Child);

impl Vmm {
    fn start(command: &mut Command) -> Result<Self, Error> {
        spawn(command).map(Self).map_err(Error::system("the command cannot be run"))
    }

    /// Ends it, if it does not end by itself within some time: it is asked to, and killed if it does not.
    fn end(&mut self, patience: Duration) -> Result<ExitStatus, Error> {
        if self.has_ended_within(patience)?.is_none() {
            // It was not waited for: the number is still its own.
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        }
        if self.has_ended_within(FAREWELL)?.is_none() {
            let _ = self.0.kill();
        }
        self.0.wait().map_err(Error::system("the command cannot be waited for"))
    }

    fn has_ended_within(&mut self, patience: Duration) -> Result<Option<ExitStatus>, Error> {
        let end = Instant::now() + patience;
        loop {
            let ended = self.0.try_wait().map_err(Error::system("the command cannot be waited for"))?;
            if ended.is_some() || Instant::now() >= end {
                return Ok(ended);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Vmm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An exit code, as shells have it.
fn code(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| signal.saturating_add(128));
    status.code().or(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
