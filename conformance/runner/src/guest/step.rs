// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest code one instruction at a time, by the processor's trap flag.
//!
//! The host's code runs on the same threads, but it is not the guest's: [`HostCode`] marks it, and no hook is
//! called there.
#![allow(unsafe_code, reason = "handles the signal of the trap flag")]

use super::cpu::{self, Cpus};
use std::cell::Cell;

thread_local! {
    /// Depth of code on this thread that is not the guest's.
    static HOST: Cell<u32> = const { Cell::new(0) };
    static STEPPING: Cell<Option<Stepping>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Stepping {
    cpus: &'static Cpus,
    hook: fn(),
    calls: u32,
    /// A step was masked: the hook is owed at the next unmasking.
    owed: bool,
}

/// Code of the host's, or of the environment's, while this lives.
pub struct HostCode(());

impl HostCode {
    /// Begins such code.
    #[must_use]
    pub fn enter() -> Self {
        HOST.set(HOST.get().saturating_add(1));
        Self(())
    }
}

impl Drop for HostCode {
    fn drop(&mut self) {
        HOST.set(HOST.get().saturating_sub(1));
    }
}

/// Calls the hook as an interrupt would come: masked, and not between its own instructions. What it made
/// pending comes at this step too.
fn call(stepping: Stepping) {
    let _host = HostCode::enter();
    STEPPING.set(Some(Stepping { calls: stepping.calls.saturating_add(1), owed: false, ..stepping }));
    let masked = cpu::mask();
    (stepping.hook)();
    cpu::unmask(masked);
    stepping.cpus.look();
}

/// Interrupts were unmasked: the hook comes now if it is owed.
pub(super) fn unmasked() {
    if let Some(stepping) = STEPPING.get()
        && stepping.owed
        && HOST.get() == 0
    {
        call(stepping);
    }
}

/// An instruction was executed.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn stepped() {
    if HOST.get() != 0 {
        return;
    }
    let Some(stepping) = STEPPING.get() else { return };
    if cpu::is_masked() {
        STEPPING.set(Some(Stepping { owed: true, ..stepping }));
    } else {
        call(stepping);
    }
}

/// See [`tenon_conformance::Env::step_through`].
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) fn through(cpus: &'static Cpus, run: &mut dyn FnMut(), hook: fn()) -> Option<u32> {
    if STEPPING.get().is_some() || !trap::install() {
        return None;
    }
    STEPPING.set(Some(Stepping { cpus, hook, calls: 0, owed: false }));
    trap::set_flag();
    run();
    trap::clear_flag();
    Some(STEPPING.take()?.calls)
}

/// See [`tenon_conformance::Env::step_through`].
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(super) fn through(_cpus: &'static Cpus, _run: &mut dyn FnMut(), _hook: fn()) -> Option<u32> {
    None
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trap {
    use core::arch::asm;
    use std::ptr;
    use std::sync::OnceLock;

    extern "C" fn on_trap(_signal: libc::c_int) {
        super::stepped();
    }

    /// Installs the handler; whether that worked.
    pub(super) fn install() -> bool {
        static INSTALLED: OnceLock<bool> = OnceLock::new();
        *INSTALLED.get_or_init(|| {
            let handler: extern "C" fn(libc::c_int) = on_trap;
            // SAFETY: all fields of the structure may be zero: no flags, an empty mask.
            let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
            action.sa_sigaction = handler as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            // SAFETY: the handler touches thread-local cells without destructors and calls the hook. The
            // kernel clears the flag for the handler, and the trap comes only between instructions of guest
            // code: host code, with its locks, is marked and skipped.
            unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()) == 0 }
        })
    }

    /// Traps after every instruction from now on, on this thread.
    #[inline(always)]
    pub(super) fn set_flag() {
        // SAFETY: the handler is installed; the stack is used as the assembler's own, flags are declared as
        // changed.
        unsafe { asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq") };
    }

    /// Traps no more.
    #[inline(always)]
    pub(super) fn clear_flag() {
        // SAFETY: as `set_flag`.
        unsafe { asm!("pushfq", "and dword ptr [rsp], 0xfffffeff", "popfq") };
    }
}
