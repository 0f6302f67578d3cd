// SPDX-License-Identifier: MIT OR Apache-2.0
//! The operations: one row for each, from which everything else that is known of them follows (CALL-12).
//! Gating, the checks of arguments, PROBE, the emergency lane, the tables of `docs/abi.md`, the C header and
//! the golden test are made from these rows.

use crate::discovery::Features;
use crate::wire::{flags, numbers, operations};

mod check;

pub use check::{Arguments, Limits};

operations! {
    pub struct Op(u16), "An operation: family in the high byte, number in the low one (CALL-12)." {
        0x0100 NOP(value: WORD) [] [REPLAY_SAFE, EMERGENCY],
            "CALL-20", "does nothing: value = `args[0]`";
        0x0101 PROBE(operation: U16) [] [REPLAY_SAFE],
            "CALL-21", "does an operation exist: value = 0, or 1, or 3 if it is replay-safe too";
        0x0102 CANCEL(id: U16) [] [],
            "CALL-22", "cancel a request in flight: value = 1 if it was cancelled, else 0";
        0x0200 EVENT_BIND(port: PORT, vcpu: VCPU, class: CLASS) [EVENTS] [],
            "EVT-3", "bind a port to a vCPU's event ring";
        0x0201 EVENT_UNBIND(port: PORT) [EVENTS] [],
            "EVT-5", "release a port";
        0x0202 EVENT_MOVE(port: PORT, vcpu: VCPU, class: CLASS) [EVENTS] [],
            "EVT-17", "bind a port to another ring";
        0x0203 EVENT_SIGNAL(port: PORT) [EVENTS] [],
            "EVT-6", "raise a port of one's own";
        0x0204 EVENT_BIND_DIRECT(port: PORT, vcpu: VCPU, interrupt: INTERRUPT) [EVENTS, DIRECT] [],
            "EVT-22", "give a port an interrupt of its own";
        0x0300 REGION_QUERY(region: U16) [] [REPLAY_SAFE],
            "REG-4", "length of a region in bytes";
        0x0400 PAGE(kind: U16, address: ADDRESS) [PAGES] [REPLAY_SAFE],
            "PAGE-2", "where a page of the host's lies: value = its offset in the window, or 0 for a donated one";
        0x0500 VCPU_START(vcpu: VCPU, entry: START, argument: START) [SMP] [],
            "VCPU-5", "start a vCPU";
        0x0501 VCPU_STOP(vcpu: VCPU, target: VCPU) [SMP] [LATE],
            "VCPU-6", "stop a vCPU and move its ports";
        0x0502 VCPU_UPCALL(vcpu: VCPU, interrupt: INTERRUPT_OR_ZERO) [UPCALL] [REPLAY_SAFE],
            "VCPU-8", "set the interrupt of a vCPU's upcall";
        0x0600 CONSOLE_WRITE(address: ADDRESS, len: LENGTH) [CONSOLE] [PAYLOAD, EMERGENCY_INLINE],
            "CON-2", "write bytes to the console";
        0x0601 CONSOLE_READ(address: ADDRESS, len: LENGTH) [CONSOLE] [LATE],
            "CON-4", "read bytes; completes when there are some";
        0x0700 CLOCK_READ(clock: CLOCK) [TIME] [REPLAY_SAFE],
            "TIME-10", "what a clock says: value = nanoseconds";
        0x0701 TIMER_SET(port: PORT, clock: CLOCK, deadline: WORD, slack: WORD) [TIME, EVENTS] [],
            "TIME-12", "raise a port when a clock reaches a deadline";
        0x0702 TIMER_CANCEL(port: PORT) [TIME, EVENTS] [],
            "TIME-15", "drop a port's timer: value = 1 if there was one that had not expired, else 0";
        0x0800 EXIT(code: U32) [LIFECYCLE] [EMERGENCY],
            "LIFE-2", "end the domain with a code";
        0x0801 RESTART() [LIFECYCLE] [EMERGENCY],
            "LIFE-3", "restart the domain";
        0x0802 CRASH(address: ADDRESS, len: LENGTH, code: WORD) [LIFECYCLE] [PAYLOAD, EMERGENCY],
            "LIFE-4", "leave a crash record";
        0x0803 REPAIRED(id_low: WORD, id_high: WORD) [GENERATION] [REPLAY_SAFE],
            "LIFE-7", "nothing that a copy of the guest may have is used any more: the id of the generation";
        0x0804 SUSPEND_WATCH(port: PORT) [GENERATION, EVENTS] [],
            "LIFE-9", "raise a port when the guest is to get ready for suspension";
        0x0805 SUSPEND_READY() [GENERATION] [],
            "LIFE-10", "the guest may be suspended";
        0x0900 MEMORY_INFO(address: ADDRESS, len: LENGTH) [MEMORY] [],
            "MEM-3", "write what is known of the guest's memory to a range: value = how many bytes";
        0x0901 MEMORY_WATCH(port: PORT) [MEMORY, EVENTS] [],
            "MEM-5", "raise a port when the target or the memory is another one";
        0x0902 GIVE(address: ADDRESS, len: LENGTH) [MEMORY] [LATE],
            "MEM-6", "give memory back to the host: value = how many bytes, from the front";
        0x0903 TAKE(address: ADDRESS, len: LENGTH) [MEMORY] [LATE],
            "MEM-7", "take given memory again, as zeros: value = how many bytes, from the front";
        0x0904 HINT(address: ADDRESS, len: LENGTH) [MEMORY] [LATE],
            "MEM-8", "say that what memory holds is not needed: value = how many bytes, from the front";
        0x0910 SHARE(address: ADDRESS, len: LENGTH, rights: WORD) [CLOSED] [LATE],
            "MEM-12", "let the host reach memory for payload: value = how many bytes, from the front";
        0x0911 UNSHARE(address: ADDRESS, len: LENGTH) [CLOSED] [LATE],
            "MEM-13", "keep the host from memory again: value = how many bytes, from the front";
        0x0a00 ENTROPY(address: ADDRESS, len: LENGTH) [ENTROPY] [],
            "ENT-1", "write random bytes to a range: value = how many";
        0x0b00 METER_READ(first: U32, address: ADDRESS, len: LENGTH) [METER] [],
            "MET-1", "write an epoch and counts to a range: value = how many bytes";
        0x0c00 DEVICE_LIMITS() [DEVICES] [REPLAY_SAFE],
            "DEV-2", "value = devices at most (32 bits), open queues of the domain at most (32 bits)";
        0x0c01 DEVICE_WATCH(port: PORT) [DEVICES, EVENTS] [],
            "DEV-3", "raise a port when a device comes, goes or changes";
        0x0c02 DEVICE_QUERY(device: U32, address: ADDRESS, len: LENGTH) [DEVICES] [],
            "DEV-4", "write what is known of a device to a range: value = how many bytes";
        0x0c03 DEVICE_OPEN(device: WORD, features: WORD, arena: ADDRESS, arena_len: LENGTH, port: PORT_OR_NONE) [DEVICES] [],
            "DEV-6", "open a device, with the memory that it may touch";
        0x0c04 DEVICE_CLOSE(device: U32) [DEVICES] [LATE],
            "DEV-12", "close a device and its queues";
        0x0c05 QUEUE_OPEN(queue: WORD, size: U32, port: PORT_OR_NONE, guest_part: ADDRESS, host_part: ADDRESS, data: ADDRESS) [DEVICES] [],
            "DEV-8", "open a queue of a device: value = the number that its kicks carry";
        0x0c06 QUEUE_CLOSE(queue: WORD) [DEVICES] [LATE],
            "DEV-11", "close a queue of a device";
        0x0c10 NET_FILTER(device: U32, mode: WORD, address: ADDRESS, count: U32) [DEVICES, NET] [],
            "NET-9", "say which frames are wanted";
        0x0d00 READ(offset: WORD, address: WORD, len: WORD, address2: WORD, len2: WORD, segments: WORD) [DEVICES, BLOCK] [REPLAY_SAFE, LATE, BLOCK_QUEUE],
            "BLK-4", "read from the disk: value = how many bytes";
        0x0d01 WRITE(offset: WORD, address: WORD, len: WORD, address2: WORD, len2: WORD, segments: WORD) [DEVICES, BLOCK] [REPLAY_SAFE, LATE, BLOCK_QUEUE],
            "BLK-5", "write to the disk: value = how many bytes";
        0x0d02 FLUSH() [DEVICES, BLOCK] [REPLAY_SAFE, LATE, BLOCK_QUEUE],
            "BLK-6", "make durable what was written";
        0x0d03 DISCARD(offset: WORD, len: WORD) [DEVICES, BLOCK] [REPLAY_SAFE, LATE, BLOCK_QUEUE],
            "BLK-8", "say that what a range of the disk holds is not needed";
        0x0d04 ZERO(offset: WORD, len: WORD, flags: WORD) [DEVICES, BLOCK] [REPLAY_SAFE, LATE, BLOCK_QUEUE],
            "BLK-9", "make a range of the disk read as zeros";
    }
}

