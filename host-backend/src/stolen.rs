// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time stolen from vCPUs, by the embedder's count (VCPU-11, VCPU-12).

use crate::areas::Stolen;
use crate::base::Base;
use crate::domain::Domain;
use crate::memory::Memory;
use crate::services::Services;
use tenon_abi::Features;
use tenon_abi::vcpu::host;
use tenon_rings::{Site, Words, planted};

/// STOLEN cannot be offered with these services.
pub(crate) fn missing(services: &Services) -> Features {
    if services.stolen.is_some() { Features::empty() } else { Features::STOLEN }
}

impl<M: Memory> Base<M> {
    /// A vCPU was bound: its count begins.
    pub(crate) fn begin_stolen(&mut self, vcpu: u32) {
        if let Some(slot) = self.vcpu_mut(vcpu) {
            slot.stolen = Stolen::NONE;
        }
        self.tell_stolen(vcpu);
    }

    /// Writes what a bound vCPU's count is now.
    pub(crate) fn tell_stolen(&mut self, vcpu: u32) {
        if !self.has(Features::STOLEN) && !planted!("stolen-unasked") {
            return;
        }
        let asked = if planted!("stolen-of-vcpu-0") { 0 } else { vcpu };
        let Some(counted) = self.services.stolen.as_mut().and_then(|source| source(asked)) else { return };
        let Some(slot) = self.vcpu_mut(vcpu) else { return };
        let Some(areas) = &slot.areas else { return };
        let counted = counted.wrapping_add(slot.stolen.behind);
        // Whatever the source says, the guest's count never falls.
        let told = if planted!("stolen-falls") && counted % 3 == 0 {
            slot.stolen.told.saturating_sub(1)
        } else if planted!("stolen-early") {
            counted.saturating_add(slot.stolen.told)
        } else {
            slot.stolen.told.max(counted)
        };
        slot.stolen.told = told;
        areas.host.store(usize::try_from(host::STOLEN / 8).unwrap_or(0), told, Site::Status);
    }

    /// The counts of a restored domain go on with the source that it has now.
    pub(crate) fn resume_stolen(&mut self) {
        for vcpu in 0..self.config.max_vcpus {
            let Some(counted) = self.services.stolen.as_mut().and_then(|source| source(vcpu)) else {
                continue;
            };
            if let Some(slot) = self.vcpu_mut(vcpu) {
                slot.stolen.behind = slot.stolen.told.wrapping_sub(counted);
            }
            self.tell_stolen(vcpu);
        }
    }
}

impl<M: Memory> Domain<M> {
    /// Writes what [`Services::stolen`] says of this vCPU now. An attachment that offers STOLEN calls this
    /// each time that it has served the vCPU's call queue (VCPU-12), and as often as it likes beside that. It
    /// is not part of [`Self::serve`]: a host without STOLEN pays nothing for it.
    pub fn tell_stolen(&mut self, vcpu: u32) {
        self.base.tell_stolen(vcpu);
    }

    /// The same for all vCPUs.
    pub(crate) fn tell_all_stolen(&mut self) {
        (0..self.base.config.max_vcpus).for_each(|vcpu| self.base.tell_stolen(vcpu));
    }
}
