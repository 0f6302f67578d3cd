// SPDX-License-Identifier: MIT OR Apache-2.0
//! An embedder's own machine around the pure core: kvm-ioctls, vm-memory and linux-loader, nothing of
//! `tenon_host::kvm`. Boots `hello` on one vCPU. The core is given memory, is told of doorbells, and says
//! what to inject.
#![allow(unsafe_code, reason = "gives memory to KVM")]

use kvm_bindings::{CpuId, KVM_MEM_READONLY, kvm_cpuid_entry2, kvm_msi, kvm_regs, kvm_segment};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use linux_loader::configurator::{BootConfigurator, BootParams, pvh::PvhBootConfigurator};
use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_start_info};
use linux_loader::loader::{Elf, KernelLoader, elf::PvhBootCapability};
use std::{error::Error, io::Cursor, process::exit};
use tenon_host::{Action, Conduit, Config, Domain, Memory};
use tenon_rings::{Mapping, Words};
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, MmapRegion};

const RAM: u64 = 32 << 20;
const WINDOW: u64 = 1 << 20;
const WINDOW_AT: u64 = 0xe000_0000;
const KICK: u16 = 0x700;
const BIND: u16 = KICK + 4;

struct Ours(Mapping, Mapping);

impl Memory for Ours {
    type Words = Mapping;
    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then_some(RAM)
    }
    fn words(&self, _: u16, offset: u64, len: u64) -> Option<Mapping> {
        self.0.slice(offset as usize / 8, len as usize / 8)
    }
    fn read(&self, _: u16, offset: u64, out: &mut [u8]) -> bool {
        self.0.read(offset as usize, out)
    }
    fn write(&self, _: u16, offset: u64, data: &[u8]) -> bool {
        self.0.write(offset as usize, data)
    }
    fn window(&self) -> Mapping {
        self.1
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (kvm, window) = (Kvm::new()?, MmapRegion::<()>::new(WINDOW as usize)?);
    let ram = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), RAM as usize)])?;
    let (vm, base) = (kvm.create_vm()?, ram.get_host_address(GuestAddress(0))?);
    give(&vm, 0, 0, 0, RAM, base)?;
    give(&vm, 1, KVM_MEM_READONLY, WINDOW_AT, WINDOW, window.as_ptr())?;
    vm.set_tss_address(0xfffb_d000)?;
    vm.create_irq_chip()?;
    let mut vcpu = vm.create_vcpu(0)?;
    start(&kvm, &ram, &vcpu)?;

    // SAFETY: both mappings live as long as `main`, and so does the domain.
    let words = unsafe { (Mapping::new(base, RAM as usize), Mapping::new(window.as_ptr(), WINDOW as usize)) };
    let memory = Ours(words.0.ok_or("unaligned")?, words.1.ok_or("unaligned")?);
    let mut config = Config::new(Conduit::port_io(KICK, BIND), 1, 1);
    (config.window_len, config.max_start) = (WINDOW, u64::from(u32::MAX));
    let mut domain = Domain::new(config, memory)?;
    let number = |data: &[u8]| data.try_into().map_or(0, u32::from_le_bytes);
    loop {
        match vcpu.run()? {
            // The budget is more than the depth of the queues that `hello` binds, so once is enough.
            VcpuExit::IoOut(KICK, data) => _ = domain.serve(number(data), 256),
            VcpuExit::IoOut(BIND, data) => domain.control(number(data)),
            VcpuExit::IoOut(0xf4, data) => exit(number(data) as i32),
            VcpuExit::Shutdown | VcpuExit::InternalError => return Err("the vCPU cannot go on".into()),
            _ => {}
        }
        act(&mut domain, &vm);
    }
}

/// Does what the core asks for.
fn act(domain: &mut Domain<Ours>, vm: &VmFd) {
    while let Some(action) = domain.next_action() {
        match action {
            Action::Output => print!("{}", String::from_utf8_lossy(&domain.take_output())),
            Action::Upcall { vcpu, vector } | Action::Direct { vcpu, vector, .. } => {
                let address_lo = 0xfee0_0000 | vcpu << 12;
                let _ = vm.signal_msi(kvm_msi { address_lo, data: vector, ..Default::default() });
            }
            Action::Exit { code } => exit(code as i32),
            other => eprintln!("not in this example: {other:?}"),
        }
    }
}

fn give(vm: &VmFd, slot: u32, flags: u32, at: u64, len: u64, base: *mut u8) -> Result<(), kvm_ioctls::Error> {
    let mut region = kvm_bindings::kvm_userspace_memory_region { slot, flags, ..Default::default() };
    (region.guest_phys_addr, region.memory_size, region.userspace_addr) = (at, len, base as u64);
    // SAFETY: the mapping lives as long as `main`, in which the only vCPU runs.
    unsafe { vm.set_user_memory_region(region) }
}

/// The image with what it boots with, Tenon's CPUID leaves, and PVH's start state.
fn start(kvm: &Kvm, ram: &GuestMemoryMmap, vcpu: &VcpuFd) -> Result<(), Box<dyn Error>> {
    let image = Elf::load(ram, None, &mut Cursor::new(tenon_guest_images::HELLO.bytes), None)?;
    let PvhBootCapability::PvhEntryPresent(entry) = image.pvh_boot_cap else { return Err("no PVH".into()) };
    let mut info = hvm_start_info { magic: 0x336e_c578, version: 1, ..Default::default() };
    (info.memmap_paddr, info.memmap_entries) = (0x7000, 1);
    let mut params = BootParams::new(&info, GuestAddress(0x6000));
    let map = hvm_memmap_table_entry { size: RAM, type_: 1, ..Default::default() };
    params.set_sections(&[map], GuestAddress(0x7000));
    PvhBootConfigurator::write_bootparams(&params, ram)?;

    let mut leaves = kvm.get_supported_cpuid(100)?.as_slice().to_vec();
    let [ebx, ecx, edx] = tenon_abi::discovery::CPUID_SIGNATURE;
    let leaf = |function, eax| kvm_cpuid_entry2 { function, eax, ..Default::default() };
    leaves.push(kvm_cpuid_entry2 { ebx, ecx, edx, ..leaf(0x4000_0100, 0x4000_0101) });
    leaves.push(kvm_cpuid_entry2 { ebx: WINDOW as u32 >> 12, ..leaf(0x4000_0101, WINDOW_AT as u32 >> 12) });
    vcpu.set_cpuid2(&CpuId::from_entries(&leaves)?)?;

    let flat = kvm_segment { limit: !0, type_: 3, present: 1, db: 1, s: 1, g: 1, ..Default::default() };
    let mut special = vcpu.get_sregs()?;
    (special.ds, special.es, special.ss, special.cr0) = (flat, flat, flat, 0x11);
    special.cs = kvm_segment { selector: 0x10, type_: 11, ..flat };
    vcpu.set_sregs(&special)?;
    Ok(vcpu.set_regs(&kvm_regs { rip: entry.0, rbx: 0x6000, rflags: 2, ..Default::default() })?)
}
