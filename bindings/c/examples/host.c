// SPDX-License-Identifier: MIT OR Apache-2.0
// A Tenon host of one vCPU on KVM, x86-64: discovery, calls, events, console, lifecycle. Written from docs/abi.md and
// tenon.h alone, to see that they suffice. Brackets hold clauses of docs/abi.md.
//
//   cc -std=gnu11 -O2 -pthread -I bindings/c -o host bindings/c/examples/host.c
//   ./host [--echo] [--leash] [--limit SECONDS] [--seed HEX] IMAGE [COMMAND LINE]
//
// IMAGE is an ELF file with a PVH entry. Its serial port (0x3f8) is standard output; the console writes to standard
// error and reads standard input. --echo: the console's user repeats what follows an ENQ (0x05), and standard input is
// not its own. --leash: the machine ends with standard input. How it ended is the last line on standard error:
// "~END exit=N", "~END restart", "~END left=N" (port 0xf4), "~END failed WHY". The exit code is 2 where there was no
// machine, else 0.
//
// Everything that belongs to Tenon runs on the vCPU's thread, and the guest stands still meanwhile: what a kick
// completes is in memory when the trap returns [DISC-10], and no submission can come while others are served.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tenon.h"

#if !defined(__x86_64__)
#error "this host is for x86-64"
#endif

enum {
    PORT_KICK = 0x7e00,
    PORT_BIND = 0x7e04,
    PORT_SERIAL = 0x3f8,
    PORT_EXIT = 0xf4,
    MAX_VCPUS = 1,
    MAX_EVENTS = 4096,
    MAX_PORTS = 4096,
    MAX_PAYLOAD = 4096,
    GRANULES = 1 << 12 | 1 << 14 | 1 << 16,
    INPUT_MAX = 4096,
    LINE = 64,
    ENQ = 5,
};

#define RAM_LEN (UINT64_C(256) << 20)
#define WINDOW_AT UINT64_C(0xd0000000) // aligned to the largest granule, so its offsets are too
#define WINDOW_LEN (UINT64_C(2) << 20)
#define AREA_AT UINT64_C(0x10000) // the vCPU's area in the window
#define OFFERED                                                                                                        \
    (TENON_FEATURES_WINDOW | TENON_FEATURES_EVENTS | TENON_FEATURES_DIRECT | TENON_FEATURES_UPCALL                     \
     | TENON_FEATURES_CONSOLE | TENON_FEATURES_LIFECYCLE)

// An armed word, as the host has seen it [CALL-16, EVT-11].
struct arm {
    bool seen, answered;
    uint32_t at;
};

// A call queue or the emergency lane: its shared parts, and what only the host knows.
struct queue {
    const struct tenon_submission *submissions;
    struct tenon_completion *completions;
    uint64_t *state;
    const uint64_t *armed; // none: the emergency lane
    struct arm arm;
    uint32_t depth; // 0: not bound
    uint32_t fetched, completed, in_flight;
    bool corrupt;
    uint64_t busy[TENON_MAX_DEPTH / 64]; // ids in flight
};

// An event ring. Positions are counted in 64 bits, so that an old one never looks new.
struct ring {
    uint64_t *entries, *state;
    const uint64_t *taken_word, *armed;
    struct arm arm;
    uint32_t size, bound, departed;
    uint64_t written, taken, departed_end; // departed_end: beyond the last entry of a port that left [EVT-4]
    bool corrupt;
};

enum kind { FREE, IN_RING, DIRECT };

struct port {
    enum kind kind;
    uint8_t class, vector;
    uint64_t end; // beyond its last entry in the ring it is bound to
};

static struct {
    uint8_t *ram, *window;
    struct tenon_record *record;
    uint64_t features, random;
    uint32_t session, seed, shift; // shift: 0 while the session is idle
    struct queue call, lane;
    struct ring rings[TENON_CLASSES];
    struct port ports[MAX_PORTS];
    uint8_t upcall; // its vector; 0: none
    bool upcall_owed;
    struct {
        bool active;
        uint16_t id;
        uint64_t at, len;
    } read;
    uint8_t input[INPUT_MAX];
    size_t input_len;
    struct {
        uint64_t code;
        size_t len;
        uint8_t text[TENON_CRASH_TEXT_MAX];
    } crash; // the last record [LIFE-4]
    bool echo, freed, ended;
    int vm;
} host;

