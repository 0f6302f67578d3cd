// SPDX-License-Identifier: MIT OR Apache-2.0
//! One vCPU's thread: runs the guest, hands out its exits.
#![allow(unsafe_code, reason = "reads a member of kvm_run")]

use std::format;
use std::string::ToString;
use std::sync::Arc;
use std::thread;

use kvm_bindings::KVM_SYSTEM_EVENT_SHUTDOWN;
use kvm_ioctls::VcpuExit;

use super::arch;
use super::place::Place;
use super::serial::Serial;
use super::{CpuError, Entry, Exits, Flow, Outcome, Runner};
use crate::cpus::{CpuThread, Next};

/// A vCPU and what its thread needs.
pub(crate) struct Vcpu {
    pub(crate) index: u32,
    pub(crate) seat: CpuThread<Entry, Outcome>,
    pub(crate) runner: Runner,
    pub(crate) exits: Arc<dyn Exits>,
    pub(crate) serial: Arc<Serial>,
}

/// Why the guest was left.
enum Left {
    /// The vCPU parks.
    Stop,
    /// The machine ends.
    End(Outcome),
}

impl Vcpu {
    /// The thread's whole life: parked, running, parked, …, until the machine ends.
    pub(crate) fn live(mut self) {
        self.exits.begins(self.index);
        loop {
            let entry = match self.seat.next() {
                Next::Run(entry) => entry,
                Next::Stopped => {
                    if !tenon_rings::planted!("stop-not-reported") {
                        self.exits.parked(self.index);
                    }
                    continue;
                }
                Next::End => return,
            };
            let left = match self.runner.start(entry) {
                Ok(()) => self.run(),
                Err(why) => self.failed(why.into()),
            };
            if let Left::End(outcome) = left {
                self.seat.cpus().end(outcome);
            }
        }
    }

    fn run(&mut self) -> Left {
        while !self.seat.must_leave() {
            let flow = match self.runner.run() {
                Ok(VcpuExit::IoOut(port, data)) if arch::EXIT == Some(Place::Port(port)) => {
                    let mut code = [0; 4];
                    code.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
                    return Left::End(Outcome::Left(u32::from_le_bytes(code)));
                }
                Ok(VcpuExit::IoOut(port, data)) if Serial::owns(Place::Port(port)) => {
                    self.serial.write(Place::Port(port), data, || self.seat.must_leave());
                    Flow::Continue
                }
                Ok(VcpuExit::IoOut(port, data)) => self.exits.pio_out(self.index, port, data),
                Ok(VcpuExit::MmioWrite(address, data)) if Serial::owns(Place::Memory(address)) => {
                    self.serial.write(Place::Memory(address), data, || self.seat.must_leave());
                    Flow::Continue
                }
                Ok(VcpuExit::MmioWrite(address, data)) => self.exits.mmio_write(self.index, address, data),
                Ok(VcpuExit::IoIn(port, data)) => {
                    Serial::read(Place::Port(port), data);
                    Flow::Continue
                }
                Ok(VcpuExit::MmioRead(address, data)) => {
                    Serial::read(Place::Memory(address), data);
                    Flow::Continue
                }
                Ok(VcpuExit::Intr | VcpuExit::Hlt | VcpuExit::IrqWindowOpen | VcpuExit::IoapicEoi(_)) => {
                    Flow::Continue
                }
                Ok(VcpuExit::SystemEvent(KVM_SYSTEM_EVENT_SHUTDOWN, _)) => {
                    return Left::End(Outcome::Left(0));
                }
                Ok(VcpuExit::Shutdown) => {
                    let rip = self.rip();
                    return self.failed(CpuError::Shutdown { rip });
                }
                Ok(VcpuExit::InternalError) => return self.internal_error(),
                Ok(VcpuExit::FailEntry(reason, _)) => {
                    let rip = self.rip();
                    return self.failed(CpuError::FailEntry { reason, rip });
                }
                Ok(VcpuExit::Unsupported(_) | VcpuExit::Hypercall(_)) => {
                    match arch::hypercall(self.runner.fd()) {
                        Some(call) => self.exits.hypercall(self.index, call),
                        None => {
                            let what = format!("exit {}", self.runner.fd().get_kvm_run().exit_reason);
                            let rip = self.rip();
                            return self.failed(CpuError::Unknown { what, rip });
                        }
                    }
                }
                Ok(other) => {
                    let what = format!("{other:?}");
                    let rip = self.rip();
                    return self.failed(CpuError::Unknown { what, rip });
                }
                Err(why) => return self.failed(why.into()),
            };
            match flow {
                Flow::Continue => {}
                Flow::Stop => return Left::Stop,
                Flow::End => return Left::End(Outcome::Ended),
            }
        }
        Left::Stop
    }

    fn internal_error(&mut self) -> Left {
        // SAFETY: the exit reason was KVM_EXIT_INTERNAL_ERROR, so that KVM filled this member of the union.
        let suberror = unsafe { self.runner.fd().get_kvm_run().__bindgen_anon_1.internal.suberror };
        let rip = self.rip();
        self.failed(CpuError::Internal { suberror, rip })
    }

    /// Only for a vCPU that will not run again; 0 where it cannot be read.
    fn rip(&mut self) -> u64 {
        arch::program_counter(self.runner.fd())
    }

    fn failed(&self, why: CpuError) -> Left {
        Left::End(Outcome::Failed { vcpu: Some(self.index), why })
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        if thread::panicking() {
            let message = "see what the panic printed".to_string();
            let why = CpuError::Panicked { who: "the handler of a vCPU's exits", message };
            self.seat.cpus().end(Outcome::Failed { vcpu: Some(self.index), why });
        }
    }
}
