// SPDX-License-Identifier: MIT OR Apache-2.0
// A guest in C for x86-64, written from docs/abi.md and tenon.h alone. It boots by PVH and needs no library:
//
//     cd bindings/c && cc @examples/guest.flags -o guest examples/guest.c
//
// It plays two sessions: the first one takes what the host offers, the second one does without the window and
// without upcalls. Then it exits with the code of its command line (`exit=3`), or with 1 if it gave up.
// `crash` on the command line leaves a crash record first.
//
// The host is not trusted. What it wrote is loaded once into a variable, checked there and used from there.
// Every wait has a bound (PATIENCE for one, LIFETIME for all); a guest that gives up says why and ends.
// -DMISTAKE_ARM and the like compile one mistake in: a test sees that each of them is found.
#include "tenon.h"
#include <stdbool.h>

#ifndef PATIENCE
#define PATIENCE UINT64_C(30000000000) // ticks of the time-stamp counter: 6 s at 5 GHz, 15 s at 2 GHz
#endif
#define LIFETIME (4 * PATIENCE)
#define FAR UINT32_C(0x7fffffff)  // an armed position that is never reached [CALL-27]
#define LARGEST 16u               // log2 of the largest granule that exists [GEN-4]
#define PAGE_BYTES 4096u          // every granule and every page of Tenon has at least this
#define DEPTH 16u                 // at most the least `max_depth` [DISC-9]
#define EVENTS 16u                // at most the least `max_events`
#define WATCHDOG_VECTOR 254u
#define SPURIOUS_VECTOR 255u
#define ATTEMPTS 8u               // sessions that the host may end before the guest gives up
#define USED (TENON_FEATURES_WINDOW | TENON_FEATURES_EVENTS | TENON_FEATURES_UPCALL | TENON_FEATURES_CONSOLE | \
    TENON_FEATURES_LIFECYCLE | TENON_FEATURES_ENTROPY | TENON_FEATURES_PAGES | TENON_FEATURES_TIME | \
    TENON_FEATURES_GENERATION | TENON_FEATURES_CLOSED)
#define SINCE_1 UINT64_C(0x7f)    // features of minor version 1 [NEG-2]

// ---- entry: PVH, 32 bits, paging off; then 4 GiB are mapped as they are, and the rest is C ----
__asm__(
    ".pushsection .note.Xen,\"a\",@note\n"
    ".long 4, 4, 18\n.asciz \"Xen\"\n.long _start\n"
    ".popsection\n"
    ".pushsection .text\n.code32\n.globl _start\n_start:\n"
    "cli\ncld\nmovl %ebx, start_info\n"
    "movl $tables_low, %edi\nmovl $0x83, %eax\nmovl $2048, %ecx\n"
    "1: movl %eax, (%edi)\nmovl $0, 4(%edi)\naddl $0x200000, %eax\naddl $8, %edi\ndecl %ecx\njnz 1b\n"
    "movl $tables_low + 3, %eax\nmovl $directory, %edi\nmovl $4, %ecx\n"
    "2: movl %eax, (%edi)\naddl $4096, %eax\naddl $8, %edi\ndecl %ecx\njnz 2b\n"
    "movl $directory + 3, %eax\nmovl %eax, root\n"
    "movl $0x20, %eax\nmovl %eax, %cr4\nmovl $root, %eax\nmovl %eax, %cr3\n"
    "movl $0xc0000080, %ecx\nrdmsr\norl $0x100, %eax\nwrmsr\n"
    "movl $0x80000011, %eax\nmovl %eax, %cr0\n"
    "lgdt gdt_pointer\nljmp $8, $start64\n"
    ".code64\nstart64:\n"
    "movl $16, %eax\nmovl %eax, %ds\nmovl %eax, %es\nmovl %eax, %ss\nmovl %eax, %fs\nmovl %eax, %gs\n"
    "movq $stack + 65536, %rsp\nxorl %ebp, %ebp\ncall guest_main\n3: cli\nhlt\njmp 3b\n"
    ".balign 8\ngdt: .quad 0, 0x00209a0000000000, 0x0000920000000000\n"
    "gdt_pointer: .word 23\n.long gdt\n"
    ".popsection\n");

uint32_t start_info;
uint64_t root[512] __attribute__((aligned(4096))), directory[512] __attribute__((aligned(4096)));
uint64_t tables_low[2048] __attribute__((aligned(4096)));
uint8_t stack[65536] __attribute__((aligned(16)));
static uint64_t tables[8][512] __attribute__((aligned(4096))); // for what lies above 4 GiB
static unsigned tables_used;
extern uint8_t __executable_start[], _end[]; // of the linker

// Memory that the host reaches; each piece has granules of its own, the largest there are.
#define SHARED_WITH_HOST static uint8_t __attribute__((aligned(65536)))
SHARED_WITH_HOST request[65536], guest_area[65536], host_area_given[65536], payload[65536];
SHARED_WITH_HOST time_page_given[65536], generation_page_given[65536];

void *memset(void *to, int byte, size_t len) {
    for (size_t i = 0; i < len; i++) ((volatile uint8_t *)to)[i] = (uint8_t)byte;
    return to;
}

