// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host behind a device's memory: all pages that the host may see lie there.
#![allow(unsafe_code, reason = "device memory, handed out as pages")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tenon_guest::shared::{Attached, attach};
use tenon_guest_rt as rt;
use tenon_rings::{Mapping, Site, Words};

/// The doorbell register in BAR 0.
const DOORBELL: usize = 12;
/// A host may come this much later than its guest, in looks.
const LOOKS: u32 = 2_000_000;

struct Cell(UnsafeCell<MaybeUninit<Attached>>);

// SAFETY: written once, by `discover` on the boot CPU before any other code looks; `HERE` is set after that,
// and nobody writes again.
unsafe impl Sync for Cell {}

static ATTACHED: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));
static HERE: AtomicBool = AtomicBool::new(false);
/// Bytes of the memory that are handed out, and bytes that ever were: what lies behind those is as zero as
/// the host made it.
static NEXT: AtomicUsize = AtomicUsize::new(0);
static TOUCHED: AtomicUsize = AtomicUsize::new(0);

/// The host, if it was found behind a device.
pub(crate) fn attached() -> Option<&'static Attached> {
    // SAFETY: `HERE` is set only after the cell was filled, and it is never written again.
    HERE.load(Ordering::Acquire).then(|| unsafe { (*ATTACHED.0.get()).assume_init_ref() })
}

/// Configuration space of bus 0.
const BUS: u64 = 1 << 20;

/// Looks for a device where the boot parameters or the device tree say that there may be one.
pub(crate) fn discover() -> Option<&'static Attached> {
    let pci = rt::platform::get().pci;
    let place = |key, told: Option<u64>| rt::Params::number(key).or(told);
    let ecam = place("ecam", pci.map(|pci| pci.ecam.address))?;
    let mmio = place("mmio", pci.map(|pci| pci.memory.address).filter(|at| *at != 0))?;
    let ecam = rt::map(ecam, BUS, rt::MapAs::Device)?;
    // SAFETY: whoever gave the places vouches for them; devices are mapped one to one, and this image uses no
    // other device.
    let device = unsafe { rt::pci::Device::find(rt::pci::IVSHMEM, ecam.addr(), mmio) }?;
    let (registers, _) = device.bar(0)?;
    let (memory, len) = device.bar(2)?;
    let memory = rt::map(memory as u64, len as u64, rt::MapAs::Memory)?;
    // The messages stand for interrupts from the one on that the record says, which are this image's own
    // numbers for them (SHM-5).
    device.route_messages(|message| {
        let vector = u8::try_from(u32::from(rt::interrupts::FIRST_VECTOR) + message).ok()?;
        (vector <= rt::interrupts::LAST_VECTOR).then(|| rt::pci::message(vector))?
    });
    // SAFETY: the BAR is mapped, and this image's alone.
    let memory = unsafe { Mapping::new(memory, len) }?;
    for _ in 0..LOOKS {
        // SAFETY: both BARs are the device's, mapped one to one for as long as the image runs.
        match unsafe { attach(memory, (registers + DOORBELL) as *mut u32) } {
            Ok(found) => {
                // SAFETY: the boot CPU runs this once, before anyone else looks.
                unsafe { (*ATTACHED.0.get()).write(found) };
                HERE.store(true, Ordering::Release);
                return attached();
            }
            Err(tenon_guest::Error::NotPresent) => core::hint::spin_loop(),
            Err(_) => return None,
        }
    }
    None
}

/// As `Env::pages`, out of the device's memory.
pub(crate) fn pages(attached: &Attached, len: usize, align: usize) -> Option<(Mapping, u64)> {
    let (memory, first) = (attached.pages.mapping(), attached.pages.address() as usize);
    // Offsets in the whole are aligned, not those behind the window.
    let start = (first + NEXT.load(Ordering::Relaxed)).checked_next_multiple_of(align.max(4096))? - first;
    let end = start.checked_add(len.checked_next_multiple_of(4096)?)?;
    let pages = memory.slice(start / 8, len.div_ceil(8))?;
    NEXT.store(end, Ordering::Relaxed);
    let touched = TOUCHED.fetch_max(end, Ordering::Relaxed);
    for word in 0..touched.saturating_sub(start).min(len.next_multiple_of(8)) / 8 {
        pages.store(word, 0, Site::Status);
    }
    Some((pages, (first + start) as u64))
}

/// All pages are free again.
pub(crate) fn clean() {
    NEXT.store(0, Ordering::Relaxed);
}
