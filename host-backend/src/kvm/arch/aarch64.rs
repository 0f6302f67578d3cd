// SPDX-License-Identifier: MIT OR Apache-2.0
//! AArch64: a device tree, GICv3, SPIs, doorbells in memory. Devices lie where QEMU's `virt` has them, so
//! that one image serves both.

mod counter;
mod gic;
mod hypercall;
pub(super) mod map;
mod registers;

use kvm_bindings::kvm_vcpu_init;
use kvm_ioctls::{Kvm, VcpuFd, VmFd};
use tenon_boot::aarch64::Devices;
use tenon_boot::{Layout, Plan};

use crate::kvm::Error;
use crate::kvm::config::Config;
use crate::kvm::setup::request;
use map::UART;

pub(crate) use counter::{guest_counter, host_counter};
pub(crate) use hypercall::{taken as hypercall, trap as trap_hypercalls};
pub use registers::Fresh;
pub(crate) use registers::program_counter;

/// The interrupt controller and what all vCPUs are made of.
pub(crate) struct Board {
    init: kvm_vcpu_init,
}

impl Board {
    pub(crate) fn new(_kvm: &Kvm, vm: &VmFd, _config: &Config) -> Result<Self, Error> {
        let mut init = kvm_vcpu_init::default();
        request("asking for the processor's kind", || vm.get_preferred_target(&mut init))?;
        Ok(Self { init: registers::features(init) })
    }

    pub(crate) fn cpu(&self, vm: &VmFd, index: u32, _count: u32) -> Result<(VcpuFd, Fresh), Error> {
        let cpu = request("making a vCPU", || vm.create_vcpu(u64::from(index)))?;
        request("initialising a vCPU", || cpu.vcpu_init(&self.init))?;
        Ok((cpu, Fresh::of(self.init)))
    }

    /// When all vCPUs are there.
    pub(crate) fn finish(self, vm: &VmFd, cpus: u32) -> Result<(), Error> {
        gic::make(vm, cpus)
    }
}

/// The device tree names the window, whatever the machine is made of.
pub(crate) fn discovered(config: Config) -> Result<Config, Error> {
    Ok(config)
}

pub(crate) fn plan<'a>(
    image: &'a [u8],
    command_line: &str,
    layout: &Layout,
    cpus: u32,
) -> Result<Plan<'a>, Error> {
    let redistributors = gic::redistributors(cpus);
    let devices = Devices { cpus, uart: UART, distributor: gic::DISTRIBUTOR, redistributors };
    Ok(tenon_boot::aarch64::plan(image, command_line, layout, &devices)?)
}
