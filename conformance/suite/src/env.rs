// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a case runs in.

use tenon_rings::Mapping;

/// What an interrupt runs: the CPU, the interrupt as the platform counts it (VCPU-8).
pub type Handler = fn(u32, u32);

/// A doorbell with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// A kick of this queue.
    Kick(u32),
    /// A frame number, handed over.
    Bind(u32),
}

/// A guest environment: one guest on one host, with an allocator for shared pages, an interrupt handler and,
/// where there are some, further CPUs.
///
/// Cases run one at a time on CPU 0. Between two cases the runtime calls [`Env::clean`].
pub trait Env: Sync {
    /// The window, for reading. Storing to it is [`Env::store_to_window`]'s.
    fn window(&self) -> Mapping;
    /// Kicks a queue (DISC-7).
    fn kick(&self, queue: u32);
    /// Hands a frame number over (DISC-8).
    fn bind(&self, frame: u32);

    /// `len` cleared bytes of region 0, aligned to `align` (a power of two), with their region-0 offset. They
    /// are given back by [`Env::clean`].
    fn pages(&self, len: usize, align: usize) -> Option<(Mapping, u64)>;
    /// Releases all pages, removes the interrupt handler, unmasks. Called when no session is open.
    fn clean(&self);

    /// A hole of region 0, as the platform's firmware told: its first offset, and the one behind its last.
    /// Behind it there is memory. `None` where the environment knows of none.
    fn hole(&self) -> Option<(u64, u64)> {
        None
    }

    /// Masks interrupts on this CPU; the result goes to [`Env::leave`]. Pairs nest.
    fn enter(&self) -> usize;
    /// Undoes one [`Env::enter`]; interrupts that came meanwhile are handled before it returns.
    fn leave(&self, token: usize);
    /// Between two looks at memory.
    fn relax(&self);
    /// How often a waiter looks before it gives up: a fraction of the case's time.
    fn patience(&self) -> u32;
    /// With interrupts masked by the caller ([`Env::enter`]): unmasks and halts, atomically, until an
    /// interrupt was handled, or for about 100 ms where the environment can tell. Interrupts are masked again
    /// when it returns.
    fn halt(&self);
    /// The CPU that runs this.
    fn cpu(&self) -> u32;
    /// Sets what interrupts run, on any CPU, with interrupts masked.
    fn set_handler(&self, handler: Option<Handler>);
    /// Interrupts that this environment can take: the first of 16, as the platform counts them. Cases use
    /// those of them that the record names.
    fn first_vector(&self) -> u32 {
        0x30
    }
    /// Leads interrupt `interrupt` to CPU `cpu`, where that is the guest's to do (VCPU-8). Without it, those
    /// of [`Self::first_vector`] on come to CPU 0.
    fn lead(&self, cpu: u32, interrupt: u32) {
        let _ = (cpu, interrupt);
    }
    /// Entry and argument for VCPU_START, so that `run` runs on CPU `cpu` with interrupts unmasked. After
    /// `run` the CPU halts for ever. `None` without such a CPU.
    fn secondary(&self, cpu: u32, run: fn(u32)) -> Option<(u64, u64)>;

    /// Tries to store to the window at kernel level. `Some(true)`: it was refused (a fault, or nothing
    /// changed by the next load); `Some(false)`: it changed; `None`: cannot be tried here.
    fn store_to_window(&self, offset: usize, value: u64) -> Option<bool>;
    /// Rings a doorbell from user mode, which the kernel keeps from it where it can. `Some(true)`: the
    /// processor refused; `Some(false)`: the instruction was executed, and what the host made of it remains
    /// to be seen; `None`: this environment has no user mode of its own.
    fn doorbell_from_user_mode(&self, bell: Bell) -> Option<bool>;
    /// What CPUID leaves say, for DISC-4: (address, length) of the window; `None` where discovery is by other
    /// means.
    fn discovered_by_cpuid(&self) -> Option<(u64, u64)>;
    /// EAX, EBX, ECX and EDX of a CPUID leaf as the guest's kernel level sees them; `None` where discovery is
    /// by other means.
    fn cpuid(&self, _leaf: u32) -> Option<[u32; 4]> {
        None
    }
    /// Runs `run` and calls `hook` between its instructions, wherever interrupts are unmasked at that point
    /// (where they are masked, once at the next [`Env::leave`]). The result is the number of calls; `None`
    /// where instructions cannot be stepped.
    fn step_through(&self, run: &mut dyn FnMut(), hook: fn()) -> Option<u32>;

    /// What a counter of this kind says (TIME-4), read behind every load before it. `None` where this
    /// environment has no such counter.
    fn counter(&self, kind: u16) -> Option<u64> {
        let _ = kind;
        None
    }

    /// Microseconds since some start, for reports.
    fn micros(&self) -> u64;
    /// A parameter from the boot command line.
    fn param(&self, key: &str) -> Option<&str>;
    /// Sends one framed line ([`crate::report`]), newline included, to the report channel, which is not
    /// Tenon.
    fn report(&self, line: &[u8]);
}
