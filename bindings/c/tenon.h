// SPDX-License-Identifier: MIT OR Apache-2.0
// The Tenon ABI for C11 and C++. Generated from the project's description by `cargo xtask spec --write`: do not edit.
//
// The norm is docs/abi.md; what stands in brackets is its clause. Every field is little-endian [GEN-1]: a big-endian
// machine swaps.
//
// Access to shared memory. A structure says where things lie; memory that a peer can write is not accessed through its
// fields, but as aligned words of 64 bits:
// - each access is one load or one store of a whole word, which the compiler neither splits, repeats nor leaves out
//   [GEN-10]: atomic_load_explicit of C11, __atomic_load_n of GCC and Clang, std::atomic_ref of C++20; a plain access
//   is a data race;
// - a word is loaded once into a private copy; the copy is checked, and only the copy is used [GEN-6];
// - memory_order_relaxed, except for the words that ORD-2 lists: those are stored with memory_order_release and loaded
//   with memory_order_acquire, and a full fence is atomic_thread_fence(memory_order_seq_cst);
// - fields of 16 and 32 bits are parts of the word that they lie in.
#ifndef TENON_H
#define TENON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define TENON_STATIC_ASSERT(holds, text) static_assert(holds, text)
extern "C" {
#else
#define TENON_STATIC_ASSERT(holds, text) _Static_assert(holds, text)
#endif

#define TENON_MAJOR 0x0u // major version of this header [NEG-1]
#define TENON_MINOR 0x2u // minor version of this header [NEG-1]
#define TENON_RECORD_MAGIC UINT64_C(0x5244006e6f6e6554) // `Tenon\0DR` [DISC-1]
#define TENON_CONTROL_MAGIC UINT64_C(0x5243006e6f6e6554) // `Tenon\0CR` [SES-3]
#define TENON_CPUID_FIRST 0x40000000u // first leaf that a guest looks at [DISC-4]
#define TENON_CPUID_STEP 0x100u // distance between the leaves [DISC-4]
#define TENON_CPUID_TRIES 0x100u // how many leaves are looked at [DISC-4]
#define TENON_CPUID_EBX 0x74726f4du // `Mort` [DISC-4]
#define TENON_CPUID_ECX 0x54657369u // `iseT` [DISC-4]
#define TENON_CPUID_EDX 0x6e6f6e65u // `enon` [DISC-4]
#define TENON_OFFSET_BITS 0x30u // bits of an address below its region number [GEN-3]
#define TENON_MAX_DEPTH 0x1000u // the largest call queue that exists [CALL-1]
#define TENON_INLINE_MAX 0x30u // bytes of the largest inline payload [CALL-10]
#define TENON_CLASSES 0x2u // event rings of a vCPU [EVT-2]
#define TENON_MAX_EVENTS 0x10000u // entries of the largest event ring that exists [EVT-2]
#define TENON_HINTED_PORTS 0x400u // ports below this have a mask hint [EVT-15]
#define TENON_CRASH_TEXT_MAX 0x400u // bytes of the longest text of a crash [LIFE-4]

// Features
#define TENON_FEATURES_WINDOW UINT64_C(0x1) // the host supplies its control pages in the window [NEG-6]
#define TENON_FEATURES_EVENTS UINT64_C(0x2) // ports and event rings [EVT-1]
#define TENON_FEATURES_DIRECT UINT64_C(0x4) // direct ports [EVT-22]
#define TENON_FEATURES_UPCALL UINT64_C(0x8) // upcalls can be injected [VCPU-8]
#define TENON_FEATURES_SMP UINT64_C(0x10) // vCPUs can be started and stopped [VCPU-5]
#define TENON_FEATURES_CONSOLE UINT64_C(0x20) // console output and input [CON-1]
#define TENON_FEATURES_LIFECYCLE UINT64_C(0x40) // exit, restart and crash record [LIFE-1]
#define TENON_FEATURES_ENTROPY UINT64_C(0x80) // random bytes [ENT-1]
#define TENON_FEATURES_PAGES UINT64_C(0x100) // pages that the host writes for the guest to read [PAGE-1]
#define TENON_FEATURES_TIME UINT64_C(0x200) // clocks and timers [TIME-1]
#define TENON_FEATURES_GENERATION UINT64_C(0x400) // generations, and suspension with the guest's consent [LIFE-5]
#define TENON_FEATURES_METER UINT64_C(0x800) // counts of what the host does [MET-1]
#define TENON_FEATURES_MEMORY UINT64_C(0x1000) // memory can be given back to the host, and taken again [MEM-1]
#define TENON_FEATURES_CLOSED UINT64_C(0x2000) // the host sees only memory that was handed over or shared [MEM-10]
#define TENON_FEATURES_STOLEN UINT64_C(0x4000) // time stolen from vCPUs is counted [VCPU-11]
#define TENON_FEATURES_DEVICES UINT64_C(0x8000) // devices, their queues and their changes [DEV-1]
#define TENON_FEATURES_BLOCK UINT64_C(0x10000) // block devices [BLK-1]
#define TENON_FEATURES_NET UINT64_C(0x20000) // network interfaces [NET-1]

// ConduitKind
#define TENON_CONDUIT_KIND_CALL 0x0u // a function call inside one process [DISC-6]
#define TENON_CONDUIT_KIND_PORT_IO 0x1u // an aligned 32-bit `out` to an x86 port [DISC-6]
#define TENON_CONDUIT_KIND_MMIO 0x2u // an aligned 32-bit store to a guest-physical address [DISC-6]
#define TENON_CONDUIT_KIND_HYPERCALL 0x3u // VMCALL, VMMCALL, HVC or ECALL: function number, then the value [DISC-6]
#define TENON_CONDUIT_KIND_SHARED 0x4u // a doorbell that carries no value; bind by a word in shared memory [DISC-6]

// ConduitFlags
#define TENON_CONDUIT_FLAGS_SYNCHRONOUS 0x1u // what a kick completes is in memory when the kick returns [DISC-10]
#define TENON_CONDUIT_FLAGS_PRIVILEGED 0x2u // the host can tell kicks and binds of user mode and refuses them [DISC-11]
#define TENON_CONDUIT_FLAGS_VMMCALL 0x4u // on x86 a hypercall is VMMCALL; without this it is VMCALL [DISC-12]

// ControlOp
#define TENON_CONTROL_OP_NEGOTIATE 0x1u // open the session with a version, features and a granule [NEG-4]
#define TENON_CONTROL_OP_BIND 0x2u // give a vCPU its areas [VCPU-1]
#define TENON_CONTROL_OP_RESET 0x3u // end the session [SES-6]

// SessionState
#define TENON_SESSION_STATE_IDLE 0x0u // nothing is negotiated [NEG-5]
#define TENON_SESSION_STATE_OPEN 0x1u // negotiated: vCPUs can be bound [NEG-5]

// Op
#define TENON_OP_NOP 0x100u // does nothing: value = `args[0]` [CALL-20]
#define TENON_OP_PROBE 0x101u // does an operation exist: value = 0, or 1, or 3 if it is replay-safe too [CALL-21]
#define TENON_OP_CANCEL 0x102u // cancel a request in flight: value = 1 if it was cancelled, else 0 [CALL-22]
#define TENON_OP_EVENT_BIND 0x200u // bind a port to a vCPU's event ring [EVT-3]
#define TENON_OP_EVENT_UNBIND 0x201u // release a port [EVT-5]
#define TENON_OP_EVENT_MOVE 0x202u // bind a port to another ring [EVT-17]
#define TENON_OP_EVENT_SIGNAL 0x203u // raise a port of one's own [EVT-6]
#define TENON_OP_EVENT_BIND_DIRECT 0x204u // give a port an interrupt of its own [EVT-22]
#define TENON_OP_REGION_QUERY 0x300u // length of a region in bytes [REG-4]
#define TENON_OP_PAGE 0x400u // where a page of the host's lies: value = its offset in the window, or 0 for a donated one [PAGE-2]
#define TENON_OP_VCPU_START 0x500u // start a vCPU [VCPU-5]
#define TENON_OP_VCPU_STOP 0x501u // stop a vCPU and move its ports [VCPU-6]
#define TENON_OP_VCPU_UPCALL 0x502u // set the interrupt of a vCPU's upcall [VCPU-8]
#define TENON_OP_CONSOLE_WRITE 0x600u // write bytes to the console [CON-2]
#define TENON_OP_CONSOLE_READ 0x601u // read bytes; completes when there are some [CON-4]
#define TENON_OP_CLOCK_READ 0x700u // what a clock says: value = nanoseconds [TIME-10]
#define TENON_OP_TIMER_SET 0x701u // raise a port when a clock reaches a deadline [TIME-12]
#define TENON_OP_TIMER_CANCEL 0x702u // drop a port's timer: value = 1 if there was one that had not expired, else 0 [TIME-15]
#define TENON_OP_EXIT 0x800u // end the domain with a code [LIFE-2]
#define TENON_OP_RESTART 0x801u // restart the domain [LIFE-3]
#define TENON_OP_CRASH 0x802u // leave a crash record [LIFE-4]
#define TENON_OP_REPAIRED 0x803u // nothing that a copy of the guest may have is used any more: the id of the generation [LIFE-7]
#define TENON_OP_SUSPEND_WATCH 0x804u // raise a port when the guest is to get ready for suspension [LIFE-9]
#define TENON_OP_SUSPEND_READY 0x805u // the guest may be suspended [LIFE-10]
#define TENON_OP_MEMORY_INFO 0x900u // write what is known of the guest's memory to a range: value = how many bytes [MEM-3]
#define TENON_OP_MEMORY_WATCH 0x901u // raise a port when the target or the memory is another one [MEM-5]
#define TENON_OP_GIVE 0x902u // give memory back to the host: value = how many bytes, from the front [MEM-6]
#define TENON_OP_TAKE 0x903u // take given memory again, as zeros: value = how many bytes, from the front [MEM-7]
#define TENON_OP_HINT 0x904u // say that what memory holds is not needed: value = how many bytes, from the front [MEM-8]
#define TENON_OP_SHARE 0x910u // let the host reach memory for payload: value = how many bytes, from the front [MEM-12]
#define TENON_OP_UNSHARE 0x911u // keep the host from memory again: value = how many bytes, from the front [MEM-13]
#define TENON_OP_ENTROPY 0xa00u // write random bytes to a range: value = how many [ENT-1]
#define TENON_OP_METER_READ 0xb00u // write an epoch and counts to a range: value = how many bytes [MET-1]
#define TENON_OP_DEVICE_LIMITS 0xc00u // value = devices at most (32 bits), open queues of the domain at most (32 bits) [DEV-2]
#define TENON_OP_DEVICE_WATCH 0xc01u // raise a port when a device comes, goes or changes [DEV-3]
#define TENON_OP_DEVICE_QUERY 0xc02u // write what is known of a device to a range: value = how many bytes [DEV-4]
#define TENON_OP_DEVICE_OPEN 0xc03u // open a device, with the memory that it may touch [DEV-6]
#define TENON_OP_DEVICE_CLOSE 0xc04u // close a device and its queues [DEV-12]
#define TENON_OP_QUEUE_OPEN 0xc05u // open a queue of a device: value = the number that its kicks carry [DEV-8]
#define TENON_OP_QUEUE_CLOSE 0xc06u // close a queue of a device [DEV-11]
#define TENON_OP_NET_FILTER 0xc10u // say which frames are wanted [NET-9]
#define TENON_OP_READ 0xd00u // read from the disk: value = how many bytes [BLK-4]
#define TENON_OP_WRITE 0xd01u // write to the disk: value = how many bytes [BLK-5]
#define TENON_OP_FLUSH 0xd02u // make durable what was written [BLK-6]
#define TENON_OP_DISCARD 0xd03u // say that what a range of the disk holds is not needed [BLK-8]
#define TENON_OP_ZERO 0xd04u // make a range of the disk read as zeros [BLK-9]

// Check
#define TENON_CHECK_NONE 0x0u // not used: zero, else BAD_RESERVED [CALL-11]
#define TENON_CHECK_WORD 0x1u // any 64 bits [CALL-11]
#define TENON_CHECK_U16 0x2u // below 2^16 [CALL-11]
#define TENON_CHECK_U32 0x3u // below 2^32 [CALL-11]
#define TENON_CHECK_PORT 0x4u // below `max_ports` [EVT-3]
#define TENON_CHECK_VCPU 0x5u // below `max_vcpus` [VCPU-1]
#define TENON_CHECK_CLASS 0x6u // an event ring's class: 0 or 1 [EVT-2]
#define TENON_CHECK_INTERRUPT 0x7u // from `irq_first` to `irq_last` [VCPU-8]
#define TENON_CHECK_INTERRUPT_OR_ZERO 0x8u // the same, or 0 [VCPU-8]
#define TENON_CHECK_START 0x9u // what the platform's start state can carry [VCPU-5]
#define TENON_CHECK_ADDRESS 0xau // a wire address [GEN-3]
#define TENON_CHECK_LENGTH 0xbu // bytes of the range that begins at the address before it [REG-3]
#define TENON_CHECK_CLOCK 0xcu // the number of a clock: below 3 [TIME-2]
#define TENON_CHECK_PORT_OR_NONE 0xdu // below `max_ports`, or 2^32 - 1: none [DEV-7]

// Traits
#define TENON_TRAITS_REPLAY_SAFE 0x1u // may be submitted again after a reset: bit 1 of PROBE's value [CALL-18]
#define TENON_TRAITS_PAYLOAD 0x2u // takes a payload: INLINE, or a range by its first two arguments [CALL-10]
#define TENON_TRAITS_EMERGENCY 0x4u // the emergency lane takes it [CALL-23]
#define TENON_TRAITS_EMERGENCY_INLINE 0x8u // the emergency lane takes it with INLINE [CALL-23]
#define TENON_TRAITS_LATE 0x10u // may complete after the kick that submitted it [CALL-17]
#define TENON_TRAITS_BLOCK_QUEUE 0x20u // the queues of block devices take it, and no others [DEV-10]

// SubmissionFlags
#define TENON_SUBMISSION_FLAGS_INLINE 0x1u // `args` hold `count` bytes of payload [CALL-10]

// Status
#define TENON_STATUS_OK 0x0u // done [CALL-13]
#define TENON_STATUS_NOT_SUPPORTED 0x1u // no such operation here [CALL-12]
#define TENON_STATUS_BAD_ARGUMENT 0x2u // an argument is outside its range [CALL-11]
#define TENON_STATUS_BAD_RESERVED 0x3u // an unknown bit is set or a reserved field is not zero [GEN-5]
#define TENON_STATUS_BAD_REGION 0x4u // no such region [REG-2]
#define TENON_STATUS_BAD_RANGE 0x5u // the range does not lie inside the region, wraps, or overlaps what it must not [REG-3]
#define TENON_STATUS_TOO_LONG 0x6u // the payload is longer than the limit [CALL-10]
#define TENON_STATUS_NO_CAPACITY 0x7u // a quota, a ring or the window has no room [EVT-4]
#define TENON_STATUS_EXISTS 0x8u // it is bound already [VCPU-1]
#define TENON_STATUS_NOT_FOUND 0x9u // it is in its range, but not bound [CALL-28]
#define TENON_STATUS_BAD_STATE 0xau // not in this state [NEG-4]
#define TENON_STATUS_BAD_SESSION 0xbu // that session is over [SES-5]
#define TENON_STATUS_BAD_VERSION 0xcu // that version is not spoken here [NEG-1]
#define TENON_STATUS_BAD_FEATURES 0xdu // a feature was asked that is not offered [NEG-2]
#define TENON_STATUS_CANCELLED 0xeu // cancelled before it took effect [CALL-22]
#define TENON_STATUS_INDETERMINATE 0xfu // it may or may not have taken effect [CALL-18]
#define TENON_STATUS_DENIED 0x10u // a range that is not shared with this right [MEM-11]
#define TENON_STATUS_BAD_ALIGNMENT 0x11u // not aligned to the granule [GEN-4]
#define TENON_STATUS_IO_ERROR 0x12u // the medium could not do it [BLK-7]
#define TENON_STATUS_NO_SPACE 0x13u // the medium is full [BLK-5]
#define TENON_STATUS_READ_ONLY 0x14u // the medium cannot be written [BLK-5]
#define TENON_STATUS_REMOVED 0x15u // that device is gone [DEV-13]

// QueueState
#define TENON_QUEUE_STATE_UNBOUND 0x0u // no such queue in this session [CALL-15]
#define TENON_QUEUE_STATE_RUNNING 0x1u // the queue works [CALL-15]
#define TENON_QUEUE_STATE_CORRUPT 0x2u // the guest broke the protocol; cured only by reset [CALL-15]

// Reason
#define TENON_REASON_NONE 0x0u // it is not [CALL-15]
#define TENON_REASON_BAD_ID 0x1u // an id at or above the queue's depth [CALL-6]
#define TENON_REASON_DUPLICATE_ID 0x2u // an id that is in flight already [CALL-6]
#define TENON_REASON_BAD_TAKEN 0x3u // `taken` went backwards or beyond what was written [EVT-8]
#define TENON_REASON_BAD_ARMED 0x4u // the upper 32 bits of an armed word are not zero [EVT-11]
#define TENON_REASON_UNKNOWN_ID 0x5u // a completion for an id that is not in flight [CALL-7]
#define TENON_REASON_BAD_PORT 0x6u // an event entry names a port at or above `max_ports` [EVT-7]
#define TENON_REASON_BAD_POSITION 0x7u // a data ring's position went backwards, too far, or lost its seed [STR-5]
#define TENON_REASON_BAD_RECORD 0x8u // a record's header has another turn or an impossible length [STR-9]
#define TENON_REASON_BAD_SHAPE 0x9u // the other side has another size or kind of ring in mind [STR-3]
#define TENON_REASON_NOT_ZERO 0xau // a reserved word of a control line is not zero [GEN-5]

// Rights
#define TENON_RIGHTS_READ 0x1u // it may read there [MEM-12]
#define TENON_RIGHTS_WRITE 0x2u // it may write there [MEM-12]

// Meter
#define TENON_METER_CALLS 0x1u // submissions that the host fetched, in both queues of each vCPU [CALL-2]
#define TENON_METER_BATCHES 0x2u // looks of the host at a queue that found submissions [CALL-14]
#define TENON_METER_CONTROLS 0x3u // control requests that the host answered [SES-4]
#define TENON_METER_EVENTS 0x4u // ports that were raised while they were bound, by the guest or for it [EVT-9]
#define TENON_METER_UPCALLS 0x5u // upcalls that the host sent [VCPU-8]
#define TENON_METER_DIRECT_INTERRUPTS 0x6u // interrupts of direct ports that the host sent [EVT-22]
#define TENON_METER_CONSOLE_OUT 0x7u // bytes of console output that the host accepted [CON-2]
#define TENON_METER_CONSOLE_IN 0x8u // bytes of console input that the guest was given [CON-4]
#define TENON_METER_ENTROPY 0x9u // random bytes that the guest was given [ENT-1]
#define TENON_METER_TIMERS 0xau // timers that expired [MET-5]
#define TENON_METER_GIVEN 0xbu // bytes of memory that the guest gave to the host [MET-5]
#define TENON_METER_TAKEN 0xcu // bytes of memory that the guest took again [MET-5]
#define TENON_METER_SHARED 0xdu // bytes of memory that the guest shared with a host that sees nothing else [MET-5]

// DeviceKind
#define TENON_DEVICE_KIND_BLOCK 0x1u // a disk [BLK-1]
#define TENON_DEVICE_KIND_NET 0x2u // a network interface [NET-1]

// DeviceFlags
#define TENON_DEVICE_FLAGS_REMOVED 0x1u // the host has taken it away, and the guest is to close it [DEV-13]
#define TENON_DEVICE_FLAGS_OPEN 0x2u // the guest has opened it [DEV-6]

// GuestPart
#define TENON_GUEST_PART_COMPLETIONS_ARMED 0x0u // U64: completion position from which the port is to be raised (32 bits), zero (32 bits) [CALL-16]
#define TENON_GUEST_PART_SUBMISSIONS 0x40u // `Submission[size]` [CALL-1]

// HostPart
#define TENON_HOST_PART_STATE 0x0u // U64: state word [CALL-15]
#define TENON_HOST_PART_KICK_WANTED 0x8u // U64: position from which a kick is wanted (32 bits), kind (32 bits): 1 if that position counts, else 0 [CALL-25]
#define TENON_HOST_PART_COMPLETIONS 0x40u // `Completion[size]` [CALL-1]

// BlockFlags
#define TENON_BLOCK_FLAGS_READ_ONLY 0x1u // it cannot be written [BLK-5]
#define TENON_BLOCK_FLAGS_VOLATILE_CACHE 0x2u // what is written may be lost before a FLUSH [BLK-6]
#define TENON_BLOCK_FLAGS_FAILED 0x4u // a write-back has failed [BLK-7]

// WriteFlags
#define TENON_WRITE_FLAGS_DURABLE 0x1u // complete only when the bytes are durable [BLK-5]

// ZeroFlags
#define TENON_ZERO_FLAGS_MAY_UNMAP 0x1u // the range may lose its place on the medium [BLK-9]

// NetFeatures
#define TENON_NET_FEATURES_CSUM_TO_HOST 0x1u // frames to the host may need a checksum [NET-5]
#define TENON_NET_FEATURES_CSUM_TO_GUEST 0x2u // frames to the guest may need a checksum, or be checked already [NET-5]
#define TENON_NET_FEATURES_SEGMENT_TO_HOST 0x4u // frames to the host may be cut by the host; needs CSUM_TO_HOST [NET-6]
#define TENON_NET_FEATURES_SEGMENT_TO_GUEST 0x8u // frames to the guest may be ones that are to be cut; needs CSUM_TO_GUEST [NET-6]
#define TENON_NET_FEATURES_HASH 0x10u // frames to the guest may carry a hash [NET-7]

// NetFlags
#define TENON_NET_FLAGS_NEEDS_CSUM 0x1u // the checksum at `csum_start` + `csum_offset` is to be computed [NET-5]
#define TENON_NET_FLAGS_CHECKED 0x2u // its checksums were found right [NET-5]

// SegmentKind
#define TENON_SEGMENT_KIND_NONE 0x0u // nothing: it goes as it is [NET-6]
#define TENON_SEGMENT_KIND_TCP4 0x1u // segments of TCP over IPv4 [NET-6]
#define TENON_SEGMENT_KIND_TCP6 0x2u // segments of TCP over IPv6 [NET-6]

// FilterMode
#define TENON_FILTER_MODE_BROADCAST 0x1u // those to all [NET-9]
#define TENON_FILTER_MODE_ALL_MULTICAST 0x2u // those to any group [NET-9]
#define TENON_FILTER_MODE_PROMISCUOUS 0x4u // all frames [NET-9]

// RecordLength
#define TENON_RECORD_LENGTH_SKIP 0xffffffffu // no record: the rest of the ring up to its end is not used [STR-8]

// GuestArea
#define TENON_GUEST_AREA_COMPLETIONS_ARMED 0x0u // U64: completion position from which an upcall is wanted (32 bits), zero (32 bits) [CALL-16]
#define TENON_GUEST_AREA_TAKEN0 0x40u // U64: position behind the last entry taken from ring 0 (32 bits), zero (32 bits) [EVT-8]
#define TENON_GUEST_AREA_ARMED0 0x48u // U64: position of ring 0 from which an upcall is wanted (32 bits), zero (32 bits) [EVT-11]
#define TENON_GUEST_AREA_TAKEN1 0x80u // U64: position behind the last entry taken from ring 1 (32 bits), zero (32 bits) [EVT-8]
#define TENON_GUEST_AREA_ARMED1 0x88u // U64: position of ring 1 from which an upcall is wanted (32 bits), zero (32 bits) [EVT-11]
#define TENON_GUEST_AREA_MASK_HINTS 0x100u // `U64[16]`: the hint of port p is bit p mod 64 of word p div 64 [EVT-15]
#define TENON_GUEST_AREA_EMERGENCY 0x180u // `Submission`: the slot of the emergency lane [CALL-23]
#define TENON_GUEST_AREA_SUBMISSIONS 0x200u // `Submission[depth]`: the call queue [CALL-1]

// HostArea
#define TENON_HOST_AREA_CALL_STATE 0x0u // U64: state word of the call queue [CALL-15]
#define TENON_HOST_AREA_EMERGENCY_STATE 0x8u // U64: state word of the emergency lane [CALL-15]
#define TENON_HOST_AREA_EVENT_STATE0 0x10u // U64: state word of event ring 0 [EVT-20]
#define TENON_HOST_AREA_EVENT_STATE1 0x18u // U64: state word of event ring 1 [EVT-20]
#define TENON_HOST_AREA_KICK_WANTED 0x20u // U64: call position from which a kick is wanted (32 bits), kind (32 bits): 1 if that position counts, else 0 [CALL-25]
#define TENON_HOST_AREA_STOLEN 0x28u // U64: nanoseconds that the vCPU could have run and did not; zero without STOLEN [VCPU-11]
#define TENON_HOST_AREA_EMERGENCY 0x40u // `Completion`: the slot of the emergency lane [CALL-23]
#define TENON_HOST_AREA_COMPLETIONS 0x80u // `Completion[depth]`, then the entries of event ring 0, then those of ring 1 [CALL-1]

// PageKind
#define TENON_PAGE_KIND_TIME 0x1u // the clocks: needs TIME [TIME-3]
#define TENON_PAGE_KIND_GENERATION 0x2u // the id of the generation: needs GENERATION [LIFE-6]

// GenerationPage
#define TENON_GENERATION_PAGE_SEQUENCE 0x0u // U64: the sequence, alone in its cache line [PAGE-1]
#define TENON_GENERATION_PAGE_COPY0 0x40u // `GenerationCopy`: the copy that is valid while the sequence is even [PAGE-1]
#define TENON_GENERATION_PAGE_COPY1 0x80u // `GenerationCopy`: the copy that is valid while the sequence is odd [PAGE-1]

// TimePage
#define TENON_TIME_PAGE_SEQUENCE 0x0u // U64: the sequence, alone in its cache line [PAGE-1]
#define TENON_TIME_PAGE_COPY0 0x40u // `TimeCopy`: the copy that is valid while the sequence is even [PAGE-1]
#define TENON_TIME_PAGE_COPY1 0xc0u // `TimeCopy`: the copy that is valid while the sequence is odd [PAGE-1]

// Clock
#define TENON_CLOCK_RUNNING 0x0u // nanoseconds that the domain has run [TIME-7]
#define TENON_CLOCK_BOOT 0x1u // the same, and the time that passed while it did not run, as far as the embedder says so [TIME-7]
#define TENON_CLOCK_UTC 0x2u // nanoseconds since 1970-01-01 00:00:00 UTC, without leap seconds [TIME-8]

// Clocks
#define TENON_CLOCKS_RUNNING 0x1u // RUNNING [TIME-3]
#define TENON_CLOCKS_BOOT 0x2u // BOOT [TIME-3]
#define TENON_CLOCKS_UTC 0x4u // UTC [TIME-3]

// CounterKind
#define TENON_COUNTER_KIND_NONE 0x0u // none: a clock is read by call [TIME-4]
#define TENON_COUNTER_KIND_X86_TSC 0x1u // x86: the time-stamp counter [TIME-4]
#define TENON_COUNTER_KIND_ARM_CNTVCT 0x2u // AArch64: CNTVCT_EL0 [TIME-4]
#define TENON_COUNTER_KIND_RISCV_TIME 0x3u // RISC-V: the CSR `time` [TIME-4]
#define TENON_COUNTER_KIND_ARM_CNTPCT 0x4u // AArch64: CNTPCT_EL0 [TIME-4]

// TimeFlags
#define TENON_TIME_FLAGS_TAI_OFFSET_VALID 0x1u // `tai_offset` is known [TIME-8]
#define TENON_TIME_FLAGS_DISRUPTION_SOON 0x2u // a disruption is expected within a day [TIME-9]
#define TENON_TIME_FLAGS_DISRUPTION_IMMINENT 0x4u // a disruption is expected within an hour [TIME-9]

// ClockStatus
#define TENON_CLOCK_STATUS_UNKNOWN 0x0u // nothing [TIME-8]
#define TENON_CLOCK_STATUS_INITIALIZING 0x1u // it is being set: not to be relied on yet [TIME-8]
#define TENON_CLOCK_STATUS_SYNCHRONIZED 0x2u // it follows a reference [TIME-8]
#define TENON_CLOCK_STATUS_FREERUNNING 0x3u // it followed a reference, which is lost [TIME-8]
#define TENON_CLOCK_STATUS_UNRELIABLE 0x4u // it is known to be wrong [TIME-8]

// Leap
#define TENON_LEAP_NONE 0x0u // none is near [TIME-8]
#define TENON_LEAP_PRE_POS 0x1u // a second is added at the end of this month [TIME-8]
#define TENON_LEAP_PRE_NEG 0x2u // a second is left out at the end of this month [TIME-8]
#define TENON_LEAP_POS 0x3u // the second that is added passes now [TIME-8]
#define TENON_LEAP_POST_POS 0x4u // a second was added at the end of last month [TIME-8]
#define TENON_LEAP_POST_NEG 0x5u // a second was left out at the end of last month [TIME-8]

// Smear
#define TENON_SMEAR_STRICT 0x0u // not at all [TIME-8]
#define TENON_SMEAR_NOON_LINEAR 0x1u // evenly, from the noon before to the noon behind [TIME-8]
#define TENON_SMEAR_UTC_SLS 0x2u // evenly, over the last 1000 seconds before the end of the day [TIME-8]

// The features that a minor version has [NEG-2]
#define TENON_FEATURES_OF_MINOR(minor) ((minor) == 0 ? UINT64_C(0x0) : (minor) == 1 ? UINT64_C(0x7f) : UINT64_C(0x3ffff))

// Every operation, for a macro X(name, number, needs, arguments, traits, check 0, ..., check 5). needs: features
// that must all have been negotiated [NEG-7]. arguments: how many are used. traits: TENON_TRAITS_... A check
// is TENON_CHECK_... without its prefix.
#define TENON_OPERATIONS(X) \
    X(NOP, 0x100u, UINT64_C(0x0), 1, 0x5u, WORD, NONE, NONE, NONE, NONE, NONE) \
    X(PROBE, 0x101u, UINT64_C(0x0), 1, 0x1u, U16, NONE, NONE, NONE, NONE, NONE) \
    X(CANCEL, 0x102u, UINT64_C(0x0), 1, 0x0u, U16, NONE, NONE, NONE, NONE, NONE) \
    X(EVENT_BIND, 0x200u, UINT64_C(0x2), 3, 0x0u, PORT, VCPU, CLASS, NONE, NONE, NONE) \
    X(EVENT_UNBIND, 0x201u, UINT64_C(0x2), 1, 0x0u, PORT, NONE, NONE, NONE, NONE, NONE) \
    X(EVENT_MOVE, 0x202u, UINT64_C(0x2), 3, 0x0u, PORT, VCPU, CLASS, NONE, NONE, NONE) \
    X(EVENT_SIGNAL, 0x203u, UINT64_C(0x2), 1, 0x0u, PORT, NONE, NONE, NONE, NONE, NONE) \
    X(EVENT_BIND_DIRECT, 0x204u, UINT64_C(0x6), 3, 0x0u, PORT, VCPU, INTERRUPT, NONE, NONE, NONE) \
    X(REGION_QUERY, 0x300u, UINT64_C(0x0), 1, 0x1u, U16, NONE, NONE, NONE, NONE, NONE) \
    X(PAGE, 0x400u, UINT64_C(0x100), 2, 0x1u, U16, ADDRESS, NONE, NONE, NONE, NONE) \
    X(VCPU_START, 0x500u, UINT64_C(0x10), 3, 0x0u, VCPU, START, START, NONE, NONE, NONE) \
    X(VCPU_STOP, 0x501u, UINT64_C(0x10), 2, 0x10u, VCPU, VCPU, NONE, NONE, NONE, NONE) \
    X(VCPU_UPCALL, 0x502u, UINT64_C(0x8), 2, 0x1u, VCPU, INTERRUPT_OR_ZERO, NONE, NONE, NONE, NONE) \
    X(CONSOLE_WRITE, 0x600u, UINT64_C(0x20), 2, 0xau, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(CONSOLE_READ, 0x601u, UINT64_C(0x20), 2, 0x10u, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(CLOCK_READ, 0x700u, UINT64_C(0x200), 1, 0x1u, CLOCK, NONE, NONE, NONE, NONE, NONE) \
    X(TIMER_SET, 0x701u, UINT64_C(0x202), 4, 0x0u, PORT, CLOCK, WORD, WORD, NONE, NONE) \
    X(TIMER_CANCEL, 0x702u, UINT64_C(0x202), 1, 0x0u, PORT, NONE, NONE, NONE, NONE, NONE) \
    X(EXIT, 0x800u, UINT64_C(0x40), 1, 0x4u, U32, NONE, NONE, NONE, NONE, NONE) \
    X(RESTART, 0x801u, UINT64_C(0x40), 0, 0x4u, NONE, NONE, NONE, NONE, NONE, NONE) \
    X(CRASH, 0x802u, UINT64_C(0x40), 3, 0x6u, ADDRESS, LENGTH, WORD, NONE, NONE, NONE) \
    X(REPAIRED, 0x803u, UINT64_C(0x400), 2, 0x1u, WORD, WORD, NONE, NONE, NONE, NONE) \
    X(SUSPEND_WATCH, 0x804u, UINT64_C(0x402), 1, 0x0u, PORT, NONE, NONE, NONE, NONE, NONE) \
    X(SUSPEND_READY, 0x805u, UINT64_C(0x400), 0, 0x0u, NONE, NONE, NONE, NONE, NONE, NONE) \
    X(MEMORY_INFO, 0x900u, UINT64_C(0x1000), 2, 0x0u, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(MEMORY_WATCH, 0x901u, UINT64_C(0x1002), 1, 0x0u, PORT, NONE, NONE, NONE, NONE, NONE) \
    X(GIVE, 0x902u, UINT64_C(0x1000), 2, 0x10u, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(TAKE, 0x903u, UINT64_C(0x1000), 2, 0x10u, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(HINT, 0x904u, UINT64_C(0x1000), 2, 0x10u, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(SHARE, 0x910u, UINT64_C(0x2000), 3, 0x10u, ADDRESS, LENGTH, WORD, NONE, NONE, NONE) \
    X(UNSHARE, 0x911u, UINT64_C(0x2000), 2, 0x10u, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(ENTROPY, 0xa00u, UINT64_C(0x80), 2, 0x0u, ADDRESS, LENGTH, NONE, NONE, NONE, NONE) \
    X(METER_READ, 0xb00u, UINT64_C(0x800), 3, 0x0u, U32, ADDRESS, LENGTH, NONE, NONE, NONE) \
    X(DEVICE_LIMITS, 0xc00u, UINT64_C(0x8000), 0, 0x1u, NONE, NONE, NONE, NONE, NONE, NONE) \
    X(DEVICE_WATCH, 0xc01u, UINT64_C(0x8002), 1, 0x0u, PORT, NONE, NONE, NONE, NONE, NONE) \
    X(DEVICE_QUERY, 0xc02u, UINT64_C(0x8000), 3, 0x0u, U32, ADDRESS, LENGTH, NONE, NONE, NONE) \
    X(DEVICE_OPEN, 0xc03u, UINT64_C(0x8000), 5, 0x0u, WORD, WORD, ADDRESS, LENGTH, PORT_OR_NONE, NONE) \
    X(DEVICE_CLOSE, 0xc04u, UINT64_C(0x8000), 1, 0x10u, U32, NONE, NONE, NONE, NONE, NONE) \
    X(QUEUE_OPEN, 0xc05u, UINT64_C(0x8000), 6, 0x0u, WORD, U32, PORT_OR_NONE, ADDRESS, ADDRESS, ADDRESS) \
    X(QUEUE_CLOSE, 0xc06u, UINT64_C(0x8000), 1, 0x10u, WORD, NONE, NONE, NONE, NONE, NONE) \
    X(NET_FILTER, 0xc10u, UINT64_C(0x28000), 4, 0x0u, U32, WORD, ADDRESS, U32, NONE, NONE) \
    X(READ, 0xd00u, UINT64_C(0x18000), 6, 0x31u, WORD, WORD, WORD, WORD, WORD, WORD) \
    X(WRITE, 0xd01u, UINT64_C(0x18000), 6, 0x31u, WORD, WORD, WORD, WORD, WORD, WORD) \
    X(FLUSH, 0xd02u, UINT64_C(0x18000), 0, 0x31u, NONE, NONE, NONE, NONE, NONE, NONE) \
    X(DISCARD, 0xd03u, UINT64_C(0x18000), 2, 0x31u, WORD, WORD, NONE, NONE, NONE, NONE) \
    X(ZERO, 0xd04u, UINT64_C(0x18000), 3, 0x31u, WORD, WORD, WORD, NONE, NONE, NONE)

// The discovery record, at the start of the window. Written by the host only; frozen in every version.
struct tenon_record {
    uint64_t magic; // `Tenon\0DR` [DISC-1]
    uint16_t major; // highest ABI major version that the host speaks [NEG-1]
    uint16_t minor; // highest minor version of that major [NEG-1]
    uint32_t size; // size of this record in bytes: 256 [DISC-1]
    uint64_t features; // feature bits that the host offers [NEG-2]
    uint32_t granules; // granules that the host offers: bit n stands for 2^n bytes [NEG-3]
    uint16_t conduit; // conduit kind [DISC-6]
    uint16_t conduit_flags; // conduit capabilities [DISC-6]
    uint64_t kick_base; // where queue 0 is kicked: port, guest-physical address or function number [DISC-7]
    uint32_t kick_stride; // distance between the doorbells of two queues; 0: one doorbell [DISC-7]
    uint32_t irq_first; // lowest interrupt number of upcalls and direct ports; zero where there are none [VCPU-8]
    uint64_t bind_base; // where a frame number is handed over [DISC-8]
    uint64_t window_len; // length of the window in bytes, this record included [DISC-5]
    uint32_t max_vcpus; // vCPU numbers are below this [DISC-9]
    uint32_t max_depth; // largest call queue depth [DISC-9]
    uint32_t max_events; // largest event ring, in entries [DISC-9]
    uint32_t max_ports; // port numbers are below this [DISC-9]
    uint32_t max_payload; // largest payload of one call in bytes [DISC-9]
    uint32_t irq_last; // highest interrupt number of upcalls and direct ports; zero where there are none [VCPU-8]
    uint64_t region0_len; // length of region 0 in bytes [REG-1]
    uint64_t reserved2[4]; // zero [GEN-5]
    uint64_t session; // seed (32 bits), session number (32 bits) [SES-1]
    uint64_t active; // the session's major (16 bits), minor (16 bits), log2 of the granule (16 bits), state (16 bits) [NEG-5]
    uint64_t active_features; // feature bits of the session [NEG-5]
    uint64_t control_value; // value of the last control request [SES-4]
    uint64_t control_result; // last control request: status (16 bits), zero (16 bits), ticket (32 bits) [SES-4]
    uint64_t reserved3[11]; // zero [GEN-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_record) == 0x100, "tenon_record: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, magic) == 0x0, "tenon_record.magic");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, major) == 0x8, "tenon_record.major");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, minor) == 0xa, "tenon_record.minor");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, size) == 0xc, "tenon_record.size");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, features) == 0x10, "tenon_record.features");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, granules) == 0x18, "tenon_record.granules");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, conduit) == 0x1c, "tenon_record.conduit");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, conduit_flags) == 0x1e, "tenon_record.conduit_flags");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, kick_base) == 0x20, "tenon_record.kick_base");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, kick_stride) == 0x28, "tenon_record.kick_stride");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, irq_first) == 0x2c, "tenon_record.irq_first");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, bind_base) == 0x30, "tenon_record.bind_base");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, window_len) == 0x38, "tenon_record.window_len");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, max_vcpus) == 0x40, "tenon_record.max_vcpus");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, max_depth) == 0x44, "tenon_record.max_depth");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, max_events) == 0x48, "tenon_record.max_events");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, max_ports) == 0x4c, "tenon_record.max_ports");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, max_payload) == 0x50, "tenon_record.max_payload");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, irq_last) == 0x54, "tenon_record.irq_last");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, region0_len) == 0x58, "tenon_record.region0_len");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, reserved2) == 0x60, "tenon_record.reserved2");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, session) == 0x80, "tenon_record.session");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, active) == 0x88, "tenon_record.active");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, active_features) == 0x90, "tenon_record.active_features");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, control_value) == 0x98, "tenon_record.control_value");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, control_result) == 0xa0, "tenon_record.control_result");
TENON_STATIC_ASSERT(offsetof(struct tenon_record, reserved3) == 0xa8, "tenon_record.reserved3");

// A control request, at the start of the frame whose number is handed to `bind`. Written by the guest only.
struct tenon_control_request {
    uint64_t magic; // `Tenon\0CR` [SES-3]
    uint16_t op; // what is asked [SES-3]
    uint16_t reserved0; // zero [GEN-5]
    uint32_t ticket; // chosen by the guest, returned with the result [SES-4]
    uint32_t session; // the session number that the guest read in the record [SES-5]
    uint32_t vcpu; // bind: the vCPU; else zero [VCPU-1]
    uint16_t major; // negotiate: version to use; else zero [NEG-1]
    uint16_t minor; // negotiate: version to use; else zero [NEG-1]
    uint32_t granule; // negotiate: log2 of the granule; else zero [NEG-3]
    uint64_t features; // negotiate: feature bits to use; else zero [NEG-2]
    uint32_t depth; // bind: depth of the call queue; else zero [VCPU-2]
    uint32_t events0; // bind: entries of the event ring of class 0; else zero [VCPU-2]
    uint32_t events1; // bind: entries of the event ring of class 1; else zero [VCPU-2]
    uint32_t reserved1; // zero [GEN-5]
    uint64_t guest_area; // bind: wire address of the guest-written area; else zero [VCPU-3]
    uint64_t host_area; // bind without WINDOW: wire address of the host-written area; else zero [NEG-6]
    uint64_t reserved2[7]; // zero [GEN-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_control_request) == 0x80, "tenon_control_request: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, magic) == 0x0, "tenon_control_request.magic");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, op) == 0x8, "tenon_control_request.op");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, reserved0) == 0xa, "tenon_control_request.reserved0");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, ticket) == 0xc, "tenon_control_request.ticket");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, session) == 0x10, "tenon_control_request.session");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, vcpu) == 0x14, "tenon_control_request.vcpu");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, major) == 0x18, "tenon_control_request.major");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, minor) == 0x1a, "tenon_control_request.minor");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, granule) == 0x1c, "tenon_control_request.granule");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, features) == 0x20, "tenon_control_request.features");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, depth) == 0x28, "tenon_control_request.depth");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, events0) == 0x2c, "tenon_control_request.events0");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, events1) == 0x30, "tenon_control_request.events1");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, reserved1) == 0x34, "tenon_control_request.reserved1");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, guest_area) == 0x38, "tenon_control_request.guest_area");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, host_area) == 0x40, "tenon_control_request.host_area");
TENON_STATIC_ASSERT(offsetof(struct tenon_control_request, reserved2) == 0x48, "tenon_control_request.reserved2");

// One request. The tail is stored last, with Release.
struct tenon_submission {
    uint32_t flags; // submission flags [CALL-9]
    uint32_t count; // bytes of inline payload in `args`; zero without INLINE [CALL-10]
    uint64_t args[6]; // arguments, or the inline payload [CALL-11]
    uint64_t tail; // operation (16 bits), id (16 bits), turn (32 bits) [CALL-2]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_submission) == 0x40, "tenon_submission: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_submission, flags) == 0x0, "tenon_submission.flags");
TENON_STATIC_ASSERT(offsetof(struct tenon_submission, count) == 0x4, "tenon_submission.count");
TENON_STATIC_ASSERT(offsetof(struct tenon_submission, args) == 0x8, "tenon_submission.args");
TENON_STATIC_ASSERT(offsetof(struct tenon_submission, tail) == 0x38, "tenon_submission.tail");

// One result. The tail is stored last, with Release.
struct tenon_completion {
    uint64_t value; // the operation's value; zero unless the status is OK [CALL-3]
    uint64_t tail; // status (16 bits), id (16 bits), turn (32 bits) [CALL-3]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_completion) == 0x10, "tenon_completion: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_completion, value) == 0x0, "tenon_completion.value");
TENON_STATIC_ASSERT(offsetof(struct tenon_completion, tail) == 0x8, "tenon_completion.tail");

// What a copy of the page GENERATION holds. Written by the host only.
struct tenon_generation_copy {
    uint64_t id[2]; // the id of the generation: its low 64 bits, then its high 64 bits [LIFE-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_generation_copy) == 0x10, "tenon_generation_copy: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_generation_copy, id) == 0x0, "tenon_generation_copy.id");

// What is known of the guest's memory: the front of what MEMORY_INFO writes.
struct tenon_memory_info {
    uint64_t target; // bytes of memory that the host wants the guest to have [MEM-4]
    uint64_t memory; // bytes of region 0 that are memory, those included that are given [MEM-3]
    uint64_t given; // bytes of them that are given [MEM-6]
    uint64_t give_granule; // unit of GIVE, TAKE and HINT in bytes: a power of two, at least 4096 [MEM-2]
    uint64_t max_range; // bytes that one call does at most: a multiple of `give_granule` [MEM-2]
    uint32_t pieces; // pieces of memory [MEM-3]
    uint32_t reserved0; // zero [GEN-5]
    uint64_t reserved1[2]; // zero [GEN-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_memory_info) == 0x40, "tenon_memory_info: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, target) == 0x0, "tenon_memory_info.target");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, memory) == 0x8, "tenon_memory_info.memory");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, given) == 0x10, "tenon_memory_info.given");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, give_granule) == 0x18, "tenon_memory_info.give_granule");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, max_range) == 0x20, "tenon_memory_info.max_range");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, pieces) == 0x28, "tenon_memory_info.pieces");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, reserved0) == 0x2c, "tenon_memory_info.reserved0");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_info, reserved1) == 0x30, "tenon_memory_info.reserved1");

// A piece of memory; what lies between two is a hole.
struct tenon_memory_piece {
    uint64_t offset; // where it begins in region 0 [MEM-3]
    uint64_t len; // its length in bytes [MEM-3]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_memory_piece) == 0x10, "tenon_memory_piece: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_piece, offset) == 0x0, "tenon_memory_piece.offset");
TENON_STATIC_ASSERT(offsetof(struct tenon_memory_piece, len) == 0x8, "tenon_memory_piece.len");

// One count in the answer to METER_READ, behind the epoch. Written by the host only.
struct tenon_meter_row {
    uint64_t number; // what is counted: `Meter` [MET-2]
    uint64_t value; // how much of it there was in this epoch [MET-4]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_meter_row) == 0x10, "tenon_meter_row: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_meter_row, number) == 0x0, "tenon_meter_row.number");
TENON_STATIC_ASSERT(offsetof(struct tenon_meter_row, value) == 0x8, "tenon_meter_row.value");

// What is known of a device: what DEVICE_QUERY writes.
struct tenon_device_info {
    uint32_t kind; // what it is: `DeviceKind` [DEV-4]
    uint32_t flags; // how it is: `DeviceFlags` [DEV-4]
    uint32_t incarnation; // which device of this number it is [DEV-5]
    uint32_t max_queues; // queue indices are below this [DEV-8]
    uint64_t change; // how often what is told of it became another [DEV-3]
    uint64_t features; // features that the guest may choose when it opens the device [DEV-6]
    uint64_t identity[2]; // what names it for the guest, for as long as the embedder says [DEV-4]
    uint32_t max_depth; // largest size of a queue: slots, or words of a data ring [DEV-8]
    uint32_t reserved0; // zero [GEN-5]
    uint64_t reserved1; // zero [GEN-5]
    uint64_t own[8]; // what its kind tells: `BlockInfo` or `NetInfo` [DEV-4]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_device_info) == 0x80, "tenon_device_info: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, kind) == 0x0, "tenon_device_info.kind");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, flags) == 0x4, "tenon_device_info.flags");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, incarnation) == 0x8, "tenon_device_info.incarnation");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, max_queues) == 0xc, "tenon_device_info.max_queues");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, change) == 0x10, "tenon_device_info.change");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, features) == 0x18, "tenon_device_info.features");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, identity) == 0x20, "tenon_device_info.identity");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, max_depth) == 0x30, "tenon_device_info.max_depth");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, reserved0) == 0x34, "tenon_device_info.reserved0");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, reserved1) == 0x38, "tenon_device_info.reserved1");
TENON_STATIC_ASSERT(offsetof(struct tenon_device_info, own) == 0x40, "tenon_device_info.own");

// What a block device tells: `DeviceInfo::own`.
struct tenon_block_info {
    uint64_t bytes; // size of the disk: a multiple of `block` [BLK-2]
    uint32_t block; // unit of offsets and lengths in bytes: a power of two from 512 to 65,536 [BLK-2]
    uint32_t physical; // what the medium writes in one piece: a power of two, at least `block` [BLK-2]
    uint32_t optimal; // length of a request that the medium does best, or zero [BLK-2]
    uint32_t align; // what the address of a segment is aligned to: a power of two, at most 4096 [BLK-3]
    uint32_t max_transfer; // most bytes of a READ or a WRITE: at least 65,536 [BLK-3]
    uint32_t max_segment; // most bytes of a segment: at least 4096 [BLK-3]
    uint32_t max_segments; // most segments of a request: from 2 to 256 [BLK-3]
    uint32_t max_discard; // most bytes of a DISCARD; zero: there is none [BLK-8]
    uint32_t discard_align; // unit that is discarded at once in bytes: a multiple of `block` [BLK-8]
    uint32_t max_zero; // most bytes of a ZERO; zero: there is none [BLK-9]
    uint32_t flags; // how the disk is: `BlockFlags` [BLK-2]
    uint32_t reserved0; // zero [GEN-5]
    uint64_t reserved1; // zero [GEN-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_block_info) == 0x40, "tenon_block_info: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, bytes) == 0x0, "tenon_block_info.bytes");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, block) == 0x8, "tenon_block_info.block");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, physical) == 0xc, "tenon_block_info.physical");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, optimal) == 0x10, "tenon_block_info.optimal");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, align) == 0x14, "tenon_block_info.align");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, max_transfer) == 0x18, "tenon_block_info.max_transfer");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, max_segment) == 0x1c, "tenon_block_info.max_segment");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, max_segments) == 0x20, "tenon_block_info.max_segments");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, max_discard) == 0x24, "tenon_block_info.max_discard");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, discard_align) == 0x28, "tenon_block_info.discard_align");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, max_zero) == 0x2c, "tenon_block_info.max_zero");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, flags) == 0x30, "tenon_block_info.flags");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, reserved0) == 0x34, "tenon_block_info.reserved0");
TENON_STATIC_ASSERT(offsetof(struct tenon_block_info, reserved1) == 0x38, "tenon_block_info.reserved1");

// A piece of a request's buffer, in a list.
struct tenon_segment {
    uint64_t address; // wire address, inside the arena [BLK-3]
    uint64_t len; // bytes: a multiple of `block`, and not zero [BLK-3]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_segment) == 0x10, "tenon_segment: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_segment, address) == 0x0, "tenon_segment.address");
TENON_STATIC_ASSERT(offsetof(struct tenon_segment, len) == 0x8, "tenon_segment.len");

// What a network interface tells: `DeviceInfo::own`.
struct tenon_net_info {
    uint64_t mac; // its address: 48 bits, the first byte lowest [NET-2]
    uint32_t mtu; // most bytes behind the Ethernet header: from 68 to 65,535 [NET-2]
    uint32_t max_frame; // longest frame with segments, in bytes: from 14 + 4 + `mtu` to 65,550 [NET-4]
    uint32_t link; // 1: the link is up; 0: it is down [NET-2]
    uint32_t speed; // megabits per second, or zero [NET-2]
    uint32_t pairs; // pairs of rings: half of `max_queues`, from 1 to 256 [NET-3]
    uint32_t reserved0; // zero [GEN-5]
    uint64_t reserved1[4]; // zero [GEN-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_net_info) == 0x40, "tenon_net_info: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, mac) == 0x0, "tenon_net_info.mac");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, mtu) == 0x8, "tenon_net_info.mtu");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, max_frame) == 0xc, "tenon_net_info.max_frame");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, link) == 0x10, "tenon_net_info.link");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, speed) == 0x14, "tenon_net_info.speed");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, pairs) == 0x18, "tenon_net_info.pairs");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, reserved0) == 0x1c, "tenon_net_info.reserved0");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_info, reserved1) == 0x20, "tenon_net_info.reserved1");

// What stands before each frame in a record. Offsets count from the frame's first byte.
struct tenon_net_header {
    uint16_t flags; // what was done and is to do: `NetFlags` [NET-5]
    uint16_t segment_kind; // what the frame is cut into: `SegmentKind` [NET-6]
    uint16_t header_len; // bytes of the headers that each segment gets; zero without segments [NET-6]
    uint16_t segment_size; // most bytes behind them in a segment; zero without segments [NET-6]
    uint16_t csum_start; // where the sum begins; zero without NEEDS_CSUM [NET-5]
    uint16_t csum_offset; // where the sum is stored, from `csum_start`; zero without NEEDS_CSUM [NET-5]
    uint32_t hash; // a number that frames of one flow share, or zero [NET-7]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_net_header) == 0x10, "tenon_net_header: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_header, flags) == 0x0, "tenon_net_header.flags");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_header, segment_kind) == 0x2, "tenon_net_header.segment_kind");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_header, header_len) == 0x4, "tenon_net_header.header_len");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_header, segment_size) == 0x6, "tenon_net_header.segment_size");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_header, csum_start) == 0x8, "tenon_net_header.csum_start");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_header, csum_offset) == 0xa, "tenon_net_header.csum_offset");
TENON_STATIC_ASSERT(offsetof(struct tenon_net_header, hash) == 0xc, "tenon_net_header.hash");

// One side's control line of a data ring, at the start of its page. Written by that side only.
struct tenon_ring_line {
    uint64_t position; // how far this side has come: position (32 bits), seed (32 bits) [STR-4]
    uint64_t armed; // position of the other side from which a wake is wanted (32 bits), seed (32 bits) [STR-11]
    uint64_t shape; // units in the ring (32 bits), words of a message (32 bits), zero for records [STR-3]
    uint64_t state; // state word: state (16 bits), reason (16 bits), position (32 bits) [STR-13]
    uint64_t reserved[4]; // zero [GEN-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_ring_line) == 0x40, "tenon_ring_line: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_ring_line, position) == 0x0, "tenon_ring_line.position");
TENON_STATIC_ASSERT(offsetof(struct tenon_ring_line, armed) == 0x8, "tenon_ring_line.armed");
TENON_STATIC_ASSERT(offsetof(struct tenon_ring_line, shape) == 0x10, "tenon_ring_line.shape");
TENON_STATIC_ASSERT(offsetof(struct tenon_ring_line, state) == 0x18, "tenon_ring_line.state");
TENON_STATIC_ASSERT(offsetof(struct tenon_ring_line, reserved) == 0x20, "tenon_ring_line.reserved");

// The word before each record's bytes. Written by the producer only.
struct tenon_record_header {
    uint64_t word; // bytes of the record (32 bits), turn of the header's position (32 bits) [STR-7]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_record_header) == 0x8, "tenon_record_header: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_record_header, word) == 0x0, "tenon_record_header.word");

// One of the two copies of the clocks in the time page. Written by the host only.
struct tenon_time_copy {
    uint64_t counter_base; // the counter at the moment that this copy describes [TIME-5]
    uint64_t period; // nanoseconds of one tick of the counter, times 2 to the power of `shift` [TIME-5]
    uint64_t ns[3]; // what each clock said at that moment, by `Clock`, in nanoseconds [TIME-5]
    uint16_t counter_kind; // `CounterKind` [TIME-4]
    uint16_t shift; // bits to the right that a product with `period` or `period_error` is shifted: at most 63 [TIME-5]
    uint16_t valid; // `Clocks` that this copy tells [TIME-3]
    uint16_t flags; // `TimeFlags` [TIME-3]
    uint64_t period_error; // what the error grows by with each tick of the counter, in the unit of `period` [TIME-6]
    uint64_t disruption_marker; // another value after each disruption of a clock [TIME-9]
    uint64_t error_ns[3]; // error of each clock at that moment, by `Clock`, in nanoseconds; all bits: no bound is known [TIME-6]
    uint64_t boot_jump; // how far BOOT is ahead of RUNNING, in nanoseconds [TIME-7]
    uint32_t tai_offset; // TAI less UTC in seconds, a signed number (two's complement) [TIME-8]
    uint16_t leap; // `Leap` [TIME-8]
    uint16_t smear; // `Smear` [TIME-8]
    uint16_t status; // `ClockStatus` of UTC [TIME-8]
    uint16_t reserved0; // zero [GEN-5]
    uint32_t reserved1; // zero [GEN-5]
    uint64_t reserved2[2]; // zero [GEN-5]
};
TENON_STATIC_ASSERT(sizeof(struct tenon_time_copy) == 0x80, "tenon_time_copy: size");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, counter_base) == 0x0, "tenon_time_copy.counter_base");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, period) == 0x8, "tenon_time_copy.period");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, ns) == 0x10, "tenon_time_copy.ns");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, counter_kind) == 0x28, "tenon_time_copy.counter_kind");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, shift) == 0x2a, "tenon_time_copy.shift");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, valid) == 0x2c, "tenon_time_copy.valid");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, flags) == 0x2e, "tenon_time_copy.flags");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, period_error) == 0x30, "tenon_time_copy.period_error");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, disruption_marker) == 0x38, "tenon_time_copy.disruption_marker");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, error_ns) == 0x40, "tenon_time_copy.error_ns");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, boot_jump) == 0x58, "tenon_time_copy.boot_jump");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, tai_offset) == 0x60, "tenon_time_copy.tai_offset");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, leap) == 0x64, "tenon_time_copy.leap");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, smear) == 0x66, "tenon_time_copy.smear");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, status) == 0x68, "tenon_time_copy.status");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, reserved0) == 0x6a, "tenon_time_copy.reserved0");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, reserved1) == 0x6c, "tenon_time_copy.reserved1");
TENON_STATIC_ASSERT(offsetof(struct tenon_time_copy, reserved2) == 0x70, "tenon_time_copy.reserved2");

