// SPDX-License-Identifier: MIT OR Apache-2.0
//! Start of a vCPU, and its upcall (VCPU-5 to VCPU-8).

use crate::action::VcpuAction;
use crate::areas::{Areas, Vcpu};
use crate::base::Base;
use crate::counted::add;
use crate::memory::Memory;
use crate::request::{Call, Done};
use tenon_abi::Status;

impl<M: Memory> Base<M> {
    pub(crate) fn vcpu_start(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [vcpu, ..] = call.numbers();
        let [_, entry, argument, ..] = call.arguments.words;
        let slot = self.vcpu_mut(vcpu).ok_or(Status::BAD_ARGUMENT)?;
        if tenon_rings::planted!("start-needs-areas") && slot.areas.is_none() {
            return Err(Status::NOT_FOUND);
        }
        if slot.running {
            return Err(Status::BAD_STATE);
        }
        slot.running = true;
        self.actions.push(VcpuAction::Start { vcpu, entry, argument });
        Ok(Done::Value(0))
    }

    pub(crate) fn vcpu_upcall(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [vcpu, vector, ..] = call.numbers();
        let vector = (vector != 0).then_some(vector);
        let slot = self.vcpu_mut(vcpu).ok_or(Status::BAD_ARGUMENT)?;
        if slot.areas.is_none() {
            return Err(Status::NOT_FOUND);
        }
        slot.vector = vector;
        let owed = core::mem::take(&mut slot.owed);
        self.actions.push(VcpuAction::Route { vcpu, vector });
        if owed {
            self.owe(vcpu);
        }
        Ok(Done::Value(0))
    }

    /// Sends a vCPU's upcall, or remembers it until there is a vector (VCPU-8).
    pub(crate) fn owe(&mut self, vcpu: u32) {
        let Some(slot) = self.vcpu_mut(vcpu) else { return };
        match slot.vector {
            Some(vector) if !slot.queued => {
                slot.queued = true;
                self.actions.push(VcpuAction::Upcall { vcpu, vector });
                add(&mut self.counted.counts().upcalls, 1);
            }
            Some(_) => {}
            None => slot.owed = true,
        }
    }

    pub(crate) fn check_vcpu(&self, vcpu: u32) -> Result<(), Status> {
        if vcpu < self.config.max_vcpus { Ok(()) } else { Err(Status::BAD_ARGUMENT) }
    }

    #[inline]
    pub(crate) fn vcpu_mut(&mut self, vcpu: u32) -> Option<&mut Vcpu<M::Words>> {
        self.vcpus.get_mut(usize::try_from(vcpu).ok()?)
    }

    #[inline]
    pub(crate) fn areas_mut(&mut self, vcpu: u32) -> Option<&mut Areas<M::Words>> {
        self.vcpu_mut(vcpu)?.areas.as_mut()
    }
}
