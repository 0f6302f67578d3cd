// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process as a machine: its standard output is the serial port, and on standard error its host says last
//! how it ended ([`END`]), before that which crash record it holds ([`CRASH`]): REP-8. It ends when its
//! standard input does. It leads a process group, and whatever is in it ends with it.

use super::{Crash, End, Event, Machine};
use crate::child::{CRASH, END, unhex};
use crate::keeper::NOT_RUN;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes of standard error that are kept: the last ones.
const KEPT: usize = 8192;

/// Pieces of output that wait for the judge: a machine that talks faster waits itself.
const BACKLOG: usize = 64;

/// What is stopped lets go of its pipes within this time. Who does not has left the group, and keeps a thread
/// of ours until it ends.
const LETTING_GO: Duration = Duration::from_secs(1);

/// How long a look takes at a process that has closed its pipes and goes on.
const PAUSE: Duration = Duration::from_millis(5);

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// One that was written for this runner: exit code 0 and how the machine ended, or 2 and why there is
    /// none.
    Ours,
    /// Any other: what its exit code means is not known.
    Other,
}

/// Starts a machine.
///
/// # Errors
///
/// Why it did not start, in one line.
pub(super) fn start(mut command: Command, whose: Whose) -> Result<Box<dyn Machine>, String> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("`{}` cannot be run: {error}", command.get_program().display()))?;
    let (sender, receiver) = sync_channel(BACKLOG);
    let serial = child.stdout.take().map(|from| read(from, sender.clone(), Chunk::Serial));
    let errors = child.stderr.take().map(|from| read(from, sender, Chunk::Errors));
    let readers = [serial, errors].into_iter().flatten().collect();
    Ok(Box::new(Process {
        child,
        whose,
        readers,
        receiver: Some(receiver),
        errors: Vec::new(),
        status: None,
        end: None,
    }))
}

/// What one of a machine's pipes said.
pub(super) enum Chunk {
    /// Its serial port.
    Serial(Vec<u8>),
    /// Its standard error.
    Errors(Vec<u8>),
    /// Its host, where that is another process.
    Host(Vec<u8>),
    /// Its console, where that is kept.
    Console(Vec<u8>),
}

/// Sends what can be read until that ends.
pub(super) fn read(
    mut from: impl Read + Send + 'static,
    to: SyncSender<Chunk>,
    chunk: fn(Vec<u8>) -> Chunk,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if to.send(chunk(buffer[..len].to_vec())).is_err() {
                return;
            }
        }
    })
}

/// A child process as a machine.
struct Process {
    child: Child,
    whose: Whose,
    readers: Vec<JoinHandle<()>>,
    /// Gone when the process is being stopped.
    receiver: Option<Receiver<Chunk>>,
    errors: Vec<u8>,
    /// How the process ended, once that is known: from then on its number may be another's.
    status: Option<ExitStatus>,
    /// How it ended, while that is still to be told.
    end: Option<End>,
}

impl Machine for Process {
    fn next(&mut self, patience: Duration) -> Option<Event> {
        if let Some(end) = self.end.take() {
            return Some(Event::Ended(end));
        }
        let Some(receiver) = &self.receiver else { return self.closed(patience) };
        match receiver.recv_timeout(patience) {
            Ok(Chunk::Serial(bytes)) => Some(Event::Bytes(bytes)),
            Ok(Chunk::Errors(bytes)) => {
                self.errors.extend_from_slice(&bytes);
                let excess = self.errors.len().saturating_sub(KEPT);
                self.errors.drain(..excess);
                None
            }
            // Where the host is the same process, it has no pipe of its own.
            Ok(Chunk::Host(_) | Chunk::Console(_)) => None,
            Err(RecvTimeoutError::Timeout) => {
                // Its pipes stay open where it has left somebody behind: these end now, and then the pipes
                // do.
                self.has_ended();
                None
            }
            // Both pipes are closed: the process has ended, is about to, or goes on without them.
            Err(RecvTimeoutError::Disconnected) => {
                self.receiver = None;
                self.closed(patience)
            }
        }
    }
}

