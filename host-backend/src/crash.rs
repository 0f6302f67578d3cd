// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crash record.

use alloc::vec::Vec;
use core::fmt;
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

/// As whoever judges a machine wants to be told of it (REP-8): the code and the text, both in hexadecimal.
impl fmt::Display for CrashRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x} ", self.code)?;
        self.text.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