// ---- the processor ----
static void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory"); }
static uint8_t in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
static uint64_t ticks(void) {
    uint32_t low, high;
    __asm__ volatile("lfence\nrdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}
static void cpuid(uint32_t leaf, uint32_t r[4]) {
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}
static uint64_t load(uint64_t at) { return __atomic_load_n((uint64_t *)at, __ATOMIC_RELAXED); }
static uint64_t load_acquire(uint64_t at) { return __atomic_load_n((uint64_t *)at, __ATOMIC_ACQUIRE); }
static void store(uint64_t at, uint64_t word) { __atomic_store_n((uint64_t *)at, word, __ATOMIC_RELAXED); }
static void store_release(uint64_t at, uint64_t word) { __atomic_store_n((uint64_t *)at, word, __ATOMIC_RELEASE); }
static void fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static void clear(uint64_t at, uint64_t len) {
    for (uint64_t i = 0; i < len; i += 8) store(at + i, 0);
}
static uint64_t address(const void *what) { return (uint64_t)(uintptr_t)what; }

// The first serial port is for what cannot be said through Tenon [REP-6].
static void serial(const char *text) {
    for (; *text; text++) {
        for (unsigned i = 0; i < 1000 && !(in8(0x3fd) & 0x20); i++) __asm__ volatile("pause");
        out8(0x3f8, (uint8_t)*text);
    }
}
static void stop(uint8_t code) __attribute__((noreturn));
static void stop(uint8_t code) {
    out8(0xf4, code); // where there is such a port, the machine ends here [REP-7]
    for (;;) __asm__ volatile("cli\nhlt");
}

// ---- memory of the platform ----
struct pvh_info { uint32_t magic, version, flags, modules; uint64_t module_list, command_line, rsdp, map; uint32_t map_entries, zero; };
struct pvh_piece { uint64_t start, len; uint32_t kind, zero; };
static struct pvh_piece pieces[32];
static unsigned piece_count;
static char command_line[256];

// Whether a range meets RAM, or this image, or the local APIC: nothing of the host's may be there.
static bool is_ours(uint64_t start, uint64_t len) {
    uint64_t end = start + len;
    if (end < start) return true;
    if (start < address(_end) && address(__executable_start) < end) return true;
    if (start < 0xfee01000 && 0xfee00000 < end) return true;
    for (unsigned i = 0; i < piece_count; i++)
        if (pieces[i].kind == 1 && start < pieces[i].start + pieces[i].len && pieces[i].start < end) return true;
    return false;
}

// Maps a range as it is, by pages of 2 MiB. What is below 4 GiB is mapped already.
static bool map(uint64_t start, uint64_t len) {
    uint64_t end = start + len;
    if (end < start || end > UINT64_C(1) << 47 || len > UINT64_C(1) << 30) return false;
    for (uint64_t at = start & ~UINT64_C(0x1fffff); at < end; at += 0x200000) {
        uint64_t *table = root, index[3] = {at >> 39, at >> 30 & 511, at >> 21 & 511};
        if (at < UINT64_C(1) << 32) continue;
        for (unsigned level = 0; level < 2; level++) {
            if (!table[index[level]]) {
                if (tables_used == 8) return false;
                table[index[level]] = address(tables[tables_used++]) | 3;
            }
            table = (uint64_t *)(table[index[level]] & ~UINT64_C(4095));
        }
        table[index[2]] = at | 0x83;
    }
    return true;
}

// ---- interrupts ----
struct gate { uint16_t low, selector, flags, middle; uint32_t high, zero; };
static struct gate idt[256] __attribute__((aligned(16)));
static volatile uint64_t upcalls;
static uint64_t lapic;
struct frame;

static void lapic_write(uint32_t reg, uint32_t value) { *(volatile uint32_t *)(lapic + reg) = value; }
__attribute__((interrupt)) static void on_upcall(struct frame *f) { (void)f; upcalls++; lapic_write(0xb0, 0); }
__attribute__((interrupt)) static void on_other(struct frame *f) { (void)f; lapic_write(0xb0, 0); }
__attribute__((interrupt)) static void on_spurious(struct frame *f) { (void)f; }
__attribute__((interrupt)) static void on_fault(struct frame *f) {
    (void)f;
    serial("c-guest: a fault of the processor\n");
    stop(1);
}
static void gate(unsigned vector, void (*handler)(struct frame *)) {
    uint64_t at = (uint64_t)(uintptr_t)handler;
    idt[vector] = (struct gate){(uint16_t)at, 8, 0x8e00, (uint16_t)(at >> 16), (uint32_t)(at >> 32), 0};
}
static void interrupts(void) {
    struct { uint16_t len; uint64_t at; } __attribute__((packed)) pointer = {sizeof idt - 1, address(idt)};
    uint32_t low, high;
    for (unsigned i = 0; i < 32; i++) gate(i, on_fault);
    for (unsigned i = 32; i < 255; i++) gate(i, on_other);
    gate(SPURIOUS_VECTOR, on_spurious);
    __asm__ volatile("lidt %0" ::"m"(pointer));
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0x1b));
    lapic = ((uint64_t)high << 32 | low) & UINT64_C(0xffffff000);
    if (lapic >= UINT64_C(1) << 32) lapic = 0xfee00000;
    lapic_write(0x350, 0x10000); // LINT0 and LINT1 are masked
    lapic_write(0x360, 0x10000);
    lapic_write(0x3e0, 0xb);
    lapic_write(0x320, WATCHDOG_VECTOR);
    lapic_write(0xf0, 0x100 | SPURIOUS_VECTOR); // on before VCPU_UPCALL, and 255 is no upcall's
}

// ---- what is known of the host: copies, and nothing that it can still change ----
enum outcome { DONE, LOST, BAD };
#define TRY(what) do { enum outcome tried = (what); if (tried != DONE) return tried; } while (0)
#define EXPECT(holds, text) do { if (!(holds)) { why = (text); return BAD; } } while (0)

struct session { // one session and the areas of vCPU 0
    uint32_t number, seed;
    uint16_t minor, granule;
    uint64_t features, host_area;
    bool bound, shared;
    uint32_t submitted, taken, lane, next[TENON_CLASSES];
    bool in_flight[DEPTH], done[DEPTH];
    uint16_t status[DEPTH];
    uint64_t value[DEPTH];
};
static struct tenon_record host; // words 0x00 to 0x7f: they never change [DISC-3]
static struct session s;
static uint64_t window, window_mapped, clock_last, born, patience = PATIENCE;
static const char *why = "nothing";

#define RECORD(field) (window + offsetof(struct tenon_record, field))
static bool offers(uint64_t feature) { return (s.features & feature) == feature; }

