// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of broker and worker, for `tenon-ivshmem` and for programs that are both themselves.

use crate::Error;
use crate::broker::{self, Broker, Places, Until};
use crate::metrics::{Told, Wish};
use crate::run::run;
use crate::shape::{MESSAGES, Shape};
use crate::worker::{End, Life, Worker};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use tenon_host::{CrashRecord, Journal, Services};

/// What the last line on standard error starts with when the guest ended itself: `exit=` and its code, or
/// `restart`.
pub const END: &str = "~END ";
/// What the line of a crash record starts with, before its code and its text in hexadecimal.
pub const CRASH: &str = "~CRASH ";
/// What follows this byte in one piece of output comes back as input, with `--echo`.
const ENQ: u8 = 0x05;

#[derive(Debug, Parser)]
#[command(name = "tenon-ivshmem", version, about = "Tenon for the guest of an unmodified QEMU")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold a guest's socket, memory and doorbells; keep a worker running. Ends when standard input does.
    /// Console output goes to standard output.
    ///
    /// QEMU: -chardev socket,path=SOCKET,id=tenon -device ivshmem-doorbell,vectors=16,chardev=tenon
    Broker(BrokerArgs),
    /// Run a guest: start QEMU by its command line, in which `{socket}` becomes the path of the socket, and
    /// serve it. Within an option the commas of the path are doubled, as QEMU wants it. A guest that ends
    /// itself by EXIT ends QEMU, and RESTART starts QEMU again with fresh memory. The exit code is the
    /// guest's (255 for a larger one), else QEMU's.
    ///
    /// tenon-ivshmem run -- qemu-system-x86_64 -M q35 -display none -serial stdio -kernel IMAGE -chardev
    /// socket,path={socket},id=tenon -device
    /// ivshmem-doorbell,vectors=16,chardev=tenon
    #[command(verbatim_doc_comment)]
    Run(RunArgs),
    /// Be a worker of a broker, which is at the other end of standard input.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

#[derive(Debug, Args)]
struct Common {
    /// Bytes of shared memory: a power of two.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    memory: u64,
    /// vCPUs that the guest may bind.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    vcpus: u32,
    /// Messages of the device, as its `vectors=`; 0 where the guest takes no interrupts from it.
    #[arg(long, value_name = "N", default_value_t = MESSAGES, value_parser = clap::value_parser!(u8).range(..=64))]
    messages: u8,
    /// Answer a second doorbell by a bare loop, for a bench.
    #[arg(long, hide = true)]
    reference: bool,
    /// Where the seeds of sessions are drawn from, hexadecimal.
    #[arg(long, value_name = "HEX", default_value = "1", value_parser = |text: &str| u64::from_str_radix(text, 16))]
    seed: u64,
}

impl Common {
    const fn shape(&self) -> Shape {
        Shape { len: self.memory, vcpus: self.vcpus, messages: self.messages, reference: self.reference }
    }
}