// Address: a wire address [GEN-3]
#define TENON_ADDRESS_OFFSET_SHIFT 0
#define TENON_ADDRESS_OFFSET_MASK UINT64_C(0xffffffffffff) // bytes from the region's start
#define TENON_ADDRESS_REGION_SHIFT 48
#define TENON_ADDRESS_REGION_MASK UINT64_C(0xffff) // region number
static inline uint64_t tenon_pack_address(uint64_t offset, uint16_t region) {
    return (offset & UINT64_C(0xffffffffffff)) | (uint64_t)region << 48;
}
static inline uint64_t tenon_address_offset(uint64_t word) { return (uint64_t)(word & TENON_ADDRESS_OFFSET_MASK); }
static inline uint16_t tenon_address_region(uint64_t word) { return (uint16_t)(word >> 48 & TENON_ADDRESS_REGION_MASK); }

// Session: `session` of the discovery record [SES-1]
#define TENON_SESSION_SEED_SHIFT 0
#define TENON_SESSION_SEED_MASK UINT64_C(0xffffffff) // what the turns of this session start from
#define TENON_SESSION_NUMBER_SHIFT 32
#define TENON_SESSION_NUMBER_MASK UINT64_C(0xffffffff) // session number
static inline uint64_t tenon_pack_session(uint32_t seed, uint32_t number) {
    return (uint64_t)seed | (uint64_t)number << 32;
}
static inline uint32_t tenon_session_seed(uint64_t word) { return (uint32_t)(word & TENON_SESSION_SEED_MASK); }
static inline uint32_t tenon_session_number(uint64_t word) { return (uint32_t)(word >> 32 & TENON_SESSION_NUMBER_MASK); }