static bool find_window(void) { // [DISC-4]
    for (uint32_t i = 0; i < TENON_CPUID_TRIES; i++) {
        uint32_t base = TENON_CPUID_FIRST + i * TENON_CPUID_STEP, r[4];
        cpuid(base, r);
        if (r[1] != TENON_CPUID_EBX || r[2] != TENON_CPUID_ECX || r[3] != TENON_CPUID_EDX || r[0] < base + 1) continue;
        cpuid(base + 1, r);
        window = (uint64_t)r[0] << 12;
        window_mapped = (uint64_t)r[1] << 12;
        return window && window_mapped >= sizeof host && !is_ours(window, window_mapped) && map(window, window_mapped);
    }
    return false;
}

static uint32_t smallest_granule(void) { return (uint32_t)__builtin_ctz(host.granules); }
static uint32_t largest_granule(void) { return 31u - (uint32_t)__builtin_clz(host.granules); }

static enum outcome read_record(void) {
    for (unsigned i = 0; i < 16; i++) ((uint64_t *)&host)[i] = load(window + i * 8);
    EXPECT(host.magic == TENON_RECORD_MAGIC && host.size == sizeof host, "no Tenon here"); // [DISC-2]
    EXPECT(host.major == TENON_MAJOR, "another major version"); // [NEG-1]
    EXPECT(host.granules && !(host.granules & ~UINT32_C(0x15000)), "a granule that does not exist"); // [GEN-4]
    EXPECT(host.window_len >= sizeof host && host.window_len <= window_mapped, "the window's length"); // [DISC-5]
    EXPECT(!(window & ((UINT64_C(1) << largest_granule()) - 1)), "the window's alignment");
    EXPECT(host.max_vcpus >= 1 && host.max_depth >= 64 && host.max_events >= 256 && host.max_ports >= 64 &&
        host.max_payload >= 4096, "a limit below the least"); // [DISC-9]
    EXPECT(host.region0_len >= address(_end) && host.region0_len <= UINT64_C(1) << 48, "region 0 lacks this image");
    // The doorbells that are used: of queues 0 and 1, and of control requests. None of them may be memory.
    uint64_t last = host.kick_base + host.kick_stride;
    EXPECT(last >= host.kick_base, "a doorbell wraps");
    switch (host.conduit) {
    case TENON_CONDUIT_KIND_PORT_IO:
        EXPECT(last <= 0xfffc && host.bind_base <= 0xfffc, "a doorbell that is no port");
        break;
    case TENON_CONDUIT_KIND_MMIO:
        EXPECT(!((host.kick_base | last | host.bind_base) & 3), "a doorbell that is not aligned");
        for (unsigned i = 0; i < 3; i++) {
            uint64_t bell = i == 0 ? host.kick_base : i == 1 ? last : host.bind_base;
            EXPECT(!is_ours(bell, 4) && (bell < window ? bell + 4 <= window : bell - window >= window_mapped) &&
                map(bell, 4), "a doorbell in memory");
        }
        break;
    case TENON_CONDUIT_KIND_HYPERCALL:
        EXPECT(host.kick_base <= UINT32_MAX && host.bind_base <= UINT32_MAX && !host.kick_stride, "a function number");
        break;
    default: EXPECT(false, "a conduit that this guest does not know"); // [DISC-6]
    }
    return DONE;
}

static void ring(uint64_t where, uint32_t value) { // one aligned write of 32 bits [ORD-1]
    uint32_t function = (uint32_t)where;
    if (host.conduit == TENON_CONDUIT_KIND_PORT_IO) {
        __asm__ volatile("outl %0, %1" ::"a"(value), "d"((uint16_t)where) : "memory");
    } else if (host.conduit == TENON_CONDUIT_KIND_MMIO) {
        __asm__ volatile("movl %0, %1" ::"r"(value), "m"(*(volatile uint32_t *)where) : "memory");
    } else if (host.conduit_flags & TENON_CONDUIT_FLAGS_VMMCALL) { // [DISC-12]
        __asm__ volatile("vmmcall" : "+a"(function) : "b"(value), "D"(value) : "memory");
    } else {
        __asm__ volatile("vmcall" : "+a"(function) : "b"(value), "D"(value) : "memory");
    }
}
static void kick(uint32_t queue) { ring(host.kick_base + (uint64_t)queue * host.kick_stride, queue); }

// ---- waiting ----
struct wait { uint64_t began, last, stuck, looks; };
static struct wait waiting(void) { return (struct wait){ticks(), 0, 0, 0}; }

// One look more? Not when the time is over, nor on a counter that stands still.
static bool patient(struct wait *wait) {
    uint64_t now = ticks();
    wait->stuck = now == wait->last ? wait->stuck + 1 : 0;
    wait->last = now;
    wait->looks++;
    __asm__ volatile("pause");
    return now - wait->began < patience && now - born < LIFETIME && wait->stuck < 65536;
}
static bool session_ended(void) { // [SES-9]
    return load_acquire(RECORD(session)) != tenon_pack_session(s.seed, s.number);
}

// ---- control requests ----
static enum outcome control(struct tenon_control_request ask, uint32_t granule, uint16_t *status, uint64_t *value) {
    const uint64_t *words = (const uint64_t *)&ask;
    uint64_t before = load_acquire(RECORD(control_result)), result;
    ask.magic = TENON_CONTROL_MAGIC;
    ask.ticket = tenon_control_result_ticket(before) + 1; // another one than is there [SES-4]
    ask.session = s.number;
    for (unsigned i = 0; i < sizeof ask / 8; i++) store(address(request) + i * 8, words[i]);
    ring(host.bind_base, (uint32_t)(address(request) >> granule)); // [DISC-8]
    struct wait wait = waiting();
    for (;;) {
        result = load_acquire(RECORD(control_result));
        if (tenon_control_result_ticket(result) == ask.ticket) break;
        // An unanswered RESET is served as well if the session is another one now.
        if (!(wait.looks & 255) && wait.looks && session_ended()) return LOST;
        EXPECT(patient(&wait), "no answer to a control request");
    }
    EXPECT(!tenon_control_result_zero(result), "a control result with unknown bits"); // [GEN-5]
    *status = tenon_control_result_status(result);
    *value = load(RECORD(control_value));
    EXPECT(*status == TENON_STATUS_OK || !*value, "the value of a request that failed");
    return *status == TENON_STATUS_BAD_SESSION ? LOST : DONE; // [SES-5]
}

