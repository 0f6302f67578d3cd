// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that uses a device of Tenon's and one of virtio's in turns, and what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use tenon_guest_images::BENCH;
use tenon_host::device::Attached;
use tenon_host::kvm::{Msi, Vmm, VmmConfig};
use tenon_rings::{Mapping, Waiter};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::virtio::{Device, Kind, Told};
use crate::call::{Trouble, heard};
use crate::listen::{Line, Listener, Medians, fastest};
use crate::quiet::{Seat, sit};

/// The doorbell of virtio's queue, and the value that rings it.
const BELL: u16 = 0x0c40;
const RING: u32 = 1;
/// Its interrupt.
const VECTOR: u32 = 0x33;
/// Bytes of the guest's memory.
const MEMORY: usize = 64 << 20;
/// Longer than any run: on a busy machine each sleep takes milliseconds.
const LIMIT: Duration = Duration::from_secs(300);
/// Ticks in which the other one's thread falls asleep: a few milliseconds.
const PAUSE: u64 = 12_000_000;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Both sides look all the time, and nobody tells. Else the guest halts as soon as nothing is there, and
    /// the host's threads sleep when they have looked for some tens of microseconds at most.
    pub polled: bool,
    /// Rounds, and requests of either way in each.
    pub rounds: [u64; 2],
    /// How virtio does it.
    pub virtio: Virtio,
}

/// virtio's choices: which is best is found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Virtio {
    /// Descriptors stand in tables of their own.
    pub indirect: bool,
    /// The device takes chains by its queue's iterator, and answers them together.
    pub iterates: bool,
}

impl Virtio {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self { indirect: false, iterates: false },
        Self { indirect: false, iterates: true },
        Self { indirect: true, iterates: true },
    ];
}

impl Plan {
    /// How the host's threads wait: both in the same way.
    #[must_use]
    pub const fn waiter(self) -> Waiter {
        // About a millisecond, so that it sleeps while the other one has its turn; else as devices do.
        if self.polled { Waiter::new(20_000, 20_000) } else { Waiter::new(16, 4096) }
    }
}

/// What one way caused, for each request or frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caused {
    /// Doorbells that the guest rang: each is an exit.
    pub doorbells: f64,
    /// How often it was halted: each is an exit.
    pub halts: f64,
    /// Interrupts that it took.
    pub interrupts: f64,
}

impl Caused {
    /// Exits that the guest made.
    #[must_use]
    pub fn exits(&self) -> f64 {
        self.doorbells + self.halts
    }

    fn of(word: &str, lines: &[Line]) -> Result<Self, String> {
        let line = lines.iter().find(|line| line.word == word).map(|line| line.numbers.as_slice());
        let Some(&[done, doorbells, halts, interrupts]) = line else {
            return Err(format!("the guest did not say what it did: {word}"));
        };
        let of = |count: u64| if done == 0 { 0.0 } else { count as f64 / done as f64 };
        Ok(Self { doorbells: of(doorbells), halts: of(halts), interrupts: of(interrupts) })
    }
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Microseconds for a request or a frame: what the fastest tenth of the rounds is below.
    pub medians: Medians,
    /// What Tenon's way caused, and virtio's.
    pub caused: [Caused; 2],
}

/// The page in which the host counts the frames that have arrived: Tenon's, and virtio's behind them.
#[derive(Debug, Default)]
pub struct Arrived(AtomicU64);

impl Arrived {
    /// Its address in the guest, once that has said so.
    #[must_use]
    pub fn page(&self) -> Option<u64> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            page => Some(page),
        }
    }
}

/// What virtio's device is.
#[derive(Debug)]
pub enum Theirs {
    /// None.
    Nothing,
    /// A disk.
    Disk(Arc<Vec<u8>>),
    /// What takes frames.
    Sink(Arc<Arrived>),
}

/// A machine whose guest has not run.
pub struct Guest(Vmm, Receiver<Line>);