// Active: `active` of the discovery record [NEG-5]
#define TENON_ACTIVE_MAJOR_SHIFT 0
#define TENON_ACTIVE_MAJOR_MASK UINT64_C(0xffff) // major version
#define TENON_ACTIVE_MINOR_SHIFT 16
#define TENON_ACTIVE_MINOR_MASK UINT64_C(0xffff) // minor version
#define TENON_ACTIVE_GRANULE_SHIFT 32
#define TENON_ACTIVE_GRANULE_MASK UINT64_C(0xffff) // log2 of the granule
#define TENON_ACTIVE_STATE_SHIFT 48
#define TENON_ACTIVE_STATE_MASK UINT64_C(0xffff) // `SessionState`
static inline uint64_t tenon_pack_active(uint16_t major, uint16_t minor, uint16_t granule, uint16_t state) {
    return (uint64_t)major | (uint64_t)minor << 16 | (uint64_t)granule << 32 | (uint64_t)state << 48;
}
static inline uint16_t tenon_active_major(uint64_t word) { return (uint16_t)(word & TENON_ACTIVE_MAJOR_MASK); }
static inline uint16_t tenon_active_minor(uint64_t word) { return (uint16_t)(word >> 16 & TENON_ACTIVE_MINOR_MASK); }
static inline uint16_t tenon_active_granule(uint64_t word) { return (uint16_t)(word >> 32 & TENON_ACTIVE_GRANULE_MASK); }
static inline uint16_t tenon_active_state(uint64_t word) { return (uint16_t)(word >> 48 & TENON_ACTIVE_STATE_MASK); }