static void look_at_session(void) {
    uint64_t word = load_acquire(RECORD(session));
    s.seed = tenon_session_seed(word);
    s.number = tenon_session_number(word);
}

static enum outcome reset(void) {
    uint64_t active = load_acquire(RECORD(active)), value;
    uint32_t granule = tenon_active_granule(active), before = s.number;
    uint16_t status;
    if (tenon_active_state(active) == TENON_SESSION_STATE_IDLE) granule = smallest_granule();
    EXPECT(granule <= LARGEST && host.granules >> granule & 1, "the granule of the open session");
    s.bound = false;
    enum outcome outcome = control((struct tenon_control_request){.op = TENON_CONTROL_OP_RESET}, granule, &status, &value);
    if (outcome == DONE) {
        EXPECT(status == TENON_STATUS_OK, "RESET was refused");
        look_at_session();
        EXPECT(s.number != before && value == s.number, "RESET left the session as it was"); // [SES-1, SES-6]
    }
    return outcome;
}

// A session of these features, and vCPU 0 bound in it.
static enum outcome open(uint64_t features, uint32_t granule) {
    uint16_t status;
    uint64_t value;
    s = (struct session){.granule = (uint16_t)granule, .minor = host.minor < TENON_MINOR ? host.minor : TENON_MINOR};
    look_at_session();
    uint64_t active = load_acquire(RECORD(active));
    if (tenon_active_state(active) != TENON_SESSION_STATE_IDLE) TRY(reset()); // an earlier kernel's [SES-8]
    features &= host.features & (s.minor < 2 ? SINCE_1 : ~UINT64_C(0));
    if (!(features & TENON_FEATURES_PAGES)) features &= ~TENON_FEATURES_GENERATION;
    struct tenon_control_request ask = {.op = TENON_CONTROL_OP_NEGOTIATE, .major = TENON_MAJOR, .minor = s.minor,
        .granule = granule, .features = features};
    TRY(control(ask, smallest_granule(), &status, &value));
    EXPECT(status == TENON_STATUS_OK && !value, "NEGOTIATE was refused");
    look_at_session();
    active = load(RECORD(active));
    EXPECT(active == tenon_pack_active(TENON_MAJOR, s.minor, s.granule, TENON_SESSION_STATE_OPEN) &&
        load(RECORD(active_features)) == features, "the session is not what was negotiated"); // [NEG-5]
    s.features = features;

    bool in_window = offers(TENON_FEATURES_WINDOW);
#ifndef MISTAKE_CLEAR
    clear(address(guest_area), TENON_GUEST_AREA_LEN(DEPTH)); // [SES-2]
#endif
    store(address(guest_area) + TENON_GUEST_AREA_COMPLETIONS_ARMED, FAR);
    store(address(guest_area) + TENON_GUEST_AREA_ARMED0, FAR);
    store(address(guest_area) + TENON_GUEST_AREA_ARMED1, FAR);
    ask = (struct tenon_control_request){.op = TENON_CONTROL_OP_BIND, .depth = DEPTH, .events0 = EVENTS, .events1 = EVENTS,
        .guest_area = address(guest_area), .host_area = in_window ? 0 : address(host_area_given)};
    TRY(control(ask, granule, &status, &value));
    EXPECT(status == TENON_STATUS_OK, "BIND was refused");
    EXPECT(in_window || !value, "BIND of a donated area has a value");
    s.host_area = address(host_area_given);
    if (in_window) { // [NEG-6]
        EXPECT(value >= sizeof host && !(value & ((UINT64_C(1) << granule) - 1)) && value <= host.window_len &&
            TENON_HOST_AREA_LEN(DEPTH, EVENTS, EVENTS) <= host.window_len - value, "an area outside of the window");
        s.host_area = window + value;
    }
    for (unsigned i = 0; i < 4; i++) // [CALL-15]
        EXPECT(load(s.host_area + i * 8) == tenon_pack_state_word(TENON_QUEUE_STATE_RUNNING, TENON_REASON_NONE, 0),
            "a queue or ring does not run after BIND");
    s.bound = true;
    return DONE;
}

// ---- calls ----
struct call { uint16_t op; uint64_t args[6]; uint32_t count; }; // `count`: bytes of inline payload

static void write_slot(uint64_t slot, const struct call *call, uint16_t id, uint32_t turn) {
    store(slot, (uint64_t)call->count << 32 | (call->count ? TENON_SUBMISSION_FLAGS_INLINE : 0));
    for (unsigned i = 0; i < 6; i++) store(slot + offsetof(struct tenon_submission, args) + i * 8, call->args[i]);
    store_release(slot + offsetof(struct tenon_submission, tail), tenon_pack_submission_tail(call->op, id, turn));
}

static enum outcome submit(const struct call *call, uint16_t *id) {
    uint16_t free = 0;
    while (free < DEPTH && s.in_flight[free]) free++; // an id is free when its completion was taken [CALL-6]
    EXPECT(free < DEPTH && s.submitted - s.taken < DEPTH, "more calls than the queue has");
    uint32_t turn = tenon_turn(s.seed, s.submitted);
    uint16_t told = free;
#ifdef MISTAKE_TURN
    turn -= 1;
#endif
#ifdef MISTAKE_ID
    told += DEPTH;
#endif
    write_slot(address(guest_area) + TENON_GUEST_AREA_SUBMISSIONS + s.submitted % DEPTH * sizeof(struct tenon_submission),
        call, told, turn);
    s.in_flight[free] = true;
    s.done[free] = false;
    s.submitted++;
    *id = free;
    return DONE;
}

