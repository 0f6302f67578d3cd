// SPDX-License-Identifier: MIT OR Apache-2.0
//! PVH: from the entry point to the level at which the image stays.
#![allow(unsafe_code, reason = "the boot protocol and privilege levels lie below the language")]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicBool, Ordering};

use super::{apic, serial, tables};
use crate::boot::run;
use crate::{cpu, memory, params};

/// The port whose 32-bit write ends the machine with that code (QEMU: `isa-debug-exit,iobase=0xf4,iosize=4`).
const EXIT_PORT: u16 = 0xf4;
const START_INFO_MAGIC: u32 = 0x336e_c578;

global_asm!(
    include_str!("entry.s"),
    directories = sym tables::DIRECTORIES,
    pointers = sym tables::POINTERS,
    root = sym tables::ROOT,
    gdt = sym tables::GDT,
    gdt_limit = const tables::GDT_LIMIT,
    max_cpus = const cpu::MAX_CPUS,
    stacks = sym cpu::STACKS,
    stack_size = const cpu::STACK_SIZE,
    start = sym start,
);

static NATIVE: AtomicBool = AtomicBool::new(false);

/// Whether the image runs at CPL3 (boot parameter `mode=native`).
#[inline]
pub fn is_native() -> bool {
    NATIVE.load(Ordering::Relaxed)
}

/// The head of PVH's `hvm_start_info`, version 1.
#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    modules_at: u64,
    command_line_at: u64,
    rsdp_at: u64,
    memory_map_at: u64,
    memory_map_entries: u32,
    reserved: u32,
}

/// Every CPU's first Rust code: CPL0, long mode, interrupts off, its own stack.
extern "C" fn start(index: usize, start_info: u64) -> ! {
    if index == 0 {
        // SAFETY: the boot CPU runs alone, once, and the boot protocol puts the structure's address into EBX.
        unsafe { take_start_info(start_info) };
        if params::Params::get("mode") == Some("native") {
            NATIVE.store(true, Ordering::Relaxed);
        }
        if params::Params::get("serial") == Some("burst") {
            serial::allow_bursts();
        }
        tables::fill_idt();
    }
    // SAFETY: this CPU is at CPL0 with interrupts off, and `index` is its own: the entry code checked its
    // range.
    unsafe {
        tables::load(index);
        apic::enable();
    }
    if is_native() {
        // SAFETY: GDT and TSS are loaded and all memory is mapped for user mode, so `run` can go on at CPL3,
        // on the same stack. Dropping 128 bytes keeps what this function holds there.
        unsafe {
            asm!(
                "sub rsp, 128",
                "and rsp, -16",
                "lea rax, [rsp - 8]", // a function begins with its stack off by the return address
                "push {ss}",
                "push rax",
                "push 0x202", // interrupts on: the mask is a word in memory; IOPL 0: the I/O bitmap decides
                "push {cs}",
                "push rdx",
                "iretq",
                ss = const tables::USER_DATA,
                cs = const tables::USER_CODE,
                in("rax") 0,
                in("rdx") run as *const () as usize,
                in("rdi") index,
                options(noreturn),
            )
        }
    }
    run(index)
}

/// # Safety
/// Only the boot CPU calls, once; `address` is what the boot protocol passed.
unsafe fn take_start_info(address: u64) {
    // SAFETY: the first 4 GiB are mapped one to one, and the protocol puts the structure there.
    let info = unsafe { (address as *const StartInfo).read_unaligned() };
    if info.magic != START_INFO_MAGIC {
        return;
    }
    if info.command_line_at != 0 {
        let text = info.command_line_at as *const u8;
        // SAFETY: the structure is valid, so this is a terminated string, and no byte is read behind its
        // terminator.
        params::take((0..).map(|at| unsafe { text.add(at).read() }).take_while(|byte| *byte != 0));
    }
    // SAFETY: the structure is valid, so its address is: that many entries.
    unsafe {
        if info.version >= 1 {
            take_map(info.memory_map_at, info.memory_map_entries);
        }
    }
}

/// One entry of PVH's memory map (`hvm_memmap_table_entry`).
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    addr: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Makes the RAM known.
///
/// # Safety
/// `table` points to `entries` entries in mapped memory; only the boot CPU calls, once.
unsafe fn take_map(table: u64, entries: u32) {
    const RAM: u32 = 1;
    for index in 0..entries as usize {
        // SAFETY: the caller promises that many entries.
        let entry = unsafe { (table as *const Entry).add(index).read_unaligned() };
        if entry.kind == RAM {
            memory::take(entry.addr, entry.size);
        }
    }
}

/// Ends the machine with `code`; comes back on a machine that has no exit port.
pub(crate) fn power_off(code: u32) {
    // SAFETY: a write to the exit port touches no memory.
    unsafe { asm!("out dx, eax", in("dx") EXIT_PORT, in("eax") code, options(nomem, nostack)) };
}