// ControlResult: `control_result` of the discovery record [SES-4]
#define TENON_CONTROL_RESULT_STATUS_SHIFT 0
#define TENON_CONTROL_RESULT_STATUS_MASK UINT64_C(0xffff) // `Status`
#define TENON_CONTROL_RESULT_ZERO_SHIFT 16
#define TENON_CONTROL_RESULT_ZERO_MASK UINT64_C(0xffff) // zero
#define TENON_CONTROL_RESULT_TICKET_SHIFT 32
#define TENON_CONTROL_RESULT_TICKET_MASK UINT64_C(0xffffffff) // ticket of the request
static inline uint64_t tenon_pack_control_result(uint16_t status, uint32_t ticket) {
    return (uint64_t)status | (uint64_t)ticket << 32;
}
static inline uint16_t tenon_control_result_status(uint64_t word) { return (uint16_t)(word & TENON_CONTROL_RESULT_STATUS_MASK); }
static inline uint16_t tenon_control_result_zero(uint64_t word) { return (uint16_t)(word >> 16 & TENON_CONTROL_RESULT_ZERO_MASK); }
static inline uint32_t tenon_control_result_ticket(uint64_t word) { return (uint32_t)(word >> 32 & TENON_CONTROL_RESULT_TICKET_MASK); }

