// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU and the broker as a machine.

use super::Kind;
use crate::hosts::folder::Folder;
use crate::hosts::process::{Chunk, crash, last_line, read};
use crate::hosts::{End, Event, Host, Image, Machine, seed};
use crate::slowness::is_over;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The oldest QEMU whose machines have what is asked of them.
const OLDEST: (u32, u32) = (6, 0);
/// A broker is ready within this time.
const READY: Duration = Duration::from_secs(10);
/// A wait for it without a look at its process.
const PAUSE: Duration = Duration::from_millis(100);
/// A broker whose standard input was closed ends within this time.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pieces of output that wait for the judge.
const BACKLOG: usize = 64;
/// What this program's command line becomes the broker's by.
pub(super) const PREFIX: &str = "ivshmem";

/// Whether there is a QEMU that will do.
pub(crate) fn check(kind: &Kind) -> Result<(), String> {
    let output =
        Command::new(kind.program).arg("--version").stdin(Stdio::null()).output().map_err(|error| {
            format!("`{}` cannot be run: {error}; Debian: apt-get install {}", kind.program, kind.package)
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1);
    let mut numbers = version.unwrap_or_default().split('.').map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => Ok(()),
        (Some(major), Some(minor)) => Err(format!(
            "{} is version {major}.{minor}: {}.{} or newer is needed",
            kind.program, OLDEST.0, OLDEST.1
        )),
        _ => Err(format!("`{} --version` does not say which version it is", kind.program)),
    }
}

pub(super) struct Qemu {
    pub(super) kind: &'static Kind,
    pub(super) image: Image,
}

impl Host for Qemu {
    fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String> {
        Ok(Box::new(start(self.kind, &self.image, command_line, Wants::Nothing)?))
    }
}

/// What a machine has that is not for cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Nothing.
    Nothing,
    /// What its guest writes to Tenon's console is kept.
    Console,
    /// A bare loop behind a second doorbell.
    Reference,
}

/// Starts a machine.
pub(crate) fn start(
    kind: &Kind,
    image_bytes: &[u8],
    command_line: &str,
    wants: Wants,
) -> Result<Running, String> {
    let folder = Folder::new("qemu")?;
    folder.put("image", image_bytes)?;
    let [image, socket] = ["image", "socket"].map(|name| folder.path().join(name));
    let (sender, receiver) = sync_channel(BACKLOG);

    let program =
        std::env::current_exe().map_err(|error| format!("the executable does not know itself: {error}"))?;
    let mut broker = Command::new(program);
    broker.args([PREFIX, "broker", "--once", "--echo", "--seed", &format!("{:x}", seed(command_line))]);
    broker.args(["--messages", &kind.messages.to_string(), "--socket"]).arg(&socket);
    broker.args((wants == Wants::Reference).then_some("--reference"));
    broker.stdin(Stdio::piped()).stderr(Stdio::piped());
    broker.stdout(if wants == Wants::Console { Stdio::piped() } else { Stdio::null() });
    let mut machine = Running {
        broker: start_bound(broker)?,
        qemu: None,
        readers: Vec::new(),
        receiver: Some(receiver),
        said: String::new(),
        complaints: Vec::new(),
        console: Vec::new(),
        spoke: false,
        end: None,
        _folder: folder,
    };
    let output = machine.broker.stdout.take();
    machine.readers.extend(output.map(|from| read(from, sender.clone(), Chunk::Console)));
    let errors = machine.broker.stderr.take();
    machine.readers.extend(errors.map(|from| read(from, sender.clone(), Chunk::Host)));
    machine.wait_for_broker()?;

    let mut qemu = Command::new(kind.program);
    qemu.args(kind.machine).args(["-accel", "tcg", "-m", "64", "-nodefaults", "-no-user-config"]);
    qemu.args(["-display", "none", "-no-reboot", "-serial", "stdio", "-kernel"]).arg(&image);
    qemu.args(["-append", &format!("{command_line} {}", kind.places)]);
    // Part of an option, where a comma is written twice.
    let path = socket.display().to_string().replace(',', ",,");
    qemu.args(["-chardev", &format!("socket,path={path},id=tenon")]);
    qemu.args(["-device", &format!("ivshmem-doorbell,vectors={},chardev=tenon", kind.messages.max(2))]);
    qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut qemu = start_bound(qemu)?;
    let serial = qemu.stdout.take().map(|from| read(from, sender.clone(), Chunk::Serial));
    let errors = qemu.stderr.take().map(|from| read(from, sender, Chunk::Errors));
    machine.readers.extend([serial, errors].into_iter().flatten());
    machine.qemu = Some(qemu);
    Ok(machine)
}

/// Starts a process that does not outlive this one, whatever happens to it.
fn start_bound(mut command: Command) -> Result<Child, String> {
    let started = tenon_ivshmem::child::spawn(&mut command);
    started.map_err(|error| format!("`{}` cannot be run: {error}", command.get_program().display()))
}