// One kick for a batch, or none if the host does not want one [CALL-25, CALL-26].
static void kick_batch(uint32_t first) {
    fence();
    uint64_t wanted = load(s.host_area + TENON_HOST_AREA_KICK_WANTED);
    uint32_t position = tenon_kick_wanted_position(wanted);
    if (tenon_kick_wanted_kind(wanted) == 1 && position - first >= s.submitted - first) return;
    kick(tenon_call_queue(0));
}

// Takes the next completion if it is there.
static enum outcome take_completion(bool *took) {
    uint64_t slot = s.host_area + TENON_HOST_AREA_COMPLETIONS + s.taken % DEPTH * sizeof(struct tenon_completion);
    uint64_t tail = load_acquire(slot + offsetof(struct tenon_completion, tail));
    uint16_t id = tenon_completion_tail_id(tail);
    *took = tenon_completion_tail_turn(tail) == tenon_turn(s.seed, s.taken);
    if (!*took) return DONE;
    EXPECT(id < DEPTH && s.in_flight[id], "a completion of nothing that is in flight"); // [CALL-7]
    uint64_t value = load(slot);
    s.status[id] = tenon_completion_tail_status(tail);
    EXPECT(s.status[id] == TENON_STATUS_OK || !value, "the value of a call that failed"); // [CALL-3]
    s.value[id] = value;
    s.in_flight[id] = false;
    s.done[id] = true;
    s.taken++;
    return DONE;
}

static enum outcome wait_for(uint16_t id) {
    struct wait wait = waiting();
    uint64_t again = 4096;
    while (!s.done[id]) {
        bool took;
        TRY(take_completion(&took));
        if (took) continue;
        if (!(wait.looks & 255) && wait.looks) { // a long wait
            if (session_ended()) return LOST;
            uint64_t state = load(s.host_area + TENON_HOST_AREA_CALL_STATE);
            EXPECT(tenon_state_word_state(state) == TENON_QUEUE_STATE_RUNNING, "the call queue is corrupt");
        }
        if (wait.looks == again) {
            kick(tenon_call_queue(0)); // legal at any time [DISC-7]
            again *= 8;
        }
        EXPECT(patient(&wait), "no completion");
    }
    return DONE;
}

static enum outcome call(struct call ask, uint16_t *status, uint64_t *value) {
    uint16_t id;
    uint32_t first = s.submitted;
    TRY(submit(&ask, &id));
    kick_batch(first);
    TRY(wait_for(id));
    *status = s.status[id];
    *value = s.value[id];
    return DONE;
}
static enum outcome call_ok(struct call ask, uint64_t *value, const char *text) {
    uint16_t status;
    TRY(call(ask, &status, value));
    EXPECT(status == TENON_STATUS_OK, text);
    return DONE;
}

// The emergency lane: one slot, id 0, positions of its own [CALL-23].
static enum outcome emergency(struct call ask, uint16_t *status, uint64_t *value) {
    uint64_t slot = s.host_area + TENON_HOST_AREA_EMERGENCY, tail;
    uint32_t turn = tenon_turn(s.seed, s.lane);
    write_slot(address(guest_area) + TENON_GUEST_AREA_EMERGENCY, &ask, 0, turn);
    kick(tenon_emergency_queue(0));
    struct wait wait = waiting();
    do {
        tail = load_acquire(slot + offsetof(struct tenon_completion, tail));
        if (tenon_completion_tail_turn(tail) == turn) {
            EXPECT(tenon_completion_tail_id(tail) == 0, "an id of the emergency lane");
            *status = tenon_completion_tail_status(tail);
            *value = load(slot);
            s.lane++;
            return DONE;
        }
        if (!(wait.looks & 255) && wait.looks && session_ended()) return LOST;
    } while (patient(&wait));
    why = "no completion of the emergency lane";
    return BAD;
}

static void pack_text(struct call *call, const char *text, uint64_t len) {
    for (unsigned i = 0; i < len && i < TENON_INLINE_MAX; i++) call->args[i / 8] |= (uint64_t)(uint8_t)text[i] << i % 8 * 8;
    call->count = (uint32_t)(len < TENON_INLINE_MAX ? len : TENON_INLINE_MAX);
}

// ---- console ----
static enum outcome write_text(const char *text, uint64_t len) {
    for (unsigned tries = 0; len && offers(TENON_FEATURES_CONSOLE); tries++) {
        struct call ask = {.op = TENON_OP_CONSOLE_WRITE};
        uint64_t part = len < 1024 ? len : 1024, value;
        if (len <= TENON_INLINE_MAX || !s.shared) {
            part = len < TENON_INLINE_MAX ? len : TENON_INLINE_MAX;
            pack_text(&ask, text, part);
        } else { // from memory that the host reaches
            for (uint64_t i = 0; i < part; i++) ((volatile uint8_t *)payload)[i] = (uint8_t)text[i];
            ask.args[0] = address(payload);
            ask.args[1] = part;
        }
        TRY(call_ok(ask, &value, "CONSOLE_WRITE failed"));
        EXPECT(value <= part, "more was written than there is"); // [CON-2]
        EXPECT(tries < 10000, "the console takes nothing");
        text += value;
        len -= value;
    }
    return DONE;
}
struct line { char text[160]; unsigned len; };
static void add(struct line *line, const char *text) {
    while (*text && line->len < sizeof line->text - 1) line->text[line->len++] = *text++;
}
static void add_number(struct line *line, uint64_t number, unsigned base) {
    char digits[24];
    unsigned at = sizeof digits - 1;
    digits[at] = 0;
    do { digits[--at] = "0123456789abcdef"[number % base]; number /= base; } while (number);
    add(line, digits + at);
}
static enum outcome say(const char *text, uint64_t number, unsigned base) {
    struct line line = {.len = 0};
    add(&line, "c-guest: ");
    add(&line, text);
    if (base) add_number(&line, number, base);
    add(&line, "\n");
    return write_text(line.text, line.len);
}