// BindWord: the bind word of SHARED [SHM-3]
#define TENON_BIND_WORD_FRAME_SHIFT 0
#define TENON_BIND_WORD_FRAME_MASK UINT64_C(0xffffffff) // frame number
#define TENON_BIND_WORD_COUNT_SHIFT 32
#define TENON_BIND_WORD_COUNT_MASK UINT64_C(0xffffffff) // not zero, and another one each time
static inline uint64_t tenon_pack_bind_word(uint32_t frame, uint32_t count) {
    return (uint64_t)frame | (uint64_t)count << 32;
}
static inline uint32_t tenon_bind_word_frame(uint64_t word) { return (uint32_t)(word & TENON_BIND_WORD_FRAME_MASK); }
static inline uint32_t tenon_bind_word_count(uint64_t word) { return (uint32_t)(word >> 32 & TENON_BIND_WORD_COUNT_MASK); }

// SubmissionTail: `tail` of a submission [CALL-2]
#define TENON_SUBMISSION_TAIL_OP_SHIFT 0
#define TENON_SUBMISSION_TAIL_OP_MASK UINT64_C(0xffff) // `Op`
#define TENON_SUBMISSION_TAIL_ID_SHIFT 16
#define TENON_SUBMISSION_TAIL_ID_MASK UINT64_C(0xffff) // id of the request
#define TENON_SUBMISSION_TAIL_TURN_SHIFT 32
#define TENON_SUBMISSION_TAIL_TURN_MASK UINT64_C(0xffffffff) // turn of its position
static inline uint64_t tenon_pack_submission_tail(uint16_t op, uint16_t id, uint32_t turn) {
    return (uint64_t)op | (uint64_t)id << 16 | (uint64_t)turn << 32;
}
static inline uint16_t tenon_submission_tail_op(uint64_t word) { return (uint16_t)(word & TENON_SUBMISSION_TAIL_OP_MASK); }
static inline uint16_t tenon_submission_tail_id(uint64_t word) { return (uint16_t)(word >> 16 & TENON_SUBMISSION_TAIL_ID_MASK); }
static inline uint32_t tenon_submission_tail_turn(uint64_t word) { return (uint32_t)(word >> 32 & TENON_SUBMISSION_TAIL_TURN_MASK); }

