// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interrupt controller: a GICv3 in the kernel.
#![allow(unsafe_code, reason = "attributes are handed to KVM by address")]

use kvm_bindings::{
    KVM_DEV_ARM_VGIC_CTRL_INIT, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_DEV_ARM_VGIC_GRP_CTRL,
    KVM_DEV_ARM_VGIC_GRP_NR_IRQS, KVM_VGIC_V3_ADDR_TYPE_DIST, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION,
    kvm_create_device, kvm_device_attr, kvm_device_type_KVM_DEV_TYPE_ARM_VGIC_V3,
};
use kvm_ioctls::{DeviceFd, VmFd};

use super::map::INTIDS;
use crate::kvm::Error;
use crate::kvm::setup::request;

/// The distributor.
pub(super) const DISTRIBUTOR: (u64, u64) = (0x0800_0000, 0x1_0000);
/// The redistributors: one for each of at most 123 vCPUs, as they end where the serial port begins.
const REDISTRIBUTORS: u64 = 0x080a_0000;
const REDISTRIBUTOR: u64 = 0x2_0000;
/// Most vCPUs.
const MAX_CPUS: u32 = 123;

/// Where the redistributors of so many vCPUs are.
pub(super) fn redistributors(cpus: u32) -> (u64, u64) {
    (REDISTRIBUTORS, REDISTRIBUTOR.saturating_mul(cpus.into()))
}

/// Makes it, when all vCPUs are there.
pub(super) fn make(vm: &VmFd, cpus: u32) -> Result<(), Error> {
    if cpus > MAX_CPUS {
        return Err(Error::BadConfig("on Arm a machine has at most 123 vCPUs"));
    }
    let mut device = kvm_create_device { type_: kvm_device_type_KVM_DEV_TYPE_ARM_VGIC_V3, fd: 0, flags: 0 };
    let gic = request("making a GICv3", || vm.create_device(&mut device))?;
    // KVM's word for a region: how many in the top 12 bits, the address, and its number in the low 12.
    let region = u64::from(cpus) << 52 | REDISTRIBUTORS;
    let (distributor, _) = DISTRIBUTOR;
    set(&gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &INTIDS)?;
    set(&gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &distributor)?;
    set(&gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &region)?;
    set(&gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, &0_u64)
}

fn set<T>(gic: &DeviceFd, group: u32, attribute: u32, value: &T) -> Result<(), Error> {
    let address = u64::try_from((&raw const *value).expose_provenance()).unwrap_or(0);
    let attribute = kvm_device_attr { flags: 0, group, attr: attribute.into(), addr: address };
    request("placing the GICv3", || gic.set_device_attr(&attribute))
}