// ---- what the guest does in a session ----
static enum outcome try_calls(void) {
    uint64_t value;
    uint16_t status, ids[DEPTH];
    TRY(call_ok((struct call){.op = TENON_OP_PROBE, .args = {TENON_OP_NOP}}, &value, "PROBE failed"));
    EXPECT(value == 3, "NOP is not replay-safe"); // [CALL-21]
    for (unsigned batch = 0; batch < 4; batch++) { // each goes with one kick
        uint32_t first = s.submitted;
        for (unsigned i = 0; i < DEPTH; i++) {
            struct call nop = {.op = TENON_OP_NOP, .args = {batch * 1000 + i}};
#ifdef MISTAKE_RESERVED
            nop.args[5] = 1;
#endif
            TRY(submit(&nop, &ids[i]));
        }
        kick_batch(first);
        for (unsigned i = 0; i < DEPTH; i++) {
            TRY(wait_for(ids[i]));
            EXPECT(s.status[ids[i]] == TENON_STATUS_OK && s.value[ids[i]] == batch * 1000 + i, "NOP's value");
        }
    }
    TRY(call((struct call){.op = 0xffff}, &status, &value));
    EXPECT(status == TENON_STATUS_NOT_SUPPORTED, "an operation that does not exist"); // [CALL-12]
    TRY(emergency((struct call){.op = TENON_OP_NOP, .args = {77}}, &status, &value));
    EXPECT(status == TENON_STATUS_OK && value == 77, "NOP in the emergency lane");
    TRY(call_ok((struct call){.op = TENON_OP_REGION_QUERY}, &value, "REGION_QUERY failed"));
    EXPECT(value == host.region0_len, "region 0 has two lengths"); // [REG-4]
    return say("region 0 ", value, 16);
}

// In a closed domain the host reaches payload only where it is shared [MEM-11].
static enum outcome share(void) {
    uint64_t value, len = UINT64_C(1) << s.granule;
    struct call ask = {.op = TENON_OP_SHARE, .args = {address(payload), len, TENON_RIGHTS_READ | TENON_RIGHTS_WRITE}};
    s.shared = true;
    if (!offers(TENON_FEATURES_CLOSED)) return DONE;
    TRY(call_ok(ask, &value, "SHARE failed"));
    EXPECT(value == len, "SHARE did another length"); // [MEM-12]
    return DONE;
}

static enum outcome try_entropy(void) {
    uint64_t value, some = 0;
    if (!offers(TENON_FEATURES_ENTROPY)) return DONE;
    clear(address(payload), 128);
    TRY(call_ok((struct call){.op = TENON_OP_ENTROPY, .args = {address(payload), 64}}, &value, "ENTROPY failed"));
    EXPECT(value >= 1 && value <= 64, "ENTROPY's length"); // [ENT-2]
    for (unsigned i = 0; i < 8; i++) some |= load(address(payload) + i * 8);
    for (unsigned i = 8; i < 16; i++) EXPECT(!load(address(payload) + i * 8), "ENTROPY wrote behind its range");
    EXPECT(some || value < 8, "ENTROPY wrote nothing");
    return say("random bytes ", value, 10);
}

// Input that is not there: a read waits, and is cancelled [CALL-22].
static enum outcome try_input(void) {
    struct call read = {.op = TENON_OP_CONSOLE_READ, .args = {address(payload) + 2048, 16}};
    uint16_t id;
    uint64_t value;
    uint32_t first = s.submitted;
    if (!offers(TENON_FEATURES_CONSOLE)) return DONE;
    TRY(submit(&read, &id));
    kick_batch(first);
    TRY(call_ok((struct call){.op = TENON_OP_CANCEL, .args = {id}}, &value, "CANCEL failed"));
    EXPECT(value <= 1, "CANCEL's value");
    bool cancelled = value == 1;
    TRY(wait_for(id));
    EXPECT(s.status[id] == (cancelled ? TENON_STATUS_CANCELLED : TENON_STATUS_OK), "CONSOLE_READ's status");
    EXPECT(cancelled || (s.value[id] >= 1 && s.value[id] <= 16), "CONSOLE_READ's length"); // [CON-4]
    return DONE;
}

// ---- events ----
static uint64_t entry_at(unsigned class) {
    uint64_t base = class ? TENON_HOST_AREA_RING1(DEPTH, EVENTS) : TENON_HOST_AREA_RING0(DEPTH);
    return s.host_area + base + s.next[class] % EVENTS * sizeof(uint64_t);
}
static bool entry_is_there(unsigned class) {
    return tenon_event_entry_turn(load(entry_at(class))) == tenon_turn(s.seed, s.next[class]);
}
// Takes a ring; `seen` gets a bit for each port below 64 [EVT-8].
static enum outcome take_ring(unsigned class, uint64_t *seen) {
    uint32_t before = s.next[class];
    for (unsigned i = 0; i < EVENTS; i++) {
        uint64_t entry = load(entry_at(class));
        uint32_t port = tenon_event_entry_port(entry);
        if (tenon_event_entry_turn(entry) != tenon_turn(s.seed, s.next[class])) break;
        EXPECT(port < host.max_ports, "an event of a port that does not exist"); // [EVT-7]
        if (port < 64) *seen |= UINT64_C(1) << port;
        s.next[class]++;
    }
    if (s.next[class] == before) return DONE;
    uint32_t taken = s.next[class];
#ifdef MISTAKE_TAKEN
    taken += EVENTS;
#endif
    store(address(guest_area) + (class ? TENON_GUEST_AREA_TAKEN1 : TENON_GUEST_AREA_TAKEN0), tenon_pack_guest_position(taken));
    fence();
    return DONE;
}
static enum outcome take_events(uint64_t *seen) { // the urgent ring first [EVT-16]
    TRY(take_ring(1, seen));
    return take_ring(0, seen);
}
static void arm(void) {
#ifndef MISTAKE_ARM
    store(address(guest_area) + TENON_GUEST_AREA_ARMED1, tenon_pack_guest_position(s.next[1]));
    store(address(guest_area) + TENON_GUEST_AREA_ARMED0, tenon_pack_guest_position(s.next[0]));
#endif
    fence();
}

