// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process that lives: it holds one guest's socket, memory and doorbells, and keeps a worker running. It
//! reads nothing of what a guest writes.
//!
//! A guest's QEMU is the one client of the socket. Another one that comes meanwhile is turned away at once.
//! When the client goes, its guest's memory and doorbells go too, and the next client gets fresh ones.

use crate::Error;
use crate::guest::Guest;
use crate::shape::{GUEST, HOST, Shape};
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// So many workers in a row may die before they serve.
const STILLBORN_MAX: u32 = 5;
/// A worker serves within this time, or is given up.
const BIRTH: Duration = Duration::from_secs(10);
/// What the line on standard error starts with when the socket can be connected to.
pub const READY: &str = "~READY";
/// What the line of each worker that serves starts with, before its process id.
pub const WORKER: &str = "~WORKER ";

/// How a broker runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the socket lies.
    pub socket: PathBuf,
    /// The memory of a guest.
    pub shape: Shape,
    /// Serve one guest, and end with it.
    pub once: bool,
    /// The program of a worker, with its first arguments.
    pub worker: (PathBuf, Vec<OsString>),
    /// Where the seeds of sessions are drawn from.
    pub seed: u64,
}

/// A broker.
#[derive(Debug)]
pub struct Broker {
    options: Options,
    listener: UnixListener,
    guest: Guest,
    worker: Option<Worker>,
    client: Option<UnixStream>,
    /// Workers that were started.
    started: u64,
}

impl Broker {
    /// Opens the socket, and starts the first worker.
    ///
    /// # Errors
    ///
    /// [`Error`], in one line.
    pub fn new(options: Options) -> Result<Self, Error> {
        options.shape.check()?;
        let guest = Guest::new(options.shape)?;
        let listener = listen(&options.socket)?;
        let mut broker = Self { options, listener, guest, worker: None, client: None, started: 0 };
        broker.start(false)?;
        Ok(broker)
    }

    /// Serves until standard input ends or, if that was asked for, its guest does.
    ///
    /// # Errors
    ///
    /// [`Error`], in one line.
    pub fn run(&mut self) -> Result<(), Error> {
        say(READY);
        let input = io::stdin();
        loop {
            let mut fds = vec![
                PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN),
            ];
            let client = self.client.as_ref().map(AsFd::as_fd);
            let worker = self.worker.as_ref().map(|worker| worker.socket.as_fd());
            let places = [client, worker].map(|fd| {
                fd.map(|fd| {
                    fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                    fds.len() - 1
                })
            });
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::System("cannot wait", error.into())),
            }
            let rung = |place: usize| fds.get(place).is_some_and(|fd| !fd.revents().is_empty());
            let (input_rung, listener_rung) = (rung(0), rung(1));
            let [client_rung, worker_rung] = places.map(|place| place.is_some_and(rung));
            // Whatever a client says, it is none: the protocol has no words for it.
            if client_rung {
                self.client = None;
                if self.options.once {
                    return Ok(());
                }
                self.renew()?;
            } else if worker_rung && self.worker_ended()? && self.options.once {
                return Ok(());
            }
            if listener_rung {
                self.accept()?;
            }
            if input_rung && !matches!(input.lock().read(&mut [0; 64]), Ok(1..)) {
                return Ok(());
            }
        }
    }

    /// Takes a client, or turns it away.
    fn accept(&mut self) -> Result<(), Error> {
        let client = match self.listener.accept() {
            Ok((client, _)) => client,
            // It has gone before it was looked at, or there is no descriptor for it: the guest that is served
            // has all of its own.
            Err(_) => {
                std::thread::sleep(Duration::from_millis(1));
                return Ok(());
            }
        };
        if self.client.is_some() {
            return Ok(());
        }
        match self.guest.greet(&client, GUEST) {
            Ok(()) => self.client = Some(client),
            // It may have the memory: nobody else gets the same.
            Err(_) => self.renew()?,
        }
        Ok(())
    }

    /// Fresh memory, fresh doorbells, a fresh worker: the guest has gone.
    fn renew(&mut self) -> Result<(), Error> {
        self.worker = None;
        self.guest = Guest::new(self.options.shape)?;
        self.start(false)
    }

    /// The worker has ended; whether its guest has, too. Else there is another worker.
    fn worker_ended(&mut self) -> Result<bool, Error> {
        let Some(mut worker) = self.worker.take() else { return Ok(false) };
        let status = worker.end()?;
        if status.success() {
            return Ok(true);
        }
        self.start(true).map(|()| false)
    }

    /// Starts a worker; `again` where another one served this memory before.
    fn start(&mut self, again: bool) -> Result<(), Error> {
        let mut last = String::new();
        for _ in 0..STILLBORN_MAX {
            self.started = self.started.wrapping_add(1);
            match Worker::start(&self.options, &self.guest, self.started, again) {
                Ok(worker) => {
                    say(&format!("{WORKER}{}", worker.child.id()));
                    self.worker = Some(worker);
                    return Ok(());
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(Error::Workers(STILLBORN_MAX, last))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Somebody else may have removed it, which is as good.
        let _ = std::fs::remove_file(&self.options.socket);
    }
}

/// A worker's process. Dropped, it is killed.
#[derive(Debug)]
struct Worker {
    child: Child,
    socket: UnixStream,
}

impl Worker {
    /// Starts a worker, and waits until it serves.
    fn start(options: &Options, guest: &Guest, number: u64, again: bool) -> Result<Self, Error> {
        let (socket, theirs) = UnixStream::pair().map_err(Error::system("no socket for a worker"))?;
        let (program, first) = &options.worker;
        let shape = options.shape;
        // No two workers draw the same seeds.
        let seed = options.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let child = Command::new(program)
            .args(first)
            .args(["--memory", &shape.len.to_string(), "--vcpus", &shape.vcpus.to_string()])
            .args(["--messages", &shape.messages.to_string(), "--seed", &format!("{seed:x}")])
            .args(again.then_some("--again"))
            .args(shape.reference.then_some("--reference"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(Error::system("no worker can be started"))?;
        let mut worker = Self { child, socket };
        guest.greet(&worker.socket, HOST).map_err(Error::system("the worker does not listen"))?;
        worker.socket.set_read_timeout(Some(BIRTH)).map_err(Error::system("the worker's socket"))?;
        match worker.socket.read(&mut [0]) {
            Ok(1) => Ok(worker),
            _ => Err(Error::System(
                "the worker does not serve",
                io::Error::new(ErrorKind::BrokenPipe, worker.end()?.to_string()),
            )),
        }
    }

    /// Waits for its end, which is near.
    fn end(&mut self) -> Result<ExitStatus, Error> {
        // Its socket is closed: it has ended, or has lost its way.
        for _ in 0..100 {
            if let Some(status) = self.child.try_wait().map_err(Error::system("the worker"))? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        self.child.wait().map_err(Error::system("the worker"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens the socket for its owner alone. One that nobody serves any more is replaced.
fn listen(path: &Path) -> Result<UnixListener, Error> {
    let failed = |error| Error::Socket(path.display().to_string(), error);
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let refused = UnixStream::connect(path).map_err(|error| error.kind());
            if !matches!(refused, Err(ErrorKind::ConnectionRefused)) {
                return Err(failed(error));
            }
            std::fs::remove_file(path).map_err(failed)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
    .map_err(failed)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// One line on standard error, for whoever started the broker and still reads.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