static _Noreturn void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("host: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

static void end(const char *format, ...) {
    va_list args;
    if (host.ended) return;
    host.ended = true;
    va_start(args, format);
    fputs("~END ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

// Standard output and error are read by somebody or they are not: the guest need not know.
static void put_out(int fd, const uint8_t *bytes, size_t len) {
    while (len != 0) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return;
        bytes += done;
        len -= (size_t)done;
    }
}

// Shared words: one access each, never split and never repeated [GEN-6].
static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static uint64_t load_acquire(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static void store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
static void store_release(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
static void fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static bool power_of_two(uint32_t value) { return value != 0 && (value & (value - 1)) == 0; }
static uint64_t to_line(uint64_t len) { return (len + LINE - 1) & ~(uint64_t)(LINE - 1); }
static uint32_t turn(uint32_t position) { return host.seed + position + 1; } // [CALL-4]

static uint64_t random_word(void) {
    host.random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word = host.random;
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

// The range of `len` bytes at a wire address, if it is one of region 0 [GEN-3, REG-2, REG-3].
static uint16_t range(uint64_t address, uint64_t len, uint8_t **at) {
    uint64_t offset = address & ((UINT64_C(1) << TENON_OFFSET_BITS) - 1);
    if (address >> TENON_OFFSET_BITS != 0) return TENON_STATUS_BAD_REGION;
    if (offset > RAM_LEN || len > RAM_LEN - offset) return TENON_STATUS_BAD_RANGE;
    *at = host.ram + offset;
    return TENON_STATUS_OK;
}

static void interrupt(uint8_t vector) {
    struct kvm_msi msi = {.address_lo = 0xfee00000, .data = vector};
    if (ioctl(host.vm, KVM_SIGNAL_MSI, &msi) < 0) end("failed KVM_SIGNAL_MSI: %s", strerror(errno));
}

static void upcall(void) {
    if (host.upcall == 0) {
        host.upcall_owed = true; // remembered [VCPU-8]
    } else {
        interrupt(host.upcall);
    }
}

// Tells the guest if it armed for what was just written at `position`; false if the word is broken [CALL-16, EVT-11].
static bool answer_arm(const uint64_t *word, struct arm *arm, uint32_t position) {
    if ((host.features & TENON_FEATURES_UPCALL) == 0) return true;
    fence();
    uint64_t value = load(word);
    if (value >> 32 != 0) return false;
    if (!arm->seen || arm->at != (uint32_t)value) *arm = (struct arm){.seen = true, .at = (uint32_t)value};
    if (!arm->answered && (int32_t)(position - arm->at) >= 0) {
        arm->answered = true;
        upcall();
    }
    return true;
}

static uint64_t state_word(uint16_t state, uint16_t reason, uint32_t position) {
    return (uint64_t)position << 32 | (uint64_t)reason << 16 | state;
}

// Queues.

static void latch_queue(struct queue *queue, uint16_t reason, uint32_t position) {
    queue->corrupt = true;
    store_release(queue->state, state_word(TENON_QUEUE_STATE_CORRUPT, reason, position));
}

static void complete(struct queue *queue, uint16_t id, uint16_t status, uint64_t value) {
    uint32_t position = queue->completed++;
    struct tenon_completion *slot = &queue->completions[position & (queue->depth - 1)];
    queue->busy[id / 64] &= ~(UINT64_C(1) << id % 64);
    queue->in_flight--;
    store(&slot->value, status == TENON_STATUS_OK ? value : 0);
    store_release(&slot->tail, (uint64_t)turn(position) << 32 | (uint64_t)id << 16 | status);
    if (queue->armed != NULL && !answer_arm(queue->armed, &queue->arm, position) && !queue->corrupt) {
        latch_queue(queue, TENON_REASON_BAD_ARMED, position);
    }
}

// Events.

static void latch_ring(struct ring *ring, uint16_t reason, uint32_t position) {
    ring->corrupt = true;
    store_release(ring->state, state_word(TENON_QUEUE_STATE_CORRUPT, reason, position));
}

// Reads how far the guest has taken; false if the ring is corrupt [EVT-8, EVT-9].
static bool look_at_taken(struct ring *ring) {
    if (ring->corrupt) return false;
    fence();
    uint64_t word = load(ring->taken_word);
    uint32_t step = (uint32_t)word - (uint32_t)ring->taken;
    if (word >> 32 != 0 || step > ring->written - ring->taken) {
        latch_ring(ring, TENON_REASON_BAD_TAKEN, (uint32_t)word);
        return false;
    }
    ring->taken += step;
    if (ring->taken >= ring->departed_end) ring->departed = 0;
    return true;
}

// Whether the ring has an entry for one more port [EVT-4].
static uint16_t room(struct ring *ring) {
    if (!look_at_taken(ring)) return TENON_STATUS_BAD_STATE;
    return ring->bound + ring->departed < ring->size ? TENON_STATUS_OK : TENON_STATUS_NO_CAPACITY;
}

// Raises a port [EVT-9, EVT-10]. What it announces was made visible before. Mask hints are not looked at [EVT-15].
static uint16_t raise_port(uint32_t number) {
    struct port *port = &host.ports[number];
    if (port->kind == DIRECT) {
        interrupt(port->vector);
        return TENON_STATUS_OK;
    }
    struct ring *ring = &host.rings[port->class];
    if (!look_at_taken(ring)) return TENON_STATUS_BAD_STATE;
    if (port->end > ring->taken) return TENON_STATUS_OK; // the guest has yet to take its last entry
    uint32_t position = (uint32_t)ring->written++;
    port->end = ring->written;
    store(&ring->entries[position & (ring->size - 1)], (uint64_t)turn(position) << 32 | number);
    if (!answer_arm(ring->armed, &ring->arm, position)) latch_ring(ring, TENON_REASON_BAD_ARMED, position);
    return TENON_STATUS_OK;
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

static uint16_t event(uint16_t op, const uint64_t args[6], uint64_t *value) {
    (void)value;
    uint64_t number = args[0];
    bool names_ring = op == TENON_OP_EVENT_BIND || op == TENON_OP_EVENT_MOVE;
    if (number >= MAX_PORTS || args[1] >= MAX_VCPUS) return TENON_STATUS_BAD_ARGUMENT;
    if (names_ring && args[2] >= TENON_CLASSES) return TENON_STATUS_BAD_ARGUMENT;
    if (op == TENON_OP_EVENT_BIND_DIRECT && (args[2] < 32 || args[2] > 255)) return TENON_STATUS_BAD_ARGUMENT;
    struct port *port = &host.ports[number];
    bool binds = op == TENON_OP_EVENT_BIND || op == TENON_OP_EVENT_BIND_DIRECT;
    if (binds && port->kind != FREE) return TENON_STATUS_EXISTS;
    if (!binds && port->kind == FREE) return TENON_STATUS_NOT_FOUND;
    switch (op) {
    case TENON_OP_EVENT_SIGNAL:
        return raise_port((uint32_t)number);
    case TENON_OP_EVENT_UNBIND:
        leave_ring(port);
        *port = (struct port){.kind = FREE};
        return TENON_STATUS_OK;
    case TENON_OP_EVENT_BIND_DIRECT:
        *port = (struct port){.kind = DIRECT, .vector = (uint8_t)args[2]};
        return TENON_STATUS_OK;
    default: // EVENT_BIND, EVENT_MOVE [EVT-3, EVT-17]
        if (port->kind == IN_RING && port->class == args[2]) return TENON_STATUS_OK;
        uint16_t status = room(&host.rings[args[2]]);
        if (status != TENON_STATUS_OK) return status;
        bool untaken = leave_ring(port);
        *port = (struct port){.kind = IN_RING, .class = (uint8_t)args[2]};
        host.rings[args[2]].bound++;
        if (untaken) raise_port((uint32_t)number);
        return TENON_STATUS_OK;
    }
}

// Console.

// Answers the read in flight with input that is there [CON-4, CON-5].
static void deliver(void) {
    if (!host.read.active || host.input_len == 0) return;
    size_t len = host.read.len < host.input_len ? (size_t)host.read.len : host.input_len;
    memcpy(host.ram + host.read.at, host.input, len);
    host.input_len -= len;
    memmove(host.input, host.input + len, host.input_len);
    host.read.active = false;
    host.freed = true;
    complete(&host.call, host.read.id, TENON_STATUS_OK, len);
}

// The echoing user of --echo.
static void echo(const uint8_t *bytes, size_t len) {
    const uint8_t *enq = memchr(bytes, ENQ, len);
    if (!host.echo || enq == NULL) return;
    size_t back = (size_t)(bytes + len - (enq + 1));
    size_t free = INPUT_MAX - host.input_len;
    if (back > free) back = free; // what does not fit is the user's loss
    memcpy(host.input + host.input_len, enq + 1, back);
    host.input_len += back;
    deliver();
}

// Operations. `payload` is a private copy.

struct request {
    struct queue *queue;
    uint16_t op, id;
    const uint64_t *args;
    const uint8_t *payload;
    size_t payload_len;
};

enum { NOT_YET = 0xffff }; // no status: the completion comes later or never

static uint16_t probe(const struct request *request, uint64_t *value);

static uint16_t call(const struct request *request, uint64_t *value) {
    const uint64_t *args = request->args;
    uint8_t *at;
    uint16_t status;
    switch (request->op) {
    case TENON_OP_NOP:
        *value = args[0];
        return TENON_STATUS_OK;
    case TENON_OP_PROBE:
        return probe(request, value);
    case TENON_OP_CANCEL: // only a read can be in flight behind its fetch
        if (args[0] >= request->queue->depth) return TENON_STATUS_BAD_ARGUMENT;
        if (host.read.active && host.read.id == args[0]) {
            host.read.active = false;
            complete(&host.call, host.read.id, TENON_STATUS_CANCELLED, 0);
            *value = 1;
        }
        return TENON_STATUS_OK;
    case TENON_OP_REGION_QUERY:
        if (args[0] > 0xffff) return TENON_STATUS_BAD_ARGUMENT;
        *value = RAM_LEN;
        return args[0] == 0 ? TENON_STATUS_OK : TENON_STATUS_BAD_REGION;
    case TENON_OP_VCPU_UPCALL:
        if (args[0] >= MAX_VCPUS || args[1] > 255 || (args[1] != 0 && args[1] < 32)) return TENON_STATUS_BAD_ARGUMENT;
        host.upcall = (uint8_t)args[1];
        if (host.upcall != 0 && host.upcall_owed) {
            host.upcall_owed = false;
            upcall();
        }
        return TENON_STATUS_OK;
    case TENON_OP_CONSOLE_WRITE:
        put_out(STDERR_FILENO, request->payload, request->payload_len);
        echo(request->payload, request->payload_len);
        *value = request->payload_len;
        return TENON_STATUS_OK;
    case TENON_OP_CONSOLE_READ:
        if (args[1] == 0) return TENON_STATUS_BAD_ARGUMENT;
        if (args[1] > MAX_PAYLOAD) return TENON_STATUS_TOO_LONG;
        status = range(args[0], args[1], &at);
        if (status != TENON_STATUS_OK) return status;
        if (host.read.active) return TENON_STATUS_EXISTS;
        host.read.active = true;
        host.read.id = request->id;
        host.read.at = (uint64_t)(at - host.ram);
        host.read.len = args[1];
        deliver();
        return NOT_YET;
    case TENON_OP_EXIT:
        if (args[0] > UINT32_MAX) return TENON_STATUS_BAD_ARGUMENT;
        end("exit=%" PRIu64, args[0]);
        return NOT_YET;
    case TENON_OP_RESTART: // whoever started this program does it
        end("restart");
        return NOT_YET;
    case TENON_OP_CRASH:
        host.crash.code = args == NULL ? 0 : args[2];
        host.crash.len = request->payload_len;
        memcpy(host.crash.text, request->payload, request->payload_len);
        return TENON_STATUS_OK;
    default:
        return event(request->op, args, value);
    }
}

// What an operation takes: the table by which every submission is judged before `call` sees it.
static const struct op {
    uint16_t op;
    uint8_t args;
    bool takes_payload, replay_safe, on_lane;
    uint64_t needs;
    uint32_t payload_max;
} OPS[] = {
    {TENON_OP_NOP, 1, false, true, true, 0, 0},
    {TENON_OP_PROBE, 1, false, true, false, 0, 0},
    {TENON_OP_CANCEL, 1, false, false, false, 0, 0},
    {TENON_OP_EVENT_BIND, 3, false, false, false, TENON_FEATURES_EVENTS, 0},
    {TENON_OP_EVENT_UNBIND, 1, false, false, false, TENON_FEATURES_EVENTS, 0},
    {TENON_OP_EVENT_MOVE, 3, false, false, false, TENON_FEATURES_EVENTS, 0},
    {TENON_OP_EVENT_SIGNAL, 1, false, false, false, TENON_FEATURES_EVENTS, 0},
    {TENON_OP_EVENT_BIND_DIRECT, 3, false, false, false, TENON_FEATURES_EVENTS | TENON_FEATURES_DIRECT, 0},
    {TENON_OP_REGION_QUERY, 1, false, true, false, 0, 0},
    {TENON_OP_VCPU_UPCALL, 2, false, true, false, TENON_FEATURES_UPCALL, 0},
    {TENON_OP_CONSOLE_WRITE, 2, true, false, true, TENON_FEATURES_CONSOLE, MAX_PAYLOAD},
    {TENON_OP_CONSOLE_READ, 2, false, false, false, TENON_FEATURES_CONSOLE, 0},
    {TENON_OP_EXIT, 1, false, false, true, TENON_FEATURES_LIFECYCLE, 0},
    {TENON_OP_RESTART, 0, false, false, true, TENON_FEATURES_LIFECYCLE, 0},
    {TENON_OP_CRASH, 3, true, false, true, TENON_FEATURES_LIFECYCLE, TENON_CRASH_TEXT_MAX},
};

// An operation that exists in this session, or none [NEG-7].
static const struct op *find_op(uint64_t op) {
    for (size_t index = 0; index < sizeof OPS / sizeof *OPS; index++) {
        if (OPS[index].op == op) return (OPS[index].needs & ~host.features) == 0 ? &OPS[index] : NULL;
    }
    return NULL;
}

static uint16_t probe(const struct request *request, uint64_t *value) {
    if (request->args[0] > 0xffff) return TENON_STATUS_BAD_ARGUMENT;
    const struct op *op = find_op(request->args[0]);
    *value = op == NULL ? 0 : op->replay_safe ? 3 : 1;
    return TENON_STATUS_OK;
}

// Judges one submission, already copied, and does it [CALL-9 to CALL-12].
static uint16_t execute(struct queue *queue, const struct tenon_submission *copy, uint64_t *value) {
    static const uint64_t none[6];
    static uint8_t text[MAX_PAYLOAD];
    struct request request = {.queue = queue, .op = (uint16_t)copy->tail, .id = (uint16_t)(copy->tail >> 16)};
    bool carried = (copy->flags & TENON_SUBMISSION_FLAGS_INLINE) != 0;
    const struct op *op = find_op(request.op);
    if (op == NULL) return TENON_STATUS_NOT_SUPPORTED;
    if (queue == &host.lane) { // [CALL-23]
        bool writes_range = op->op == TENON_OP_CONSOLE_WRITE && !carried;
        if (!op->on_lane || writes_range) return TENON_STATUS_NOT_SUPPORTED;
    }
    if ((copy->flags & ~TENON_SUBMISSION_FLAGS_INLINE) != 0 || (carried && !op->takes_payload)) {
        return TENON_STATUS_BAD_RESERVED;
    }
    if (carried) {
        static const uint8_t zeros[TENON_INLINE_MAX];
        const uint8_t *bytes = (const uint8_t *)copy->args;
        if (copy->count > TENON_INLINE_MAX) return TENON_STATUS_TOO_LONG;
        if (memcmp(bytes + copy->count, zeros, TENON_INLINE_MAX - copy->count) != 0) return TENON_STATUS_BAD_RESERVED;
        request.payload = bytes;
        request.payload_len = copy->count;
        request.args = none;
        return call(&request, value);
    }
    if (copy->count != 0) return TENON_STATUS_BAD_RESERVED;
    for (unsigned index = op->args; index < 6; index++) {
        if (copy->args[index] != 0) return TENON_STATUS_BAD_RESERVED;
    }
    request.args = copy->args;
    if (op->takes_payload) {
        uint8_t *at;
        if (copy->args[1] > op->payload_max) return TENON_STATUS_TOO_LONG;
        uint16_t status = range(copy->args[0], copy->args[1], &at);
        if (status != TENON_STATUS_OK) return status;
        memcpy(text, at, (size_t)copy->args[1]);
        request.payload = text;
        request.payload_len = (size_t)copy->args[1];
    }
    return call(&request, value);
}

// Serves what stands in a queue. The guest stands still, so at most `depth` submissions can be there.
static void serve(struct queue *queue) {
    for (uint32_t budget = queue->depth; budget != 0; budget--) {
        if (queue->corrupt || host.ended || queue->in_flight == queue->depth) return;
        uint32_t position = queue->fetched;
        const struct tenon_submission *slot = &queue->submissions[position & (queue->depth - 1)];
        struct tenon_submission copy;
        uint64_t value = 0, words[8];
        words[7] = load_acquire(&slot->tail);
        if (words[7] >> 32 != turn(position)) return;
        for (unsigned index = 0; index < 7; index++) words[index] = load((const uint64_t *)slot + index);
        memcpy(&copy, words, sizeof copy);
        uint16_t id = (uint16_t)(copy.tail >> 16);
        if (id >= queue->depth) {
            latch_queue(queue, TENON_REASON_BAD_ID, position);
            return;
        }
        if ((queue->busy[id / 64] >> id % 64 & 1) != 0) {
            latch_queue(queue, TENON_REASON_DUPLICATE_ID, position);
            return;
        }
        queue->fetched++;
        queue->in_flight++;
        queue->busy[id / 64] |= UINT64_C(1) << id % 64;
        uint16_t status = execute(queue, &copy, &value);
        if (status != NOT_YET) complete(queue, id, status, value);
    }
}

static void kick(uint32_t queue) {
    if (queue > 1) return; // vCPU 0's two, or nobody's [DISC-7, VCPU-7]
    serve(queue == 0 ? &host.call : &host.lane);
    if (host.freed) { // an answered read may have been what a full queue waited for
        host.freed = false;
        serve(&host.call);
    }
}

// Sessions.

// Forgets everything of the session and begins the next [SES-1, SES-6, CALL-5].
static void new_session(void) {
    uint32_t seed;
    memset(&host.call, 0, sizeof host.call);
    memset(&host.lane, 0, sizeof host.lane);
    memset(host.rings, 0, sizeof host.rings);
    memset(host.ports, 0, sizeof host.ports);
    memset(&host.read, 0, sizeof host.read);
    host.upcall = 0;
    host.upcall_owed = host.freed = false;
    host.features = 0;
    host.shift = 0;
    do {
        seed = host.seed + ((uint32_t)random_word() | 1);
    } while (seed >= UINT32_MAX - TENON_MAX_EVENTS);
    host.seed = seed;
    host.session++;
    store(&host.record->active, 0);
    store(&host.record->active_features, 0);
    store_release(&host.record->session, (uint64_t)host.session << 32 | seed);
}

static uint16_t negotiate(const struct tenon_control_request *ask) {
    if (host.shift != 0) return TENON_STATUS_BAD_STATE;
    if (ask->major != TENON_MAJOR || ask->minor > TENON_MINOR) return TENON_STATUS_BAD_VERSION;
    if ((ask->features & ~(uint64_t)OFFERED) != 0) return TENON_STATUS_BAD_FEATURES;
    if (ask->granule > 31 || (GRANULES >> ask->granule & 1) == 0) return TENON_STATUS_BAD_ARGUMENT;
    host.features = ask->features;
    host.shift = ask->granule;
    uint64_t version = (uint64_t)ask->minor << 16 | ask->major;
    store(&host.record->active_features, ask->features);
    store_release(&host.record->active,
                  (uint64_t)TENON_SESSION_STATE_OPEN << 48 | (uint64_t)ask->granule << 32 | version);
    return TENON_STATUS_OK;
}

// One of a vCPU's areas in region 0 [VCPU-3].
static uint16_t area(uint64_t address, uint64_t len, uint8_t **at) {
    uint16_t status = range(address, len, at);
    bool aligned = (address & ((UINT64_C(1) << host.shift) - 1)) == 0;
    return status == TENON_STATUS_OK && !aligned ? TENON_STATUS_BAD_ALIGNMENT : status;
}

static uint16_t bind_vcpu(const struct tenon_control_request *ask, uint64_t *value) {
    const uint32_t sizes[TENON_CLASSES] = {ask->events0, ask->events1};
    uint8_t *guest, *own;
    if (host.shift == 0) return TENON_STATUS_BAD_STATE;
    if (ask->vcpu >= MAX_VCPUS) return TENON_STATUS_BAD_ARGUMENT;
    if (host.call.depth != 0) return TENON_STATUS_EXISTS;
    if (!power_of_two(ask->depth) || ask->depth > TENON_MAX_DEPTH) return TENON_STATUS_BAD_ARGUMENT;
    uint64_t places[TENON_CLASSES], len = to_line(TENON_HOST_AREA_COMPLETIONS + (uint64_t)ask->depth * 16);
    for (unsigned class = 0; class < TENON_CLASSES; class++) { // [VCPU-4]
        if (!power_of_two(sizes[class]) || sizes[class] > MAX_EVENTS) return TENON_STATUS_BAD_ARGUMENT;
        places[class] = len;
        len += to_line((uint64_t)sizes[class] * 8);
    }
    uint16_t status = area(ask->guest_area, TENON_GUEST_AREA_SUBMISSIONS + (uint64_t)ask->depth * 64, &guest);
    if (status != TENON_STATUS_OK) return status;
    if ((host.features & TENON_FEATURES_WINDOW) != 0) { // [NEG-6]
        if (ask->host_area != 0) return TENON_STATUS_BAD_RESERVED;
        if (len > WINDOW_LEN - AREA_AT) return TENON_STATUS_NO_CAPACITY;
        own = host.window + AREA_AT;
        *value = AREA_AT;
    } else {
        status = area(ask->host_area, len, &own);
        if (status != TENON_STATUS_OK) return status;
    }
    memset(own, 0, len); // [SES-2]
    host.call = (struct queue){
        .submissions = (const struct tenon_submission *)(guest + TENON_GUEST_AREA_SUBMISSIONS),
        .completions = (struct tenon_completion *)(own + TENON_HOST_AREA_COMPLETIONS),
        .state = (uint64_t *)(own + TENON_HOST_AREA_CALL_STATE),
        .armed = (const uint64_t *)(guest + TENON_GUEST_AREA_COMPLETIONS_ARMED),
        .depth = ask->depth,
    };
    host.lane = (struct queue){
        .submissions = (const struct tenon_submission *)(guest + TENON_GUEST_AREA_EMERGENCY),
        .completions = (struct tenon_completion *)(own + TENON_HOST_AREA_EMERGENCY),
        .state = (uint64_t *)(own + TENON_HOST_AREA_EMERGENCY_STATE),
        .depth = 1,
    };
    for (unsigned class = 0; class < TENON_CLASSES; class++) {
        host.rings[class] = (struct ring){
            .entries = (uint64_t *)(own + places[class]),
            .state = (uint64_t *)(own + TENON_HOST_AREA_EVENT_STATE0 + class * 8),
            .taken_word = (const uint64_t *)(guest + (class == 0 ? TENON_GUEST_AREA_TAKEN0 : TENON_GUEST_AREA_TAKEN1)),
            .armed = (const uint64_t *)(guest + (class == 0 ? TENON_GUEST_AREA_ARMED0 : TENON_GUEST_AREA_ARMED1)),
            .size = sizes[class],
        };
        store(host.rings[class].state, state_word(TENON_QUEUE_STATE_RUNNING, 0, 0));
    }
    store(host.call.state, state_word(TENON_QUEUE_STATE_RUNNING, 0, 0));
    store(host.lane.state, state_word(TENON_QUEUE_STATE_RUNNING, 0, 0));
    return TENON_STATUS_OK;
}

// Whether the fields that an operation does not use are zero [GEN-5].
static bool reserved_is_zero(const struct tenon_control_request *ask) {
    bool negotiates = ask->op == TENON_CONTROL_OP_NEGOTIATE, binds = ask->op == TENON_CONTROL_OP_BIND;
    uint64_t bits = ask->reserved0 | ask->reserved1;
    for (unsigned index = 0; index < sizeof ask->reserved2 / 8; index++) bits |= ask->reserved2[index];
    if (!negotiates) bits |= ask->major | ask->minor | ask->granule | ask->features;
    if (!binds) {
        bits |= ask->vcpu | ask->depth | ask->events0 | ask->events1;
        bits |= ask->guest_area | ask->host_area;
    }
    return bits == 0;
}

static uint16_t control(const struct tenon_control_request *ask, uint64_t *value) {
    uint16_t op = ask->op;
    if (op < TENON_CONTROL_OP_NEGOTIATE || op > TENON_CONTROL_OP_RESET) return TENON_STATUS_NOT_SUPPORTED;
    if (ask->session != host.session) return TENON_STATUS_BAD_SESSION;
    if (!reserved_is_zero(ask)) return TENON_STATUS_BAD_RESERVED;
    if (op == TENON_CONTROL_OP_NEGOTIATE) return negotiate(ask);
    if (op == TENON_CONTROL_OP_BIND) return bind_vcpu(ask, value);
    new_session();
    *value = host.session;
    return TENON_STATUS_OK;
}

// A frame number was handed over [DISC-8, SES-3, SES-4].
static void take_frame(uint32_t frame) {
    unsigned shift = host.shift != 0 ? host.shift : (unsigned)__builtin_ctz(GRANULES);
    uint64_t words[sizeof(struct tenon_control_request) / 8], value = 0;
    struct tenon_control_request ask;
    uint8_t *at;
    if (range((uint64_t)frame << shift, sizeof ask, &at) != TENON_STATUS_OK) return;
    for (unsigned index = 0; index < sizeof words / 8; index++) words[index] = load((uint64_t *)at + index);
    memcpy(&ask, words, sizeof ask);
    if (ask.magic != TENON_CONTROL_MAGIC) return;
    uint16_t status = control(&ask, &value);
    store(&host.record->control_value, status == TENON_STATUS_OK ? value : 0);
    store_release(&host.record->control_result, (uint64_t)ask.ticket << 32 | status);
}

static void write_record(void) {
    *host.record = (struct tenon_record){
        .magic = TENON_RECORD_MAGIC,
        .major = TENON_MAJOR,
        .minor = TENON_MINOR,
        .size = sizeof(struct tenon_record),
        .features = OFFERED,
        .granules = GRANULES,
        .conduit = TENON_CONDUIT_KIND_PORT_IO,
        .conduit_flags = TENON_CONDUIT_FLAGS_SYNCHRONOUS,
        .kick_base = PORT_KICK,
        .bind_base = PORT_BIND,
        .window_len = WINDOW_LEN,
        .max_vcpus = MAX_VCPUS,
        .max_depth = TENON_MAX_DEPTH,
        .max_events = MAX_EVENTS,
        .max_ports = MAX_PORTS,
        .max_payload = MAX_PAYLOAD,
        .region0_len = RAM_LEN,
    };
    host.seed = (uint32_t)random_word();
    new_session();
}

// The machine: everything below is KVM and the boot protocol, not Tenon.

static struct kvm_run *run;

static uint8_t *memory(uint64_t len) {
    const size_t huge = 2 << 20;
    uint8_t *at = mmap(NULL, len + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) fail("no memory: %s", strerror(errno));
    at += -(uintptr_t)at & (huge - 1);
    madvise(at, len, MADV_HUGEPAGE); // faster where it can be had
    return at;
}

static int must(int result, const char *what) {
    if (result < 0) fail("%s: %s", what, strerror(errno));
    return result;
}

static void add_slot(uint32_t slot, uint32_t flags, uint64_t at, uint64_t len, uint8_t *bytes) {
    struct kvm_userspace_memory_region region = {slot, flags, at, len, (uintptr_t)bytes};
    must(ioctl(host.vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

// Loads an ELF file into RAM and finds its PVH entry. The file is not trusted.
static uint32_t load_image(const char *path) {
    enum { PVH_ENTRY_NOTE = 18, MAX_HEADERS = 64 };
    struct stat about;
    int file = must(open(path, O_RDONLY | O_CLOEXEC), path);
    must(fstat(file, &about), path);
    if (about.st_size < (off_t)sizeof(Elf64_Ehdr) || about.st_size > 64 << 20) fail("%s: no image", path);
    uint64_t size = (uint64_t)about.st_size;
    uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) fail("%s: %s", path, strerror(errno));
    Elf64_Ehdr head;
    uint32_t entry = 0;
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) fail("%s: no ELF file", path);
    if (head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum > MAX_HEADERS) fail("%s: strange headers", path);
    if (head.e_phoff > size || size - head.e_phoff < head.e_phnum * sizeof(Elf64_Phdr)) fail("%s: cut off", path);
    for (unsigned index = 0; index < head.e_phnum; index++) {
        Elf64_Phdr part;
        memcpy(&part, bytes + head.e_phoff + index * sizeof part, sizeof part);
        if (part.p_offset > size || part.p_filesz > size - part.p_offset) fail("%s: cut off", path);
        const uint8_t *from = bytes + part.p_offset;
        if (part.p_type == PT_LOAD) {
            bool fits = part.p_paddr <= RAM_LEN && part.p_memsz <= RAM_LEN - part.p_paddr;
            if (!fits || part.p_filesz > part.p_memsz) fail("%s: does not fit into memory", path);
            memcpy(host.ram + part.p_paddr, from, part.p_filesz);
        } else if (part.p_type == PT_NOTE) {
            for (uint64_t at = 0; part.p_filesz - at >= sizeof(Elf64_Nhdr);) {
                Elf64_Nhdr note;
                memcpy(&note, from + at, sizeof note);
                uint64_t name = at + sizeof note, desc = name + ((note.n_namesz + UINT64_C(3)) & ~UINT64_C(3));
                uint64_t next = desc + ((note.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
                if (next > part.p_filesz) break;
                if (note.n_type == PVH_ENTRY_NOTE && note.n_namesz == 4 && memcmp(from + name, "Xen", 4) == 0
                    && note.n_descsz >= 4) {
                    memcpy(&entry, from + desc, sizeof entry);
                }
                at = next;
            }
        }
    }
    if (entry == 0) fail("%s: no PVH entry", path);
    munmap(bytes, size);
    close(file);
    return entry;
}

// What the boot protocol passes below the first MiB: start info, memory map, command line.
static uint32_t put_start_info(const char *command_line) {
    enum { INFO_AT = 0x1000, MAP_AT = 0x1100, LINE_AT = 0x2000, LINE_MAX_LEN = 0x1000 };
    struct {
        uint32_t magic, version, flags, modules;
        uint64_t modules_at, command_line_at, rsdp_at, map_at;
        uint32_t map_entries, reserved;
    } info = {.magic = 0x336ec578, .version = 1, .command_line_at = LINE_AT, .map_at = MAP_AT, .map_entries = 1};
    struct {
        uint64_t at, len;
        uint32_t kind, reserved;
    } map = {.at = 0, .len = RAM_LEN, .kind = 1};
    if (strlen(command_line) >= LINE_MAX_LEN) fail("the command line is too long");
    memcpy(host.ram + INFO_AT, &info, sizeof info);
    memcpy(host.ram + MAP_AT, &map, sizeof map);
    memcpy(host.ram + LINE_AT, command_line, strlen(command_line) + 1);
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
    struct kvm_cpuid_entry2 *entry = &list.head.entries[list.head.nent];
    entry[0] = (struct kvm_cpuid_entry2){.function = BASE, .eax = BASE + 1};
    entry[0].ebx = TENON_CPUID_EBX;
    entry[0].ecx = TENON_CPUID_ECX;
    entry[0].edx = TENON_CPUID_EDX;
    entry[1] = (struct kvm_cpuid_entry2){.function = BASE + 1, .eax = WINDOW_AT >> 12, .ebx = WINDOW_LEN >> 12};
    list.head.nent += 2;
    must(ioctl(vcpu, KVM_SET_CPUID2, &list), "KVM_SET_CPUID2");
}

// 32-bit protected mode, flat segments, paging off [VCPU-5].
static void set_registers(int vcpu, uint32_t entry, uint32_t argument) {
    struct kvm_sregs sregs;
    struct kvm_segment flat = {.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    struct kvm_regs regs = {.rip = entry, .rbx = argument, .rflags = 2};
    must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
    flat.selector = 0x8;
    flat.type = 11;
    sregs.cs = flat;
    sregs.tr = (struct kvm_segment){.limit = 0x67, .type = 11, .present = 1};
    sregs.cr0 = 0x11;
    must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void port_io(void) {
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    uint32_t size = run->io.size, count = run->io.count;
    if (run->io.direction == KVM_EXIT_IO_IN) {
        bool line_status = run->io.port == PORT_SERIAL + 5;
        memset(data, line_status ? 0x60 : 0xff, (size_t)size * count); // always ready to send
    } else if (run->io.port == PORT_SERIAL && size == 1) {
        put_out(STDOUT_FILENO, data, count);
    } else if (size == 4) {
        for (uint32_t index = 0; index < count && !host.ended; index++) {
            uint32_t value;
            memcpy(&value, data + index * 4, sizeof value);
            if (run->io.port == PORT_KICK) kick(value);
            if (run->io.port == PORT_BIND) take_frame(value);
            if (run->io.port == PORT_EXIT) end("left=%" PRIu32, value);
        }
    }
}

// Standard input, on a thread of its own that touches nothing of Tenon.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t taken;
    uint8_t bytes[INPUT_MAX];
    size_t len;
    pthread_t vcpu;
    bool leash;
} typed = {.lock = PTHREAD_MUTEX_INITIALIZER, .taken = PTHREAD_COND_INITIALIZER};

static void *read_input(void *unused) {
    uint8_t bytes[INPUT_MAX];
    ssize_t len;
    while ((len = read(STDIN_FILENO, bytes, sizeof bytes)) > 0) {
        if (host.echo) continue;
        pthread_mutex_lock(&typed.lock);
        while (typed.len != 0) pthread_cond_wait(&typed.taken, &typed.lock);
        memcpy(typed.bytes, bytes, (size_t)len);
        typed.len = (size_t)len;
        pthread_mutex_unlock(&typed.lock);
        pthread_kill(typed.vcpu, SIGUSR1);
    }
    if (typed.leash) _exit(0);
    return unused;
}

// Hands on what was typed as far as there is room; the rest waits with its thread.
static void take_input(void) {
    pthread_mutex_lock(&typed.lock);
    size_t len = INPUT_MAX - host.input_len;
    if (len > typed.len) len = typed.len;
    memcpy(host.input + host.input_len, typed.bytes, len);
    host.input_len += len;
    typed.len -= len;
    memmove(typed.bytes, typed.bytes + len, typed.len);
    if (typed.len == 0) pthread_cond_signal(&typed.taken);
    pthread_mutex_unlock(&typed.lock);
    deliver();
    if (host.freed) serve(&host.call);
    host.freed = false;
}

// KVM comes back at once instead of running the guest: a signal is never lost between a look and the next entry.
static void woken(int signal) {
    (void)signal;
    run->immediate_exit = 1;
}

static void play(int vcpu) {
    while (!host.ended) {
        if (ioctl(vcpu, KVM_RUN, 0) < 0) {
            if (errno != EINTR && errno != EAGAIN) {
                end("failed KVM_RUN: %s", strerror(errno));
            }
            run->immediate_exit = 0;
            take_input();
            continue;
        }
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            port_io();
            break;
        case KVM_EXIT_MMIO: // a store to the window, or nobody's memory [DISC-5]
            if (!run->mmio.is_write) memset(run->mmio.data, 0xff, sizeof run->mmio.data);
            break;
        case KVM_EXIT_INTR:
            break;
        case KVM_EXIT_SHUTDOWN:
            end("failed it shut down");
            break;
        default:
            end("failed KVM exit %" PRIu32, run->exit_reason);
        }
    }
}

int main(int count, char **words) {
    const char *image = NULL;
    char line[4096] = "";
    host.random = (uint64_t)getpid() << 32 ^ (uintptr_t)&count;
    for (int index = 1; index < count; index++) {
        const char *word = words[index];
        bool more = index + 1 < count;
        if (image == NULL && strcmp(word, "--echo") == 0) {
            host.echo = true;
        } else if (image == NULL && strcmp(word, "--leash") == 0) {
            typed.leash = true;
        } else if (image == NULL && strcmp(word, "--limit") == 0 && more) {
            alarm((unsigned)strtoul(words[++index], NULL, 10)); // its default action ends the process
        } else if (image == NULL && strcmp(word, "--seed") == 0 && more) {
            host.random = strtoull(words[++index], NULL, 16);
        } else if (image == NULL) {
            image = word;
        } else {
            size_t len = strlen(line);
            if (snprintf(line + len, sizeof line - len, "%s%s", len == 0 ? "" : " ", word) >= (int)(sizeof line - len)) {
                fail("the command line is too long");
            }
        }
    }
    if (image == NULL || image[0] == '-') fail("call: host [--echo] [--leash] [--limit SECONDS] [--seed HEX] IMAGE [LINE]");

    int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) fail("/dev/kvm speaks another version");
    if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0) fail("/dev/kvm has no read-only memory");
    host.vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    must(ioctl(host.vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    must(ioctl(host.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    host.ram = memory(RAM_LEN);
    host.window = memory(WINDOW_LEN);
    host.record = (struct tenon_record *)host.window;
    add_slot(0, 0, 0, RAM_LEN, host.ram);
    add_slot(1, KVM_MEM_READONLY, WINDOW_AT, WINDOW_LEN, host.window);
    write_record();
    int vcpu = must(ioctl(host.vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    int run_len = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    run = mmap(NULL, (size_t)run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) fail("the vCPU's page: %s", strerror(errno));
    uint32_t entry = load_image(image);
    set_cpuid(kvm, vcpu);
    set_registers(vcpu, entry, put_start_info(line));

    struct sigaction action = {.sa_handler = woken};
    pthread_t reader;
    sigaction(SIGUSR1, &action, NULL);
    typed.vcpu = pthread_self();
    if (pthread_create(&reader, NULL, read_input, NULL) != 0) fail("no thread for standard input");
    play(vcpu);
    return 0;
}
