// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process as a machine: its standard output is the serial port, and on standard error its host says last how it ended ([`END`]), before that
//! which crash record it holds ([`CRASH`]). It ends when its standard input does.

use super::{Crash, End, Event, Machine};
use crate::child::{CRASH, END, unhex};
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Bytes of standard error that are kept: the last ones.
const KEPT: usize = 8192;

/// Pieces of output that wait for the judge: a machine that talks faster waits itself.
const BACKLOG: usize = 64;

/// Starts a machine.
///
/// # Errors
///
/// Why it did not start, in one line.
pub(super) fn start(mut command: Command) -> Result<Box<dyn Machine>, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("`{}` cannot be run: {error}", command.get_program().display()))?;
    let (sender, receiver) = sync_channel(BACKLOG);
    let serial = child.stdout.take().map(|from| read(from, sender.clone(), Chunk::Serial));
    let errors = child.stderr.take().map(|from| read(from, sender, Chunk::Errors));
    let readers = [serial, errors].into_iter().flatten().collect();
    Ok(Box::new(Process { child, readers, receiver: Some(receiver), errors: Vec::new(), end: None }))
}

/// What one of a machine's pipes said.
pub(super) enum Chunk {
    /// Its serial port.
    Serial(Vec<u8>),
    /// Its standard error.
    Errors(Vec<u8>),
    /// Its host, where that is another process.
    Host(Vec<u8>),
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
    readers: Vec<JoinHandle<()>>,
    /// Gone when the process is being stopped.
    receiver: Option<Receiver<Chunk>>,
    errors: Vec<u8>,
    /// How it ended, while that is still to be told.
    end: Option<End>,
}

impl Machine for Process {
    fn next(&mut self, patience: Duration) -> Option<Event> {
        if let Some(end) = self.end.take() {
            return Some(Event::Ended(end));
        }
        match self.receiver.as_ref()?.recv_timeout(patience) {
            Ok(Chunk::Serial(bytes)) => Some(Event::Bytes(bytes)),
            Ok(Chunk::Errors(bytes)) => {
                self.errors.extend_from_slice(&bytes);
                let excess = self.errors.len().saturating_sub(KEPT);
                self.errors.drain(..excess);
                None
            }
            // Where the host is the same process, it has no pipe of its own.
            Ok(Chunk::Host(_)) | Err(RecvTimeoutError::Timeout) => None,
            // Both pipes are closed: the process has ended, or is about to.
            Err(RecvTimeoutError::Disconnected) => {
                self.receiver = None;
                let errors = String::from_utf8_lossy(&self.errors);
                self.end = Some(match self.child.wait() {
                    Ok(status) => end(status, &errors),
                    Err(error) => End::Other(format!("cannot be waited for: {error}")),
                });
                Some(Event::Crash(crash(&errors)))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A reader that waits for room gives up.
        self.receiver = None;
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

/// What the host of the child said last, and else how the process ended.
fn end(status: ExitStatus, errors: &str) -> End {
    let last = last_line(errors);
    let announced = last.strip_prefix(END).filter(|_| status.success());
    match announced.and_then(|how| how.strip_prefix("exit=")).and_then(|code| code.parse().ok()) {
        Some(code) => End::Exit(code),
        None if announced == Some("restart") => End::Restart,
        None if announced == Some("left=0") => End::Other("came to its end".to_owned()),
        None if let Some(code) = announced.and_then(|how| how.strip_prefix("left=")) => {
            End::Other(format!("left by its exit port with code {code}"))
        }
        None if let Some(how) = announced => End::Other(format!("ended: {how}")),
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