impl Process {
    /// What it does next when nothing more can be read from it.
    fn closed(&mut self, patience: Duration) -> Option<Event> {
        let start = Instant::now();
        while !self.has_ended() {
            thread::sleep(PAUSE.min(patience.saturating_sub(start.elapsed())));
            if start.elapsed() >= patience {
                return None;
            }
        }
        let status = self.status?;
        let errors = String::from_utf8_lossy(&self.errors);
        self.end = Some(match self.whose {
            Whose::Ours => end(status, &errors),
            Whose::Other => untold(status, &errors),
        });
        Some(Event::Crash(crash(&errors)))
    }

    /// Whether the process has ended. Its group has then ended with it.
    fn has_ended(&mut self) -> bool {
        if self.status.is_none() && is_waiting_to_be_heard(&self.child) {
            self.stop();
        }
        self.status.is_some()
    }

    /// Ends the group, while its number is surely its own: a process keeps it until it was waited for.
    fn stop(&mut self) {
        if self.status.is_some() {
            return;
        }
        #[cfg(unix)]
        if let Some(group) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            // Nobody may be left in it, which is as good.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        self.status = self.child.wait().ok();
    }
}

/// Whether a process has ended that was not waited for, and without doing so.
#[cfg(unix)]
fn is_waiting_to_be_heard(child: &Child) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let Some(pid) = Pid::from_raw(child.id().cast_signed()) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_)))
}

/// Without process groups there is nobody to end before the process is waited for.
#[cfg(not(unix))]
fn is_waiting_to_be_heard(_: &Child) -> bool {
    true
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        // A reader that waits for room gives up.
        self.receiver = None;
        let start = Instant::now();
        for reader in self.readers.drain(..) {
            while !reader.is_finished() && start.elapsed() < LETTING_GO {
                thread::sleep(PAUSE);
            }
            if reader.is_finished() {
                let _ = reader.join();
            }
        }
    }
}

/// The end that a host announced.
fn announced(how: &str) -> End {
    if let Some(code) = how.strip_prefix("exit=").and_then(|code| code.parse().ok()) {
        return End::Exit(code);
    }
    match (how, how.strip_prefix("left=")) {
        ("restart", _) => End::Restart,
        (_, Some("0")) => End::Other("came to its end".to_owned()),
        (_, Some(code)) => End::Other(format!("left by its exit port with code {code}")),
        _ => End::Other(format!("ended: {how}")),
    }
}

/// What the host of any command said last, and else how the command ended.
fn untold(status: ExitStatus, errors: &str) -> End {
    let last = last_line(errors);
    if let Some(how) = errors.lines().rev().find_map(|line| line.strip_prefix(END)) {
        return announced(how);
    }
    match last.strip_prefix(NOT_RUN) {
        Some(why) => End::NotBooted(why.to_owned()),
        None if last.is_empty() => End::Untold(status.to_string()),
        None => End::Untold(format!("{status}: {}", last.trim())),
    }
}

/// What the host of the child said last, and else how the process ended.
fn end(status: ExitStatus, errors: &str) -> End {
    let last = last_line(errors);
    match last.strip_prefix(END).filter(|_| status.success()) {
        Some(how) => announced(how),
        None if status.success() => End::Other("came to its end".to_owned()),
        // Usage and environment: there was no machine.
        None if status.code() == Some(2) => End::NotBooted(last.trim().to_owned()),
        None => End::Other(format!("crashed ({status}): {}", explain(errors, last))),
    }
}

/// The last line that says anything.
pub(super) fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// The crash record of which the host of the child said that it holds it.
pub(super) fn crash(errors: &str) -> Option<Crash> {
    let (code, text) = errors.lines().rev().find_map(|line| line.strip_prefix(CRASH)?.split_once(' '))?;
    Some(Crash { code: u64::from_str_radix(code, 16).ok()?, text: unhex(text)? })
}

/// The line of a panic and the one behind it, which says why; without a panic the last line.
fn explain(errors: &str, last: &str) -> String {
    let mut lines = errors.lines().skip_while(|line| !line.contains("panicked at"));
    match (lines.next(), lines.next()) {
        (Some(place), Some(why)) => format!("{} {why}", place.trim()),
        _ => last.to_owned(),
    }
}
