// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows `qemu-…`: the bootable image on an unmodified QEMU, without KVM. The host is another process behind QEMU's ivshmem device.
//!
//! A machine is two processes, QEMU and the broker, in a folder of their own. Both end with the machine, by their ids.

use super::{Host, Image, Machine};

/// What QEMU is told for one kind of machine.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The row.
    pub name: &'static str,
    /// The architecture, as `--arch` takes it.
    pub arch: &'static str,
    program: &'static str,
    /// The Debian package that has it.
    package: &'static str,
    machine: &'static [&'static str],
    /// Boot parameters: where the configuration space of PCI lies, and addresses that are free for devices.
    places: &'static str,
    /// Messages that the guest can take as interrupts.
    messages: u8,
}

/// The machines, in the order of the report.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "qemu-x86_64",
        arch: "x86_64",
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: &["-M", "q35", "-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
        places: "ecam=0xb0000000 mmio=0xc0000000",
        messages: 16,
    },
    Kind {
        name: "qemu-microvm",
        arch: "x86_64",
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: &["-M", "microvm,pcie=on", "-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
        places: "ecam=0xe0000000 mmio=0xc0000000",
        messages: 16,
    },
];

/// The row of this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The host of this row.
///
/// # Errors
///
/// Why it is not available here, in one line.
#[cfg(target_os = "linux")]
pub fn host(kind: &'static Kind, image: Option<&Image>) -> Result<Box<dyn Host>, String> {
    let image = match (image, kind.arch) {
        (Some(image), _) => std::sync::Arc::clone(image),
        (None, "x86_64") => tenon_guest_images::CONFORMANCE.bytes.into(),
        (None, arch) => return Err(format!("there is no image for {arch} here")),
    };
    machine::check(kind)?;
    Ok(Box::new(machine::Qemu { kind, image }))
}

/// There is no broker for this platform.
///
/// # Errors
///
/// Always: it says so.
#[cfg(not(target_os = "linux"))]
pub fn host(_: &'static Kind, _: Option<&Image>) -> Result<Box<dyn Host>, String> {
    Err("the ivshmem broker is for Linux".to_owned())
}

#[cfg(target_os = "linux")]
mod machine {
    #![allow(unsafe_code, reason = "a child is bound to the life of this process between fork and exec")]

    use super::super::process::{Chunk, crash, last_line, read};
    use super::{Host, Image, Kind, Machine};
    use crate::hosts::{End, Event, seed};
    use std::fs::{self, DirBuilder};
    use std::os::unix::fs::DirBuilderExt;
    use std::os::unix::process::CommandExt;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
    use std::thread::JoinHandle;
    use std::time::{Duration, Instant};

    /// The oldest QEMU whose machines have what is asked of them.
    const OLDEST: (u32, u32) = (6, 0);
    /// A broker is ready within this time.
    const READY: Duration = Duration::from_secs(10);
    /// A broker whose standard input was closed ends within this time.
    const FAREWELL: Duration = Duration::from_secs(2);
    /// Pieces of output that wait for the judge.
    const BACKLOG: usize = 64;
    /// What this program's command line becomes the broker's by.
    pub(super) const PREFIX: &str = "ivshmem";

