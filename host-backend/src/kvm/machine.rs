// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: memory, window, interrupts and vCPUs put together.
#![allow(unsafe_code, reason = "gives memory to KVM")]

use std::boxed::Box;
use std::format;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::Vec;
use std::{fs, io, thread};

use kvm_ioctls::{Cap, IoEventAddress, Kvm, VcpuFd, VmFd};
use tenon_boot::Layout;
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap, MmapRegion};
use vmm_sys_util::eventfd::EventFd;

use super::arch::{self, Board, Fresh};
use super::config::{Config, WindowConfig};
use super::doorbells::Doorbells;
use super::helpers::Helpers;
use super::serial::Serial;
use super::setup::request;
use super::vcpu::Vcpu;
use super::{Control, Entry, Error, Exits, GuestCounter, Interrupts, Outcome, Room, Runner, memory};

/// A vCPU's thread may take so long to come back after the run has ended, if the limit leaves it that much
/// time.
const PATIENCE: Duration = Duration::from_secs(5);
/// A run comes back at most so long after its limit, or after somebody has ended it.
const SLACK: Duration = Duration::from_millis(400);

impl Config {
    /// The same machine, whose guest finds its window (DISC-4, DISC-13).
    pub fn discovered(self) -> Result<Self, Error> {
        arch::discovered(self)
    }
}

/// A machine that has not run yet.
pub struct Machine {
    vm: Arc<VmFd>,
    layout: Layout,
    memory: Arc<GuestMemoryMmap>,
    room: Option<Arc<Room>>,
    window: Option<(WindowConfig, Arc<MmapRegion>)>,
    interrupts: Arc<Interrupts>,
    cpus: Vec<(VcpuFd, Fresh)>,
    control: Control,
    helpers: Helpers,
}

impl Machine {
    /// Builds a machine. Nothing runs before [`Machine::run`].
    pub fn new(config: &Config) -> Result<Self, Error> {
        if config.cpus == 0 || config.cpus > 255 {
            return Err(Error::BadConfig("a machine has 1 to 255 vCPUs"));
        }
        let layout = config.layout()?;
        let kvm = open()?;
        let vm = Arc::new(request("making a virtual machine", || kvm.create_vm())?);
        let control = Control::new(config.cpus);
        let memory = memory::guest_memory(&layout)?;
        let room = match config.room {
            0 => None,
            size => Some(Arc::new(Room::new(&vm, &layout, size)?)),
        };
        let window = match config.window {
            Some(place) => Some((place, Arc::new(memory::mapping(place.size)?))),
            None => None,
        };
        // SAFETY: the mappings live as long as the machine and the threads of its vCPUs, which keep them.
        unsafe { memory::give(&vm, &layout, &memory, window.as_ref().map(|(_, region)| &**region))? };
        let board = Board::new(&kvm, &vm, config)?;
        let mut cpus = Vec::new();
        for index in 0..config.cpus {
            cpus.push(board.cpu(&vm, index, config.cpus)?);
        }
        board.finish(&vm, config.cpus)?;
        let interrupts = Arc::new(Interrupts::new(Arc::clone(&vm))?);
        let helpers = Helpers::new(control.clone());
        Ok(Self { vm, layout, memory, room, window, interrupts, cpus, control, helpers })
    }

    /// Where memory and window are.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its vCPUs, for who runs them otherwise. The machine's memory is empty.
    #[cfg(all(test, target_arch = "x86_64"))]
    pub(crate) fn into_vcpus(self) -> Vec<(VcpuFd, Fresh)> {
        self.cpus
    }

    /// A vCPU that does not run.
    #[cfg(all(test, target_arch = "x86_64"))]
    pub(crate) fn vcpu(&self, index: usize) -> Option<&VcpuFd> {
        Some(&self.cpus.get(index)?.0)
    }

    /// The guest's memory.
    pub fn memory(&self) -> &Arc<GuestMemoryMmap> {
        &self.memory
    }

