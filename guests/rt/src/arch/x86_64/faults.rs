// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exceptions: unexpected ones end the machine, expected ones are results.
#![allow(unsafe_code, reason = "provokes and handles processor exceptions")]

use core::arch::asm;
use core::mem::offset_of;

use super::cpu::{PER_CPU, PerCpu, cpu_index, per_cpu};
use super::{boot, tables};
use crate::boot::{EXIT_FAULT, exit};
use crate::interrupts;
use crate::serial::{serial_write, write_hex};

/// An exception that an access ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The exception: 13 general protection, 14 page fault.
    pub vector: u8,
    /// The processor's error code; 0 where the exception has none.
    pub error: u32,
    /// CR2: the address of a page fault.
    pub address: u64,
}

const INVALID_OPCODE: u8 = 6;

unsafe extern "C" {
    static tenon_fault_stubs: u8;
}

pub(crate) fn stub(vector: usize) -> u64 {
    (&raw const tenon_fault_stubs).addr() as u64 + 16 * vector as u64
}

/// What `traps.s` puts on the stack.
#[repr(C)]
pub(crate) struct Frame {
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Any exception, at CPL0 on the fault stack.
pub(crate) extern "C" fn arrived(frame: &mut Frame) {
    let address: u64;
    // SAFETY: reads a register, at CPL0.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    let block = PER_CPU.0.get().cast::<PerCpu>().wrapping_add(cpu_index());
    // SAFETY: the block is this CPU's own, and the code that set it up waits in the interrupted context.
    unsafe {
        if (*block).recover_rip != 0 {
            (&raw mut (*block).fault_vector).write(frame.vector);
            (&raw mut (*block).fault_error).write(frame.error);
            (&raw mut (*block).fault_address).write(address);
            frame.rip = (*block).recover_rip;
            frame.rsp = (*block).recover_rsp;
            (frame.cs, frame.ss) = if boot::is_native() {
                (tables::USER_CODE, tables::USER_DATA)
            } else {
                (tables::KERNEL_CODE, tables::KERNEL_DATA)
            };
            (&raw mut (*block).recover_rip).write(0);
            return;
        }
    }
    serial_write(b"fault vector=");
    write_hex(frame.vector);
    serial_write(b" error=");
    write_hex(frame.error);
    serial_write(b" rip=");
    write_hex(frame.rip);
    serial_write(b" cr2=");
    write_hex(address);
    serial_write(b" cpu=");
    write_hex(cpu_index() as u64);
    serial_write(b"\n");
    exit(EXIT_FAULT)
}

/// The last expected fault of this CPU.
fn last() -> Fault {
    Fault {
        vector: per_cpu!(u64 fault_vector) as u8,
        error: per_cpu!(u64 fault_error) as u32,
        address: per_cpu!(u64 fault_address),
    }
}

/// Stores `value` at `address`; a fault comes back as an error.
///
/// # Safety
/// Where the store does not fault, whatever lies there is the caller's to change.
pub unsafe fn try_store_u32(address: u64, value: u32) -> Result<(), Fault> {
    let faulted: u32;
    let state = interrupts::irq_save();
    // SAFETY: the caller owns the target. A fault goes on at label 2 with the stack as it was, and the asm
    // changes no other register; interrupts are masked, so that no handler can use the recovery block
    // between.
    unsafe {
        asm!(
            "lea {scratch:r}, [rip + 2f]",
            "mov gs:[{recover_rsp}], rsp",
            "mov gs:[{recover_rip}], {scratch:r}",
            "mov dword ptr [{address}], {value:e}",
            "mov qword ptr gs:[{recover_rip}], 0",
            "xor {scratch:e}, {scratch:e}",
            "2:", // a fault leaves the address in the register: not zero
            scratch = out(reg) faulted,
            address = in(reg) address,
            value = in(reg) value,
            recover_rip = const offset_of!(PerCpu, recover_rip),
            recover_rsp = const offset_of!(PerCpu, recover_rsp),
        );
    }
    let result = if faulted == 0 { Ok(()) } else { Err(last()) };
    interrupts::irq_restore(state);
    result
}

/// Executes `out port, value` at CPL3 with all ports closed to user mode: `Err` with a general protection
/// fault is what a sound machine answers. Runs from either level and comes back to it.
pub fn user_mode_out(port: u16, value: u32) -> Result<(), Fault> {
    tables::with_closed_ports(|| in_user_mode(Instruction::Out, port.into(), value))
}

/// Stores `value` at `address` at CPL3, with its page closed to user mode: `Err` with a page fault is what a
/// sound machine answers. Not in native mode, which cannot close pages.
pub fn user_mode_store(address: u32, value: u32) -> Result<(), Fault> {
    tables::with_closed_page(address, || in_user_mode(Instruction::Store, address, value))
}

/// Executes VMCALL, or VMMCALL, at CPL3 with a function in EAX and its value in EBX and EDI. Whoever receives
/// it has to refuse it.
pub fn user_mode_hypercall(is_vmmcall: bool, function: u32, value: u32) -> Result<(), Fault> {
    in_user_mode(if is_vmmcall { Instruction::Vmmcall } else { Instruction::Vmcall }, function, value)
}

/// What [`in_user_mode`] executes.
#[derive(Clone, Copy)]
enum Instruction {
    Out = 0,
    Store = 1,
    Vmcall = 2,
    Vmmcall = 3,
}

/// Executes one instruction at CPL3: with its port, address or function in EDX and in EAX as it takes it, its
/// value in the other or in EBX and EDI.
fn in_user_mode(instruction: Instruction, place: u32, value: u32) -> Result<(), Fault> {
    let state = interrupts::irq_save();
    let (eax, edx) = match instruction {
        Instruction::Out | Instruction::Store => (value, place),
        Instruction::Vmcall | Instruction::Vmmcall => (place, 0),
    };
    // SAFETY: `iretq` goes to label 3 at CPL3, on the same stack; the chosen instruction faults, or else the
    // invalid opcode behind it does, and either goes on at label 2 at the level of before, with the stack as
    // it was, where RBX is put back. A store that does not fault hits what the caller named. Interrupts are
    // masked throughout. RBP is left alone.
    unsafe {
        asm!(
            "push rbx",
            "mov ebx, edi",
            "lea {scratch}, [rip + 2f]",
            "mov gs:[{recover_rsp}], rsp",
            "mov gs:[{recover_rip}], {scratch}",
            "test {native:e}, {native:e}",
            "jnz 3f",
            "mov {native}, rsp",
            "push {ss}",
            "push {native}",
            "push 2",
            "push {cs}",
            "lea {scratch}, [rip + 3f]",
            "push {scratch}",
            "iretq",
            "3:",
            "cmp ecx, {store}",
            "je 4f",
            "ja 5f",
            "out dx, eax",
            "ud2",
            "4:",
            "mov [rdx], eax",
            "ud2",
            "5:",
            "cmp ecx, {vmcall}",
            "jne 6f",
            "vmcall",
            "ud2",
            "6:",
            "vmmcall",
            "ud2",
            "2:",
            "pop rbx",
            scratch = out(reg) _,
            native = inout(reg) u64::from(boot::is_native()) => _,
            inout("eax") eax => _,
            in("edx") edx,
            in("ecx") instruction as u32,
            in("edi") value,
            store = const Instruction::Store as u32,
            vmcall = const Instruction::Vmcall as u32,
            ss = const tables::USER_DATA,
            cs = const tables::USER_CODE,
            recover_rip = const offset_of!(PerCpu, recover_rip),
            recover_rsp = const offset_of!(PerCpu, recover_rsp),
        );
    }
    let fault = last();
    interrupts::irq_restore(state);
    if fault.vector == INVALID_OPCODE { Ok(()) } else { Err(fault) }
}
