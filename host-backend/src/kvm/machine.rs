// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: memory, window, interrupts and vCPUs put together.
#![allow(unsafe_code, reason = "gives memory to KVM")]

use std::boxed::Box;
use std::format;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;
use std::{fs, io, thread};

use kvm_bindings::{KVM_MEM_READONLY, kvm_userspace_memory_region};
use kvm_ioctls::{Cap, IoEventAddress, Kvm, VcpuFd, VmFd};
use vm_memory::{GuestMemoryMmap, MmapRegion};
use vmm_sys_util::eventfd::EventFd;

use super::arch::{self, Board, Fresh};
#[cfg(target_arch = "x86_64")]
use super::cpuid::Leaf;
use super::serial::Serial;
use super::vcpu::Vcpu;
use super::{Control, Error, Exits, Interrupts, Outcome, memory};

const PATIENCE: Duration = Duration::from_secs(5);

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes of memory, a multiple of 2 MiB, from guest address 0 (on Arm 1 GiB).
    pub memory: usize,
    /// vCPUs, 1 to 255.
    pub cpus: u32,
    /// Memory that the guest can read and the host writes.
    pub window: Option<WindowConfig>,
    /// CPUID leaves beside those of KVM.
    #[cfg(target_arch = "x86_64")]
    pub cpuid: Vec<Leaf>,
}

/// Where the window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// Its guest address, outside memory.
    pub address: u64,
    /// Its size in bytes, a multiple of 2 MiB.
    pub size: usize,
}

impl Default for Config {
    /// 32 MiB, one vCPU, no window, no leaves.
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            cpus: 1,
            window: None,
            #[cfg(target_arch = "x86_64")]
            cpuid: Vec::new(),
        }
    }
}

/// A machine that has not run yet.
pub struct Machine {
    vm: Arc<VmFd>,
    memory: Arc<GuestMemoryMmap>,
    window: Option<(WindowConfig, Arc<MmapRegion>)>,
    interrupts: Arc<Interrupts>,
    cpus: Vec<(VcpuFd, Fresh)>,
    control: Control,
}

impl Machine {
    /// Builds a machine. Nothing runs before [`Machine::run`].
    pub fn new(config: &Config) -> Result<Self, Error> {
        if config.cpus == 0 || config.cpus > 255 {
            return Err(Error::BadConfig("a machine has 1 to 255 vCPUs"));
        }
        let size = u64::try_from(config.memory).unwrap_or(u64::MAX);
        if size > arch::RAM_END.saturating_sub(arch::RAM) {
            return Err(Error::BadConfig("a machine has at most 3 GiB of memory"));
        }
        let kvm = open()?;
        let vm = Arc::new(kvm.create_vm().map_err(Error::kvm("making a virtual machine"))?);
        let control = Control::new(usize::try_from(config.cpus).unwrap_or(0));
        let memory = memory::guest_memory(config.memory)?;
        {
            use vm_memory::{GuestAddress, GuestMemoryBackend as _};
            let host = memory
                .get_host_address(GuestAddress(arch::RAM))
                .map_err(|_| Error::BadConfig("the guest's memory does not begin where it should"))?;
            // SAFETY: the mapping is alive as long as `self.memory`, which the machine drops after its vCPUs.
            unsafe { slot(&vm, 0, arch::RAM, size, host, 0)? };
        }
        let window = match config.window {
            Some(place) => Some((place, Self::add_window(&vm, place)?)),
            None => None,
        };
        let board = Board::new(&kvm, &vm, config)?;
        let mut cpus = Vec::new();
        for index in 0..config.cpus {
            cpus.push(board.cpu(&vm, index, config.cpus)?);
        }
        board.finish(&vm, config.cpus)?;
        let interrupts = Arc::new(Interrupts::new(Arc::clone(&vm))?);
        Ok(Self { vm, memory, window, interrupts, cpus, control })
    }

    fn add_window(vm: &VmFd, place: WindowConfig) -> Result<Arc<MmapRegion>, Error> {
        let size = u64::try_from(place.size).unwrap_or(u64::MAX);
        let end = place.address.checked_add(size);
        if place.address < arch::WINDOW.start || end.is_none_or(|end| end > arch::WINDOW.end) {
            return Err(Error::BadConfig("the window lies where memory or a device may be"));
        }
        let region = Arc::new(memory::mapping(place.size)?);
        // SAFETY: the mapping is alive as long as `self.window`, which the machine drops after its vCPUs.
        unsafe { slot(vm, 1, place.address, size, region.as_ptr(), KVM_MEM_READONLY)? };
        Ok(region)
    }