    /// Room for more of it.
    pub fn room(&self) -> Option<&Arc<Room>> {
        self.room.as_ref()
    }

    /// The window, as the host writes it.
    pub fn window(&self) -> Option<&Arc<MmapRegion>> {
        self.window.as_ref().map(|(_, region)| region)
    }

    /// The machine's interrupts.
    pub fn interrupts(&self) -> &Arc<Interrupts> {
        &self.interrupts
    }

    /// The counter that all of its vCPUs read, and what it is ahead of this system's; `None` where KVM does
    /// not say that they read the same.
    pub fn counter(&self) -> Option<GuestCounter> {
        let cpus: Vec<&VcpuFd> = self.cpus.iter().map(|(cpu, _)| cpu).collect();
        arch::guest_counter(&self.vm, &cpus)
    }

    /// A handle that starts and stops vCPUs and ends the machine, now and while it runs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// From now on hypercalls leave the guest ([`Exits::hypercall`]). The result is what the record says of
    /// them (DISC-12).
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where this KVM keeps them to itself.
    pub fn trap_hypercalls(&self) -> Result<tenon_abi::ConduitFlags, Error> {
        arch::trap_hypercalls(&self.vm)
    }

    /// From now on a 32-bit write of `value` to `port` signals `event` instead of leaving the guest.
    pub fn add_doorbell(&self, port: u16, value: u32, event: &EventFd) -> Result<(), Error> {
        self.add_doorbell_at(&IoEventAddress::Pio(u64::from(port)), value, event)
    }

    /// The same for a port or a guest address.
    pub(crate) fn add_doorbell_at(
        &self,
        at: &IoEventAddress,
        value: u32,
        event: &EventFd,
    ) -> Result<(), Error> {
        request("giving KVM an eventfd for a doorbell", || self.vm.register_ioevent(event, at, value))
    }

    /// Where kicks of devices' queues go.
    pub(super) fn doorbells(&self, at: Option<IoEventAddress>) -> Doorbells {
        Doorbells::new(Arc::clone(&self.vm), at)
    }

    /// Loads `image` with `command_line`, and has the boot CPU start it. Once per machine: the image expects
    /// zeroed memory.
    pub fn load(&self, image: &[u8], command_line: &str) -> Result<(), Error> {
        let cpus = u32::try_from(self.cpus.len()).unwrap_or(0);
        let plan = arch::plan(image, command_line, &self.layout, cpus)?;
        for (address, bytes) in plan.writes() {
            self.memory
                .write_slice(bytes, GuestAddress(address))
                .map_err(|_| Error::BadConfig("the guest's memory cannot be written"))?;
        }
        let entry = Entry { address: plan.entry(), argument: plan.argument() };
        self.control.start(0, entry).map_err(|_| Error::BadConfig("an image was loaded already"))
    }

    /// Threads that belong to the run: a panic in one ends it.
    pub(crate) const fn helpers(&self) -> &Helpers {
        &self.helpers
    }

    /// Runs the machine until it ends or `limit` has passed, each vCPU on a thread of its own. What the guest
    /// writes to its serial port goes to `serial`, which has a thread too and may block.
    ///
    /// It comes back at most half a second after the limit, or after somebody has ended it, whoever is late.
    /// Where the guest has ended its run itself, what it has written is waited for until the limit.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] if a vCPU is still in a handler of [`Exits`] by then; [`Error::System`] if a thread
    /// cannot be started.
    pub fn run(
        self,
        exits: Arc<dyn Exits>,
        serial: Box<dyn Write + Send>,
        limit: Duration,
    ) -> Result<Outcome, Error> {
        self.run_and(exits, serial, (Instant::now(), limit), || ())
    }

