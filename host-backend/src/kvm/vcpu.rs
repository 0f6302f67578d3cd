// SPDX-License-Identifier: MIT OR Apache-2.0
//! One vCPU's thread: runs the guest, hands out its exits.
#![allow(unsafe_code, reason = "shares one byte of kvm_run with those who stop the vCPU")]

use std::format;
use std::string::ToString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use kvm_bindings::KVM_SYSTEM_EVENT_SHUTDOWN;
use kvm_ioctls::{VcpuExit, VcpuFd};

use super::arch::{self, Fresh};
use super::serial::{Place, Serial};
use super::setup::request;
use super::{CpuError, Entry, Exits, Flow, Outcome, kick};
use crate::cpus::{CpuThread, Next};

/// A vCPU and what its thread needs.
pub(crate) struct Vcpu {
    pub(crate) index: u32,
    /// Before `fd`, so that it is dropped before: nobody kicks a vCPU whose memory is gone.
    pub(crate) seat: CpuThread<Entry, Outcome>,
    pub(crate) fd: VcpuFd,
    pub(crate) fresh: Fresh,
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
        kick::be_reached();
        let immediate_exit = (&raw mut self.fd.get_kvm_run().immediate_exit).cast::<AtomicU8>().cast_const();
        // SAFETY: the byte lies in the mapping that `self.fd` owns. `self.seat`, which holds the function, is
        // dropped before it and before this thread ends.
        self.seat.set_kick(unsafe { kick::of_this_thread(immediate_exit) });
        // SAFETY: as above; an `AtomicU8` has the layout of that byte, and all who write it while others may
        // do so through one.
        let immediate_exit = unsafe { &*immediate_exit };
        loop {
            let entry = match self.seat.next() {
                Next::Run(entry) => entry,
                Next::Stopped => {
                    self.exits.parked(self.index);
                    continue;
                }
                Next::End => return,
            };
            // A stop that comes meanwhile is a signal.
            let left = match request("setting a vCPU's registers", || self.fresh.start(&self.fd, entry)) {
                Ok(()) => self.run(immediate_exit),
                Err(why) => self.failed(CpuError::Run(why.to_string())),
            };
            match left {
                Left::Stop => self.complete(immediate_exit),
                Left::End(outcome) => self.seat.cpus().end(outcome),
            }
        }
    }

    fn run(&mut self, immediate_exit: &AtomicU8) -> Left {
        loop {
            let flow = match self.fd.run() {
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
                    match arch::hypercall(&mut self.fd) {
                        Some(call) => self.exits.hypercall(self.index, call),
                        None => {
                            let what = format!("exit {}", self.fd.get_kvm_run().exit_reason);
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
                Err(why) if matches!(why.errno(), libc::EINTR | libc::EAGAIN) => {
                    // Whoever wants something says what before setting this byte. Who finds it set in taking
                    // it back sees what that was; who takes it back too early finds it set on entering.
                    immediate_exit.swap(0, Ordering::SeqCst);
                    Flow::Continue
                }
                Err(why) => return self.failed(CpuError::Run(why.to_string())),
            };
            match flow {
                Flow::Continue if self.seat.must_leave() => return Left::Stop,
                Flow::Continue => {}
                Flow::Stop => return Left::Stop,
                Flow::End => return Left::End(Outcome::Ended),
            }
        }
    }

    /// Lets KVM finish the exit that was handled last: it would otherwise do so on the vCPU's next run, with
    /// registers that are no longer its own.
    fn complete(&mut self, immediate_exit: &AtomicU8) {
        immediate_exit.store(1, Ordering::SeqCst);
        let _ = self.fd.run();
        immediate_exit.store(0, Ordering::SeqCst);
    }

    fn internal_error(&mut self) -> Left {
        // SAFETY: the exit reason was KVM_EXIT_INTERNAL_ERROR, so that KVM filled this member of the union.
        let suberror = unsafe { self.fd.get_kvm_run().__bindgen_anon_1.internal.suberror };
        let rip = self.rip();
        self.failed(CpuError::Internal { suberror, rip })
    }

    /// Only for a vCPU that will not run again; 0 where it cannot be read.
    fn rip(&self) -> u64 {
        arch::program_counter(&self.fd)
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
