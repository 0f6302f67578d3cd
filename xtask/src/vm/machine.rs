// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of QEMU: started, listened to, and stopped whatever happens.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::initramfs::{BROKEN, EXIT, READY};
use super::model::{Console, Model};
use super::program::needs_interpreter;
use crate::failure::{Context, Failure};
use crate::project::find_program;

/// How long QEMU may take to power off after the program has ended.
const POWER_OFF: Duration = Duration::from_secs(5);

/// What one run needs.
pub(crate) struct Setup<'a> {
    /// What is emulated.
    pub(crate) model: &'a Model,
    /// The kernel image.
    pub(crate) kernel: &'a Path,
    /// The packed file system.
    pub(crate) initrd: &'a Path,
    /// Where the kernel's messages go.
    pub(crate) log: &'a Path,
    /// The longest that the machine may run.
    pub(crate) timeout: Duration,
}

/// The shell that the machine boots with, if a static one is installed.
pub(crate) fn busybox() -> Option<PathBuf> {
    let path = find_program("busybox")?;
    let bytes = fs::read(&path).ok()?;
    matches!(needs_interpreter(&bytes), Ok(false)).then_some(path)
}

/// Boots, relays the program's streams, and returns its exit code.
pub(crate) fn boot(setup: &Setup<'_>) -> Result<u8, Failure> {
    // Nobody else reaches the sockets, whatever mode the umask leaves them.
    let private = fs::Permissions::from_mode(0o700);
    let sockets = tempfile::Builder::new().permissions(private).tempdir();
    let sockets = sockets.context("cannot make a folder for QEMU's sockets")?;
    let folder = fs::File::open(sockets.path()).context(sockets.path().display())?;
    // In the order of the machine's ports. A socket's path is short by law; that of the folder may not be.
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let listeners = ["stdout", "stderr", "control"].map(|name| listen(&short.join(name)));
    let [stdout, stderr, control] = listeners;
    let (stdout, stderr, control) = (stdout?, stderr?, control?);

    let started = Instant::now();
    let mut qemu = Guard(
        command(setup, sockets.path()).spawn().context(format_args!("cannot start {}", setup.model.qemu))?,
    );
    let stdout = accept(&stdout, &mut qemu)?;
    let stderr = accept(&stderr, &mut qemu)?;
    let control = accept(&control, &mut qemu)?;
    let relays = [relay(stdout, io::stdout()), relay(stderr, io::stderr())];

    let words = listen_for_words(control);
    let outcome = converse(&words, started, setup);
    if outcome.is_ok() {
        qemu.wait_until(Instant::now() + POWER_OFF);
    }
    // Once QEMU is gone, its ends of the sockets are closed and the relays come to an end.
    drop(qemu);
    for thread in relays {
        thread.join().map_err(|_| Failure::environment("a relay thread panicked"))?;
    }
    outcome
}

fn command(setup: &Setup<'_>, sockets: &Path) -> Command {
    let qemu = setup.model.qemu;
    // Should this process be killed, QEMU must not outlive it.
    let mut command = match find_program("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", qemu]);
            command
        }
        None => Command::new(qemu),
    };
    // It finds its sockets by their names alone: in an option's value, a path ends at a comma.
    command
        .current_dir(sockets)
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
        .args(setup.model.hardware)
        .args(["-accel", "tcg", "-smp", "1", "-m", "1024"])
        .arg("-kernel")
        .arg(setup.kernel)
        .arg("-initrd")
        .arg(setup.initrd);
    command.args(["-chardev", &format!("file,id=console,path={}", escaped(setup.log))]);
    for name in ["stdout", "stderr", "control"] {
        command.args(["-chardev", &format!("socket,id={name},path={name}")]);
    }
    match setup.model.console {
        Console::Isa => {
            command.args(["-append", "console=ttyS0 quiet panic=-1"]);
            command.args(["-device", "isa-serial,chardev=console,index=0"]);
            // An interrupt each: edge-triggered lines cannot be shared reliably.
            command.args(["-device", "isa-serial,chardev=stdout,index=1,iobase=0x2f8,irq=3"]);
            command.args(["-device", "isa-serial,chardev=stderr,index=2,iobase=0x3e8,irq=5"]);
            command.args(["-device", "isa-serial,chardev=control,index=3,iobase=0x2e8,irq=7"]);
        }
        Console::Virtio => {
            command.args(["-append", "console=ttyAMA0 quiet panic=-1", "-serial", "chardev:console"]);
            command.args(["-device", "virtio-serial-pci,max_ports=4"]);
            for (port, name) in [(1, "stdout"), (2, "stderr"), (3, "control")] {
                command.args(["-device", &format!("virtserialport,chardev={name},name={name},nr={port}")]);
            }
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// A path as part of an option, where a comma is written twice.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Follows the boot script's words until the program has ended.
fn converse(words: &mpsc::Receiver<String>, started: Instant, setup: &Setup<'_>) -> Result<u8, Failure> {
    loop {
        let left = setup.timeout.saturating_sub(started.elapsed());
        let word = match words.recv_timeout(left) {
            Ok(word) => word,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = setup.timeout.as_secs();
                return Err(Failure::Verdict(vec![format!(
                    "vm: stopped after {seconds} s without an exit code"
                )]));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Verdict(vec![format!(
                    "vm: the machine ended without an exit code; see {}",
                    setup.log.display()
                )]));
            }
        };
        if word == READY {
            eprintln!("vm: booted in {:.1} s", started.elapsed().as_secs_f64());
        } else if let Some(code) = word.strip_prefix(EXIT) {
            return code.parse().context(format_args!("the machine's exit code {code:?}"));
        } else if let Some(reason) = word.strip_prefix(BROKEN) {
            return Err(Failure::Environment(format!("vm: {reason}; see {}", setup.log.display())));
        }
    }
}

fn listen(path: &Path) -> Result<UnixListener, Failure> {
    let listener = UnixListener::bind(path).context(path.display())?;
    listener.set_nonblocking(true).context(path.display())?;
    Ok(listener)
}

/// Waits for QEMU's connection, or for its end if it does not like its arguments.
fn accept(listener: &UnixListener, qemu: &mut Guard) -> Result<UnixStream, Failure> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).context("QEMU's socket")?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Some(status) = qemu.0.try_wait().context("QEMU")? {
                    return Err(Failure::Environment(format!("QEMU ended at once: {status}")));
                }
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(Failure::environment(error)),
        }
    }
}

/// Copies everything that arrives, at once, so that a slow program is seen as it goes.
fn relay(mut from: UnixStream, mut to: impl Write + Send + 'static) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = from.read(&mut buffer) {
            if length == 0 {
                break;
            }
            // A reader of ours that went away must not stop the machine: its exit code still counts.
            let _ = to.write_all(&buffer[..length]).and_then(|()| to.flush());
        }
    })
}

fn listen_for_words(control: UnixStream) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(control).lines() {
            let Ok(line) = line else { break };
            if sender.send(line.trim_end().to_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Ends the process that it holds, and no other.
struct Guard(Child);

impl Guard {
    fn wait_until(&mut self, deadline: Instant) {
        while Instant::now() < deadline && matches!(self.0.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
