// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steering a running machine from any thread: starting and stopping vCPUs, ending it.

use super::Outcome;
use crate::cpus::Cpus;

/// What a vCPU starts with, in the state in which the platform's boot protocol starts the first one (VCPU-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it starts: EIP, PC.
    pub address: u64,
    /// What it finds in EBX, X0.
    pub argument: u64,
}

/// A handle to a machine's vCPUs, for any thread.
pub type Control = Cpus<Entry, Outcome>;
