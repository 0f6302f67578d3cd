// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows `kvm`, `kvm-native`, `kvm-mmio`, `kvm-vmcall`, on Arm `kvm-hvc`, `kvm-large`, `kvm-closed`,
//! `kvm-minor1` and `kvm-old-image`: the bootable image on the KVM machine.

use super::{Host, Image};
use tenon_abi::ConduitKind;

/// The processor level that the guest's kernel runs at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// As kernels do.
    #[default]
    Kernel,
    /// In user mode, with interrupts masked in software.
    User,
}

/// Which side of the machine is of minor version 1: none, or one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Age {
    /// Both are of today.
    #[default]
    Today,
    /// The host offers minor version 1.
    OldHost,
    /// The image was built then (`conformance/runner/images`). Its cases negotiate whatever is offered, so
    /// nothing is that came since.
    OldImage,
}

/// What differs between the rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// The level of the guest's kernel.
    pub level: Level,
    /// Another conduit than the platform's usual one.
    pub conduit: Option<ConduitKind>,
    /// Versions.
    pub age: Age,
    /// A machine with memory on both sides of 4 GiB, whose cases have theirs above.
    pub large: bool,
    /// A host that reaches only what was handed over or shared.
    pub closed: bool,
}

/// What a row's name means, for the rows with an image of today.
#[must_use]
pub fn kind(name: &str) -> Option<Kind> {
    let usual = Kind::default();
    match name {
        "kvm" => Some(usual),
        "kvm-native" => Some(Kind { level: Level::User, ..usual }),
        "kvm-mmio" => Some(Kind { conduit: Some(ConduitKind::MMIO), ..usual }),
        "kvm-closed" => Some(Kind { closed: true, ..usual }),
        "kvm-large" => Some(Kind { large: true, ..usual }),
        super::HYPERCALL => Some(Kind { conduit: Some(ConduitKind::HYPERCALL), ..usual }),
        _ => None,
    }
}

/// The KVM host.
///
/// # Errors
///
/// Why it is not available here, in one line.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn host(kind: Kind, image: Option<&Image>) -> Result<Box<dyn Host>, String> {
    if kind.age == Age::OldImage && cfg!(not(target_arch = "x86_64")) {
        return Err("the image of minor version 1 is kept for x86-64 alone".to_owned());
    }
    if kind.level == Level::User && cfg!(not(target_arch = "x86_64")) {
        return Err("a kernel runs in user mode on x86-64 alone".to_owned());
    }
    let host = machine::KvmHost::new(kind, image)?;
    host.probe()?;
    Ok(Box::new(host))
}

/// There is no KVM machine for this platform.
///
/// # Errors
///
/// Always: it says so.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub fn host(_: Kind, _: Option<&Image>) -> Result<Box<dyn Host>, String> {
    Err("the KVM machine is for Linux on x86-64 or AArch64".to_owned())
}

/// A kind of machine, and another image than the suite's own.
pub type Wanted<'a> = (Kind, Option<&'a Image>);

/// A machine of this kind with so many vCPUs and these services, whose image does what `parameters` ask for.
///
/// # Errors
///
/// As [`host`].
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn trial(
    (kind, image): Wanted<'_>,
    cpus: u32,
    services: tenon_host::Services,
    parameters: &str,
) -> Result<Box<dyn super::Machine>, String> {
    machine::KvmHost::new(kind, image)?.start(parameters, cpus, services)
}

