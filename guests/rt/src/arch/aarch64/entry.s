// SPDX-License-Identifier: MIT OR Apache-2.0
// From the state that the boot protocols agree on (EL1 or EL2, MMU off, X0 = device tree or 0) to Rust with MMU and caches on.

.section .text.entry, "ax"

// The image's first bytes are an Image header, so that a flat copy of it boots where a kernel does.
.globl tenon_image_entry
tenon_image_entry:
    b 1f
    .long 0
    .quad 0x200000                      // offset of the image from the start of RAM
    .quad tenon_image_size
    .quad 0x2                           // little-endian, 4 KiB pages, near the start of RAM
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

1:  mov x20, x0
    mov x19, xzr
    b 2f

// A further CPU, in the same state. X0 = its index.
.globl tenon_secondary_entry
tenon_secondary_entry:
    mov x19, x0
    mov x20, xzr

2:  msr daifset, #15
    cmp x19, #{max_cpus}
    b.hs 9f
    mrs x0, CurrentEL
    cmp x0, #4                          // EL1
    b.eq 7f
    cmp x0, #8                          // EL2: nobody is beneath, so it is left, with nothing trapped to it
    b.ne 9f
    mov x0, #0x80000000                 // EL1 is AArch64
    msr hcr_el2, x0
    mov x0, #3                          // counters
    msr cnthctl_el2, x0
    msr cntvoff_el2, xzr
    mov x0, #0x33ff                     // vector registers
    msr cptr_el2, x0
    mrs x0, midr_el1
    msr vpidr_el2, x0
    mrs x0, mpidr_el1
    msr vmpidr_el2, x0
    mrs x0, id_aa64pfr0_el1
    ubfx x0, x0, #24, #4
    cbz x0, 6f
    mov x0, #9                          // the interrupt controller's registers are EL1's to enable
    msr ICC_SRE_EL2, x0
    isb
6:  ldr x0, =0x30d00800                 // MMU off
    msr sctlr_el1, x0
    mov x0, #0x3c5                      // EL1 with its own stack, all masked
    msr spsr_el2, x0
    adr x0, 7f
    msr elr_el2, x0
    eret
7:  msr spsel, #1
    mov x0, #0x300000                   // compiled code uses the vector registers
    msr cpacr_el1, x0
    adrp x0, {stacks}
    add x0, x0, :lo12:{stacks}
    mov x1, #{stack_size}
    add x2, x19, #1
    madd x0, x1, x2, x0
    mov sp, x0
    adrp x0, {level1}
    add x0, x0, :lo12:{level1}
    cbnz x19, 3f
    adrp x1, {level2}
    add x1, x1, :lo12:{level2}
    orr x1, x1, #3
    str x1, [x0]                        // the first GiB in pieces of 2 MiB
    dmb sy
    dc ivac, x0
3:  ldr x1, ={attributes}
    msr mair_el1, x1
    ldr x1, ={control}
    mrs x2, id_aa64mmfr0_el1
    bfi x1, x2, #32, #3                 // physical addresses as large as the CPU has them
    msr tcr_el1, x1
    msr ttbr0_el1, x0
    adrp x0, tenon_vectors
    add x0, x0, :lo12:tenon_vectors
    msr vbar_el1, x0
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x0, =0x30d01805                 // MMU, data and instruction caches; no alignment check
    msr sctlr_el1, x0
    isb
    cbnz x19, 5f
    // A flat copy comes without the part that is zero.
    adrp x0, tenon_zero_start
    adrp x1, tenon_image_end
4:  cmp x0, x1
    b.hs 5f
    stp xzr, xzr, [x0], #16
    b 4b
5:  mov x0, x19
    mov x1, x20
    mov x29, xzr
    mov x30, xzr
    b {start}
9:  wfi
    b 9b
.ltorg