// CompletionTail: `tail` of a completion [CALL-3]
#define TENON_COMPLETION_TAIL_STATUS_SHIFT 0
#define TENON_COMPLETION_TAIL_STATUS_MASK UINT64_C(0xffff) // `Status`
#define TENON_COMPLETION_TAIL_ID_SHIFT 16
#define TENON_COMPLETION_TAIL_ID_MASK UINT64_C(0xffff) // id of the request
#define TENON_COMPLETION_TAIL_TURN_SHIFT 32
#define TENON_COMPLETION_TAIL_TURN_MASK UINT64_C(0xffffffff) // turn of its position
static inline uint64_t tenon_pack_completion_tail(uint16_t status, uint16_t id, uint32_t turn) {
    return (uint64_t)status | (uint64_t)id << 16 | (uint64_t)turn << 32;
}
static inline uint16_t tenon_completion_tail_status(uint64_t word) { return (uint16_t)(word & TENON_COMPLETION_TAIL_STATUS_MASK); }
static inline uint16_t tenon_completion_tail_id(uint64_t word) { return (uint16_t)(word >> 16 & TENON_COMPLETION_TAIL_ID_MASK); }
static inline uint32_t tenon_completion_tail_turn(uint64_t word) { return (uint32_t)(word >> 32 & TENON_COMPLETION_TAIL_TURN_MASK); }

