// SPDX-License-Identifier: MIT OR Apache-2.0
// From the 32-bit state that PVH defines to Rust in long mode, the first 4 GiB mapped one to one; and the memory functions
// that a compiler takes for granted.

.section .note.Xen, "a", @note
.balign 4
.long 4, 4, 18                          // XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.long entry

.section .text.entry, "ax"
.code32
.globl entry
entry:
    cld
    mov esi, ebx                        // hvm_start_info
    mov esp, offset stack_end
    mov eax, 0x83                       // present, writable, 2 MiB
    mov edi, offset directories
    mov ecx, 2048
2:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 2b
    mov eax, offset directories + 3
    mov edi, offset pointers
    mov ecx, 4
3:  mov [edi], eax
    add eax, 0x1000
    add edi, 8
    dec ecx
    jnz 3b
    mov dword ptr [top], offset pointers + 3
    mov eax, offset top
    mov cr3, eax
    mov eax, cr4
    or eax, 0x20                        // PAE
    mov cr4, eax
    mov ecx, 0xc0000080                 // EFER.LME
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, cr0
    or eax, 0x80000001                  // paging, protection
    mov cr0, eax
    lgdt [gdt_place]
    push 8
    mov eax, offset long_mode
    push eax
    retf

.code64
long_mode:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    lea rsp, [stack_end]
    mov edi, esi
    xor ebp, ebp
    call kernel
5:  cli
    hlt
    jmp 5b

.section .text.memory, "ax"
.globl memcpy
.globl memmove
.globl memset
.globl memcmp
.globl bcmp
.globl strlen
memmove:
    mov rax, rdi
    sub rax, rsi
    cmp rax, rdx
    jae memcpy
    mov rax, rdi
    lea rdi, [rdi + rdx - 1]
    lea rsi, [rsi + rdx - 1]
    mov rcx, rdx
    std
    rep movsb
    cld
    ret
memcpy:
    mov rax, rdi
    mov rcx, rdx
    rep movsb
    ret
memset:
    mov r8, rdi
    mov eax, esi
    mov rcx, rdx
    rep stosb
    mov rax, r8
    ret
memcmp:
bcmp:
    xor eax, eax
    mov rcx, rdx
    test rcx, rcx
    jz 6f
    repe cmpsb
    je 6f
    movzx eax, byte ptr [rdi - 1]
    movzx ecx, byte ptr [rsi - 1]
    sub ecx, eax
    mov eax, ecx
6:  ret
strlen:
    xor eax, eax
7:  cmp byte ptr [rdi + rax], 0
    je 8f
    inc rax
    jmp 7b
8:  ret

.section .rodata.gdt, "a"
.balign 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_place:
    .short 23
    .long gdt

.section .bss.tables, "aw", @nobits
.balign 4096
top: .skip 4096
pointers: .skip 4096
directories: .skip 4 * 4096
stack: .skip 0x10000
stack_end:

// Pages for the host to see, aligned to the largest granule.
.balign 0x10000
.globl pool
pool: .skip 0x40000
