// SPDX-License-Identifier: MIT OR Apache-2.0
// From the 32-bit state that PVH defines (flat segments, paging off) to Rust in long mode.

.section .note.Xen, "a", @note
.balign 4
.long 4, 4, 18                      // XEN_ELFNOTE_PHYS32_ENTRY
.asciz "Xen"
.long tenon_pvh_entry

.section .text.entry, "ax"
.code32

// The boot CPU. EBX = physical address of hvm_start_info.
.globl tenon_pvh_entry
tenon_pvh_entry:
    cld
    mov esi, ebx
    // 2048 pages of 2 MiB: present, writable, user. Pages of 1 GiB would need fewer words, but not every monitor
    // takes them. CPL0 uses user pages too, for SMEP and SMAP stay off.
    mov edi, offset {directories}
    mov eax, 0x87
    mov ecx, 2048
2:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 2b
    // The local APIC's page is not memory: uncached.
    or dword ptr [{directories} + 0x3fb8], 0x18
    lea eax, [{directories} + 7]
    mov edi, offset {pointers}
    mov ecx, 4
3:  mov [edi], eax
    add eax, 0x1000
    add edi, 8
    dec ecx
    jnz 3b
    lea eax, [{pointers} + 7]
    mov [{root}], eax
    xor ebp, ebp
    jmp 4f

// A secondary CPU, in the same state. EBX = its index.
.globl tenon_secondary_entry
tenon_secondary_entry:
    cld
    mov ebp, ebx
    xor esi, esi
4:  cmp ebp, {max_cpus}
    jae 9f
    mov eax, 0x20                   // CR4.PAE
    mov cr4, eax
    mov eax, offset {root}
    mov cr3, eax
    mov ecx, 0xc0000080             // EFER.LME
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, 0x80010011             // CR0: PG, WP, ET, PE
    mov cr0, eax
    lgdt [tenon_gdt_pointer]
    .byte 0xea                      // far jump, spelled out: this syntax has no word for it
    .long tenon_long_mode
    .word 0x10
9:  hlt
    jmp 9b

.balign 8
tenon_gdt_pointer:
    .word {gdt_limit}
    .long {gdt}

.code64
tenon_long_mode:
    mov eax, 0x2b                   // the user data segment serves both levels
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov eax, 0x18
    mov ss, eax
    mov edi, ebp
    mov esi, esi
    mov eax, ebp
    inc eax
    imul eax, eax, {stack_size}
    lea rsp, [rax + {stacks}]
    xor ebp, ebp
    call {start}
    ud2
