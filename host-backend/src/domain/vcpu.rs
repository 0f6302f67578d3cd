// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stop of a vCPU (VCPU-6): its queues go.

use crate::action::VcpuAction;
use crate::areas::Vcpu;
use crate::domain::Domain;
use crate::late::Waits;
use crate::memory::Memory;
use crate::request::{Call, Done};
use tenon_abi::Status;
use tenon_abi::vcpu::call_queue;

impl<M: Memory> Domain<M> {
    pub(crate) fn vcpu_stop(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [vcpu, target, ..] = call.numbers();
        if vcpu == target || self.base.areas_mut(target).is_none() {
            return Err(Status::BAD_ARGUMENT);
        }
        if tenon_rings::planted!("stop-needs-areas") && self.base.areas_mut(vcpu).is_none() {
            return Err(Status::NOT_FOUND);
        }
        if self.base.vcpu_mut(vcpu).is_none_or(|slot| !slot.running || slot.stopping) {
            return Err(Status::BAD_STATE);
        }
        self.base.move_ports(vcpu, target)?;
        self.release(vcpu);
        if let Some(slot) = self.base.vcpu_mut(vcpu) {
            *slot = Vcpu { stopping: true, ..Vcpu::new(true) };
        }
        self.base.actions.push(VcpuAction::Stop { vcpu });
        // A vCPU that stops itself has no queue any more: nobody is told.
        Ok(if call.vcpu() == vcpu { Done::Never } else { Done::Later(Waits::Stop { vcpu }) })
    }

    /// A vCPU's queues go, and with them what was asked there.
    fn release(&mut self, vcpu: u32) {
        for (key, waits) in self.base.late.drop_queue(call_queue(vcpu)) {
            self.families.dropped(key, waits);
        }
        if let Some(place) = self.base.areas_mut(vcpu).map(|areas| areas.place) {
            self.base.let_go(&place);
        }
        if let Some(queues) = usize::try_from(vcpu).ok().and_then(|vcpu| self.queues.get_mut(vcpu)) {
            *queues = None;
        }
    }

    /// The vCPU of a [`VcpuAction::Stop`] executes nothing more: completes the request that asked for it
    /// (VCPU-6).
    pub fn stopped(&mut self, vcpu: u32) {
        let Some(slot) = self.base.vcpu_mut(vcpu) else { return };
        if !core::mem::take(&mut slot.stopping) {
            return;
        }
        slot.running = false;
        // A session that ended has no requests.
        if let Some(key) = self.base.late.find(Waits::Stop { vcpu }) {
            self.base.finish(key, Status::OK, 0);
        }
        self.write_finished();
    }
}
