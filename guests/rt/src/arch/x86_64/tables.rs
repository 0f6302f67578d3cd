// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables, segments, task state and interrupt gates.
#![allow(unsafe_code, reason = "tables that the processor reads")]

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU64, Ordering};

use super::cpu::{
    FAULT_STACK_SIZE, FAULT_STACKS, INTERRUPT_STACK_SIZE, INTERRUPT_STACKS, PER_CPU, PerCpu, cpu_index,
};
use super::{apic, boot, faults, interrupts};
use crate::cpu::{MAX_CPUS, Raw};

/// CPL0 code, 64 bits.
pub(crate) const KERNEL_CODE: u64 = 0x10;
/// CPL0 data.
pub(crate) const KERNEL_DATA: u64 = 0x18;
/// CPL3 data.
pub(crate) const USER_DATA: u64 = 0x28 | 3;
/// CPL3 code, 64 bits.
pub(crate) const USER_CODE: u64 = 0x30 | 3;
const FIRST_TASK: usize = 0x40;
const GDT_WORDS: usize = FIRST_TASK / 8 + 2 * MAX_CPUS;
pub(crate) const GDT_LIMIT: usize = GDT_WORDS * 8 - 1;

/// The four page directories of the first 4 GiB; the entry code fills the page tables.
pub(crate) static DIRECTORIES: Raw<[u64; 2048]> = Raw(UnsafeCell::new([0; 2048]));
pub(crate) static POINTERS: Raw<[u64; 512]> = Raw(UnsafeCell::new([0; 512]));
pub(crate) static ROOT: Raw<[u64; 512]> = Raw(UnsafeCell::new([0; 512]));

pub(crate) static GDT: Raw<[u64; GDT_WORDS]> = Raw(UnsafeCell::new({
    let mut gdt = [0; GDT_WORDS];
    gdt[2] = 0x00af_9b00_0000_ffff;
    gdt[3] = 0x00cf_9300_0000_ffff;
    gdt[5] = 0x00cf_f300_0000_ffff;
    gdt[6] = 0x00af_fb00_0000_ffff;
    gdt
}));

static IDT: Raw<[[u64; 2]; 256]> = Raw(UnsafeCell::new([[0; 2]; 256]));

/// A 64-bit task state segment with a full I/O permission bitmap and the byte of ones that must follow it.
#[repr(C, packed)]
struct Task {
    reserved0: u32,
    stacks: [u64; 3],
    reserved1: u64,
    interrupt_stacks: [u64; 7],
    reserved2: [u8; 10],
    bitmap_at: u16,
    bitmap: [u8; 8192],
    end: u8,
}

const TASK_LIMIT: usize = size_of::<Task>() - 1;
/// A bitmap beyond the segment: no port is allowed below CPL0.
const NO_BITMAP: u16 = 0xffff;
const WHOLE_BITMAP: u16 = offset_of!(Task, bitmap) as u16;
/// Gates name stacks from 1; 0 would leave interrupts on the interrupted stack, whose red zone compiled code
/// may use.
const INTERRUPTS: u64 = 1;
const FAULTS: u64 = 2;

const NO_TASK: Task = Task {
    reserved0: 0,
    stacks: [0; 3],
    reserved1: 0,
    interrupt_stacks: [0; 7],
    reserved2: [0; 10],
    bitmap_at: 0,
    bitmap: [0; 8192],
    end: 0,
};

static TASKS: Raw<[Task; MAX_CPUS]> = Raw(UnsafeCell::new([NO_TASK; MAX_CPUS]));

/// The operand of `lgdt` and `lidt`.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// The directory of the one GiB beyond that is mapped when it is asked for.
static HIGH: Raw<[u64; 512]> = Raw(UnsafeCell::new([0; 512]));
static HIGH_GIB: AtomicU64 = AtomicU64::new(0);

/// Maps the GiB that holds `first` and `last`; `false` where they lie in two, or another one is mapped. To be
/// called by the boot CPU, before others run.
pub(crate) fn map_high(first: u64, last: u64) -> bool {
    const USUAL: u64 = 0x87; // 2 MiB: present, writable, user
    let gib = first >> 30;
    let mapped = HIGH_GIB.load(Ordering::Relaxed);
    if gib != last >> 30 || !(4..512).contains(&gib) || mapped != 0 {
        return mapped == gib && gib == last >> 30;
    }
    let directory = HIGH.0.get().cast::<u64>();
    // SAFETY: both tables have 512 entries, of which the boot CPU alone writes these. None of them was
    // present, so that no processor has kept it.
    unsafe {
        for index in 0..512 {
            directory.add(index).write_volatile(gib << 30 | (index as u64) << 21 | USUAL);
        }
        let pointer = POINTERS.0.get().cast::<u64>().add(gib as usize);
        pointer.write_volatile(directory.addr() as u64 | 7);
    }
    HIGH_GIB.store(gib, Ordering::Relaxed);
    true
}

