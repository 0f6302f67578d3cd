// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bringing a vCPU's thread out of the guest: a byte that KVM looks at before it enters, and a signal that
//! ends what has entered.
#![allow(unsafe_code, reason = "signals, and one byte of kvm_run that other threads write")]

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU8, Ordering};

use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

extern "C" fn nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

/// Sees that the signal interrupts whoever gets it. A handler that the embedder has set does so too and is
/// kept.
pub(crate) fn be_heard() {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action this fills in the one that counts, for a number that is valid.
    let asked = unsafe { libc::sigaction(SIGRTMIN(), std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: filled in, as it succeeded.
    let handler = (asked == 0).then(|| unsafe { action.assume_init() }.sa_sigaction);
    // Ignored, or with the default action, which ends the process.
    if tenon_rings::planted!("kick-stays-ignored") && handler == Some(libc::SIG_IGN) {
        return;
    }
    if handler.is_none_or(|handler| handler == libc::SIG_IGN || handler == libc::SIG_DFL) {
        // The number is valid, so this cannot fail.
        let _ = register_signal_handler(SIGRTMIN(), nothing);
    }
}

/// Lets the signal through to the calling thread, whose mask comes from the thread that started it.
pub(crate) fn be_reached() {
    if tenon_rings::planted!("kick-stays-blocked") {
        return;
    }
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is made empty first; the mask is the calling thread's own.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), SIGRTMIN());
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

/// How to reach one vCPU's thread.
struct Kick {
    /// By its number, so that a thread that is gone is merely not found.
    thread: libc::pid_t,
    immediate_exit: *const AtomicU8,
}

// SAFETY: the byte may be used from any thread while it is mapped, which `of_this_thread`'s caller promises.
unsafe impl Send for Kick {}

impl Kick {
    /// First the byte, then the signal: whoever is not in the guest yet finds the one, whoever is in it gets
    /// the other.
    fn send(&self) {
        be_heard();
        // SAFETY: mapped by the promise of `of_this_thread`'s caller.
        unsafe { (*self.immediate_exit).store(1, Ordering::SeqCst) };
        // SAFETY: the request takes numbers alone, and the signal's handler does nothing.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.thread, SIGRTMIN()) };
    }
}

/// A function that brings the calling thread out of the guest.
///
/// # Safety
/// The function is called only while the byte, the vCPU's `immediate_exit`, is mapped.
pub(crate) unsafe fn of_this_thread(immediate_exit: *const AtomicU8) -> impl Fn() + Send + 'static {
    // SAFETY: asks for the calling thread's own number.
    let kick = Kick { thread: unsafe { libc::gettid() }, immediate_exit };
    move || kick.send()
}
