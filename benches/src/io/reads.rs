// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads of 4 KiB at random places of a disk in memory: Tenon's queue beside virtio's.

use std::sync::Arc;

use tenon_devices::block::{Disk, Memory};
use tenon_host::device::Attached;

use super::BLOCK;
use super::guest::{Found, Guest, Plan, Theirs};
use crate::call::Trouble;

/// A disk whose blocks begin with their number.
#[must_use]
pub fn contents(bytes: usize) -> Vec<u8> {
    numbered(bytes, BLOCK)
}

/// The same, with blocks of so many bytes.
#[must_use]
pub fn numbered(bytes: usize, block: usize) -> Vec<u8> {
    let mut disk = vec![0x5a; bytes];
    for (number, block) in disk.chunks_exact_mut(block).enumerate() {
        block[..8].copy_from_slice(&(number as u64).to_le_bytes());
    }
    disk
}

/// Measures both in turns, with so many requests under way at a time, on a disk of so many bytes.
///
/// # Errors
///
/// [`Trouble`].
pub fn reads(plan: Plan, depth: u32, bytes: usize) -> Result<Found, Trouble> {
    let disk = contents(bytes);
    let memory = Arc::new(Memory::new(disk.clone().into_boxed_slice()));
    let broken = |why: tenon_devices::Error| Trouble::Broken(why.to_string());
    let ours = Disk::in_memory(memory).map_err(broken)?.with_queues(1, 64).with_waiter(plan.waiter());
    let (device, queues, _control) = ours.start().map_err(broken)?;
    let guest = Guest::new(Attached::new(device, queues))?;
    let parameters = format!("bench=disk depth={depth} blocks={}", bytes / BLOCK);
    guest.run(plan, &parameters, Theirs::Disk(Arc::new(disk)))
}
