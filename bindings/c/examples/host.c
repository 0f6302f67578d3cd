// SPDX-License-Identifier: MIT OR Apache-2.0
// A Tenon host of one vCPU on KVM, x86-64: discovery, calls, events, console, lifecycle, time. Written from docs/abi.md and
// tenon.h alone, to see that they suffice. Brackets hold clauses of docs/abi.md.
//
//   cc -std=gnu11 -O2 -I bindings/c -o host bindings/c/examples/host.c
//   ./host [-e] [-l] [-t SECONDS] [-s SEED] IMAGE [COMMAND LINE]
//
// IMAGE is an ELF file with a PVH entry. Standard output is its serial port (0x3f8) and its console, standard input the
// console's. -e: the console's user repeats what follows an ENQ (0x05) instead. -l: the machine ends with standard
// input; -t: after so many seconds. Standard error is the host's: "~CRASH CODE TEXT" in hexadecimal if there is a crash
// record, last "~END exit=N", "~END restart", "~END left=N" (port 0xf4) or "~END failed WHY". Exit code 2: no machine.
//
// All of it is one thread, and the guest stands still while it runs: what a kick completes is in memory when the trap
// returns [DISC-10], and no submission can come while others are served.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "tenon.h"

enum { PORT_KICK = 0x7e00, PORT_BIND = 0x7e04, PORT_SERIAL = 0x3f8, PORT_EXIT = 0xf4, IRQ_FIRST = 32, IRQ_LAST = 255 };
enum { MAX_VCPUS = 1, MAX_EVENTS = 4096, MAX_PORTS = 4096, MAX_PAYLOAD = 4096, INPUT_MAX = 4096, ENQ = 5 };
enum { SMALLEST = 12, GRANULES = 1 << SMALLEST | 1 << 14 | 1 << 16 }; // the smallest granule as log2, and all

#define RAM_LEN (UINT64_C(256) << 20)
#define WINDOW_AT UINT64_C(0xd0000000) // aligned to the largest granule, so its offsets are too
#define WINDOW_LEN (UINT64_C(2) << 20)
#define AREA_AT UINT64_C(0x10000) // the vCPU's area in the window
#define PAGE_AT (WINDOW_LEN - (1 << 16)) // the page TIME, alone in a granule of the largest kind [PAGE-5]
#define TICK UINT64_C(20000000) // ns: so often, at least, input and timers are looked at

static const uint64_t OFFERED = TENON_FEATURES_WINDOW | TENON_FEATURES_EVENTS | TENON_FEATURES_DIRECT
                                | TENON_FEATURES_UPCALL | TENON_FEATURES_CONSOLE | TENON_FEATURES_LIFECYCLE
                                | TENON_FEATURES_PAGES | TENON_FEATURES_TIME;

// What queues and rings have in common: a state word, and an armed word as the host has seen it [CALL-15, CALL-16].
struct track {
    uint64_t *state;
    const uint64_t *armed; // none: the emergency lane
    bool corrupt, answers; // answers: `answered` is a value, and the last that was found
    uint64_t answered;
};

// A call queue or the emergency lane: its shared parts, and what only the host knows.
struct queue {
    const struct tenon_submission *submissions;
    struct tenon_completion *completions;
    struct track track;
    uint32_t depth; // 0: not bound
    uint32_t fetched, completed, in_flight;
    uint64_t busy[TENON_MAX_DEPTH / 64]; // ids in flight
};

// An event ring. Positions are counted in 64 bits, so that an old one never looks new.
struct ring {
    uint64_t *entries;
    const uint64_t *taken_word;
    struct track track;
    uint32_t size, bound, departed;
    uint64_t written, taken, departed_end; // departed_end: beyond the last entry of a port that left [EVT-4]
};

struct port {
    enum { FREE, IN_RING, DIRECT } kind;
    uint8_t class, vector; // an interrupt, as `upcall` [VCPU-8]
    uint64_t end; // beyond its last entry in the ring it is bound to
    struct timer { bool set; uint8_t clock; uint64_t deadline; } timer; // [TIME-11]
};

struct piece { uint64_t at, len; }; // of region 0; of length 0 where there is none

static struct {
    uint8_t *ram, *window;
    struct kvm_run *run;
    struct tenon_record *record;
    uint64_t features, random;
    uint32_t session, seed, shift; // shift: 0 while the session is idle
    struct queue call, lane;
    struct ring rings[TENON_CLASSES];
    struct port ports[MAX_PORTS];
    uint8_t upcall; // its vector; 0: none
    bool upcall_owed;
    struct { bool active; uint16_t id; uint64_t len; uint8_t *at; } read; // the CONSOLE_READ in flight
    uint8_t input[INPUT_MAX];
    size_t input_len;
    struct { bool kept; uint64_t code; size_t len; uint8_t text[TENON_CRASH_TEXT_MAX]; } crash; // the last [LIFE-4]
    struct piece areas[2], page; // the guest's, and what it donated: the host-written area and the page TIME
    uint64_t began, tick, utc_ahead; // monotonic ns: the clocks' begin, the next tick, and how far UTC was ahead
    uint64_t sequence, disruptions; // of the page TIME
    bool echo, leash, freed, ended;
    int vm;
} host;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "host: %s: %s\n", what, why);
    exit(2);
}

static void end(const char *how, const char *why) {
    if (host.ended) return;
    host.ended = true;
    if (host.crash.kept) {
        fprintf(stderr, "~CRASH %" PRIx64 " ", host.crash.code);
        for (size_t index = 0; index < host.crash.len; index++) fprintf(stderr, "%02x", host.crash.text[index]);
        fputc('\n', stderr);
    }
    fprintf(stderr, "~END %s%s\n", how, why);
}

static void end_with(const char *how, uint64_t code) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, code);
    end(how, text);
}

static void put_out(const uint8_t *bytes, size_t len) {
    while (len != 0) {
        ssize_t done = write(STDOUT_FILENO, bytes, len);
        if (done < 0 && errno != EINTR) return; // nobody listens: the guest need not know
        bytes += done < 0 ? 0 : done;
        len -= done < 0 ? 0 : (size_t)done;
    }
}