// Waits until a port was raised: halted where upcalls come, else by looking. A timer of the platform's ends a
// halt whose upcall never comes.
static enum outcome wait_event(uint32_t port) {
    struct wait wait = waiting();
    uint64_t seen = 0;
    for (;;) {
        TRY(take_events(&seen));
        if (seen >> port & 1) return DONE;
        if (offers(TENON_FEATURES_UPCALL)) {
            arm();
            lapic_write(0x380, 50000000);
            if (!entry_is_there(0) && !entry_is_there(1)) __asm__ volatile("sti\nhlt\ncli" ::: "memory"); // [EVT-12]
        }
        if (session_ended()) return LOST;
        EXPECT(patient(&wait), "no event");
    }
}

static enum outcome try_events(void) {
    uint64_t value, seen = 0;
    struct wait wait;
    if (!offers(TENON_FEATURES_EVENTS)) return DONE;
    for (uint32_t port = 1; port <= 2; port++) // port 1 is ordinary, port 2 urgent
        TRY(call_ok((struct call){.op = TENON_OP_EVENT_BIND, .args = {port, 0, port - 1}}, &value, "EVENT_BIND failed"));
    for (unsigned round = 0; round < 3 * EVENTS; round++) { // more than a lap, by looking
        uint32_t port = 1 + round % 2;
        TRY(call_ok((struct call){.op = TENON_OP_EVENT_SIGNAL, .args = {port}}, &value, "EVENT_SIGNAL failed"));
        wait = waiting();
        for (seen = 0; !(seen >> port & 1);) {
            TRY(take_events(&seen));
            EXPECT(seen >> port & 1 || patient(&wait), "no event by looking");
            if (!(wait.looks & 255) && wait.looks && session_ended()) return LOST;
        }
    }
    TRY(say("events taken ", s.next[0] + s.next[1], 10));
    if (!offers(TENON_FEATURES_UPCALL)) return DONE;
    uint32_t vector = host.irq_first < 32 ? 32 : host.irq_first; // [VCPU-8]
    EXPECT(vector <= host.irq_last && vector < WATCHDOG_VECTOR, "no vector for upcalls");
    gate(vector, on_upcall);
    TRY(call_ok((struct call){.op = TENON_OP_VCPU_UPCALL, .args = {0, vector}}, &value, "VCPU_UPCALL failed"));
    TRY(take_events(&seen));
    __asm__ volatile("sti\nnop\ncli" ::: "memory"); // one that came from the setting is none of the next
    uint64_t before = upcalls;
    arm();
    TRY(call_ok((struct call){.op = TENON_OP_EVENT_SIGNAL, .args = {1}}, &value, "EVENT_SIGNAL failed"));
    TRY(wait_event(1));
    for (wait = waiting(); upcalls == before;) { // the entry was at the armed position: one is owed [EVT-11]
        __asm__ volatile("sti\nnop\ncli" ::: "memory");
        EXPECT(upcalls != before || patient(&wait), "an upcall is owed and does not come");
    }
    return say("upcall taken", 0, 0);
}

// ---- time ----
static enum outcome find_page(uint16_t kind, const uint8_t *given, uint64_t *where) {
    bool in_window = offers(TENON_FEATURES_WINDOW);
    uint64_t value;
    TRY(call_ok((struct call){.op = TENON_OP_PAGE, .args = {kind, in_window ? 0 : address(given)}}, &value, "PAGE failed"));
    EXPECT(in_window || !value, "PAGE of a donated page has a value"); // [PAGE-6]
    EXPECT(!in_window || (value && !(value & ((UINT64_C(1) << largest_granule()) - 1)) && value <= host.window_len &&
        PAGE_BYTES <= host.window_len - value), "a page outside of the window"); // [PAGE-5]
    *where = in_window ? window + value : address(given);
    return DONE;
}

// The valid copy of a page, of `words` words, and the counter; false where it is never at rest [PAGE-4].
static bool read_page(uint64_t page, uint64_t copy1, unsigned words, uint64_t *copy, uint64_t *counter) {
    for (unsigned tries = 0; tries < 64; tries++) {
        uint64_t sequence = load_acquire(page);
        for (unsigned i = 0; i < words; i++) copy[i] = load(page + (sequence & 1 ? copy1 : 0x40) + i * 8);
        *counter = ticks();
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (sequence && load(page) == sequence) return true;
    }
    return false;
}
static uint64_t scaled(uint64_t count, uint64_t factor, uint16_t shift, uint64_t base) { // [TIME-5]
    unsigned __int128 product = (unsigned __int128)count * factor >> shift;
    uint64_t sum = base + (uint64_t)product;
    return product > UINT64_MAX || sum < base ? UINT64_MAX : sum;
}
static enum outcome read_running(uint64_t *ns) {
    return call_ok((struct call){.op = TENON_OP_CLOCK_READ, .args = {TENON_CLOCK_RUNNING}}, ns, "CLOCK_READ failed");
}

static enum outcome try_time(void) {
    uint64_t before, after, counter, value;
    if (!offers(TENON_FEATURES_TIME)) return DONE;
    TRY(read_running(&before));
    EXPECT(before >= clock_last, "RUNNING went backwards"); // [TIME-7]
    if (offers(TENON_FEATURES_PAGES)) {
        struct tenon_time_copy copy;
        uint64_t page;
        TRY(find_page(TENON_PAGE_KIND_TIME, time_page_given, &page));
        bool read = read_page(page, TENON_TIME_PAGE_COPY1, sizeof copy / 8, (uint64_t *)&copy, &counter);
        TRY(read_running(&after));
        EXPECT(after >= before, "RUNNING went backwards");
        if (read && copy.counter_kind == TENON_COUNTER_KIND_X86_TSC && copy.shift <= 63) {
            uint64_t since = counter < copy.counter_base ? 0 : counter - copy.counter_base;
            uint64_t ns = scaled(since, copy.period, copy.shift, copy.ns[TENON_CLOCK_RUNNING]);
            uint64_t error = scaled(since, copy.period_error, copy.shift, copy.error_ns[TENON_CLOCK_RUNNING]);
            EXPECT(copy.valid & TENON_CLOCKS_RUNNING, "the page does not tell RUNNING"); // [TIME-3]
            EXPECT(error >= UINT64_MAX / 2 || (ns + error >= before && ns <= after + error),
                "page and call differ"); // [TIME-6]
            TRY(say("time page read", 0, 0));
        }
    }
    if (offers(TENON_FEATURES_EVENTS)) { // port 1 is bound
        TRY(read_running(&before));
        uint64_t deadline = before + 3000000;
        if (offers(TENON_FEATURES_UPCALL)) arm();
        TRY(call_ok((struct call){.op = TENON_OP_TIMER_SET, .args = {1, TENON_CLOCK_RUNNING, deadline, 0}}, &value,
            "TIMER_SET failed"));
        TRY(wait_event(1));
        TRY(read_running(&after));
        // An event that is one of before is no breach; a timer that was early would raise no second one.
        if (after < deadline) {
            TRY(wait_event(1));
            TRY(read_running(&after));
        }
        EXPECT(after >= deadline, "a timer was early"); // [TIME-13]
        TRY(say("timer expired", 0, 0));
    }
    TRY(read_running(&clock_last));
    return DONE;
}

