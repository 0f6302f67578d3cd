// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host behind a device's memory: all pages that the host may see lie there.
#![allow(unsafe_code, reason = "device memory, handed out as pages")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tenon_guest::Error;
use tenon_guest::pci::{Bar, Bus, Device, Ecam, IVSHMEM};
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
/// Bytes of the memory that are handed out.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The host, if it was found behind a device.
pub(crate) fn attached() -> Option<&'static Attached> {
    // SAFETY: `HERE` is set only after the cell was filled, and it is never written again.
    HERE.load(Ordering::Acquire).then(|| unsafe { (*ATTACHED.0.get()).assume_init_ref() })
}

/// Most devices of that kind that are looked at.
const DEVICES: usize = 8;
/// Configuration space of all buses, where nobody says how many there are.
const ALL_BUSES: u64 = 256 << 20;

const NO_RECORD: &str = "no Tenon: no discovery record";
const NO_ROOM: &str = "no Tenon: a device whose memory has no room in the window of its bridge";

/// Looks for a device where the boot parameters or the device tree say that there may be one; why there is
/// none that will do.
pub(crate) fn discover() -> Result<&'static Attached, &'static str> {
    let (config, free) = bridge().ok_or(NO_RECORD)?;
    let mut found = [None; DEVICES];
    Bus::new(&config, free, rt::pci::REACH).find(IVSHMEM, &mut found);
    let mut why = NO_RECORD;
    let mut there = [const { None }; DEVICES];
    for (place, device) in there.iter_mut().zip(found.iter().flatten()) {
        match Memory::of(device) {
            Ok(memory) => *place = Some(memory),
            Err(Error::BadMemory) => why = NO_ROOM,
            Err(_) => {}
        }
    }
    if there.iter().all(Option::is_none) {
        return Err(why);
    }
    for _ in 0..LOOKS {
        for place in &mut there {
            let Some(memory) = place else { continue };
            // SAFETY: both BARs are the device's, mapped one to one for as long as the image runs.
            match unsafe { attach(memory.words, memory.doorbell) } {
                Ok(attached) => {
                    memory.route(&config);
                    // SAFETY: the boot CPU runs this once, before anyone else looks.
                    unsafe { (*ATTACHED.0.get()).write(attached) };
                    HERE.store(true, Ordering::Release);
                    return self::attached().ok_or(NO_RECORD);
                }
                Err(Error::NotPresent) => core::hint::spin_loop(),
                Err(_) => *place = None,
            }
        }
    }
    Err(why)
}

/// Configuration space, and addresses that are free for devices.
fn bridge() -> Option<(Ecam, Range<u64>)> {
    let pci = rt::platform::get().pci;
    let told = pci.map(|pci| pci.memory).filter(|memory| memory.address != 0);
    let ecam = rt::Params::number("ecam").or(pci.map(|pci| pci.ecam.address))?;
    let len = pci.map_or(ALL_BUSES, |pci| pci.ecam.len);
    let start = rt::Params::number("mmio").or(told.map(|memory| memory.address))?;
    let end = told.map_or(rt::pci::FREE_END, |memory| memory.address.saturating_add(memory.len));
    let end = rt::Params::number("mmio_end").unwrap_or(end);
    // Nothing is free where configuration space lies.
    let end = if ecam >= start { end.min(ecam) } else { end };
    let base = rt::map(ecam, len, rt::MapAs::Device)?;
    // SAFETY: whoever gave the places vouches for them; devices are mapped one to one, and this image uses no
    // other device.
    Some((unsafe { Ecam::new(base, usize::try_from(len).ok()?) }, start..end))
}

/// A device's two BARs, mapped.
struct Memory {
    device: Device,
    doorbell: *mut u32,
    words: Mapping,
}

impl Memory {
    fn of(device: &Device) -> Result<Self, Error> {
        let map = |bar: Bar, kind| rt::map(bar.address, bar.len, kind).ok_or(Error::BadMemory);
        let registers = map(device.bar(0)?, rt::MapAs::Device)?;
        let bar = device.bar(2)?;
        let len = usize::try_from(bar.len).map_err(|_| Error::BadMemory)?;
        // SAFETY: the BAR is mapped, and this image's alone.
        let words = unsafe { Mapping::new(map(bar, rt::MapAs::Memory)?, len) }.ok_or(Error::BadMemory)?;
        Ok(Self { device: *device, doorbell: registers.wrapping_add(DOORBELL).cast(), words })
    }

    /// The messages stand for interrupts from the one on that the record says, which are this image's own
    /// numbers for them (SHM-5).
    fn route(&self, config: &Ecam) -> Option<()> {
        let messages = self.device.messages(config)?;
        let (bar, offset, len) = messages.table();
        let table = rt::map(self.device.bar(bar).ok()?.address + offset, len, rt::MapAs::Device)?;
        for message in 0..messages.count() {
            let vector = u8::try_from(u16::from(rt::interrupts::FIRST_VECTOR) + message).ok();
            let vector = vector.filter(|vector| *vector <= rt::interrupts::LAST_VECTOR);
            if let Some((address, data)) = vector.and_then(rt::pci::message) {
                // SAFETY: the table is mapped there, and each message an interrupt of this image's.
                unsafe { messages.route(NonNull::new(table.cast())?, message, address, data) };
            }
        }
        messages.enable(&self.device, config);
        Some(())
    }
}

/// As `Env::pages`, out of the device's memory.
pub(crate) fn pages(attached: &Attached, len: usize, align: usize) -> Option<(Mapping, u64)> {
    let (memory, first) = (attached.pages.mapping(), attached.pages.address() as usize);
    // Offsets in the whole are aligned, not those behind the window.
    let start = (first + NEXT.load(Ordering::Relaxed)).checked_next_multiple_of(align.max(4096))? - first;
    let end = start.checked_add(len.checked_next_multiple_of(4096)?)?;
    let pages = memory.slice(start / 8, len.div_ceil(8))?;
    NEXT.store(end, Ordering::Relaxed);
    // Whatever lies there: an earlier boot of this machine may have used it.
    for word in 0..len.div_ceil(8) {
        pages.store(word, 0, Site::Status);
    }
    Some((pages, (first + start) as u64))
}

/// All pages are free again.
pub(crate) fn clean() {
    NEXT.store(0, Ordering::Relaxed);
}