// Shared words: one access each, never split and never repeated [GEN-6].
static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static uint64_t load_acquire(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static void store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
static void store_release(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
static void copy_words(void *to, const void *from, size_t len) {
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = load((const uint64_t *)((const uint8_t *)from + at));
        memcpy((uint8_t *)to + at, &word, 8);
    }
}
static void fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static bool power_of_two(uint32_t value) { return value != 0 && (value & (value - 1)) == 0; }
static uint32_t turn(uint32_t position) { return tenon_turn(host.seed, position); } // [CALL-4]

static uint32_t random_word(void) {
    host.random = host.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(host.random >> 32);
}

// The range of `len` bytes at a wire address, if it is one of region 0 [GEN-3, REG-2, REG-3].
static uint16_t range(uint64_t address, uint64_t len, uint8_t **at) {
    if (tenon_address_region(address) != 0) return TENON_STATUS_BAD_REGION;
    if (address > RAM_LEN || len > RAM_LEN - address) return TENON_STATUS_BAD_RANGE;
    *at = host.ram + address; // in region 0 an address is an offset
    return TENON_STATUS_OK;
}

static void interrupt(uint8_t vector) {
    struct kvm_msi msi = {.address_lo = 0xfee00000, .data = vector};
    if (ioctl(host.vm, KVM_SIGNAL_MSI, &msi) < 0) end("failed KVM_SIGNAL_MSI: ", strerror(errno));
}

static void upcall(void) {
    host.upcall_owed = host.upcall == 0; // remembered until there is a vector [VCPU-8]
    if (host.upcall != 0) interrupt(host.upcall);
}

static void latch(struct track *track, uint16_t reason, uint32_t position) {
    track->corrupt = true;
    store_release(track->state, tenon_pack_state_word(TENON_QUEUE_STATE_CORRUPT, reason, position));
}

// Tells the guest if it armed for what was just written at `position` [CALL-16, EVT-11].
static void answer_arm(struct track *track, uint32_t position) {
    if (track->armed == NULL || track->corrupt || (host.features & TENON_FEATURES_UPCALL) == 0) return;
    fence();
    uint64_t word = load(track->armed);
    if (tenon_guest_position_zero(word) != 0) {
        latch(track, TENON_REASON_BAD_ARMED, position);
    } else if ((word != track->answered || !track->answers)
               && tenon_reached(position, tenon_guest_position_position(word))) {
        track->answers = true;
        track->answered = word;
        upcall();
    } else if (word != track->answered) {
        track->answers = false; // the same value again will be news
    }
}

static void complete(struct queue *queue, uint16_t id, uint16_t status, uint64_t value) {
    uint32_t position = queue->completed++;
    struct tenon_completion *slot = &queue->completions[position & (queue->depth - 1)];
    queue->busy[id / 64] &= ~(UINT64_C(1) << id % 64);
    queue->in_flight--;
    store(&slot->value, status == TENON_STATUS_OK ? value : 0);
    store_release(&slot->tail, tenon_pack_completion_tail(status, id, turn(position)));
    answer_arm(&queue->track, position);
}

// Reads how far the guest has taken; false if the ring is corrupt [EVT-8, EVT-9].
static bool look_at_taken(struct ring *ring) {
    if (ring->track.corrupt) return false;
    fence();
    uint64_t word = load(ring->taken_word);
    uint32_t step = tenon_guest_position_position(word) - (uint32_t)ring->taken;
    if (tenon_guest_position_zero(word) != 0 || step > ring->written - ring->taken) {
        latch(&ring->track, TENON_REASON_BAD_TAKEN, (uint32_t)word);
        return false;
    }
    ring->taken += step;
    if (ring->taken >= ring->departed_end) ring->departed = 0;
    return true;
}

// Raises a port [EVT-9, EVT-10]. What it announces was made visible before. Mask hints are not looked at [EVT-15].
static uint16_t raise_port(uint32_t number) {
    struct port *port = &host.ports[number];
    struct ring *ring = &host.rings[port->class];
    if (port->kind == DIRECT) interrupt(port->vector);
    if (port->kind == DIRECT) return TENON_STATUS_OK;
    if (!look_at_taken(ring)) return TENON_STATUS_BAD_STATE;
    if (port->end > ring->taken) return TENON_STATUS_OK; // the guest has yet to take its last entry
    uint32_t position = (uint32_t)ring->written++;
    port->end = ring->written;
    store(&ring->entries[position & (ring->size - 1)], tenon_pack_event_entry(number, turn(position)));
    answer_arm(&ring->track, position);
    // The entry is there, but the ring may have been found corrupt behind it [EVT-20].
    return ring->track.corrupt ? TENON_STATUS_BAD_STATE : TENON_STATUS_OK;
}

// Takes a port out of its ring; true if an entry of it is untaken.
static bool leave_ring(struct port *port) {
    struct ring *ring = &host.rings[port->class];
    if (port->kind != IN_RING) return false;
    ring->bound--;
    look_at_taken(ring);
    if (port->end <= ring->taken) return false;
    ring->departed++;
    if (port->end > ring->departed_end) ring->departed_end = port->end;
    return true;
}

static uint64_t now(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

// What a clock says [TIME-2]. The domain runs as long as this program, so BOOT is RUNNING [TIME-7].
static uint64_t clock_says(uint64_t clock) {
    return clock == TENON_CLOCK_UTC ? now(CLOCK_REALTIME) : now(CLOCK_MONOTONIC) - host.began;
}

// Asks for a signal after so many nanoseconds, or at the next tick if that comes first.
static void wake_after(uint64_t ns) {
    uint64_t at = now(CLOCK_MONOTONIC), left = host.tick > at ? host.tick - at : 0;
    if (ns < left) left = ns;
    const struct itimerval next = {.it_interval = {.tv_usec = TICK / 1000}, .it_value = {.tv_usec = (long)(left / 1000 + 1)}};
    setitimer(ITIMER_REAL, &next, NULL);
}

static bool is_due(const struct timer *timer, uint64_t says) {
    return timer->deadline <= says && timer->deadline != UINT64_MAX;
}

// Expires every timer whose clock is at its deadline, at most one for each port [TIME-13, TIME-18].
static void look_at_timers(void) {
    const uint64_t says[] = {clock_says(TENON_CLOCK_RUNNING), clock_says(TENON_CLOCK_BOOT), clock_says(TENON_CLOCK_UTC)};
    uint64_t next = UINT64_MAX;
    for (uint32_t number = 0; number < MAX_PORTS; number++) {
        struct timer *timer = &host.ports[number].timer;
        if (!timer->set) continue;
        if (is_due(timer, says[timer->clock])) {
            timer->set = false;
            raise_port(number); // a corrupt ring loses it
        } else if (timer->deadline - says[timer->clock] < next) {
            next = timer->deadline - says[timer->clock];
        }
    }
    wake_after(next);
}

// Writes one page [PAGE-3]. There is one guest thread, which stands still: the order is for who reads it elsewhere.
static void put_time(uint8_t *page, const struct tenon_time_copy *copy) {
    uint64_t words[sizeof *copy / 8];
    memcpy(words, copy, sizeof words);
    uint64_t *to = (uint64_t *)(page + ((host.sequence & 1) == 0 ? TENON_TIME_PAGE_COPY0 : TENON_TIME_PAGE_COPY1));
    fence();
    for (size_t index = 0; index < sizeof words / 8; index++) store(to + index, words[index]);
    store_release((uint64_t *)(page + TENON_TIME_PAGE_SEQUENCE), host.sequence);
}

// Tells the clocks in the page, wherever it lies [TIME-3]. How the guest's counter goes is not known here, so there is
// none [TIME-4].
static void tell_time(void) {
    struct timex kernel = {0};
    bool kept = adjtimex(&kernel) != TIME_ERROR;
    uint64_t running = clock_says(TENON_CLOCK_RUNNING);
    const struct tenon_time_copy copy = {
        .counter_kind = TENON_COUNTER_KIND_NONE, .ns = {running, running, clock_says(TENON_CLOCK_UTC)},
        .error_ns = {0, 0, kept ? (uint64_t)kernel.maxerror * 1000 : UINT64_MAX},
        .valid = TENON_CLOCKS_RUNNING | TENON_CLOCKS_BOOT | TENON_CLOCKS_UTC, .disruption_marker = host.disruptions,
        .flags = kernel.tai != 0 ? TENON_TIME_FLAGS_TAI_OFFSET_VALID : 0, .tai_offset = (uint32_t)kernel.tai,
        .status = kept ? TENON_CLOCK_STATUS_SYNCHRONIZED : TENON_CLOCK_STATUS_UNKNOWN,
    };
    host.sequence++;
    put_time(host.window + PAGE_AT, &copy);
    if (host.page.len != 0) put_time(host.ram + host.page.at, &copy);
}

// Looks whether UTC has stepped: the kernel slews it by less than a thousandth [TIME-9].
static void look_at_utc(void) {
    uint64_t ahead = now(CLOCK_REALTIME) - now(CLOCK_MONOTONIC), step = ahead - host.utc_ahead + TICK / 10;
    host.utc_ahead = ahead;
    if (step <= TICK / 5) return;
    host.disruptions++;
    tell_time();
}

static bool overlap(struct piece one, struct piece other);
static uint16_t area(struct piece piece, uint8_t **at);

// Where the page TIME lies, or where it is to be from now on [PAGE-2, PAGE-5, PAGE-6].
static uint16_t place_page(uint64_t kind, uint64_t address, uint64_t *value) {
    const struct piece piece = {address, UINT64_C(1) << host.shift};
    uint8_t *at;
    bool donated = (host.features & TENON_FEATURES_WINDOW) == 0;
    if (kind > 0xffff) return TENON_STATUS_BAD_ARGUMENT;
    if (!donated && address != 0) return TENON_STATUS_BAD_RESERVED;
    if (kind != TENON_PAGE_KIND_TIME || (host.features & TENON_FEATURES_TIME) == 0) return TENON_STATUS_NOT_FOUND;
    if (!donated) *value = PAGE_AT;
    if (!donated || (host.page.len != 0 && host.page.at == address)) return TENON_STATUS_OK;
    uint16_t status = area(piece, &at);
    if (status != TENON_STATUS_OK) return status;
    if (host.page.len != 0) return TENON_STATUS_EXISTS;
    if (overlap(piece, host.areas[0]) || overlap(piece, host.areas[1])) return TENON_STATUS_BAD_RANGE;
    memset(at, 0, piece.len);
    host.page = piece;
    tell_time();
    return TENON_STATUS_OK;
}

static uint16_t set_timer(const uint64_t *args) {
    if (args[0] >= MAX_PORTS || args[1] > TENON_CLOCK_UTC) return TENON_STATUS_BAD_ARGUMENT;
    struct port *port = &host.ports[args[0]];
    if (port->kind == FREE) return TENON_STATUS_NOT_FOUND;
    port->timer = (struct timer){.set = true, .clock = (uint8_t)args[1], .deadline = args[2]}; // in time, whatever the slack
    uint64_t says = clock_says(args[1]);
    port->timer.set = !is_due(&port->timer, says);
    if (!port->timer.set) raise_port((uint32_t)args[0]);
    else if (args[2] - says < TICK) wake_after(args[2] - says);
    return TENON_STATUS_OK;
}

static uint16_t cancel_timer(uint64_t number, uint64_t *value) {
    if (number >= MAX_PORTS) return TENON_STATUS_BAD_ARGUMENT;
    struct port *port = &host.ports[number];
    if (port->kind == FREE) return TENON_STATUS_NOT_FOUND;
    *value = port->timer.set;
    port->timer.set = false;
    return TENON_STATUS_OK;
}

static uint16_t event(uint16_t op, const uint64_t *args) {
    bool binds = op == TENON_OP_EVENT_BIND || op == TENON_OP_EVENT_BIND_DIRECT;
    if (args[0] >= MAX_PORTS || args[1] >= MAX_VCPUS) return TENON_STATUS_BAD_ARGUMENT;
    if (op == TENON_OP_EVENT_BIND_DIRECT ? args[2] < IRQ_FIRST || args[2] > IRQ_LAST : args[2] >= TENON_CLASSES) {
        return TENON_STATUS_BAD_ARGUMENT;
    }
    struct port *port = &host.ports[args[0]];
    if (binds && port->kind != FREE) return TENON_STATUS_EXISTS;
    if (!binds && port->kind == FREE) return TENON_STATUS_NOT_FOUND;
    if (op == TENON_OP_EVENT_SIGNAL) return raise_port((uint32_t)args[0]);
    if (op == TENON_OP_EVENT_UNBIND) {
        leave_ring(port);
        *port = (struct port){.kind = FREE}; // its timer too [TIME-16]
    } else if (op == TENON_OP_EVENT_BIND_DIRECT) {
        *port = (struct port){.kind = DIRECT, .vector = (uint8_t)args[2]};
    } else if (port->kind != IN_RING || port->class != args[2]) { // EVENT_BIND, EVENT_MOVE [EVT-3, EVT-17]
        struct ring *ring = &host.rings[args[2]];
        if (!look_at_taken(ring)) return TENON_STATUS_BAD_STATE;
        if (ring->bound + ring->departed == ring->size) return TENON_STATUS_NO_CAPACITY; // [EVT-4]
        bool untaken = leave_ring(port);
        *port = (struct port){.kind = IN_RING, .class = (uint8_t)args[2], .timer = port->timer}; // it moves too [TIME-16]
        ring->bound++;
        if (untaken) raise_port((uint32_t)args[0]);
    }
    return TENON_STATUS_OK;
}

// Answers the read in flight with input that is there [CON-4, CON-5].
static void deliver(void) {
    if (!host.read.active || host.input_len == 0) return;
    size_t len = host.read.len < host.input_len ? (size_t)host.read.len : host.input_len;
    memcpy(host.read.at, host.input, len);
    host.input_len -= len;
    memmove(host.input, host.input + len, host.input_len);
    host.read.active = false;
    host.freed = true;
    complete(&host.call, host.read.id, TENON_STATUS_OK, len);
}

// The echoing user of -e.
static void echo(const uint8_t *bytes, size_t len) {
    const uint8_t *enq = memchr(bytes, ENQ, len);
    if (!host.echo || enq == NULL) return;
    size_t back = (size_t)(bytes + len - (enq + 1));
    if (back > INPUT_MAX - host.input_len) back = INPUT_MAX - host.input_len; // the rest is the user's loss
    memcpy(host.input + host.input_len, enq + 1, back);
    host.input_len += back;
    deliver();
}

// By this table every submission is judged before `call` sees it. What needs a feature that is not offered is never found.
static const struct op {
    uint64_t needs;  // features
    uint32_t traits; // TENON_TRAITS_...
    uint16_t op;
    uint8_t args; // how many it uses
} OPS[] = {
#define ROW(name, number, needs, arguments, traits, ...) {needs, traits, number, arguments},
    TENON_OPERATIONS(ROW)
#undef ROW
};

// An operation that exists in this session, or none [NEG-7].
static const struct op *find_op(uint64_t op) {
    for (size_t index = 0; index < sizeof OPS / sizeof *OPS; index++) {
        if (OPS[index].op == op) return (OPS[index].needs & ~host.features) == 0 ? &OPS[index] : NULL;
    }
    return NULL;
}

enum { NOT_YET = 0xffff }; // no status: the completion comes later or never

// Does an operation; `payload` and `args` are private copies.
static uint16_t call(struct queue *queue, uint16_t op, uint16_t id, const uint64_t *args, const uint8_t *payload,
                     size_t len, uint64_t *value) {
    const struct op *asked;
    uint16_t status;
    switch (op) {
    case TENON_OP_NOP:
        *value = args[0];
        return TENON_STATUS_OK;
    case TENON_OP_PROBE:
        asked = find_op(args[0]);
        *value = asked == NULL ? 0 : (asked->traits & TENON_TRAITS_REPLAY_SAFE) != 0 ? 3 : 1;
        return args[0] > 0xffff ? TENON_STATUS_BAD_ARGUMENT : TENON_STATUS_OK;
    case TENON_OP_CANCEL: // nothing but a read is ever in flight when another call is fetched
        if (args[0] >= queue->depth) return TENON_STATUS_BAD_ARGUMENT;
        *value = host.read.active && host.read.id == args[0];
        if (*value != 0) complete(queue, host.read.id, TENON_STATUS_CANCELLED, 0);
        host.read.active &= *value == 0;
        return TENON_STATUS_OK;
    case TENON_OP_REGION_QUERY:
        if (args[0] > 0xffff) return TENON_STATUS_BAD_ARGUMENT;
        *value = RAM_LEN;
        return args[0] == 0 ? TENON_STATUS_OK : TENON_STATUS_BAD_REGION;
    case TENON_OP_VCPU_UPCALL:
        if (args[0] >= MAX_VCPUS || args[1] > IRQ_LAST || args[1] - 1 < IRQ_FIRST - 1) return TENON_STATUS_BAD_ARGUMENT;
        host.upcall = (uint8_t)args[1];
        if (host.upcall_owed) upcall();
        return TENON_STATUS_OK;
    case TENON_OP_CONSOLE_WRITE:
        put_out(payload, len);
        echo(payload, len);
        *value = len;
        return TENON_STATUS_OK;
    case TENON_OP_CONSOLE_READ:
        if (args[1] == 0) return TENON_STATUS_BAD_ARGUMENT;
        if (args[1] > MAX_PAYLOAD) return TENON_STATUS_TOO_LONG;
        if (host.read.active) return TENON_STATUS_EXISTS;
        status = range(args[0], args[1], &host.read.at);
        if (status != TENON_STATUS_OK) return status;
        host.read.active = true;
        host.read.id = id;
        host.read.len = args[1];
        deliver();
        return NOT_YET;
    case TENON_OP_EXIT:
        if (args[0] > UINT32_MAX) return TENON_STATUS_BAD_ARGUMENT;
        end_with("exit=", args[0]);
        return NOT_YET;
    case TENON_OP_RESTART: // whoever started this program does it
        end("restart", "");
        return NOT_YET;
    case TENON_OP_CRASH:
        host.crash.kept = true;
        host.crash.code = args[2];
        host.crash.len = len;
        memcpy(host.crash.text, payload, len);
        return TENON_STATUS_OK;
    case TENON_OP_PAGE:
        return place_page(args[0], args[1], value);
    case TENON_OP_CLOCK_READ:
        if (args[0] > TENON_CLOCK_UTC) return TENON_STATUS_BAD_ARGUMENT;
        *value = clock_says(args[0]);
        return TENON_STATUS_OK;
    case TENON_OP_TIMER_SET:
        return set_timer(args);
    case TENON_OP_TIMER_CANCEL:
        return cancel_timer(args[0], value);
    default:
        return event(op, args);
    }
}

// Judges one submission, already copied, and does it [CALL-9 to CALL-12].
static uint16_t execute(struct queue *queue, const struct tenon_submission *copy, uint64_t *value) {
    static uint8_t text[MAX_PAYLOAD];
    const uint8_t *inlined = (const uint8_t *)copy->args;
    uint64_t args[6] = {0}, len = 0, rest = 0;
    bool carried = (copy->flags & TENON_SUBMISSION_FLAGS_INLINE) != 0;
    uint16_t id = tenon_submission_tail_id(copy->tail);
    const struct op *op = find_op(tenon_submission_tail_op(copy->tail));
    if (op == NULL) return TENON_STATUS_NOT_SUPPORTED;
    bool takes_payload = (op->traits & TENON_TRAITS_PAYLOAD) != 0;
    uint32_t lane = carried ? TENON_TRAITS_EMERGENCY | TENON_TRAITS_EMERGENCY_INLINE : TENON_TRAITS_EMERGENCY;
    if (queue == &host.lane && (op->traits & lane) == 0) return TENON_STATUS_NOT_SUPPORTED; // [CALL-23]
    if ((copy->flags & ~TENON_SUBMISSION_FLAGS_INLINE) != 0) return TENON_STATUS_BAD_RESERVED;
    if (carried ? !takes_payload : copy->count != 0) return TENON_STATUS_BAD_RESERVED;
    if (copy->count > TENON_INLINE_MAX) return TENON_STATUS_TOO_LONG;
    if (carried) {
        len = copy->count;
        for (size_t index = len; index < TENON_INLINE_MAX; index++) rest |= inlined[index];
    } else {
        memcpy(args, copy->args, sizeof args);
        for (size_t index = op->args; index < 6; index++) rest |= args[index];
    }
    if (rest != 0) return TENON_STATUS_BAD_RESERVED;
    if (carried || !takes_payload) return call(queue, op->op, id, args, inlined, len, value);
    uint8_t *at;
    if (args[1] > (op->op == TENON_OP_CRASH ? TENON_CRASH_TEXT_MAX : MAX_PAYLOAD)) return TENON_STATUS_TOO_LONG;
    uint16_t status = range(args[0], args[1], &at);
    if (status != TENON_STATUS_OK) return status;
    memcpy(text, at, args[1]);
    return call(queue, op->op, id, args, text, args[1], value);
}

// Serves what stands in a queue. The guest stands still, so at most `depth` submissions can be there.
static void serve(struct queue *queue) {
    for (uint32_t budget = queue->depth; budget != 0; budget--) {
        if (queue->track.corrupt || host.ended || queue->in_flight == queue->depth) return;
        uint32_t position = queue->fetched;
        const struct tenon_submission *slot = &queue->submissions[position & (queue->depth - 1)];
        struct tenon_submission copy;
        uint64_t value = 0, tail = load_acquire(&slot->tail);
        if (tenon_submission_tail_turn(tail) != turn(position)) return;
        copy_words(&copy, slot, sizeof copy - sizeof tail);
        copy.tail = tail;
        uint16_t id = tenon_submission_tail_id(tail);
        bool known = id < queue->depth, busy = known && (queue->busy[id / 64] >> id % 64 & 1) != 0;
        if (!known || busy) {
            latch(&queue->track, known ? TENON_REASON_DUPLICATE_ID : TENON_REASON_BAD_ID, position);
            return;
        }
        queue->fetched++;
        queue->in_flight++;
        queue->busy[id / 64] |= UINT64_C(1) << id % 64;
        uint16_t status = execute(queue, &copy, &value);
        if (status != NOT_YET) complete(queue, id, status, value);
    }
}

// An answered read may have been what a full queue waited for.
static void serve_freed(void) {
    if (host.freed) serve(&host.call);
    host.freed = false;
}

static void kick(uint32_t queue) {
    if (queue > 1) return; // vCPU 0's two, or nobody's [DISC-7, VCPU-7]
    serve(queue == 0 ? &host.call : &host.lane);
    serve_freed();
}

// Forgets everything of the session and begins the next [SES-1, SES-6, CALL-5].
static void new_session(void) {
    uint32_t seed;
    memset(&host.call, 0, sizeof host.call);
    memset(&host.lane, 0, sizeof host.lane);
    memset(host.rings, 0, sizeof host.rings);
    memset(host.ports, 0, sizeof host.ports);
    memset(host.areas, 0, sizeof host.areas);
    host.page.len = 0;
    host.read.active = host.upcall_owed = host.freed = false;
    host.features = host.shift = host.upcall = 0;
    do {
        seed = host.seed + (random_word() | 1);
    } while (seed >= UINT32_MAX - TENON_MAX_EVENTS);
    host.seed = seed;
    host.session++;
    store(&host.record->active, 0);
    store(&host.record->active_features, 0);
    store_release(&host.record->session, tenon_pack_session(seed, host.session));
}

static uint16_t negotiate(const struct tenon_control_request *ask) {
    if (host.shift != 0) return TENON_STATUS_BAD_STATE;
    if (ask->major != TENON_MAJOR || ask->minor > TENON_MINOR) return TENON_STATUS_BAD_VERSION;
    if ((ask->features & ~(OFFERED & TENON_FEATURES_OF_MINOR(ask->minor))) != 0) return TENON_STATUS_BAD_FEATURES;
    if (ask->granule > 31 || (GRANULES >> ask->granule & 1) == 0) return TENON_STATUS_BAD_ARGUMENT;
    host.features = ask->features;
    host.shift = ask->granule;
    uint16_t shift = (uint16_t)ask->granule;
    store(&host.record->active_features, ask->features);
    store_release(&host.record->active, tenon_pack_active(ask->major, ask->minor, shift, TENON_SESSION_STATE_OPEN));
    return TENON_STATUS_OK;
}

// One of a vCPU's areas in region 0, or a donated page [VCPU-3, PAGE-6].
static uint16_t area(struct piece piece, uint8_t **at) {
    uint64_t below = piece.at & ((UINT64_C(1) << host.shift) - 1);
    uint16_t status = range(piece.at, piece.len, at);
    return status == TENON_STATUS_OK && below != 0 ? TENON_STATUS_BAD_ALIGNMENT : status;
}

// Whether two pieces of region 0 have a byte in common; both lie inside it.
static bool overlap(struct piece one, struct piece other) {
    return one.len != 0 && other.len != 0 && one.at < other.at + other.len && other.at < one.at + one.len;
}

// `frame`: where the request itself lies. There is one vCPU, so there are no areas but those of the request [VCPU-10].
static uint16_t bind_vcpu(const struct tenon_control_request *ask, uint64_t frame, uint64_t *value) {
    const uint32_t sizes[] = {ask->events0, ask->events1};
    uint8_t *guest, *own = host.window + AREA_AT;
    if (host.shift == 0) return TENON_STATUS_BAD_STATE;
    if (ask->vcpu >= MAX_VCPUS) return TENON_STATUS_BAD_ARGUMENT;
    if (host.call.depth != 0) return TENON_STATUS_EXISTS;
    if (!power_of_two(ask->depth) || ask->depth > TENON_MAX_DEPTH) return TENON_STATUS_BAD_ARGUMENT;
    for (unsigned class = 0; class < TENON_CLASSES; class++) {
        if (!power_of_two(sizes[class]) || sizes[class] > MAX_EVENTS) return TENON_STATUS_BAD_ARGUMENT;
    }
    const uint64_t guest_len = TENON_GUEST_AREA_LEN(ask->depth), granule = UINT64_C(1) << host.shift;
    const uint64_t places[] = {TENON_HOST_AREA_RING0(ask->depth), TENON_HOST_AREA_RING1(ask->depth, sizes[0])};
    const uint64_t len = TENON_HOST_AREA_LEN(ask->depth, sizes[0], sizes[1]); // [VCPU-4]
    const struct piece request = {frame, granule}, theirs = {ask->guest_area, guest_len};
    struct piece donated = {ask->host_area, len};
    uint16_t status = area(theirs, &guest);
    if (status != TENON_STATUS_OK) return status;
    if (overlap(theirs, request) || overlap(theirs, host.page)) return TENON_STATUS_BAD_RANGE;
    if ((host.features & TENON_FEATURES_WINDOW) == 0) { // [NEG-6]
        status = area(donated, &own);
        if (status != TENON_STATUS_OK) return status;
        if (overlap(donated, request) || overlap(donated, host.page)) return TENON_STATUS_BAD_RANGE;
        if (overlap(donated, theirs)) return TENON_STATUS_BAD_RANGE;
    } else {
        if (ask->host_area != 0) return TENON_STATUS_BAD_RESERVED;
        donated.len = 0;
        *value = AREA_AT; // the largest area that the limits allow has room
    }
    host.areas[0] = theirs;
    host.areas[1] = donated;
    memset(own, 0, len); // [SES-2]
    host.call.track.state = (uint64_t *)(own + TENON_HOST_AREA_CALL_STATE);
    host.call.track.armed = (const uint64_t *)(guest + TENON_GUEST_AREA_COMPLETIONS_ARMED);
    host.call.submissions = (const struct tenon_submission *)(guest + TENON_GUEST_AREA_SUBMISSIONS);
    host.call.completions = (struct tenon_completion *)(own + TENON_HOST_AREA_COMPLETIONS);
    host.call.depth = ask->depth;
    host.lane.track.state = (uint64_t *)(own + TENON_HOST_AREA_EMERGENCY_STATE);
    host.lane.submissions = (const struct tenon_submission *)(guest + TENON_GUEST_AREA_EMERGENCY);
    host.lane.completions = (struct tenon_completion *)(own + TENON_HOST_AREA_EMERGENCY);
    host.lane.depth = 1;
    store(host.call.track.state, TENON_QUEUE_STATE_RUNNING);
    store(host.lane.track.state, TENON_QUEUE_STATE_RUNNING);
    for (unsigned class = 0; class < TENON_CLASSES; class++) {
        struct ring *ring = &host.rings[class];
        ring->track.state = (uint64_t *)(own + TENON_HOST_AREA_EVENT_STATE0) + class;
        ring->track.armed = (const uint64_t *)(guest + (class ? TENON_GUEST_AREA_ARMED1 : TENON_GUEST_AREA_ARMED0));
        ring->taken_word = (const uint64_t *)(guest + (class ? TENON_GUEST_AREA_TAKEN1 : TENON_GUEST_AREA_TAKEN0));
        ring->entries = (uint64_t *)(own + places[class]);
        ring->size = sizes[class];
        store(ring->track.state, TENON_QUEUE_STATE_RUNNING);
    }
    return TENON_STATUS_OK;
}

// Whether the fields that an operation does not use are zero [GEN-5].
static bool reserved_is_zero(const struct tenon_control_request *ask) {
    uint64_t bits = ask->reserved0 | ask->reserved1;
    for (unsigned index = 0; index < sizeof ask->reserved2 / 8; index++) bits |= ask->reserved2[index];
    if (ask->op != TENON_CONTROL_OP_NEGOTIATE) bits |= ask->major | ask->minor | ask->granule | ask->features;
    if (ask->op != TENON_CONTROL_OP_BIND) {
        bits |= ask->vcpu | ask->depth | ask->events0 | ask->events1 | ask->guest_area | ask->host_area;
    }
    return bits == 0;
}

static uint16_t control(const struct tenon_control_request *ask, uint64_t frame, uint64_t *value) {
    if (ask->op < TENON_CONTROL_OP_NEGOTIATE || ask->op > TENON_CONTROL_OP_RESET) return TENON_STATUS_NOT_SUPPORTED;
    if (ask->session != host.session) return TENON_STATUS_BAD_SESSION;
    if (!reserved_is_zero(ask)) return TENON_STATUS_BAD_RESERVED;
    if (ask->op == TENON_CONTROL_OP_NEGOTIATE) return negotiate(ask);
    if (ask->op == TENON_CONTROL_OP_BIND) return bind_vcpu(ask, frame, value);
    new_session();
    *value = host.session;
    return TENON_STATUS_OK;
}

// A frame number was handed over [DISC-8, SES-3, SES-4].
static void take_frame(uint32_t frame) {
    uint64_t offset = (uint64_t)frame << (host.shift != 0 ? host.shift : SMALLEST), value = 0;
    struct tenon_control_request ask;
    uint8_t *at;
    if (range(offset, sizeof ask, &at) != TENON_STATUS_OK) return;
    copy_words(&ask, at, sizeof ask);
    if (ask.magic != TENON_CONTROL_MAGIC) return;
    uint16_t status = control(&ask, offset, &value);
    store(&host.record->control_value, status == TENON_STATUS_OK ? value : 0);
    store_release(&host.record->control_result, tenon_pack_control_result(status, ask.ticket));
}

static void write_record(void) {
    *host.record = (struct tenon_record){
        .magic = TENON_RECORD_MAGIC, .size = sizeof(struct tenon_record), .features = OFFERED, .granules = GRANULES,
        .major = TENON_MAJOR, .minor = TENON_MINOR, .window_len = WINDOW_LEN, .region0_len = RAM_LEN, .conduit =
        TENON_CONDUIT_KIND_PORT_IO, .conduit_flags = TENON_CONDUIT_FLAGS_SYNCHRONOUS, .kick_base = PORT_KICK,
        .bind_base = PORT_BIND, .max_vcpus = MAX_VCPUS, .max_depth = TENON_MAX_DEPTH, .max_events = MAX_EVENTS,
        .max_ports = MAX_PORTS, .max_payload = MAX_PAYLOAD, .irq_first = IRQ_FIRST, .irq_last = IRQ_LAST,
    };
    host.seed = random_word();
    new_session();
    host.began = now(CLOCK_MONOTONIC);
    host.utc_ahead = now(CLOCK_REALTIME) - host.began;
    tell_time();
}

// The machine: everything below is KVM and the boot protocol, not Tenon.

static int must(int result, const char *what) {
    if (result < 0) fail(what, strerror(errno));
    return result;
}

static void *must_map(uint64_t len, int kind, int file) {
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, kind, file, 0);
    if (at == MAP_FAILED) fail("mmap", strerror(errno));
    return at;
}

// Memory of the guest's: in 2 MiB pages where they can be had.
static uint8_t *add_memory(uint32_t slot, uint32_t flags, uint64_t at, uint64_t len) {
    const size_t huge = 2 << 20;
    uint8_t *bytes = must_map(len + huge, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    bytes += -(uintptr_t)bytes & (huge - 1);
    madvise(bytes, len, MADV_HUGEPAGE);
    struct kvm_userspace_memory_region region = {slot, flags, at, len, (uintptr_t)bytes};
    must(ioctl(host.vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    return bytes;
}

// The PVH entry that an ELF file's notes name, or 0.
static uint32_t find_entry(const uint8_t *notes, uint64_t len) {
    enum { PVH_ENTRY = 18 };
    Elf64_Nhdr note;
    for (uint64_t at = 0; len - at >= sizeof note;) {
        memcpy(&note, notes + at, sizeof note);
        uint64_t name = at + sizeof note, desc = name + ((note.n_namesz + UINT64_C(3)) & ~UINT64_C(3));
        uint32_t entry;
        at = desc + ((note.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
        if (at > len) break;
        if (note.n_type != PVH_ENTRY || note.n_namesz != 4 || note.n_descsz < sizeof entry) continue;
        memcpy(&entry, notes + desc, sizeof entry);
        if (memcmp(notes + name, "Xen", 4) == 0) return entry;
    }
    return 0;
}

// Loads an ELF file into RAM; the result is its PVH entry. The file is not trusted.
static uint32_t load_image(const char *path) {
    Elf64_Ehdr head;
    Elf64_Phdr part;
    uint32_t entry = 0;
    int file = must(open(path, O_RDONLY | O_CLOEXEC), path);
    uint64_t size = (uint64_t)lseek(file, 0, SEEK_END); // where there is none it is too large
    if (size < sizeof head || size > RAM_LEN) fail(path, "it is no image");
    const uint8_t *bytes = must_map(size, MAP_PRIVATE, file);
    memcpy(&head, bytes, sizeof head);
    bool is_elf = memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64;
    if (!is_elf || head.e_phentsize != sizeof part) fail(path, "it is no ELF file of 64 bits");
    if (head.e_phoff > size || size - head.e_phoff < head.e_phnum * sizeof part) fail(path, "it is cut off");
    for (unsigned index = 0; index < head.e_phnum; index++) {
        memcpy(&part, bytes + head.e_phoff + index * sizeof part, sizeof part);
        if (part.p_offset > size || part.p_filesz > size - part.p_offset) fail(path, "it is cut off");
        if (part.p_type == PT_NOTE && entry == 0) entry = find_entry(bytes + part.p_offset, part.p_filesz);
        if (part.p_type != PT_LOAD) continue;
        if (part.p_paddr > RAM_LEN || part.p_filesz > RAM_LEN - part.p_paddr) fail(path, "it is too large");
        memcpy(host.ram + part.p_paddr, bytes + part.p_offset, part.p_filesz);
    }
    if (entry == 0) fail(path, "it has no PVH entry");
    return entry;
}

// What the boot protocol passes below the first MiB: start info, memory map, command line. The result is its address.
static uint32_t put_start_info(const char *line) {
    enum { INFO_AT = 0x1000, MAP_AT = 0x1100, LINE_AT = 0x2000 };
    const struct {
        uint32_t magic, version, flags, modules;
        uint64_t modules_at, line_at, rsdp_at, map_at, map_entries;
    } info = {.magic = 0x336ec578, .version = 1, .line_at = LINE_AT, .map_at = MAP_AT, .map_entries = 1};
    const uint64_t map[] = {0, RAM_LEN, 1}; // from, bytes, kind: RAM
    memcpy(host.ram + INFO_AT, &info, sizeof info);
    memcpy(host.ram + MAP_AT, map, sizeof map);
    memcpy(host.ram + LINE_AT, line, strlen(line) + 1);
    return INFO_AT;
}

// The guest finds the window by CPUID [DISC-4].
static void set_cpuid(int kvm, int vcpu) {
    enum { MAX = 256, BASE = TENON_CPUID_FIRST + TENON_CPUID_STEP };
    static union {
        struct kvm_cpuid2 head;
        uint8_t room[sizeof(struct kvm_cpuid2) + (MAX + 2) * sizeof(struct kvm_cpuid_entry2)];
    } list;
    list.head.nent = MAX;
    must(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &list), "KVM_GET_SUPPORTED_CPUID");
    struct kvm_cpuid_entry2 *next = &list.head.entries[list.head.nent];
    next[0] = (struct kvm_cpuid_entry2){.function = BASE, .eax = BASE + 1};
    next[0].ebx = TENON_CPUID_EBX;
    next[0].ecx = TENON_CPUID_ECX;
    next[0].edx = TENON_CPUID_EDX;
    next[1] = (struct kvm_cpuid_entry2){.function = BASE + 1, .eax = WINDOW_AT >> 12, .ebx = WINDOW_LEN >> 12};
    list.head.nent += 2;
    must(ioctl(vcpu, KVM_SET_CPUID2, &list), "KVM_SET_CPUID2");
}

// 32-bit protected mode, flat segments, paging off [VCPU-5].
static void set_registers(int vcpu, uint32_t entry, uint32_t argument) {
    struct kvm_sregs sregs;
    struct kvm_segment flat = {.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    struct kvm_regs regs = {.rip = entry, .rbx = argument, .rflags = 2};
    must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs = sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
    sregs.cs.selector = 0x8;
    sregs.cs.type = 11;
    sregs.tr = (struct kvm_segment){.limit = 0x67, .type = 11, .present = 1};
    sregs.cr0 = 0x11;
    must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void port_io(void) {
    uint8_t *data = (uint8_t *)host.run + host.run->io.data_offset;
    uint32_t port = host.run->io.port, size = host.run->io.size, count = host.run->io.count, value;
    if (host.run->io.direction == KVM_EXIT_IO_IN) {
        memset(data, port == PORT_SERIAL + 5 ? 0x60 : 0xff, (size_t)size * count); // always ready to send
    } else if (port == PORT_SERIAL && size == 1) {
        put_out(data, count);
    } else if (size == sizeof value) {
        for (; count != 0 && !host.ended; count--, data += sizeof value) {
            memcpy(&value, data, sizeof value);
            if (port == PORT_KICK) kick(value);
            if (port == PORT_BIND) take_frame(value);
            if (port == PORT_EXIT) end_with("left=", value);
        }
    }
}

// Takes what was typed, as far as there is room.
static void look_at_input(void) {
    static bool closed;
    static uint8_t nobody[INPUT_MAX];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t room = host.echo ? sizeof nobody : INPUT_MAX - host.input_len;
    if (closed || room == 0 || poll(&input, 1, 0) <= 0) return;
    ssize_t len = read(STDIN_FILENO, host.echo ? nobody : host.input + host.input_len, room);
    closed = len == 0 || (len < 0 && errno != EINTR && errno != EAGAIN);
    if (closed && host.leash) end("failed ", "standard input is closed");
    if (len <= 0 || host.echo) return;
    host.input_len += (size_t)len;
    deliver();
    serve_freed();
}

// Every so often the guest is left, or not entered at all: a signal is never lost between a look and the next entry.
static void woken(int signal) {
    (void)signal;
    host.run->immediate_exit = 1;
}

static void play(int vcpu, time_t limit) {
    const struct sigaction action = {.sa_handler = woken};
    struct kvm_run *run = host.run;
    if (limit != 0) limit += time(NULL);
    sigaction(SIGALRM, &action, NULL);
    wake_after(TICK);
    while (!host.ended) {
        if (ioctl(vcpu, KVM_RUN, 0) < 0) {
            if (errno != EINTR && errno != EAGAIN) end("failed KVM_RUN: ", strerror(errno));
            if (limit != 0 && time(NULL) >= limit) end("failed ", "its time is up");
            run->immediate_exit = 0;
            if (now(CLOCK_MONOTONIC) >= host.tick) {
                host.tick = now(CLOCK_MONOTONIC) + TICK;
                look_at_input();
                look_at_utc();
            }
            if (!host.ended) look_at_timers();
        } else if (run->exit_reason == KVM_EXIT_IO) {
            port_io();
        } else if (run->exit_reason == KVM_EXIT_MMIO) { // a store to the window, or nobody's memory [DISC-5]
            if (!run->mmio.is_write) memset(run->mmio.data, 0xff, sizeof run->mmio.data);
        } else if (run->exit_reason != KVM_EXIT_INTR) {
            end_with("failed KVM exit ", run->exit_reason);
        }
    }
}

int main(int count, char **words) {
    char line[2048] = "";
    time_t limit = 0;
    host.random = (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL);
    for (int option; (option = getopt(count, words, "+elt:s:")) != -1;) {
        host.echo |= option == 'e';
        host.leash |= option == 'l';
        if (option == 't') limit = strtol(optarg, NULL, 10);
        if (option == 's') host.random = strtoull(optarg, NULL, 16);
        if (option == '?') optind = count;
    }
    if (optind >= count) fail("call", "host [-e] [-l] [-t SECONDS] [-s SEED] IMAGE [COMMAND LINE]");
    const char *image = words[optind++];
    for (size_t len = 0; optind < count; optind++) {
        len += (size_t)snprintf(line + len, sizeof line - len, "%s%s", len == 0 ? "" : " ", words[optind]);
        if (len >= sizeof line) fail("the command line", "it is too long");
    }

    int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0) fail("/dev/kvm", "it has no read-only memory");
    host.vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    must(ioctl(host.vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    must(ioctl(host.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    host.ram = add_memory(0, 0, 0, RAM_LEN);
    host.window = add_memory(1, KVM_MEM_READONLY, WINDOW_AT, WINDOW_LEN);
    host.record = (struct tenon_record *)host.window;
    write_record();
    int vcpu = must(ioctl(host.vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    uint64_t len = (uint64_t)must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    host.run = must_map(len, MAP_SHARED, vcpu);
    set_cpuid(kvm, vcpu);
    set_registers(vcpu, load_image(image), put_start_info(line));
    play(vcpu, limit);
    return 0;
}
