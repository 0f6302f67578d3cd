// SPDX-License-Identifier: MIT OR Apache-2.0
// The entries from the interrupt gates. All run at CPL0 with interrupts off. Where CPL0 is emulated every instruction
// here costs as much as hundreds elsewhere.

.section .text.traps, "ax"

// Exceptions: one entry of 16 bytes each (`.org` refuses to go back, so none can be longer). All end in one frame: vector, error, rip, cs, rflags, rsp, ss.
.macro tenon_fault_without_code vector
    .org tenon_fault_stubs + 16 * \vector
    push 0
    push \vector
    jmp tenon_fault
.endm
.macro tenon_fault_with_code vector
    .org tenon_fault_stubs + 16 * \vector
    push \vector
    jmp tenon_fault
.endm

.balign 16
.globl tenon_fault_stubs
tenon_fault_stubs:
.irp vector, 0, 1, 2, 3, 4, 5
    tenon_fault_without_code \vector
.endr
    .org tenon_fault_stubs + 16 * 6
    jmp tenon_invalid_opcode
    tenon_fault_without_code 7
    tenon_fault_with_code 8
    tenon_fault_without_code 9
.irp vector, 10, 11, 12, 13, 14
    tenon_fault_with_code \vector
.endr
.irp vector, 15, 16
    tenon_fault_without_code \vector
.endr
    tenon_fault_with_code 17
.irp vector, 18, 19, 20
    tenon_fault_without_code \vector
.endr
    tenon_fault_with_code 21
.irp vector, 22, 23, 24, 25, 26, 27, 28
    tenon_fault_without_code \vector
.endr
.irp vector, 29, 30
    tenon_fault_with_code \vector
.endr
    tenon_fault_without_code 31

.macro tenon_save
    push rax
    push rcx
    push rdx
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
.endm
.macro tenon_restore
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rax
.endm

tenon_fault:
    tenon_save
    cld
    lea rdi, [rsp + 72]
    call {fault}
    tenon_restore
    add rsp, 16
    iretq

// Native mode asks for its halt, and for CPUID, by an invalid opcode at a known place.
tenon_invalid_opcode:
    cmp qword ptr [rsp], offset tenon_halt_site
    je 2f
    cmp qword ptr [rsp], offset tenon_cpuid_site
    je 4f
    push 0
    push 6
    jmp tenon_fault
4:  add qword ptr [rsp], 2
    cpuid
    iretq
2:  add qword ptr [rsp], 2          // behind the opcode
    cmp dword ptr gs:[{pending}], 0
    jne 3f
    sti                             // takes effect behind hlt: nothing can come between
    hlt
    cli
3:  iretq

// Called at CPL3 with upcalls masked. Comes back at once if one is pending.
.globl tenon_halt
tenon_halt:
tenon_halt_site:
    ud2
    ret

// Called at CPL3 with a leaf and where its four registers go.
.globl tenon_cpuid
tenon_cpuid:
    push rbx
    mov eax, edi
    xor ecx, ecx
tenon_cpuid_site:
    ud2
    mov [rsi], eax
    mov [rsi + 4], ebx
    mov [rsi + 8], ecx
    mov [rsi + 12], edx
    pop rbx
    ret

// Interrupts while the image runs at CPL0: the handler is called right here.
.balign 16
.globl tenon_kernel_stubs
tenon_kernel_stubs:
.irp vector, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
    .org tenon_kernel_stubs + 16 * (\vector - 0x30)
    push \vector
    jmp tenon_kernel_interrupt
.endr
tenon_kernel_interrupt:
    tenon_save
    cld
    mov rdi, [rsp + 72]
    sub rsp, 8
    call {interrupt}
    add rsp, 8
    tenon_restore
    add rsp, 8
.globl tenon_spurious_stub
tenon_spurious_stub:
    iretq

// Interrupts while the image runs at CPL3: acknowledge, remember, and unless masked go back into the upcall instead of
// the interrupted code. CPL0 itself is interrupted only in its halt, which runs masked.
.balign 128
.globl tenon_native_stubs
tenon_native_stubs:
.irp bit, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .org tenon_native_stubs + 128 * \bit
    addr32 mov dword ptr [{end_of_interrupt}], 0
    or dword ptr gs:[{pending}], 1 << \bit
    cmp dword ptr gs:[{masked}], 0
    jne 2f
    mov dword ptr gs:[{masked}], 1
    push [rsp]
    pop qword ptr gs:[{upcall_return}]
    mov qword ptr [rsp], offset tenon_upcall
2:  iretq
.endr

// CPL3, masked, on the interrupted stack below its red zone; every register is the interrupted code's.
tenon_upcall:
    lea rsp, [rsp - 128]
    push qword ptr gs:[{upcall_return}]
    pushfq
    push rbp
    tenon_save
    mov rbp, rsp
    and rsp, -16
    cld
    call {unmask}
    mov rsp, rbp
    tenon_restore
    pop rbp
    popfq
    ret 128