    /// The same, with a limit that counts from some time on. `ended` is called when the vCPUs have left: it
    /// has the helpers leave.
    pub(crate) fn run_and(
        self,
        exits: Arc<dyn Exits>,
        serial: Box<dyn Write + Send>,
        (start, limit): (Instant, Duration),
        ended: impl FnOnce(),
    ) -> Result<Outcome, Error> {
        let (control, helpers) = (self.control.clone(), self.helpers.clone());
        let sink = Arc::new(Serial::default());
        let result = self.start_threads(&exits, &sink, serial).map(|threads| {
            let outcome = control.wait(limit.saturating_sub(start.elapsed()), Outcome::TimedOut);
            // The guest's own end leaves its text the time that it had; an end from outside does not wait.
            let left = match outcome {
                Outcome::TimedOut | Outcome::Ended => Duration::ZERO,
                _ => limit.saturating_sub(start.elapsed()),
            };
            (threads, outcome, Instant::now(), left.max(SLACK))
        });
        let Ok((threads, outcome, end, patience)) = result else {
            control.end(Outcome::Ended);
            sink.close();
            ended();
            return result.map(|(_, outcome, ..)| outcome);
        };
        let late = control.wait_for_threads(patience.min(PATIENCE));
        sink.close();
        ended();
        let end = end.checked_add(patience).unwrap_or(end);
        if let Some(who) = helpers.wait(end) {
            tracing::warn!(who, "a thread of the machine is blocked and was left behind");
        }
        if let Some(vcpu) = late.first() {
            return Err(Error::Stuck(*vcpu));
        }
        // All have left their loops and give back what they had, which takes a busy computer some time.
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(helpers.failed().unwrap_or(outcome))
    }

    /// Those of the serial port and of all vCPUs.
    fn start_threads(
        self,
        exits: &Arc<dyn Exits>,
        serial: &Arc<Serial>,
        sink: Box<dyn Write + Send>,
    ) -> Result<Vec<thread::JoinHandle<()>>, Error> {
        let port = Arc::clone(serial);
        self.helpers.start("serial", move || {
            port.drain(sink);
            Ok(())
        })?;
        let mut threads = Vec::new();
        for (index, (fd, fresh)) in (0..).zip(self.cpus) {
            let mut seat = self.control.take(index).ok_or(Error::BadConfig("a machine runs once"))?;
            let (exits, serial) = (Arc::clone(exits), Arc::clone(serial));
            // What the vCPU's mappings need must outlive it, even where its thread has to be left behind.
            let keep =
                (Arc::clone(&self.vm), Arc::clone(&self.memory), self.room.clone(), self.window.clone());
            let spawned = thread::Builder::new().name(format!("vcpu-{index}")).spawn(move || {
                let runner = Runner::new(fd, fresh, &mut seat);
                Vcpu { index, seat, runner, exits, serial }.live();
                drop(keep);
            });
            threads.push(spawned.map_err(Error::io("starting a vCPU's thread"))?);
        }
        Ok(threads)
    }
}

/// Opens `/dev/kvm` and sees that all is there.
fn open() -> Result<Kvm, Error> {
    let opened = request("opening /dev/kvm", Kvm::new);
    let kvm = opened.map_err(|error| match error {
        Error::System { why, .. } => refused(why),
        other => other,
    })?;
    for (capability, name) in [
        (Cap::UserMemory, "user memory"),
        (Cap::Irqfd, "interrupts by eventfd"),
        (Cap::Ioeventfd, "doorbells by eventfd"),
        (Cap::ReadonlyMem, "read-only memory"),
        (Cap::ImmediateExit, "immediate exit"),
    ]
    .iter()
    .chain(arch::NEEDS)
    {
        if !kvm.check_extension(*capability) {
            return Err(Error::Missing(name));
        }
    }
    Ok(kvm)
}

/// Why `/dev/kvm` cannot be opened.
fn refused(why: io::Error) -> Error {
    match why.kind() {
        io::ErrorKind::NotFound => Error::NoDevice,
        io::ErrorKind::PermissionDenied => Error::NoPermission,
        _ if fs::metadata("/dev/kvm").is_err() => Error::NoDevice,
        _ => Error::System { what: "opening /dev/kvm", why },
    }
}
