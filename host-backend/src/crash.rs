// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crash record.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a guest left behind when it crashed (LIFE-4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashRecord {
    /// The vCPU on whose queue it came.
    pub vcpu: u32,
    /// The guest's code.
    pub code: u64,
    /// The guest's text: any bytes, at most 1024.
    pub text: Vec<u8>,
}