    /// Whether there is a QEMU that will do.
    pub(super) fn check(kind: &Kind) -> Result<(), String> {
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
            let folder = Folder::new()?;
            let image = folder.0.join("image");
            fs::write(&image, &self.image).map_err(|error| format!("{}: {error}", image.display()))?;
            let socket = folder.0.join("socket");
            let (sender, receiver) = sync_channel(BACKLOG);

            let program = std::env::current_exe()
                .map_err(|error| format!("the executable does not know itself: {error}"))?;
            let mut broker = Command::new(program);
            broker.args([
                PREFIX,
                "broker",
                "--once",
                "--echo",
                "--seed",
                &format!("{:x}", seed(command_line)),
            ]);
            broker.args(["--messages", &self.kind.messages.to_string(), "--socket"]).arg(&socket);
            broker.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut machine = Running {
                broker: spawn(broker)?,
                qemu: None,
                readers: Vec::new(),
                receiver: Some(receiver),
                said: String::new(),
                complaints: Vec::new(),
                spoke: false,
                end: None,
                _folder: folder,
            };
            let errors = machine.broker.stderr.take();
            machine.readers.extend(errors.map(|from| read(from, sender.clone(), Chunk::Host)));
            machine.wait_for_broker()?;

            let mut qemu = Command::new(self.kind.program);
            qemu.args(self.kind.machine).args([
                "-accel",
                "tcg",
                "-m",
                "64",
                "-nodefaults",
                "-no-user-config",
            ]);
            qemu.args(["-display", "none", "-no-reboot", "-serial", "stdio", "-kernel"]).arg(&image);
            qemu.args(["-append", &format!("{command_line} {}", self.kind.places)]);
            qemu.args(["-chardev", &format!("socket,path={},id=tenon", socket.display())]);
            qemu.args([
                "-device",
                &format!("ivshmem-doorbell,vectors={},chardev=tenon", self.kind.messages.max(1)),
            ]);
            qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut qemu = spawn(qemu)?;
            let serial = qemu.stdout.take().map(|from| read(from, sender.clone(), Chunk::Serial));
            let errors = qemu.stderr.take().map(|from| read(from, sender, Chunk::Errors));
            machine.readers.extend([serial, errors].into_iter().flatten());
            machine.qemu = Some(qemu);
            Ok(Box::new(machine))
        }
    }

    /// Starts a process that does not outlive this one, whatever happens to it.
    fn spawn(mut command: Command) -> Result<Child, String> {
        // SAFETY: between fork and exec only this system call is made, which touches no memory.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        command
            .spawn()
            .map_err(|error| format!("`{}` cannot be run: {error}", command.get_program().display()))
    }

    /// A folder for this user alone, which goes with what lies in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Result<Self, String> {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("tenon-qemu-{}-{number}", std::process::id()));
            let made = DirBuilder::new().mode(0o700).create(&path);
            made.map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(Self(path))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // What cannot be removed lies where temporary things do.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    struct Running {
        broker: Child,
        qemu: Option<Child>,
        readers: Vec<JoinHandle<()>>,
        /// Gone when the machine is being stopped.
        receiver: Option<Receiver<Chunk>>,
        /// What the broker and its workers said.
        said: String,
        /// What QEMU said.
        complaints: Vec<u8>,
        /// Whether the guest sent anything.
        spoke: bool,
        /// How it ended, while that is still to be told.
        end: Option<End>,
        /// Last: it goes when nobody uses it any more.
        _folder: Folder,
    }

    impl Running {
        /// Waits until the broker serves.
        fn wait_for_broker(&mut self) -> Result<(), String> {
            let end = Instant::now() + READY;
            while !self.said.lines().any(|line| line == tenon_ivshmem::broker::READY) {
                let left = end.saturating_duration_since(Instant::now());
                match self.receiver.as_ref().map(|receiver| receiver.recv_timeout(left)) {
                    Some(Ok(Chunk::Host(bytes))) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                    Some(Err(RecvTimeoutError::Timeout)) => {
                        return Err("the broker does not serve".to_owned());
                    }
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
                Ok(Chunk::Host(bytes)) => {
                    self.said.push_str(&String::from_utf8_lossy(&bytes));
                    if self.announced().is_some() {
                        // What the guest has sent before still lies in the pipe, and is told first.
                        self.kill_qemu();
                    }
                    None
                }
                Err(RecvTimeoutError::Timeout) => None,
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
}

/// Runs this program as the broker or a worker of it, if its arguments say so.
#[cfg(target_os = "linux")]
#[must_use]
pub fn host_process() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == machine::PREFIX).then(|| tenon_ivshmem::cli::main(&[machine::PREFIX], arguments))
}

/// There is no broker for this platform.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn host_process() -> Option<std::process::ExitCode> {
    None
}
