// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a machine is made of.

#[cfg(target_arch = "x86_64")]
use std::vec::Vec;

use tenon_boot::{Kind, Layout};

use super::Error;
use super::arch::{RAM_MAX, WINDOW, layout};
#[cfg(target_arch = "x86_64")]
use super::cpuid::Leaf;

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes of memory, a multiple of 4 KiB, from guest address 0 (on Arm 1 GiB). On x86-64, what is more
    /// than 3 GiB lies from 4 GiB on. It takes memory of the host's only where it is touched; a multiple of
    /// 2 MiB is touched faster ([`super::memory::mapping`]).
    pub memory: usize,
    /// Bytes of room behind memory, a multiple of 4 KiB: what may be added while the machine runs. It takes
    /// no memory before it is added and touched.
    pub room: usize,
    /// vCPUs, 1 to 255.
    pub cpus: u32,
    /// Memory that the guest can read and the host writes.
    pub window: Option<WindowConfig>,
    /// CPUID leaves beside those of KVM.
    #[cfg(target_arch = "x86_64")]
    pub cpuid: Vec<Leaf>,
}

/// Where the window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// Its guest address, outside memory.
    pub address: u64,
    /// Its size in bytes, a multiple of 2 MiB.
    pub size: usize,
}

impl Default for Config {
    /// 32 MiB, one vCPU, no window, no leaves.
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            room: 0,
            cpus: 1,
            window: None,
            #[cfg(target_arch = "x86_64")]
            cpuid: Vec::new(),
        }
    }
}

impl Config {
    /// Where memory and window are, before there is any.
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        let size = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let (most, why) = RAM_MAX;
        if size(self.memory) > most {
            return Err(Error::BadConfig(why));
        }
        let layout = layout(size(self.memory))?;
        let Some(WindowConfig { address, size: len }) = self.window else { return Ok(layout) };
        let end = address.checked_add(size(len));
        if address < WINDOW.start || end.is_none_or(|end| end > WINDOW.end) {
            return Err(Error::BadConfig("the window lies where memory or a device may be"));
        }
        Ok(layout.with(Kind::Window, address, size(len))?)
    }
}