// StateWord: a state word [CALL-15]
#define TENON_STATE_WORD_STATE_SHIFT 0
#define TENON_STATE_WORD_STATE_MASK UINT64_C(0xffff) // `QueueState`
#define TENON_STATE_WORD_REASON_SHIFT 16
#define TENON_STATE_WORD_REASON_MASK UINT64_C(0xffff) // `Reason`
#define TENON_STATE_WORD_POSITION_SHIFT 32
#define TENON_STATE_WORD_POSITION_MASK UINT64_C(0xffffffff) // where the rule was broken
static inline uint64_t tenon_pack_state_word(uint16_t state, uint16_t reason, uint32_t position) {
    return (uint64_t)state | (uint64_t)reason << 16 | (uint64_t)position << 32;
}
static inline uint16_t tenon_state_word_state(uint64_t word) { return (uint16_t)(word & TENON_STATE_WORD_STATE_MASK); }
static inline uint16_t tenon_state_word_reason(uint64_t word) { return (uint16_t)(word >> 16 & TENON_STATE_WORD_REASON_MASK); }
static inline uint32_t tenon_state_word_position(uint64_t word) { return (uint32_t)(word >> 32 & TENON_STATE_WORD_POSITION_MASK); }

// KickWanted: `KICK_WANTED` of the host-written area [CALL-25]
#define TENON_KICK_WANTED_POSITION_SHIFT 0
#define TENON_KICK_WANTED_POSITION_MASK UINT64_C(0xffffffff) // call position from which a kick is wanted
#define TENON_KICK_WANTED_KIND_SHIFT 32
#define TENON_KICK_WANTED_KIND_MASK UINT64_C(0xffffffff) // 1: that position counts; 0: one kick for each batch
static inline uint64_t tenon_pack_kick_wanted(uint32_t position, uint32_t kind) {
    return (uint64_t)position | (uint64_t)kind << 32;
}
static inline uint32_t tenon_kick_wanted_position(uint64_t word) { return (uint32_t)(word & TENON_KICK_WANTED_POSITION_MASK); }
static inline uint32_t tenon_kick_wanted_kind(uint64_t word) { return (uint32_t)(word >> 32 & TENON_KICK_WANTED_KIND_MASK); }