numbers! {
    pub struct Check(u8), "What an argument has to be, whatever the operation then makes of it (CALL-11)." {
        0 NONE, "CALL-11", "not used: zero, else BAD_RESERVED";
        1 WORD, "CALL-11", "any 64 bits";
        2 U16, "CALL-11", "below 2^16";
        3 U32, "CALL-11", "below 2^32";
        4 PORT, "EVT-3", "below `max_ports`";
        5 VCPU, "VCPU-1", "below `max_vcpus`";
        6 CLASS, "EVT-2", "an event ring's class: 0 or 1";
        7 INTERRUPT, "VCPU-8", "from `irq_first` to `irq_last`";
        8 INTERRUPT_OR_ZERO, "VCPU-8", "the same, or 0";
        9 START, "VCPU-5", "what the platform's start state can carry";
        10 ADDRESS, "GEN-3", "a wire address";
        11 LENGTH, "REG-3", "bytes of the range that begins at the address before it";
        12 CLOCK, "TIME-2", "the number of a clock: below 3";
        13 PORT_OR_NONE, "DEV-7", "below `max_ports`, or 2^32 - 1: none";
    }
}

flags! {
    pub struct Traits(u8), "What else is known of an operation." {
        0 REPLAY_SAFE, "CALL-18", "may be submitted again after a reset: bit 1 of PROBE's value";
        1 PAYLOAD, "CALL-10", "takes a payload: INLINE, or a range by its first two arguments";
        2 EMERGENCY, "CALL-23", "the emergency lane takes it";
        3 EMERGENCY_INLINE, "CALL-23", "the emergency lane takes it with INLINE";
        4 LATE, "CALL-17", "may complete after the kick that submitted it";
        5 BLOCK_QUEUE, "DEV-10", "the queues of block devices take it, and no others";
    }
}