// ---- lifecycle ----
static enum outcome try_generation(void) {
    uint64_t page, counter, value, id[2];
    uint16_t status;
    if (!offers(TENON_FEATURES_GENERATION)) return DONE;
    TRY(find_page(TENON_PAGE_KIND_GENERATION, generation_page_given, &page));
    if (!read_page(page, TENON_GENERATION_PAGE_COPY1, 2, id, &counter)) return DONE;
    TRY(call((struct call){.op = TENON_OP_REPAIRED, .args = {id[0], id[1]}}, &status, &value));
    EXPECT(status == TENON_STATUS_OK || status == TENON_STATUS_BAD_STATE, "REPAIRED failed"); // [LIFE-7]
    TRY(call((struct call){.op = TENON_OP_SUSPEND_READY}, &status, &value));
    EXPECT(status == TENON_STATUS_OK || status == TENON_STATUS_BAD_STATE, "SUSPEND_READY failed"); // [LIFE-10]
    return say("generation repaired", 0, 0);
}

static void leave_record(const char *text) {
    struct call crash = {.op = TENON_OP_CRASH};
    uint64_t value, len = 0;
    uint16_t status;
    if (!s.bound || !offers(TENON_FEATURES_LIFECYCLE)) return;
    while (text[len]) len++;
    pack_text(&crash, text, len);
    (void)emergency(crash, &status, &value);
}
static void leave(uint8_t code) __attribute__((noreturn));
static void leave(uint8_t code) {
    struct call exit = {.op = TENON_OP_EXIT, .args = {code}};
    uint64_t value;
    uint16_t status;
    patience = PATIENCE / 8;
    if (s.bound && offers(TENON_FEATURES_LIFECYCLE)) { // nothing comes back if the host does it [LIFE-2]
        if (code != 1 || emergency(exit, &status, &value) == DONE) (void)call(exit, &status, &value);
    }
    stop(code);
}

static enum outcome play(unsigned round) {
    uint64_t features = round ? USED & ~(TENON_FEATURES_WINDOW | TENON_FEATURES_UPCALL) : USED;
    TRY(open(features, round ? largest_granule() : smallest_granule()));
    TRY(share());
    TRY(say(round ? "the second session, features " : "hello, this is C; features ", s.features, 16));
    TRY(say("a line that is longer than what goes inline is written from memory of the guest's", 0, 0));
    TRY(try_calls());
    TRY(try_entropy());
    TRY(try_input());
    TRY(try_events());
    TRY(try_time());
    return try_generation();
}

static const char *word(const char *name) { // what stands behind a word of the command line, or null
    for (const char *at = command_line; *at; at++) {
        unsigned len = 0;
        if (at != command_line && at[-1] != ' ') continue;
        while (name[len] && at[len] == name[len]) len++;
        if (!name[len]) return at + len;
    }
    return NULL;
}

static enum outcome play_all(void) {
    unsigned lost = 0;
    for (unsigned round = 0; round < 2;) {
        enum outcome outcome = play(round);
        if (outcome == BAD) return BAD;
        if (outcome == LOST) { // the host ended the session: the round begins again in the next one [SES-9]
            EXPECT(++lost < ATTEMPTS, "the host ends every session");
            clock_last = 0; // a host that was restarted may not know what it said
            continue;
        }
        round++;
        if (round < 2 && reset() == BAD) return BAD;
    }
    return DONE;
}

void guest_main(void) {
    const struct pvh_info *info = (const struct pvh_info *)(uintptr_t)start_info;
    const struct pvh_piece *map_at = (const struct pvh_piece *)info->map;
    born = ticks();
    if (info->magic != 0x336ec578) stop(2);
    if (info->version >= 1 && info->map && info->map < UINT64_C(1) << 32)
        for (; piece_count < info->map_entries && piece_count < 32; piece_count++) pieces[piece_count] = map_at[piece_count];
    if (info->command_line && info->command_line < UINT64_C(1) << 32)
        for (unsigned i = 0; i + 1 < sizeof command_line && ((const char *)info->command_line)[i]; i++)
            command_line[i] = ((const char *)info->command_line)[i];
    interrupts();
    if (!find_window()) {
        serial("c-guest: no Tenon here\n");
        stop(2);
    }
    if (read_record() != DONE || play_all() != DONE) {
        const char *reason = why;
        patience = PATIENCE / 8;
        serial("c-guest: gave up: ");
        serial(reason);
        serial("\n");
        leave_record(reason);
        leave(1);
    }
    const char *code = word("exit=");
    uint32_t number = 0;
    for (unsigned i = 0; code && i < 3 && code[i] >= '0' && code[i] <= '9'; i++) number = number * 10 + (uint32_t)(code[i] - '0');
    if (word("crash")) leave_record("asked for by the command line");
    (void)say("done", 0, 0);
    leave((uint8_t)number);
}
