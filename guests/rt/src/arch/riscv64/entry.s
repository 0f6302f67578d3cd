// SPDX-License-Identifier: MIT OR Apache-2.0
// From the state that SBI defines (S-mode, paging off, A0 = hart, A1 = device tree) to Rust.

.section .text.entry, "ax"

// The image's first bytes are an Image header, so that a flat copy of it boots where a kernel does.
.globl tenon_image_entry
.option push
.option norvc
tenon_image_entry:
    j 1f
    .long 0
    .quad 0x200000                      // offset of the image from the start of RAM
    .quad tenon_image_size
    .quad 0                             // little-endian
    .long 2                             // version of the header
    .long 0
    .quad 0
    .ascii "RISCV\0\0\0"
    .ascii "RSC\x05"
    .long 0
.option pop

1:  mv s0, a1
    li s1, 0
    j 2f

// A further hart, as SBI starts it. A1 = its index.
.globl tenon_secondary_entry
tenon_secondary_entry:
    li s0, 0
    mv s1, a1

2:  csrw sie, zero
    csrci sstatus, 2
    li t0, 0x6000                       // compiled code that uses floating point is a mistake, and faults
    csrc sstatus, t0
    csrw satp, zero
    li t0, {max_cpus}
    bgeu s1, t0, 9f
    lla t0, tenon_trap
    csrw stvec, t0
    lla t0, {stacks}
    addi t1, s1, 1
    slli t1, t1, {stack_shift}          // freestanding assembly has no multiplication
    add sp, t0, t1
    bnez s1, 4f
    // A flat copy comes without the part that is zero.
    lla t0, tenon_zero_start
    lla t1, tenon_image_end
3:  bgeu t0, t1, 4f
    sd zero, (t0)
    addi t0, t0, 8
    j 3b
4:  mv tp, s1
    mv a0, s1
    mv a1, s0
    li ra, 0
    tail {start}
9:  wfi
    j 9b

// Any trap, on the interrupted stack, with interrupts masked: the registers that a called function may change.
.balign 4
tenon_trap:
    addi sp, sp, -{frame}
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    sd t3, 32(sp)
    sd t4, 40(sp)
    sd t5, 48(sp)
    sd t6, 56(sp)
    sd a0, 64(sp)
    sd a1, 72(sp)
    sd a2, 80(sp)
    sd a3, 88(sp)
    sd a4, 96(sp)
    sd a5, 104(sp)
    sd a6, 112(sp)
    sd a7, 120(sp)
    csrr t0, sepc
    sd t0, 128(sp)
    mv a0, sp
    call {trap}
    ld t0, 128(sp)
    csrw sepc, t0
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    ld t3, 32(sp)
    ld t4, 40(sp)
    ld t5, 48(sp)
    ld t6, 56(sp)
    ld a0, 64(sp)
    ld a1, 72(sp)
    ld a2, 80(sp)
    ld a3, 88(sp)
    ld a4, 96(sp)
    ld a5, 104(sp)
    ld a6, 112(sp)
    ld a7, 120(sp)
    addi sp, sp, {frame}
    sret
