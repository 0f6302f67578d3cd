// SPDX-License-Identifier: MIT OR Apache-2.0
//! Control requests: negotiate, bind, reset. Their layout is frozen in every version (SES-3).

use crate::wire::{numbers, wire};
use zerocopy::little_endian::{U16, U32, U64};

/// The first eight bytes of a control request: `Tenon\0CR` (SES-3).
pub const MAGIC: u64 = u64::from_le_bytes(*b"Tenon\0CR");

wire! {
    pub struct ControlRequest: 128, "A control request, at the start of the frame whose number is handed to `bind`. Written by the guest only." {
        0x00 magic: U64, "SES-3", "`Tenon\\0CR`";
        0x08 op: U16, "SES-3", "what is asked";
        0x0a reserved0: U16, "GEN-5", "zero";
        0x0c ticket: U32, "SES-4", "chosen by the guest, returned with the result";
        0x10 session: U32, "SES-5", "the session number that the guest read in the record";
        0x14 vcpu: U32, "VCPU-1", "bind: the vCPU; else zero";
        0x18 major: U16, "NEG-1", "negotiate: version to use; else zero";
        0x1a minor: U16, "NEG-1", "negotiate: version to use; else zero";
        0x1c granule: U32, "NEG-3", "negotiate: log2 of the granule; else zero";
        0x20 features: U64, "NEG-2", "negotiate: feature bits to use; else zero";
        0x28 depth: U32, "VCPU-2", "bind: depth of the call queue; else zero";
        0x2c events0: U32, "VCPU-2", "bind: entries of the event ring of class 0; else zero";
        0x30 events1: U32, "VCPU-2", "bind: entries of the event ring of class 1; else zero";
        0x34 reserved1: U32, "GEN-5", "zero";
        0x38 guest_area: U64, "VCPU-3", "bind: wire address of the guest-written area; else zero";
        0x40 host_area: U64, "NEG-6", "bind without WINDOW: wire address of the host-written area; else zero";
        0x48 reserved2: [U64; 7], "GEN-5", "zero";
    }
}

numbers! {
    pub struct ControlOp(u16), "What a control request asks (SES-3)." {
        1 NEGOTIATE, "NEG-4", "open the session with a version, features and a granule";
        2 BIND, "VCPU-1", "give a vCPU its areas";
        3 RESET, "SES-6", "end the session";
    }
}

numbers! {
    pub struct SessionState(u16), "State of the session in the record's `active` word (NEG-5)." {
        0 IDLE, "NEG-5", "nothing is negotiated";
        1 OPEN, "NEG-5", "negotiated: vCPUs can be bound";
    }
}