#[derive(Debug, Args)]
struct BrokerArgs {
    #[command(flatten)]
    common: Common,
    /// Where the socket lies, for this user alone.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Serve one guest, and end with it.
    #[arg(long)]
    once: bool,
    /// Give back as console input what follows ENQ in a piece of output.
    #[arg(long)]
    echo: bool,
    #[command(flatten)]
    metrics: Wish,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    common: Common,
    /// Give back as console input what follows ENQ in a piece of output.
    #[arg(long)]
    echo: bool,
    #[command(flatten)]
    metrics: Wish,
    /// QEMU's command line.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
struct WorkerArgs {
    #[command(flatten)]
    common: Common,
    /// Another worker served this guest before.
    #[arg(long)]
    again: bool,
    /// When the guest's memory was made, by the system's monotonic clock in nanoseconds.
    #[arg(long, value_name = "NS", default_value_t = crate::time::monotonic())]
    born: u64,
    /// As the broker's.
    #[arg(long)]
    echo: bool,
    /// The broker sends a socket to tell counts on.
    #[arg(long)]
    listener: bool,
    /// As the broker's.
    #[arg(long, value_name = "FILE")]
    metrics_json: Option<PathBuf>,
}

/// Runs with these arguments. `prefix` are the first arguments by which this program becomes this command
/// line again.
#[must_use]
pub fn main(prefix: &[&str], arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let name = OsString::from("tenon-ivshmem");
    let result = match Cli::try_parse_from(std::iter::once(name).chain(arguments)) {
        Ok(Cli { command: Command::Broker(args) }) => broke(prefix, args),
        Ok(Cli { command: Command::Run(args) }) => guest(prefix, args),
        Ok(Cli { command: Command::Worker(args) }) => work(args),
        Err(message) => return explain(&message),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&format!("tenon-ivshmem: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Help and version are asked for; everything else is a complaint.
fn explain(message: &clap::Error) -> ExitCode {
    match message.print() {
        Ok(()) if !message.use_stderr() => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("tenon-ivshmem: the help cannot be written: {error}"));
            ExitCode::from(2)
        }
        Ok(()) => ExitCode::from(2),
    }
}

/// How a worker is started.
fn worker(prefix: &[&str], echo: bool) -> Result<(PathBuf, Vec<OsString>), Error> {
    let program = std::env::current_exe().map_err(Error::system("the executable does not know itself"))?;
    let echo = echo.then_some("--echo");
    Ok((program, prefix.iter().copied().chain(["worker"]).chain(echo).map(OsString::from).collect()))
}

/// Where workers tell their counts, and says so.
fn places(wish: Wish) -> Result<Places, Error> {
    let places = wish.places()?;
    if let Some(address) = places.listener.as_ref().and_then(|listener| listener.local_addr().ok()) {
        tell(&format!("metrics: http://{address}/metrics"));
    }
    Ok(places)
}

fn broke(prefix: &[&str], args: BrokerArgs) -> Result<u8, Error> {
    let (shape, seed) = (args.common.shape(), args.common.seed);
    let (worker, places) = (worker(prefix, args.echo)?, places(args.metrics)?);
    let options = broker::Options { socket: Some(args.socket), shape, once: args.once, worker, seed, places };
    Broker::new(options)?.run(&Until::Input)?;
    Ok(0)
}

fn guest(prefix: &[&str], args: RunArgs) -> Result<u8, Error> {
    let (shape, seed) = (args.common.shape(), args.common.seed);
    let (worker, places) = (worker(prefix, args.echo)?, places(args.metrics)?);
    run(&args.command, &broker::Options { socket: None, shape, once: true, worker, seed, places })
}

fn work(args: WorkerArgs) -> Result<u8, Error> {
    let broker: OwnedFd =
        io::stdin().as_fd().try_clone_to_owned().map_err(Error::system("standard input is no broker"))?;
    let tells = args.listener || args.metrics_json.is_some();
    let told = tells.then(|| Told::start(&broker, args.listener, args.metrics_json)).transpose()?;
    let (echo, back) = channel();
    let services = Services::ready().with_journal(Pipes { echo: args.echo.then_some(echo) });
    let life = Life { seed: args.common.seed, again: args.again, born: args.born };
    let mut worker = Worker::new(broker, args.common.shape(), life, services)?;
    let end = worker.run(|domain| {
        for bytes in back.try_iter() {
            domain.input(&bytes);
        }
        if let Some(told) = &told {
            told.now(domain.counted());
        }
    })?;
    match end {
        End::Exit(code) => tell(&format!("{END}exit={code}")),
        End::Restart => tell(&format!("{END}restart")),
        End::Left => {}
    }
    // Before the broker hears of the end, which it may answer by ending this process.
    let told = told.map_or(Ok(()), Told::finish);
    worker.tell(end);
    told.map(|()| 0)
}

/// Output to standard output, crash records to standard error: pipes, which outlive the process.
struct Pipes {
    /// Where what is to come back goes.
    echo: Option<Sender<Vec<u8>>>,
}

impl Journal for Pipes {
    fn keep_output(&mut self, bytes: &[u8]) -> usize {
        // Straight to the pipe: a buffer of this process would die with it.
        let taken = rustix::io::write(io::stdout(), bytes).unwrap_or(0);
        let taken_bytes = bytes.get(..taken).unwrap_or_default();
        if let Some(echo) = &self.echo
            && let Some(at) = taken_bytes.iter().position(|&byte| byte == ENQ)
        {
            // The receiver lives as long as the worker.
            let _ = echo.send(taken_bytes.get(at.saturating_add(1)..).unwrap_or_default().to_vec());
        }
        taken
    }

    fn keep_crash(&mut self, record: &CrashRecord) {
        tell(&format!("{CRASH}{record}"));
    }
}

/// One line on standard error, in one piece.
fn tell(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
