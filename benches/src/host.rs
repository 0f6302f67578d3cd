// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine of the bench's own around the core: it counts exits, rings an eventfd for a queue, and has a
//! bare interrupt and a bare doorbell beside Tenon's.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenon_guest_images::BENCH;
use tenon_host::kvm::{
    Alarm, BIND_PORT, Config, Error, Exits, Flow, Interrupts, KICK_PORT, Line, Machine, Msi, TimeSource,
    VmMemory, WINDOW_ADDRESS, WindowConfig,
};
use tenon_host::time::Passed;
use tenon_host::{Action, Conduit, Domain, EventAction, Memory, VcpuAction};
use tenon_rings::Mapping;

use crate::quiet::thread;

/// Nobody's: a write to it leaves the guest and is forgotten.
pub const BARE_PORT: u16 = 0x0c00;
/// A doorbell that is not Tenon's.
pub const BARE_BELL: u16 = 0x0c10;
/// Takes the address of the page that the guest shares.
pub const CONTROL_PORT: u16 = 0x0c20;
/// The interrupt that is not Tenon's.
const BARE_VECTOR: u32 = 0x33;
const BUDGET: u32 = 256;
const WINDOW_SIZE: usize = 2 << 20;

/// The host side of the machine.
pub struct Host {
    state: Mutex<State>,
    interrupts: Arc<Interrupts>,
    bare: Line,
    exits: AtomicU64,
    page: AtomicU64,
    vcpu: AtomicI32,
}

struct State {
    domain: Domain<VmMemory>,
    upcall: Line,
    direct: Line,
    source: TimeSource,
    alarm: Alarm,
}

/// A machine with the image loaded, and its host.
pub fn machine(parameters: &str) -> Result<(Machine, Arc<Host>), Error> {
    let window = WindowConfig { address: WINDOW_ADDRESS, size: WINDOW_SIZE };
    let config = Config { window: Some(window), ..Config::default() }.discovered()?;
    let machine = Machine::new(&config)?;
    let region = machine.window().ok_or(Error::BadConfig("the machine has no window"))?;
    let memory = VmMemory::new(machine.memory(), region)?;
    let mut offer = tenon_host::Config::new(Conduit::port_io(KICK_PORT, BIND_PORT), 1, 1).with_time();
    (offer.window_len, offer.max_start) = (WINDOW_SIZE as u64, u64::from(u32::MAX));
    let mut domain = Domain::new(offer, memory).map_err(Error::Domain)?;
    let mut source = TimeSource::new(machine.counter());
    domain.start_clocks(source.now(), Passed::default());
    // Long enough for a period that does not change while a bench runs.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let (now, relation) = source.measure();
    domain.set_counter(now, relation);
    let alarm = Alarm::new().map_err(|why| Error::System { what: "making a timer", why })?;
    let interrupts = Arc::clone(machine.interrupts());
    let (upcall, direct, bare) = (interrupts.line()?, interrupts.line()?, interrupts.line()?);
    interrupts.route(&bare, Some(Msi { cpu: 0, vector: BARE_VECTOR }))?;
    machine.load(BENCH.bytes, &format!("serial=burst control={CONTROL_PORT} {parameters}"))?;
    let host = Host {
        state: Mutex::new(State { domain, upcall, direct, source, alarm }),
        interrupts,
        bare,
        exits: AtomicU64::new(0),
        page: AtomicU64::new(0),
        vcpu: AtomicI32::new(0),
    };
    Ok((machine, Arc::new(host)))
}

impl Host {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes that left the guest, the serial port's aside.
    pub fn exits(&self) -> u64 {
        self.exits.load(Ordering::Relaxed)
    }

    /// The thread that runs the vCPU; 0 before it has shared a page.
    pub fn vcpu(&self) -> i32 {
        self.vcpu.load(Ordering::Acquire)
    }

    /// The page that the guest shares: two words.
    pub fn page(&self) -> Option<Mapping> {
        match self.page.load(Ordering::Acquire) {
            0 => None,
            page => self.lock().domain.memory().words(0, page, 16),
        }
    }

    /// What a doorbell asks for.
    pub fn serve(&self, queue: u32) {
        let mut state = self.lock();
        let State { domain, source, .. } = &mut *state;
        while domain.serve_at(queue, BUDGET, || source.now()).again {}
        self.act(&mut state);
    }

    /// What rings when a timer is due: a thread waits for it and calls [`Self::expire`].
    pub fn alarm(&self) -> Alarm {
        self.lock().alarm.clone()
    }

    /// Expires timers.
    pub fn expire(&self) {
        let mut state = self.lock();
        let now = state.source.now();
        let _ = state.domain.expire(now, BUDGET);
        self.act(&mut state);
        state.arm();
    }

    /// What a device does.
    pub fn raise(&self, port: u32) {
        let mut state = self.lock();
        // A port that is not bound has nobody who would miss it: the wait for its answer ends the
        // measurement.
        let _ = state.domain.raise(port);
        self.act(&mut state);
    }

    /// The same without Tenon.
    pub fn raise_bare(&self) {
        self.bare.raise();
    }

    fn act(&self, state: &mut State) {
        while let Some(action) = state.domain.next_action() {
            let routed = match action {
                Action::Vcpu(VcpuAction::Upcall { .. }) => {
                    state.upcall.raise();
                    Ok(())
                }
                Action::Event(EventAction::Raise { .. }) => {
                    state.direct.raise();
                    Ok(())
                }
                Action::Vcpu(VcpuAction::Route { vcpu: cpu, vector }) => {
                    self.interrupts.route(&state.upcall, vector.map(|vector| Msi { cpu, vector }))
                }
                Action::Event(EventAction::Route { vcpu: cpu, vector, .. }) => {
                    self.interrupts.route(&state.direct, Some(Msi { cpu, vector }))
                }
                // Nobody reads, and what a session leaves behind is not measured.
                Action::Console(_) | Action::Session(_) | Action::Event(EventAction::Unroute { .. }) => {
                    Ok(())
                }
                Action::Time(_) => {
                    state.arm();
                    Ok(())
                }
                other => panic!("this machine cannot do {other:?}"),
            };
            if let Err(why) = routed {
                eprintln!("an interrupt cannot be routed: {why}");
            }
        }
    }
}

impl State {
    fn arm(&mut self) {
        let now = self.source.now().monotonic;
        if let Some(due) = self.domain.next_deadline() {
            self.alarm.set(due.saturating_sub(now));
        }
    }
}

impl Exits for Host {
    fn pio_out(&self, _: u32, port: u16, data: &[u8]) -> Flow {
        self.exits.fetch_add(1, Ordering::Relaxed);
        let value = data.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        match port {
            KICK_PORT => self.serve(value),
            BIND_PORT => {
                let mut state = self.lock();
                state.domain.control(value);
                self.act(&mut state);
            }
            CONTROL_PORT => {
                self.vcpu.store(thread(), Ordering::Release);
                self.page.store(value.into(), Ordering::Release);
            }
            _ => {}
        }
        Flow::Continue
    }

    fn mmio_write(&self, _: u32, _: u64, _: &[u8]) -> Flow {
        self.exits.fetch_add(1, Ordering::Relaxed);
        Flow::Continue
    }
}