impl Guest {
    /// With this device of Tenon's, made for the machine's memory.
    ///
    /// # Errors
    ///
    /// [`Trouble`].
    pub fn new(device: Attached<Mapping>) -> Result<Self, Trouble> {
        let (listener, lines) = Listener::new();
        let vmm = Vmm::new(VmmConfig {
            memory: MEMORY,
            limit: LIMIT,
            console: Box::new(|_| Vec::new()),
            serial: Box::new(listener),
            devices: vec![device],
            ..VmmConfig::default()
        })?;
        Ok(Self(vmm, lines))
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> Arc<GuestMemoryMmap> {
        Arc::clone(self.0.machine().memory())
    }

    /// Runs it with these parameters, with virtio's device beside Tenon's.
    ///
    /// # Errors
    ///
    /// [`Trouble`].
    pub fn run(self, plan: Plan, parameters: &str, theirs: Theirs) -> Result<Found, Trouble> {
        let Self(vmm, lines) = self;
        let Plan { polled, rounds: [rounds, each], virtio } = plan;
        let parameters = format!(
            "mode=native serial=burst {parameters} polled={} indirect={} rounds={rounds} each={each} warm={} \
             lead={} pause={PAUSE} bell={BELL}",
            u8::from(polled),
            u8::from(virtio.indirect),
            each.min(1000),
            each.div_ceil(10),
        );
        let machine = vmm.machine();
        let kick = EventFd::new(EFD_NONBLOCK).map_err(|why| Trouble::Broken(format!("no eventfd: {why}")))?;
        machine.add_doorbell(BELL, RING, &kick)?;
        let line = machine.interrupts().line()?;
        machine.interrupts().route(&line, Some(Msi { cpu: 0, vector: VECTOR }))?;
        let memory = Arc::clone(machine.memory());
        let (end, over) = (AtomicBool::new(false), Duration::from_millis(20));
        let (outcome, lines) = thread::scope(|scope| {
            let device = scope.spawn(|| {
                sit(Seat::Host);
                // The first lines say where things are.
                while let Theirs::Disk(_) | Theirs::Sink(_) = theirs {
                    let told = match lines.recv_timeout(over) {
                        Ok(told) => told,
                        Err(_) if end.load(Ordering::Relaxed) => break,
                        Err(_) => continue,
                    };
                    match (told.word.as_str(), told.numbers.as_slice(), &theirs) {
                        ("page", &[page], Theirs::Sink(arrived)) => arrived.0.store(page, Ordering::Release),
                        ("queue", &[page], _) => {
                            let kind = match &theirs {
                                Theirs::Sink(arrived) => Kind::Sink(Arc::clone(arrived), 0),
                                Theirs::Disk(disk) => Kind::Disk(Arc::clone(disk)),
                                Theirs::Nothing => break,
                            };
                            let told = Told::read(&memory, page);
                            let device =
                                told.and_then(|told| Device::new(told, memory, kind, virtio.iterates));
                            if let Some(mut device) = device {
                                device.run(plan.waiter(), (&kick, &line), &end);
                            }
                            break;
                        }
                        _ => {}
                    }
                }
                lines
            });
            let outcome = vmm.run(BENCH.bytes, &parameters);
            // The machine has ended, or never began: the thread wakes, sees it and leaves.
            end.store(true, Ordering::Relaxed);
            let _ = kick.write(1);
            (outcome, device.join())
        });
        let lines = lines.map_err(|_| Trouble::Broken("virtio's device has panicked".to_owned()))?;
        let lines = heard(&outcome?, &lines)?;
        let caused = [Caused::of("ours", &lines)?, Caused::of("theirs", &lines)?];
        let medians = fastest(&lines)?;
        let each = |time: f64| time / each as f64;
        let medians = Medians { ours: each(medians.ours), theirs: each(medians.theirs) };
        Ok(Found { medians, caused })
    }
}
