// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process that lives: it holds one guest's socket, memory and doorbells, and keeps a worker running. It
//! reads nothing of what a guest writes.
//!
//! A guest's QEMU is the one client of the socket. Another one that comes meanwhile is turned away at once.
//! When the client goes, its guest's memory
//! and doorbells go too, and the next client gets fresh ones.

use crate::Error;
use crate::guest::Guest;
use crate::protocol;
use crate::shape::{GUEST, HOST, Shape};
use crate::socket::Socket;
use crate::time::monotonic;
use crate::worker::End;
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tenon_rings::planted;

/// So many workers in a row may die before they serve.
const STILLBORN_MAX: u32 = 5;
/// A worker serves within this time, or is given up.
const BIRTH: Duration = Duration::from_secs(10);
/// A worker whose socket is closed ends within this time, or is killed.
const END: Duration = Duration::from_millis(100);
/// The same for one that writes its counts first.
const FAREWELL: Duration = Duration::from_secs(2);
/// What the line on standard error starts with when the socket can be connected to.
pub const READY: &str = "~READY";
/// What the line of each worker that serves starts with, before its process id.
pub const WORKER: &str = "~WORKER ";

/// How a broker runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the socket lies; `None`: in a folder of its own.
    pub socket: Option<PathBuf>,
    /// The memory of a guest.
    pub shape: Shape,
    /// Serve one guest, and end with it; the socket goes when that guest's QEMU has come.
    pub once: bool,
    /// The program of a worker, with its first arguments.
    pub worker: (PathBuf, Vec<OsString>),
    /// Where the seeds of sessions are drawn from.
    pub seed: u64,
    /// Where workers tell what they count.
    pub places: Places,
}

/// Where workers tell what they count.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Each worker answers here in its turn: who asks between two of them waits for the second.
    pub listener: Option<Arc<TcpListener>>,
    /// The file that each writes.
    pub json: Option<PathBuf>,
}

/// What a broker serves until.
#[derive(Debug)]
pub enum Until<'a> {
    /// The end of standard input.
    Input,
    /// The end of the process behind this descriptor.
    Ended(BorrowedFd<'a>),
}

impl Until<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Input => rustix::stdio::stdin(),
            Self::Ended(process) => *process,
        }
    }

    /// Whether that has come, after a sign of it.
    fn is_over(&self) -> bool {
        match self {
            Self::Input => !matches!(io::stdin().lock().read(&mut [0; 64]), Ok(1..)),
            Self::Ended(_) => true,
        }
    }
}

/// Why a broker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its one guest has, by its own wish.
    Guest(End),
    /// Its one guest's QEMU has.
    Client,
    /// It was told to.
    Asked,
}

