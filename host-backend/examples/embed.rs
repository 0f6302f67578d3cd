// SPDX-License-Identifier: MIT OR Apache-2.0
//! An embedder's own machine around the pure core: kvm-ioctls, vm-memory and tenon-boot, nothing of
//! `tenon_host::kvm`. Boots `hello` on one vCPU. The core is given memory, is told of doorbells, and says
//! what to inject.
#![allow(unsafe_code, reason = "gives memory to KVM")]

use kvm_bindings::{CpuId, KVM_MEM_READONLY, kvm_cpuid_entry2, kvm_msi, kvm_regs, kvm_segment};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use std::{error::Error, process::exit};
use tenon_boot::{Kind, Layout, cpuid, pvh};
use tenon_host::{Action, Conduit, Config, Domain, LifecycleAction, Pieces, VcpuAction};
use tenon_rings::Mapping;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, MmapRegion};

const RAM: u64 = 32 << 20;
const WINDOW: u64 = 1 << 20;
const WINDOW_AT: u64 = 0xe000_0000;
const KICK: u16 = 0x700;
const BIND: u16 = KICK + 4;

fn main() -> Result<(), Box<dyn Error>> {
    let (kvm, window) = (Kvm::new()?, MmapRegion::<()>::new(WINDOW as usize)?);
    let ram = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), RAM as usize)])?;
    let (vm, base) = (kvm.create_vm()?, ram.get_host_address(GuestAddress(0))?);
    give(&vm, 0, 0, 0, RAM, base)?;
    give(&vm, 1, KVM_MEM_READONLY, WINDOW_AT, WINDOW, window.as_ptr())?;
    vm.set_tss_address(0xfffb_d000).and_then(|()| vm.create_irq_chip())?;
    let mut vcpu = vm.create_vcpu(0)?;
    start(&kvm, &ram, &vcpu)?;

    // SAFETY: both mappings live as long as `main`, and so does the domain.
    let words = unsafe { (Mapping::new(base, RAM as usize), Mapping::new(window.as_ptr(), WINDOW as usize)) };
    let (ram, window) = (words.0.ok_or("unaligned")?, words.1.ok_or("unaligned")?);
    let memory = Pieces::new([(0, ram)], window).ok_or("memory that cannot be")?;
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
fn act(domain: &mut Domain<Pieces>, vm: &VmFd) {
    while let Some(action) = domain.next_action() {
        match action {
            Action::Console(_) => print!("{}", String::from_utf8_lossy(&domain.take_output())),
            Action::Vcpu(VcpuAction::Upcall { vcpu, vector }) => {
                let address_lo = 0xfee0_0000 | vcpu << 12;
                let _ = vm.signal_msi(kvm_msi { address_lo, data: vector, ..Default::default() });
            }
            Action::Vcpu(VcpuAction::Route { .. }) | Action::Session(_) => {} // messages need no route
            Action::Lifecycle(LifecycleAction::Exit { code }) => exit(code as i32),
            other => panic!("not in this example: {other:?}"),
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
    let layout = Layout::x86_64(RAM)?.with(Kind::Window, WINDOW_AT, WINDOW)?;
    let plan = pvh::plan(tenon_guest_images::HELLO.bytes, "", &layout)?;
    for (address, bytes) in plan.writes() {
        ram.write_slice(bytes, GuestAddress(address))?;
    }

    let mut leaves = kvm.get_supported_cpuid(100)?.as_slice().to_vec();
    leaves.extend(cpuid::discovery(cpuid::BASE, &layout)?.map(|leaf| {
        let cpuid::Leaf { function, eax, ebx, ecx, edx } = leaf;
        kvm_cpuid_entry2 { function, eax, ebx, ecx, edx, ..Default::default() }
    }));
    vcpu.set_cpuid2(&CpuId::from_entries(&leaves)?)?;

    let start = pvh::Start::new(plan.entry(), plan.argument());
    let mut special = vcpu.get_sregs()?;
    let data = register(start.data);
    (special.ds, special.es, special.ss, special.cr0) = (data, data, data, start.cr0);
    (special.cs, special.tr) = (register(start.code), register(start.task));
    vcpu.set_sregs(&special)?;
    let (rip, rbx, rflags) = (start.rip, start.rbx, start.rflags);
    Ok(vcpu.set_regs(&kvm_regs { rip, rbx, rflags, ..Default::default() })?)
}

fn register(segment: pvh::Segment) -> kvm_segment {
    let (wide, code_or_data) = (segment.is_wide.into(), segment.is_code_or_data.into());
    let (base, limit, selector, type_) = (segment.base, segment.limit, segment.selector, segment.kind);
    let bits = kvm_segment { present: 1, db: wide, g: wide, s: code_or_data, ..Default::default() };
    kvm_segment { base, limit, selector, type_, ..bits }
}