    /// The guest's memory.
    pub fn memory(&self) -> &Arc<GuestMemoryMmap> {
        &self.memory
    }

    /// The window, as the host writes it.
    pub fn window(&self) -> Option<&Arc<MmapRegion>> {
        self.window.as_ref().map(|(_, region)| region)
    }

    /// The machine's interrupts.
    pub fn interrupts(&self) -> &Arc<Interrupts> {
        &self.interrupts
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
        self.vm.register_ioevent(event, at, value).map_err(Error::kvm("giving KVM an eventfd for a doorbell"))
    }

    /// Loads `image` with `command_line`, and has the boot CPU start it. Once per machine: the image expects
    /// zeroed memory.
    pub fn load(&self, image: &[u8], command_line: &str) -> Result<(), Error> {
        let reserved =
            self.window.as_ref().map(|(place, _)| (place.address, u64::try_from(place.size).unwrap_or(0)));
        let cpus = u32::try_from(self.cpus.len()).unwrap_or(0);
        let entry = arch::load(&self.memory, image, command_line, reserved, cpus)?;
        self.control.start(0, entry).map_err(|_| Error::BadConfig("an image was loaded already"))
    }

    /// Runs the machine until it ends or `limit` has passed, each vCPU on a thread of its own. What the guest
    /// writes to its serial port goes to `serial`.
    pub fn run(
        self,
        exits: Arc<dyn Exits>,
        serial: Box<dyn Write + Send>,
        limit: Duration,
    ) -> Result<Outcome, Error> {
        let serial = Arc::new(Serial::new(serial));
        let mut threads = Vec::new();
        for (index, (fd, fresh)) in (0..).zip(self.cpus) {
            let vcpu = Vcpu {
                index,
                fd,
                fresh,
                control: self.control.clone(),
                exits: Arc::clone(&exits),
                serial: Arc::clone(&serial),
            };
            // What the vCPU's mappings need must outlive it, even where its thread has to be left behind.
            let keep = (Arc::clone(&self.vm), Arc::clone(&self.memory), self.window.clone());
            let spawned = thread::Builder::new().name(format!("vcpu-{index}")).spawn(move || {
                vcpu.live();
                drop(keep);
            });
            match spawned {
                Ok(thread) => threads.push(thread),
                Err(why) => {
                    self.control.end(Outcome::Ended);
                    return Err(Error::System { what: "starting a vCPU's thread", why });
                }
            }
        }
        let outcome = self.control.wait(limit);
        self.control.wait_for_threads(PATIENCE)?;
        for thread in threads {
            // All have left their loops, so none blocks; one that panicked has already ended the run.
            let _ = thread.join();
        }
        Ok(outcome)
    }
}

/// Opens `/dev/kvm` and sees that all is there.
fn open() -> Result<Kvm, Error> {
    let kvm = Kvm::new().map_err(|why| match io::Error::from(why).kind() {
        io::ErrorKind::NotFound => Error::NoDevice,
        io::ErrorKind::PermissionDenied => Error::NoPermission,
        _ if fs::metadata("/dev/kvm").is_err() => Error::NoDevice,
        _ => Error::System { what: "opening /dev/kvm", why: why.into() },
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

/// # Safety
/// `host` begins a mapping of `size` bytes that outlives every vCPU of `vm`.
unsafe fn slot(vm: &VmFd, slot: u32, guest: u64, size: u64, host: *mut u8, flags: u32) -> Result<(), Error> {
    let userspace_addr = u64::try_from(host.expose_provenance())
        .map_err(|_| Error::BadConfig("an address of this system is wider than KVM's"))?;
    let region = kvm_userspace_memory_region {
        slot,
        flags,
        guest_phys_addr: guest,
        memory_size: size,
        userspace_addr,
    };
    // SAFETY: the caller's promise; slots do not overlap, for `Machine::new` checked the ranges.
    unsafe { vm.set_user_memory_region(region) }.map_err(Error::kvm("giving memory to the virtual machine"))
}
