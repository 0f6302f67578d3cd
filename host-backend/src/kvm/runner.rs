// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running one vCPU on the calling thread: for the machine here, and for embedders with an exit loop of their
//! own.
#![allow(unsafe_code, reason = "shares one byte of kvm_run with those who stop the vCPU")]

use std::string::ToString;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kvm_ioctls::{VcpuExit, VcpuFd};

use super::arch::Fresh;
use super::setup::request;
use super::{CpuError, Entry, Error, kick};
use crate::cpus::CpuThread;

/// A vCPU of KVM's on its thread, beside its [`CpuThread`]: that says when to run and when to leave, this
/// does.
///
/// ```no_run
/// # use kvm_ioctls::{VcpuExit, VcpuFd};
/// # use tenon_host::cpus::{CpuThread, Next};
/// # use tenon_host::kvm::{Entry, Error, Fresh, Runner};
/// # fn live(vcpu: VcpuFd, fresh: Fresh, mut seat: CpuThread<Entry, ()>) -> Result<(), Error> {
/// // On the vCPU's own thread:
/// let mut runner = Runner::new(vcpu, fresh, &mut seat);
/// loop {
///     match seat.next() {
///         Next::Run(entry) => {
///             runner.start(entry)?;
///             while !seat.must_leave() {
///                 match runner.run()? {
///                     VcpuExit::IoOut(_port, _data) => {} // a doorbell of the domain's
///                     _ => {}
///                 }
///             }
///         }
///         Next::Stopped => {} // tell the domain
///         Next::End => return Ok(()),
///     }
/// }
/// # }
/// ```
pub struct Runner {
    fd: VcpuFd,
    fresh: Fresh,
    /// Of the thread that made this, which therefore keeps it.
    immediate_exit: *const AtomicU8,
    kick: Slot,
    /// An exit may have been handled that KVM has not finished.
    has_run: bool,
}

/// How others reach the thread, as long as there is a way.
type Slot = Arc<Mutex<Option<Kick>>>;
type Kick = std::boxed::Box<dyn Fn() + Send>;

impl Runner {
    /// For the calling thread, which alone runs the vCPU: from now on `seat`'s kick brings it out of the
    /// guest. The signal for that is SIGRTMIN, which is let through on this thread.
    pub fn new<O: Clone>(mut fd: VcpuFd, fresh: Fresh, seat: &mut CpuThread<Entry, O>) -> Self {
        kick::be_heard();
        kick::be_reached();
        let immediate_exit = (&raw mut fd.get_kvm_run().immediate_exit).cast::<AtomicU8>().cast_const();
        // SAFETY: the byte lies in the mapping that `fd` owns, and an `AtomicU8` has its layout. The
        // function is taken out of its slot, under the slot's lock, before `fd` is dropped.
        let kick = unsafe { kick::of_this_thread(immediate_exit) };
        let kick: Slot = Arc::new(Mutex::new(Some(std::boxed::Box::new(kick))));
        let slot = Arc::clone(&kick);
        seat.set_kick(move || {
            if let Some(kick) = &*slot.lock().unwrap_or_else(PoisonError::into_inner) {
                kick();
            }
        });
        Self { fd, fresh, immediate_exit, kick, has_run: false }
    }

    /// Makes the vCPU fresh and ready to run from `entry`, whatever ran on it before (VCPU-5).
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn start(&mut self, entry: Entry) -> Result<(), Error> {
        if core::mem::replace(&mut self.has_run, true) {
            // KVM finishes the exit that was handled last. It would otherwise do so on the vCPU's next run,
            // with registers that are no longer its own.
            self.byte().store(1, Ordering::SeqCst);
            let _ = self.fd.run();
            // It stays set, as a kick may have set it too: the next `run` answers `Intr`, and whoever runs
            // the vCPU looks whether it has to leave.
            if tenon_rings::planted!("kick-lost-in-a-restart") {
                self.byte().store(0, Ordering::SeqCst);
            }
        }
        // A stop that comes meanwhile is a signal.
        request("setting a vCPU's registers", || self.fresh.start(&self.fd, entry))
    }

    /// Runs the guest to its next exit. [`VcpuExit::Intr`] means that somebody kicked it.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: the vCPU cannot go on.
    pub fn run(&mut self) -> Result<VcpuExit<'_>, Error> {
        // SAFETY: as `Self::byte`, but without borrowing all of this.
        let byte = unsafe { &*self.immediate_exit };
        match self.fd.run() {
            Err(why) if matches!(why.errno(), libc::EINTR | libc::EAGAIN) => {
                // Whoever wants something says what before setting this byte. Who finds it set in taking it
                // back sees what that was; who takes it back too early finds it set on entering.
                byte.swap(0, Ordering::SeqCst);
                Ok(VcpuExit::Intr)
            }
            result => result.map_err(Error::kvm("KVM_RUN")),
        }
    }

    /// The vCPU, to ask KVM for more of it while it does not run.
    pub const fn fd(&mut self) -> &mut VcpuFd {
        &mut self.fd
    }

    fn byte(&self) -> &AtomicU8 {
        // SAFETY: the byte lies in the mapping that `self.fd` owns, and all who write it while others may
        // do so through an `AtomicU8`.
        unsafe { &*self.immediate_exit }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Nobody kicks a vCPU whose memory is gone.
        *self.kick.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl From<Error> for CpuError {
    fn from(why: Error) -> Self {
        Self::Run(why.to_string())
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use crate::cpus::{Cpus, Next};
    use crate::kvm::{Config, Machine};

    /// A stop that comes between the answer of `next` and the end of `start` is not forgotten.
    #[test]
    fn a_kick_while_a_vcpu_is_started_again_is_kept() {
        let machine = match Machine::new(&Config::default()) {
            Ok(machine) => machine,
            Err(why) => return println!("skipped: a_kick_while_a_vcpu_is_started_again_is_kept: {why}"),
        };
        let (fd, fresh) = machine.into_vcpus().remove(0);
        let cpus = Cpus::<Entry, ()>::new(1);
        let mut seat = cpus.take(0).unwrap();
        let mut runner = Runner::new(fd, fresh, &mut seat);
        let entry = Entry { address: 0x10_0000, argument: 0 };
        for _ in 0..3 {
            cpus.start(0, entry).unwrap();
            assert_eq!(seat.next(), Next::Run(entry));
            assert!(cpus.stop(0));
            runner.start(entry).unwrap();
            assert!(seat.must_leave());
            assert!(matches!(runner.run(), Ok(VcpuExit::Intr)), "the guest was entered with a stop pending");
            assert_eq!(seat.next(), Next::Stopped);
        }
    }
}
