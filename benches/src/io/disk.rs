// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads of 4 KiB at random places of a disk in memory: Tenon's queue beside virtio's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tenon_host::kvm::Outcome;
use vmm_sys_util::eventfd::EventFd;

use super::virtio::{Device, Kind, Told};
use super::{BLOCK, Tally};
use crate::call::{LIMIT, Trouble, heard};
use crate::host::{VIRTIO_BELL, VIRTIO_PORT, machine};
use crate::listen::{Listener, Medians, medians};
use crate::quiet::{Seat, sit};

/// The value of a doorbell that is virtio's.
const RING: u32 = 1;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Requests under way at a time.
    pub depth: u32,
    /// Both sides look all the time, and nobody tells.
    pub polled: bool,
    /// Bytes of the disk.
    pub bytes: usize,
    /// Rounds, and requests of either way in each.
    pub rounds: [u64; 2],
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Microseconds a request.
    pub medians: Medians,
    /// Doorbells a request, Tenon's and virtio's.
    pub kicks: [f64; 2],
    /// Interrupts a request.
    pub bells: [f64; 2],
}

/// A disk whose blocks begin with their number.
fn disk(bytes: usize) -> Arc<Vec<u8>> {
    let mut disk = vec![0x5a; bytes];
    for (number, block) in disk.chunks_exact_mut(BLOCK).enumerate() {
        block[..8].copy_from_slice(&(number as u64).to_le_bytes());
    }
    Arc::new(disk)
}

/// Measures both in turns.
///
/// # Errors
///
/// [`Trouble`].
pub fn reads(name: &str, plan: Plan) -> Result<Found, Trouble> {
    let Plan { depth, polled, bytes, rounds: [rounds, each] } = plan;
    let parameters = format!(
        "mode=native bench=disk depth={depth} polled={} blocks={} rounds={rounds} each={each} warm=1000 \
         virtio={VIRTIO_PORT} bell={VIRTIO_BELL}",
        u8::from(polled),
        bytes / BLOCK,
    );
    let (machine, host) = machine(&parameters)?;
    let theirs = EventFd::new(0).map_err(|why| Trouble::Broken(format!("no eventfd: {why}")))?;
    machine.add_doorbell(VIRTIO_BELL, RING, &theirs)?;
    let (control, memory) = (machine.control(), Arc::clone(machine.memory()));
    let (end, tally, disk) = (AtomicBool::new(false), Tally::default(), disk(bytes));
    let (listener, lines) = Listener::new();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            sit(Seat::Host);
            while host.told().is_none() && !end.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            let told = host.told().and_then(|page| Told::read(&memory, page));
            let device = told.and_then(|told| Device::new(told, memory, Kind::Disk, disk));
            if let Some(mut device) = device {
                device.run(&theirs, host.bare(), &tally, &end);
            }
        });
        let outcome = machine.run(Arc::clone(&host) as _, Box::new(listener), LIMIT);
        // The machine has ended, or never began: each thread wakes, sees it and leaves.
        end.store(true, Ordering::Relaxed);
        control.end(Outcome::Ended);
        let _ = theirs.write(1);
        outcome
    })?;
    let lines = heard(&outcome, &lines)?;
    let of = |count: u64| count as f64 / (rounds * each) as f64;
    Ok(Found {
        medians: medians(name, &lines)?,
        kicks: [0.0, of(tally.kicks.load(Ordering::Relaxed))],
        bells: [0.0, of(tally.bells.load(Ordering::Relaxed))],
    })
}