/// All that is known of one operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its number.
    pub op: Op,
    /// Its name in the spec.
    pub name: &'static str,
    /// Features that must all have been negotiated for it to exist (NEG-7).
    pub needs: Features,
    /// Names of the arguments that it uses, in order.
    pub arguments: &'static [&'static str],
    /// What each of the six arguments has to be.
    pub checks: [Check; 6],
    /// What else is known of it.
    pub traits: Traits,
    /// The clause that says what it does.
    pub clause: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
}

impl Op {
    /// Whether the operation may be done twice without anybody noticing (CALL-18).
    #[must_use]
    pub fn is_replay_safe(self) -> bool {
        self.row().is_some_and(|row| row.traits.contains(Traits::REPLAY_SAFE))
    }

    /// The number of its family: the high byte.
    #[must_use]
    pub const fn family(self) -> u8 {
        let [_, family] = self.0.to_le_bytes();
        family
    }
}

impl Operation {
    /// The minor version that brought it: that of the last of its features (NEG-7).
    #[must_use]
    pub fn since(&self) -> u16 {
        let features = Features::SINCE.iter().filter(|(feature, _)| self.needs.contains(*feature));
        features.map(|(_, since)| *since).max().unwrap_or(0)
    }
}

/// Six checks from those of the arguments that there are.
const fn six(given: &[Check]) -> [Check; 6] {
    let mut checks = [Check::NONE; 6];
    let mut index = 0;
    while index < given.len() {
        checks[index] = given[index];
        index += 1;
    }
    checks
}

#[cfg(test)]
mod tests;
