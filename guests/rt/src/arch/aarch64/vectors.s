// SPDX-License-Identifier: MIT OR Apache-2.0
// The exception vectors: 16 entries of 128 bytes (`.org` refuses to go back, so none can be longer). All run at EL1, on the
// interrupted stack, with everything masked.

.section .text.vectors, "ax"
.balign 2048
.globl tenon_vectors
tenon_vectors:
.irp index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .org tenon_vectors + 128 * \index
    sub sp, sp, #{frame}
    stp x0, x1, [sp]
    mov x0, #\index
    b tenon_trap
.endr
    .org tenon_vectors + 2048

tenon_trap:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x30, [sp, #144]
    mrs x1, elr_el1
    mrs x2, spsr_el1
    stp x1, x2, [sp, #160]
    mrs x1, fpcr
    mrs x2, fpsr
    stp x1, x2, [sp, #176]
    // All vector registers: a called function keeps of 8 to 15 the lower halves alone.
    stp q0, q1, [sp, #192]
    stp q2, q3, [sp, #224]
    stp q4, q5, [sp, #256]
    stp q6, q7, [sp, #288]
    stp q8, q9, [sp, #320]
    stp q10, q11, [sp, #352]
    stp q12, q13, [sp, #384]
    stp q14, q15, [sp, #416]
    stp q16, q17, [sp, #448]
    stp q18, q19, [sp, #480]
    stp q20, q21, [sp, #512]
    stp q22, q23, [sp, #544]
    stp q24, q25, [sp, #576]
    stp q26, q27, [sp, #608]
    stp q28, q29, [sp, #640]
    stp q30, q31, [sp, #672]
    mov x1, sp
    bl {trap}
    ldp q30, q31, [sp, #672]
    ldp q28, q29, [sp, #640]
    ldp q26, q27, [sp, #608]
    ldp q24, q25, [sp, #576]
    ldp q22, q23, [sp, #544]
    ldp q20, q21, [sp, #512]
    ldp q18, q19, [sp, #480]
    ldp q16, q17, [sp, #448]
    ldp q14, q15, [sp, #416]
    ldp q12, q13, [sp, #384]
    ldp q10, q11, [sp, #352]
    ldp q8, q9, [sp, #320]
    ldp q6, q7, [sp, #288]
    ldp q4, q5, [sp, #256]
    ldp q2, q3, [sp, #224]
    ldp q0, q1, [sp, #192]
    ldp x1, x2, [sp, #176]
    msr fpcr, x1
    msr fpsr, x2
    ldp x1, x2, [sp, #160]
    msr elr_el1, x1
    msr spsr_el1, x2
    ldp x18, x30, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp]
    add sp, sp, #{frame}
    eret