/// As above.
///
/// # Errors
///
/// Always: it says so.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub fn trial(
    (kind, image): Wanted<'_>,
    _: u32,
    _: tenon_host::Services,
    _: &str,
) -> Result<Box<dyn super::Machine>, String> {
    host(kind, image).and_then(|_| Err(String::new()))
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod machine {
    use super::{Age, ConduitKind, Kind, Level};
    use crate::console::{self, Order};
    use crate::devices::{self, Desk};
    use crate::hosts::{Crash, End, Event, Host, Image, Machine};
    use crate::stolen::Stolen;
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
    use std::sync::{Arc, OnceLock};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;
    use tenon_abi::{Features, VERSION};
    use tenon_host::device::Attached;
    use tenon_host::kvm::{Error, Handle, Outcome, Vmm, VmmConfig};
    use tenon_host::memory::closed::{Guard, Refused};
    use tenon_host::{Devices, Services};
    use tenon_rings::Mapping;

    /// vCPUs of a machine: what the cases need, and one more.
    const CPUS: u32 = 3;
    /// Bytes of a large machine's memory: no multiple of 2 MiB.
    const LARGE: usize = (6 << 30) + (4 << 10);
    /// Bytes that a case may add to a machine's memory.
    const ROOM: usize = 1 << 20;
    /// Pieces of output that wait for the judge: a machine that talks faster waits itself (REP-13).
    const BACKLOG: usize = 64;
    /// A machine ends by itself after this time, should its judge have forgotten it.
    const LIMIT: Duration = Duration::from_secs(600);
    /// So long the ends of queues may take to come home.
    const HOME: Duration = Duration::from_secs(4);

    /// The suite's image of minor version 1, and the names of its cases.
    const OLD_IMAGE: &[u8] = include_bytes!("../../images/minor1-x86_64.elf");
    const OLD_CASES: &str = include_str!("../../images/minor1-cases.txt");
    /// Its cases that ask for what the text has refused since, and why.
    const OLD_DIFFERS: [&str; 2] = ["session.window-exhausted", "vcpu.window-room"];
    const WHY_IT_DIFFERS: &str = "the old case binds areas that lie on each other (VCPU-10)";
    /// What is old.
    const OLD: u16 = 1;

    pub(super) struct KvmHost {
        kind: Kind,
        conduit: ConduitKind,
        image: Image,
    }

    impl KvmHost {
        pub(super) fn new(kind: Kind, image: Option<&Image>) -> Result<Self, String> {
            let image = match image {
                Some(image) => Arc::clone(image),
                None if kind.age == Age::OldImage => OLD_IMAGE.into(),
                None => suite()?,
            };
            Ok(Self { kind, conduit: kind.conduit.unwrap_or(VmmConfig::default().conduit), image })
        }

        fn memory(&self) -> usize {
            if self.kind.large { LARGE } else { VmmConfig::default().memory }
        }

        /// Whether a machine can be made at all.
        pub(super) fn probe(&self) -> Result<(), String> {
            let config = VmmConfig { memory: self.memory(), conduit: self.conduit, ..VmmConfig::default() };
            Vmm::new(config).map(drop).map_err(|error| error.to_string())
        }
    }

    impl Host for KvmHost {
        fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String> {
            self.start(command_line, CPUS, Services::ready())
        }

        fn has(&self, case: &str) -> bool {
            self.kind.age != Age::OldImage || OLD_CASES.lines().any(|name| name == case)
        }

        fn excuse(&self, case: &str) -> Option<&'static str> {
            (self.kind.age == Age::OldImage && OLD_DIFFERS.contains(&case)).then_some(WHY_IT_DIFFERS)
        }
    }

    impl KvmHost {
        pub(super) fn start(
            &self,
            command_line: &str,
            vcpus: u32,
            services: Services,
        ) -> Result<Box<dyn Machine>, String> {
            let mode = if self.kind.level == Level::User { " mode=native" } else { "" };
            let arena = if self.kind.large { " arena=high" } else { "" };
            let command_line = format!("{command_line} serial=burst{mode}{arena}");
            let (sender, receiver) = sync_channel(BACKLOG);
            let (ear, handle) = (sender.clone(), Arc::new(OnceLock::new()));
            let user = Arc::clone(&handle);
            let stolen = Stolen::new();
            let counted = stolen.counted(services);
            let (desk, todo) = devices::desk();
            let vmm = Vmm::new(VmmConfig {
                room: if self.kind.age == Age::Today { ROOM } else { 0 },
                closed: self.kind.closed.then(|| Guard::new(move |refused| touched(&ear, refused))),
                memory: self.memory(),
                vcpus,
                conduit: self.conduit,
                seed: crate::hosts::seed(&command_line),
                limit: LIMIT,
                console: Box::new(move |output| answer(&user, &stolen, &desk, output)),
                serial: Box::new(Serial(sender.clone())),
                minor: if self.kind.age == Age::OldHost { OLD } else { VERSION.minor },
                // The old cases ask for all that is offered, whatever their version knows.
                features: if self.kind.age == Age::OldImage {
                    Features::of_minor(OLD)
                } else {
                    Features::all()
                },
                services: counted,
                // Nothing leaves this machine, and nobody suspends it.
                life: Some(Box::new(|_| {})),
                device_limits: (self.kind.age == Age::Today).then(Devices::default),
                ..VmmConfig::default()
            })
            .map_err(|error| error.to_string())?;
            let handle = handle.get_or_init(|| vmm.handle()).clone();
            if self.kind.age == Age::Today {
                devices::start(handle.clone(), todo)?;
            }
            let (image, domain) = (Arc::clone(&self.image), handle.clone());
            let runner = thread::spawn(move || {
                let result = vmm.run(&image, &command_line);
                let held = domain.crash_record();
                let crash = held.map(|record| Crash { code: record.code, text: record.text });
                // Whoever listened may have gone.
                let _ = sender.send(Event::Crash(crash));
                let _ = sender.send(Event::Ended(end(result)));
            });
            Ok(Box::new(Running { handle, receiver: Some(receiver), runner: Some(runner) }))
        }
    }

    /// What the machine's user answers, and does.
    fn answer(handle: &OnceLock<Handle>, stolen: &Stolen, desk: &Desk, output: &[u8]) -> Vec<u8> {
        let Some(handle) = handle.get() else { return Vec::new() };
        for order in console::orders(output) {
            match order {
                Order::Target(bytes) => handle.set_memory_target(Some(bytes)),
                // The case says what it misses.
                Order::Add(bytes) => drop(handle.add_memory(bytes)),
                Order::Suspend => drop(handle.ask_suspend()),
                Order::Withdraw => handle.withdraw_suspend(),
                Order::Restore(stood) if handle.recall_devices(Duration::ZERO) => {
                    restore(handle, stood);
                    handle.resume_devices();
                }
                // Ends of queues have to come home first, and that takes another thread than this.
                Order::Restore(_) => desk.give(order),
                Order::Steal(vcpu, nanoseconds) => stolen.steal(vcpu, nanoseconds),
                order => desk.give(order),
            }
        }
        console::echo(output).to_vec()
    }

    /// The core touched what its guest neither handed over nor shared: the case that runs has failed.
    fn touched(ear: &SyncSender<Event>, refused: Refused) {
        let Refused { what, offset, len } = refused;
        let how = format!("was touched where it is closed: {what} of {len} bytes at {offset:#x} (MEM-11)");
        // Called with the domain's lock held: whoever listens has room for one more, or has gone.
        let _ = ear.try_send(Event::Ended(End::Other(how)));
    }

    /// Saves the domain, and puts it back twice. A domain that cannot go back ends the machine.
    fn restore(handle: &Handle, stood: u64) {
        let again = handle.hold(stood, |held| {
            let state = held.save();
            held.put_back(state.clone())?;
            held.put_back(state)
        });
        if again.and_then(|again| again).is_err() {
            handle.end();
        }
    }

    impl devices::Machine<Mapping> for Handle {
        fn add(&self, device: Attached<Mapping>) -> Option<u32> {
            self.add_device(device).ok()
        }

        fn remove(&self, device: u32) {
            // One that is gone already is what was asked for.
            let _ = self.remove_device(device);
        }

        fn change(&self, device: u32, own: [u64; 8]) {
            let _ = self.change_device(device, own);
        }

        fn restore(&self, stood: u64) {
            if !self.recall_devices(HOME) {
                return self.end();
            }
            restore(self, stood);
            self.resume_devices();
        }
    }

    /// The suite's own image.
    #[cfg(target_arch = "x86_64")]
    fn suite() -> Result<Image, String> {
        Ok(tenon_guest_images::CONFORMANCE.bytes.into())
    }

    /// It is built here, or passed with `--image` where there is no compiler.
    #[cfg(not(target_arch = "x86_64"))]
    fn suite() -> Result<Image, String> {
        let image = tenon_guest_images::image("conformance", tenon_guest_images::Arch::Aarch64)?;
        Ok(image.into())
    }

    fn end(result: Result<Outcome, Error>) -> End {
        match result {
            Ok(Outcome::Exit(code)) => End::Exit(code),
            Ok(Outcome::Restart) => End::Restart,
            Ok(Outcome::Left(0)) => End::Other("came to its end".to_owned()),
            Ok(Outcome::Left(code)) => End::Other(format!("left by its exit port with code {code}")),
            Ok(Outcome::Failed { vcpu: Some(vcpu), why }) => End::Other(format!("lost vCPU {vcpu}: {why}")),
            Ok(Outcome::Failed { vcpu: None, why }) => End::Other(format!("failed: {why}")),
            Ok(outcome) => End::Other(format!("ended: {outcome:?}")),
            Err(error @ (Error::BadImage(_) | Error::BadConfig(_))) => End::NotBooted(error.to_string()),
            Err(error) => End::Other(format!("could not run: {error}")),
        }
    }

    /// The serial port's end.
    struct Serial(SyncSender<Event>);

    impl Write for Serial {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Whoever listened may have gone; the guest need not know.
            let _ = self.0.send(Event::Bytes(bytes.to_vec()));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Running {
        handle: Handle,
        /// Gone when the machine is being stopped.
        receiver: Option<Receiver<Event>>,
        runner: Option<JoinHandle<()>>,
    }

    impl Machine for Running {
        fn next(&mut self, patience: Duration) -> Option<Event> {
            match self.receiver.as_ref()?.recv_timeout(patience) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    // Only after its last event: nothing comes any more.
                    thread::sleep(patience);
                    None
                }
            }
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.handle.end();
            // A vCPU that waits for room goes on.
            self.receiver = None;
            if let Some(runner) = self.runner.take() {
                // Ends within the machine's own patience; a panic in it was reported already.
                let _ = runner.join();
            }
        }
    }
}