pub(crate) struct Running {
    broker: Child,
    qemu: Option<Child>,
    readers: Vec<JoinHandle<()>>,
    /// Gone when the machine is being stopped.
    receiver: Option<Receiver<Chunk>>,
    /// What the broker and its workers said.
    said: String,
    /// What QEMU said.
    complaints: Vec<u8>,
    /// What the guest wrote to Tenon's console, if that is kept.
    console: Vec<u8>,
    /// Whether the guest sent anything.
    spoke: bool,
    /// How it ended, while that is still to be told.
    end: Option<End>,
    /// Last: it goes when nobody uses it any more.
    _folder: Folder,
}

impl Running {
    /// The broker's process.
    pub(crate) fn broker(&self) -> u32 {
        self.broker.id()
    }

    /// The processes of all workers so far, in order.
    pub(crate) fn workers(&self) -> impl DoubleEndedIterator<Item = u32> {
        let lines = self.said.lines().filter_map(|line| line.strip_prefix(tenon_ivshmem::broker::WORKER));
        lines.filter_map(|pid| pid.parse().ok())
    }

    /// Stops everything; all that the guest wrote to Tenon's console.
    pub(crate) fn into_console(mut self) -> Vec<u8> {
        self.kill_qemu();
        while self.receiver.is_some() {
            let _ = self.next(Duration::from_millis(100));
        }
        std::mem::take(&mut self.console)
    }

    /// Waits until the broker serves.
    fn wait_for_broker(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while !self.said.lines().any(|line| line == tenon_ivshmem::broker::READY) {
            match self.receiver.as_ref().map(|receiver| receiver.recv_timeout(PAUSE)) {
                Some(Ok(Chunk::Host(bytes))) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                Some(Err(RecvTimeoutError::Timeout)) if is_over(start, READY) => {
                    return Err("the broker does not serve".to_owned());
                }
                Some(Err(RecvTimeoutError::Timeout)) => {}
                _ => return Err(last_line(&self.said).to_owned()),
            }
            if self.broker.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(last_line(&self.said).to_owned());
            }
        }
        Ok(())
    }

    /// How the guest ended itself, if its host said so.
    fn announced(&self) -> Option<End> {
        let how = self.said.lines().rev().find_map(|line| line.strip_prefix(tenon_ivshmem::cli::END))?;
        match how.strip_prefix("exit=").and_then(|code| code.parse().ok()) {
            Some(code) => Some(End::Exit(code)),
            None if how == "restart" => Some(End::Restart),
            None => Some(End::Other(format!("ended: {how}"))),
        }
    }

    fn kill_qemu(&mut self) {
        if let Some(qemu) = &mut self.qemu {
            // It may have ended by itself, which is as good.
            let _ = qemu.kill();
        }
    }

    /// Both pipes of QEMU's and the broker's are closed: how it ended.
    fn ended(&mut self) -> End {
        let status = self.qemu.as_mut().map(Child::wait);
        if let Some(end) = self.announced() {
            return end;
        }
        let complaints = String::from_utf8_lossy(&self.complaints);
        let why = last_line(&complaints);
        match status {
            // What the guest wrote to the exit port comes out as an odd number.
            Some(Ok(status)) => match status.code() {
                Some(1) if !self.spoke && !why.is_empty() => End::NotBooted(why.to_owned()),
                Some(1) if why.is_empty() => End::Other("came to its end".to_owned()),
                Some(code) if code & 1 == 1 && why.is_empty() => {
                    End::Other(format!("left by its exit port with code {}", code >> 1))
                }
                _ => End::Other(format!("was lost: QEMU ended ({status}) {why}").trim_end().to_owned()),
            },
            Some(Err(error)) => End::Other(format!("cannot be waited for: {error}")),
            None => End::Other("was never started".to_owned()),
        }
    }
}

impl Machine for Running {
    fn next(&mut self, patience: Duration) -> Option<Event> {
        if let Some(end) = self.end.take() {
            return Some(Event::Ended(end));
        }
        match self.receiver.as_ref()?.recv_timeout(patience) {
            Ok(Chunk::Serial(bytes)) => {
                self.spoke = true;
                Some(Event::Bytes(bytes))
            }
            Ok(Chunk::Errors(bytes)) => {
                self.complaints.extend_from_slice(&bytes);
                let excess = self.complaints.len().saturating_sub(8192);
                self.complaints.drain(..excess);
                None
            }
            Ok(Chunk::Console(bytes)) => {
                self.console.extend_from_slice(&bytes);
                None
            }
            Ok(Chunk::Host(bytes)) => {
                self.said.push_str(&String::from_utf8_lossy(&bytes));
                if self.announced().is_some() {
                    // What the guest has sent before still lies in the pipe, and is told first.
                    self.kill_qemu();
                }
                None
            }
            Err(RecvTimeoutError::Timeout) => {
                // A QEMU that never came to its device leaves a broker that waits for it.
                if self.qemu.as_mut().is_some_and(|qemu| qemu.try_wait().is_ok_and(|ended| ended.is_some())) {
                    drop(self.broker.stdin.take());
                }
                None
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.receiver = None;
                self.end = Some(self.ended());
                Some(Event::Crash(crash(&self.said)))
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_qemu();
        if let Some(qemu) = &mut self.qemu {
            let _ = qemu.wait();
        }
        // The broker ends with its standard input, and its worker with it.
        drop(self.broker.stdin.take());
        let end = Instant::now() + FAREWELL;
        while self.broker.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.broker.kill();
        let _ = self.broker.wait();
        self.receiver = None;
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}