/// Fills the interrupt gates for the level at which the image will run.
pub(crate) fn fill_idt() {
    for vector in 0..32 {
        gate(vector, faults::stub(vector), FAULTS);
    }
    for vector in interrupts::FIRST_VECTOR..=interrupts::LAST_VECTOR {
        gate(vector as usize, interrupts::stub(vector, boot::is_native()), INTERRUPTS);
    }
    gate(apic::SPURIOUS as usize, interrupts::spurious_stub(), INTERRUPTS);
}

fn gate(vector: usize, to: u64, stack: u64) {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e;
    let low = (to & 0xffff)
        | KERNEL_CODE << 16
        | stack << 32
        | PRESENT_INTERRUPT_GATE << 40
        | (to >> 16 & 0xffff) << 48;
    // SAFETY: `vector` is below 256, and only the boot CPU writes, before any CPU has loaded the table.
    unsafe { IDT.0.get().cast::<[u64; 2]>().add(vector).write([low, to >> 32]) };
}

/// Gives CPU `index` its segments, gates, task state, stacks and per-CPU block.
///
/// # Safety
/// Runs at CPL0 on CPU `index` itself, which is below [`MAX_CPUS`] and uses none of its own tables yet.
pub(crate) unsafe fn load(index: usize) {
    let task = TASKS.0.get().cast::<Task>().wrapping_add(index);
    let block = PER_CPU.0.get().cast::<PerCpu>().wrapping_add(index);
    let interrupt_stack = INTERRUPT_STACKS.0.get().addr() + (index + 1) * INTERRUPT_STACK_SIZE;
    let fault_stack = FAULT_STACKS.0.get().addr() + (index + 1) * FAULT_STACK_SIZE;
    let base = task.addr() as u64;
    let descriptor = TASK_LIMIT as u64 & 0xffff
        | (base & 0xff_ffff) << 16
        | 0x89 << 40 // present, available 64-bit task state segment
        | (TASK_LIMIT as u64 >> 16) << 48
        | (base >> 24 & 0xff) << 56;
    let slot = GDT.0.get().cast::<u64>().wrapping_add((FIRST_TASK + 16 * index) / 8);
    let idt =
        TablePointer { limit: (size_of::<[[u64; 2]; 256]>() - 1) as u16, base: IDT.0.get().addr() as u64 };
    // SAFETY: task, block and descriptor are this CPU's own, inside their statics, and not in use yet; the
    // selector and the table are the ones just described; the block outlives everything that reads GS.
    unsafe {
        (&raw mut (*task).stacks).write_unaligned([fault_stack as u64; 3]);
        (&raw mut (*task).interrupt_stacks).write_unaligned([
            interrupt_stack as u64,
            fault_stack as u64,
            0,
            0,
            0,
            0,
            0,
        ]);
        (&raw mut (*task).bitmap_at).write_unaligned(if boot::is_native() {
            WHOLE_BITMAP
        } else {
            NO_BITMAP
        });
        (&raw mut (*task).end).write(0xff);
        (&raw mut (*block).index).write(index as u64);
        (&raw mut (*block).masked).write(1);
        (&raw mut (*block).pending).write(0);
        (&raw mut (*block).recover_rip).write(0);
        slot.write(descriptor);
        slot.add(1).write(base >> 32);
        asm!(
            "lidt [{idt}]",
            "ltr {selector:x}",
            "wrmsr", // GS base
            idt = in(reg) &raw const idt,
            selector = in(reg) FIRST_TASK + 16 * index,
            in("ecx") 0xc000_0101_u32,
            in("eax") block.addr() as u32,
            in("edx") 0,
            options(nostack, preserves_flags),
        );
    }
}

/// Runs `body` while no port is open to the running CPU's user mode.
pub(crate) fn with_closed_ports<R>(body: impl FnOnce() -> R) -> R {
    let task = TASKS.0.get().cast::<Task>().wrapping_add(cpu_index());
    // SAFETY: the task state is this CPU's own; the processor reads the field at each port access, nobody
    // else does.
    unsafe { (&raw mut (*task).bitmap_at).write_unaligned(NO_BITMAP) };
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    let result = body();
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    if boot::is_native() {
        // SAFETY: as above.
        unsafe { (&raw mut (*task).bitmap_at).write_unaligned(WHOLE_BITMAP) };
    }
    result
}

/// Runs `body` while the 2 MiB around `address` are closed to user mode on the running CPU. At CPL0.
pub(crate) fn with_closed_page<R>(address: u32, body: impl FnOnce() -> R) -> R {
    const USER: u64 = 1 << 2;
    let entry = DIRECTORIES.0.get().cast::<u64>().wrapping_add(address as usize >> 21);
    let toggle = || {
        // SAFETY: the entry is one of the 2048 that map the first 4 GiB; other CPUs run at CPL0, to which the
        // bit means nothing. The processor forgets what it had read of it.
        unsafe {
            entry.write_volatile(entry.read_volatile() ^ USER);
            asm!("invlpg [{}]", in(reg) u64::from(address), options(nostack, preserves_flags));
        }
    };
    toggle();
    let result = body();
    toggle();
    result
}