// GuestPosition: the `TAKEN` and `ARMED` words of the guest-written area [EVT-8]
#define TENON_GUEST_POSITION_POSITION_SHIFT 0
#define TENON_GUEST_POSITION_POSITION_MASK UINT64_C(0xffffffff) // a position
#define TENON_GUEST_POSITION_ZERO_SHIFT 32
#define TENON_GUEST_POSITION_ZERO_MASK UINT64_C(0xffffffff) // zero
static inline uint64_t tenon_pack_guest_position(uint32_t position) {
    return (uint64_t)position;
}
static inline uint32_t tenon_guest_position_position(uint64_t word) { return (uint32_t)(word & TENON_GUEST_POSITION_POSITION_MASK); }
static inline uint32_t tenon_guest_position_zero(uint64_t word) { return (uint32_t)(word >> 32 & TENON_GUEST_POSITION_ZERO_MASK); }

// EventEntry: an entry of an event ring [EVT-7]
#define TENON_EVENT_ENTRY_PORT_SHIFT 0
#define TENON_EVENT_ENTRY_PORT_MASK UINT64_C(0xffffffff) // port number
#define TENON_EVENT_ENTRY_TURN_SHIFT 32
#define TENON_EVENT_ENTRY_TURN_MASK UINT64_C(0xffffffff) // turn of its position
static inline uint64_t tenon_pack_event_entry(uint32_t port, uint32_t turn) {
    return (uint64_t)port | (uint64_t)turn << 32;
}
static inline uint32_t tenon_event_entry_port(uint64_t word) { return (uint32_t)(word & TENON_EVENT_ENTRY_PORT_MASK); }
static inline uint32_t tenon_event_entry_turn(uint64_t word) { return (uint32_t)(word >> 32 & TENON_EVENT_ENTRY_TURN_MASK); }

// RingPosition: `position` and `armed` of a control line [STR-4]
#define TENON_RING_POSITION_POSITION_SHIFT 0
#define TENON_RING_POSITION_POSITION_MASK UINT64_C(0xffffffff) // a position of the data ring
#define TENON_RING_POSITION_SEED_SHIFT 32
#define TENON_RING_POSITION_SEED_MASK UINT64_C(0xffffffff) // the session's seed
static inline uint64_t tenon_pack_ring_position(uint32_t position, uint32_t seed) {
    return (uint64_t)position | (uint64_t)seed << 32;
}
static inline uint32_t tenon_ring_position_position(uint64_t word) { return (uint32_t)(word & TENON_RING_POSITION_POSITION_MASK); }
static inline uint32_t tenon_ring_position_seed(uint64_t word) { return (uint32_t)(word >> 32 & TENON_RING_POSITION_SEED_MASK); }

// RingShape: `shape` of a control line [STR-3]
#define TENON_RING_SHAPE_UNITS_SHIFT 0
#define TENON_RING_SHAPE_UNITS_MASK UINT64_C(0xffffffff) // units in the ring
#define TENON_RING_SHAPE_MESSAGE_SHIFT 32
#define TENON_RING_SHAPE_MESSAGE_MASK UINT64_C(0xffffffff) // words of a message; zero: the ring holds records
static inline uint64_t tenon_pack_ring_shape(uint32_t units, uint32_t message) {
    return (uint64_t)units | (uint64_t)message << 32;
}
static inline uint32_t tenon_ring_shape_units(uint64_t word) { return (uint32_t)(word & TENON_RING_SHAPE_UNITS_MASK); }
static inline uint32_t tenon_ring_shape_message(uint64_t word) { return (uint32_t)(word >> 32 & TENON_RING_SHAPE_MESSAGE_MASK); }

// RecordHead: the header of a record [STR-7]
#define TENON_RECORD_HEAD_BYTES_SHIFT 0
#define TENON_RECORD_HEAD_BYTES_MASK UINT64_C(0xffffffff) // bytes of the record, or `RecordLength`
#define TENON_RECORD_HEAD_TURN_SHIFT 32
#define TENON_RECORD_HEAD_TURN_MASK UINT64_C(0xffffffff) // turn of the header's position
static inline uint64_t tenon_pack_record_head(uint32_t bytes, uint32_t turn) {
    return (uint64_t)bytes | (uint64_t)turn << 32;
}
static inline uint32_t tenon_record_head_bytes(uint64_t word) { return (uint32_t)(word & TENON_RECORD_HEAD_BYTES_MASK); }
static inline uint32_t tenon_record_head_turn(uint64_t word) { return (uint32_t)(word >> 32 & TENON_RECORD_HEAD_TURN_MASK); }

// Lengths of areas in bytes, and where the entries of the event rings begin [VCPU-3, VCPU-4]. Sizes must be
// valid [VCPU-2].
#define TENON_LINE(len) (((uint64_t)(len) + 63u) & ~UINT64_C(63)) // up to the next cache line [GEN-1]
#define TENON_GUEST_AREA_LEN(depth) (TENON_GUEST_AREA_SUBMISSIONS + (uint64_t)(depth) * sizeof(struct tenon_submission))
#define TENON_HOST_AREA_RING0(depth) \
    TENON_LINE(TENON_HOST_AREA_COMPLETIONS + (uint64_t)(depth) * sizeof(struct tenon_completion))
#define TENON_HOST_AREA_RING1(depth, events0) \
    (TENON_HOST_AREA_RING0(depth) + TENON_LINE((uint64_t)(events0) * sizeof(uint64_t)))
#define TENON_HOST_AREA_LEN(depth, events0, events1) \
    (TENON_HOST_AREA_RING1(depth, events0) + TENON_LINE((uint64_t)(events1) * sizeof(uint64_t)))
TENON_STATIC_ASSERT(TENON_GUEST_AREA_LEN(1u) == 0x240, "TENON_GUEST_AREA_LEN(1u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_RING0(1u) == 0xc0, "TENON_HOST_AREA_RING0(1u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_RING1(1u, 1u) == 0x100, "TENON_HOST_AREA_RING1(1u, 1u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_LEN(1u, 1u, 1u) == 0x140, "TENON_HOST_AREA_LEN(1u, 1u, 1u)");
TENON_STATIC_ASSERT(TENON_GUEST_AREA_LEN(64u) == 0x1200, "TENON_GUEST_AREA_LEN(64u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_RING0(64u) == 0x480, "TENON_HOST_AREA_RING0(64u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_RING1(64u, 256u) == 0xc80, "TENON_HOST_AREA_RING1(64u, 256u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_LEN(64u, 256u, 16u) == 0xd00, "TENON_HOST_AREA_LEN(64u, 256u, 16u)");
TENON_STATIC_ASSERT(TENON_GUEST_AREA_LEN(4096u) == 0x40200, "TENON_GUEST_AREA_LEN(4096u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_RING0(4096u) == 0x10080, "TENON_HOST_AREA_RING0(4096u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_RING1(4096u, 65536u) == 0x90080, "TENON_HOST_AREA_RING1(4096u, 65536u)");
TENON_STATIC_ASSERT(TENON_HOST_AREA_LEN(4096u, 65536u, 2u) == 0x900c0, "TENON_HOST_AREA_LEN(4096u, 65536u, 2u)");

// The turn of a position [CALL-4].
static inline uint32_t tenon_turn(uint32_t seed, uint32_t position) { return seed + position + 1u; }

// Whether position a is at or beyond position b [CALL-27].
static inline int tenon_reached(uint32_t a, uint32_t b) { return (uint32_t)(a - b) < UINT32_C(0x80000000); }

// Byte offset of the word with the mask hint of a port in the guest-written area, and the hint's bit in it
// [EVT-15].
static inline uint64_t tenon_hint_offset(uint32_t port) {
    return TENON_GUEST_AREA_MASK_HINTS + (uint64_t)(port / 64u) * sizeof(uint64_t);
}
static inline uint64_t tenon_hint_bit(uint32_t port) { return UINT64_C(1) << (port % 64u); }

// Queue numbers of a vCPU [VCPU-7].
static inline uint32_t tenon_call_queue(uint32_t vcpu) { return vcpu * 2u; }
static inline uint32_t tenon_emergency_queue(uint32_t vcpu) { return vcpu * 2u + 1u; }

// The name of a status; of an unknown one NULL [CALL-13].
static inline const char *tenon_status_name(uint16_t status) {
    switch (status) {
    case TENON_STATUS_OK: return "OK";
    case TENON_STATUS_NOT_SUPPORTED: return "NOT_SUPPORTED";
    case TENON_STATUS_BAD_ARGUMENT: return "BAD_ARGUMENT";
    case TENON_STATUS_BAD_RESERVED: return "BAD_RESERVED";
    case TENON_STATUS_BAD_REGION: return "BAD_REGION";
    case TENON_STATUS_BAD_RANGE: return "BAD_RANGE";
    case TENON_STATUS_TOO_LONG: return "TOO_LONG";
    case TENON_STATUS_NO_CAPACITY: return "NO_CAPACITY";
    case TENON_STATUS_EXISTS: return "EXISTS";
    case TENON_STATUS_NOT_FOUND: return "NOT_FOUND";
    case TENON_STATUS_BAD_STATE: return "BAD_STATE";
    case TENON_STATUS_BAD_SESSION: return "BAD_SESSION";
    case TENON_STATUS_BAD_VERSION: return "BAD_VERSION";
    case TENON_STATUS_BAD_FEATURES: return "BAD_FEATURES";
    case TENON_STATUS_CANCELLED: return "CANCELLED";
    case TENON_STATUS_INDETERMINATE: return "INDETERMINATE";
    case TENON_STATUS_DENIED: return "DENIED";
    case TENON_STATUS_BAD_ALIGNMENT: return "BAD_ALIGNMENT";
    case TENON_STATUS_IO_ERROR: return "IO_ERROR";
    case TENON_STATUS_NO_SPACE: return "NO_SPACE";
    case TENON_STATUS_READ_ONLY: return "READ_ONLY";
    case TENON_STATUS_REMOVED: return "REMOVED";
    default: return NULL;
    }
}

#ifdef __cplusplus
}
#endif

#endif