/// A broker.
#[derive(Debug)]
pub struct Broker {
    options: Options,
    /// Gone when nobody else may come.
    socket: Option<Socket>,
    guest: Guest,
    worker: Option<Worker>,
    client: Option<UnixStream>,
    /// Workers that were started.
    started: u64,
    /// When the guest's memory was made.
    born: u64,
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
        let socket = Some(options.socket.as_deref().map_or_else(Socket::private, Socket::new)?);
        let mut broker =
            Self { options, socket, guest, worker: None, client: None, started: 0, born: monotonic() };
        broker.start(false)?;
        Ok(broker)
    }

    /// Where its socket is, as long as it has one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(Socket::path)
    }

    /// Serves until it is told to end or, if that was asked for, its guest does.
    ///
    /// # Errors
    ///
    /// [`Error`], in one line.
    pub fn run(&mut self, until: &Until<'_>) -> Result<Ended, Error> {
        say(READY);
        loop {
            let mut fds = vec![PollFd::from_borrowed_fd(until.fd(), PollFlags::IN)];
            let socket = self.socket.as_ref().map(AsFd::as_fd);
            let client = self.client.as_ref().map(AsFd::as_fd);
            let worker = self.worker.as_ref().map(|worker| worker.socket.as_fd());
            let places = [socket, client, worker].map(|fd| {
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
            let until_rung = rung(0);
            let [socket_rung, client_rung, worker_rung] = places.map(|place| place.is_some_and(rung));
            // A guest's word about its end comes before whatever follows from that end.
            if worker_rung
                && let Some(end) = self.worker_ended()?
                && self.options.once
            {
                return Ok(Ended::Guest(end));
            }
            // Whatever a client says, it is none: the protocol has no words for it.
            if client_rung {
                if self.options.once {
                    return Ok(Ended::Client);
                }
                self.client_left()?;
            }
            if socket_rung {
                self.accept()?;
            }
            if until_rung && until.is_over() {
                return Ok(Ended::Asked);
            }
        }
    }

    /// Takes a client, or turns it away.
    fn accept(&mut self) -> Result<(), Error> {
        match self.socket.as_ref().and_then(Socket::accept) {
            Some(client) => self.take(client),
            // It has gone before it was looked at, or there is no descriptor for it: the guest that is served
            // has all of its own.
            None => {
                std::thread::sleep(Duration::from_millis(1));
                Ok(())
            }
        }
    }

    /// Takes this client as the guest's QEMU, or turns it away.
    ///
    /// # Errors
    ///
    /// [`Error`], in one line, where the guest that comes next cannot be served.
    pub fn take(&mut self, client: UnixStream) -> Result<(), Error> {
        if self.client.is_some() {
            if !planted!("second-client-closed-mute") {
                protocol::refuse(client);
            }
            return Ok(());
        }
        match self.guest.greet(&client, GUEST) {
            Ok(()) => {
                self.client = Some(client);
                if self.options.once {
                    self.socket = None;
                }
            }
            Err(_) if planted!("half-told-client-forgotten") => {}
            Err(_) if planted!("half-told-client-kept") => self.client = Some(client),
            // It may have the memory: nobody else gets the same.
            Err(_) => self.renew()?,
        }
        Ok(())
    }

    /// The guest's QEMU has gone, or is none.
    ///
    /// # Errors
    ///
    /// [`Error`], in one line, where the guest that comes next cannot be served.
    pub fn client_left(&mut self) -> Result<(), Error> {
        if planted!("left-client-kept-open") {
            std::mem::forget(self.client.take());
        }
        self.client = None;
        if planted!("guest-outlives-its-client") { Ok(()) } else { self.renew() }
    }

    /// Fresh memory, fresh doorbells, a fresh worker: the guest has gone.
    fn renew(&mut self) -> Result<(), Error> {
        if planted!("worker-outlives-its-guest") {
            std::mem::forget(self.worker.take());
        }
        self.worker = None;
        self.guest.renew(self.options.shape)?;
        self.born = monotonic();
        self.start(false)
    }

    /// The worker has ended; how its guest has, if it has. Else there is another worker.
    fn worker_ended(&mut self) -> Result<Option<End>, Error> {
        let Some(mut worker) = self.worker.take() else { return Ok(None) };
        let end = worker.said();
        worker.end(END)?;
        if end.is_none() {
            self.start(true)?;
        }
        Ok(end)
    }

    /// Starts a worker; `again` where another one served this memory before.
    fn start(&mut self, again: bool) -> Result<(), Error> {
        let mut last = String::new();
        for _ in 0..STILLBORN_MAX {
            self.started = self.started.wrapping_add(1);
            match Worker::start(&self.options, &self.guest, self.started, (self.born, again)) {
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

/// A worker's process. Dropped, it is killed.
#[derive(Debug)]
struct Worker {
    child: Child,
    socket: UnixStream,
    /// It has something to write at its end.
    tells: bool,
}

impl Worker {
    /// Starts a worker, and waits until it serves.
    fn start(
        options: &Options,
        guest: &Guest,
        number: u64,
        (born, again): (u64, bool),
    ) -> Result<Self, Error> {
        let (socket, theirs) = UnixStream::pair().map_err(Error::system("no socket for a worker"))?;
        let (program, first) = &options.worker;
        let shape = options.shape;
        // No two workers draw the same seeds.
        let seed = options.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let child = Command::new(program)
            .args(first)
            .args(["--memory", &shape.len.to_string(), "--vcpus", &shape.vcpus.to_string()])
            .args(["--messages", &shape.messages.to_string(), "--seed", &format!("{seed:x}")])
            .args(["--born", &born.to_string()])
            .args(again.then_some("--again"))
            .args(shape.reference.then_some("--reference"))
            .args(options.places.listener.is_some().then_some("--listener"))
            .args(
                options.places.json.iter().flat_map(|path| [OsStr::new("--metrics-json"), path.as_os_str()]),
            )
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(Error::system("no worker can be started"))?;
        let mut worker = Self { child, socket, tells: options.places.json.is_some() };
        if let Some(listener) = &options.places.listener {
            let given = protocol::send(&worker.socket, protocol::LISTENER, Some(listener.as_fd()));
            given.map_err(Error::system("the worker does not listen"))?;
        }
        guest.greet(&worker.socket, HOST).map_err(Error::system("the worker does not listen"))?;
        worker.socket.set_read_timeout(Some(BIRTH)).map_err(Error::system("the worker's socket"))?;
        match worker.socket.read(&mut [0]) {
            Ok(1) => Ok(worker),
            _ => Err(Error::System(
                "the worker does not serve",
                io::Error::new(ErrorKind::BrokenPipe, worker.end(END)?.to_string()),
            )),
        }
    }

    /// What it says about its guest's end; nothing, where it has died.
    fn said(&mut self) -> Option<End> {
        let mut bytes = [0; End::LEN];
        // It says this in one piece or not at all: there is nothing to wait for.
        let received = rustix::net::recv(&self.socket, &mut bytes, rustix::net::RecvFlags::DONTWAIT);
        if received.is_ok_and(|(_, len)| len == End::LEN) { End::read(bytes) } else { None }
    }

    /// Waits for its end, which is near.
    fn end(&mut self, patience: Duration) -> Result<ExitStatus, Error> {
        // Its socket is closed: it has ended, or has lost its way.
        for _ in 0..patience.as_millis() {
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
        if self.tells && self.socket.shutdown(Shutdown::Both).is_ok() {
            // It writes its counts, or is killed for being late.
            let _ = self.end(FAREWELL);
        }
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One line on standard error, for whoever started the broker and still reads.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
