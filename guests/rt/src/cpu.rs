// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CPUs of the machine: their memory, who runs, and starting further ones.
#![allow(unsafe_code, reason = "stacks lie below the language, and functions are kept as pointers")]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::arch;

/// Most CPUs that an image serves.
pub const MAX_CPUS: usize = 8;
/// Bytes of each CPU's stack.
pub const STACK_SIZE: usize = 64 << 10;
/// Memory that only assembly and the CPU itself read and write.
#[repr(C, align(4096))]
pub(crate) struct Raw<T>(pub(crate) UnsafeCell<T>);

// SAFETY: every `Raw` is stacks, tables or per-CPU blocks: each CPU touches its own part, shared parts are
// written only by the boot CPU before it starts another.
unsafe impl<T> Sync for Raw<T> {}

pub(crate) static STACKS: Raw<[[u8; STACK_SIZE]; MAX_CPUS]> =
    Raw(UnsafeCell::new([[0; STACK_SIZE]; MAX_CPUS]));
/// What a secondary CPU runs. It has the CPU's index, and the CPU sleeps for ever after it returns.
pub type Main = extern "C" fn(usize);

static MAINS: [AtomicPtr<()>; MAX_CPUS] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];

/// Chooses what CPU `cpu` runs when it is started next, and says with which (entry, argument) to start it.
/// `None` for the boot CPU and where no such CPU can be served.
pub fn prepare_secondary(cpu: usize, main: Main) -> Option<(u64, u64)> {
    let slot = MAINS.get(cpu).filter(|_| cpu != 0)?;
    slot.store(main as *mut (), Ordering::Release);
    Some((arch::secondary_entry(), cpu as u64))
}

pub(crate) fn run_secondary(index: usize) {
    let main = MAINS.get(index).map_or(core::ptr::null_mut(), |slot| slot.load(Ordering::Acquire));
    if !main.is_null() {
        // SAFETY: the only pointers ever stored are functions of this type (`prepare_secondary`).
        let main = unsafe { core::mem::transmute::<*mut (), Main>(main) };
        main(index);
    }
}
