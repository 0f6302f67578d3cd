// SPDX-License-Identifier: MIT OR Apache-2.0
//! One boot on KVM: the host core behind the layer, with what its actions need.

use super::memory::Stood;
use super::plan::Plan;
use super::watch::Watch;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tenon_abi::ConduitFlags;
use tenon_host::kvm::{
    self, BIND_PORT, Control, Entry, Exits, Flow, Interrupts, KICK_PORT, Line, Machine, Msi, Outcome,
    VmMemory, WINDOW_ADDRESS, WindowConfig,
};
use tenon_host::loopback::{Act, Loopback, Timing};
use tenon_host::{
    Action, Conduit, Config, ConsoleAction, Domain, EventAction, LifecycleAction, Services, SessionAction,
    VcpuAction,
};

/// vCPUs of a machine.
const CPUS: u32 = 3;
/// Bytes of the window: the record and areas of the usual size.
const WINDOW: usize = 4 << 20;
/// How often the second thread looks, and does what an unkind host does late.
const TICK: Duration = Duration::from_millis(2);

/// How a boot came to its end.
#[derive(Debug)]
pub enum Ended {
    /// The machine says how.
    So(Outcome),
    /// There was no boot: the image is none.
    NoImage(String),
    /// It wrote without an end to its serial port.
    Flooded,
}

/// What a boot may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may last.
    pub time: Duration,
    /// How many bytes it may write to its serial port.
    pub serial: u64,
}

/// Boots `image` on a host that behaves as `plan` says, within these limits.
///
/// # Errors
///
/// Why there is no machine, in one line.
pub fn boot(
    image: &[u8],
    command_line: &str,
    plan: &Plan,
    watch: &Arc<Watch>,
    limits: Limits,
) -> Result<Ended, String> {
    let window = WindowConfig { address: WINDOW_ADDRESS, size: WINDOW };
    let config = kvm::Config { cpus: CPUS, window: Some(window), ..kvm::Config::default() };
    let made = config.discovered().and_then(|config| Machine::new(&config));
    let machine = made.map_err(|error| error.to_string())?;
    match machine.load(image, command_line) {
        Err(kvm::Error::BadImage(why)) => return Ok(Ended::NoImage(why.to_string())),
        loaded => loaded.map_err(|error| error.to_string())?,
    }
    let region = machine.window().ok_or("the machine has no window")?;
    let inner = VmMemory::new(machine.memory(), region).map_err(|error| error.to_string())?;
    let memory = Stood::new(inner, Arc::clone(watch), plan);
    let control = machine.control();
    let lines = Arc::new(Lines::new(machine.interrupts()).map_err(|error| error.to_string())?);
    let offer = offer(plan);
    let domain = Domain::with(offer.clone(), memory.clone(), Services::ready());
    let domain = domain.map_err(|error| error.to_string())?;
    let act = act(control.clone(), Arc::clone(&lines));
    let host = Loopback::over(domain, Timing::Synchronous, act).map_err(|error| error.to_string())?;
    let kicks_left = plan.ends_after.map_or(u64::MAX, u64::from);
    let stand = Arc::new(Stand {
        host,
        memory,
        watch: Arc::clone(watch),
        plan: plan.clone(),
        offer,
        lines,
        kicks_left: AtomicU64::new(kicks_left),
        rung: Mutex::default(),
    });
    let (over, flooded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (its, until) = (Arc::clone(&stand), Arc::clone(&over));
    let second = thread::Builder::new().name("stand".into()).spawn(move || its.tick(&until));
    let second = second.map_err(|error| format!("no thread to watch a guest: {error}"))?;
    let serial = Serial { left: limits.serial, control, flooded: Arc::clone(&flooded) };
    let outcome = machine.run(stand, Box::new(serial), limits.time);
    over.store(true, Ordering::Relaxed);
    // It looks once more and leaves; a panic in it was reported already.
    let _ = second.join();
    if flooded.load(Ordering::Relaxed) {
        return Ok(Ended::Flooded);
    }
    outcome.map(Ended::So).map_err(|error| error.to_string())
}

/// What a guest is offered.
fn offer(plan: &Plan) -> Config {
    let mut conduit = Conduit::port_io(KICK_PORT, BIND_PORT);
    if plan.late {
        conduit.flags.remove(ConduitFlags::SYNCHRONOUS);
    }
    let seed = if plan.high_seed { super::plan::high_seed() } else { plan.seed };
    let mut offer = Config::new(conduit, CPUS, seed);
    offer.window_len = WINDOW as u64;
    offer.max_start = u64::from(u32::MAX);
    offer.features &= plan.features;
    offer.granules = plan.granules;
    if plan.small {
        (offer.max_depth, offer.max_events, offer.max_ports, offer.max_payload) = (64, 256, 64, 4096);
    }
    offer
}

/// What the plain host offers.
#[must_use]
pub fn offered() -> tenon_abi::Features {
    offer(&Plan::plain(0)).features
}

/// The interrupts of a machine.
struct Lines {
    interrupts: Arc<Interrupts>,
    upcalls: Vec<Line>,
    direct: Mutex<BTreeMap<u32, Line>>,
}

impl Lines {
    fn new(interrupts: &Arc<Interrupts>) -> Result<Self, kvm::Error> {
        let upcalls = (0..CPUS).map(|_| interrupts.line()).collect::<Result<_, _>>()?;
        Ok(Self { interrupts: Arc::clone(interrupts), upcalls, direct: Mutex::default() })
    }

    fn upcall(&self, vcpu: u32) -> Option<&Line> {
        self.upcalls.get(usize::try_from(vcpu).ok()?)
    }

    fn direct(&self) -> MutexGuard<'_, BTreeMap<u32, Line>> {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn raise_all(&self) {
        // One that leads nowhere has no effect.
        self.upcalls.iter().for_each(Line::raise);
    }

    fn reset(&self) -> Result<(), kvm::Error> {
        let direct = std::mem::take(&mut *self.direct());
        for line in self.upcalls.iter().chain(direct.values()) {
            self.interrupts.route(line, None)?;
        }
        Ok(())
    }
}

/// What the core asks for.
fn act(control: Control, lines: Arc<Lines>) -> Act<Stood<VmMemory>> {
    Box::new(move |domain, action| {
        if do_one(&control, &lines, domain, action).is_err() {
            // KVM refused an interrupt: nothing of the guest's is judged by that.
            control.end(Outcome::Ended);
        }
    })
}

fn do_one(
    control: &Control,
    lines: &Lines,
    domain: &mut Domain<Stood<VmMemory>>,
    action: Action,
) -> Result<(), kvm::Error> {
    match action {
        Action::Vcpu(VcpuAction::Upcall { vcpu, .. }) => {
            if let Some(line) = lines.upcall(vcpu) {
                line.raise();
            }
        }
        Action::Vcpu(VcpuAction::Route { vcpu, vector }) => {
            if let Some(line) = lines.upcall(vcpu) {
                lines.interrupts.route(line, vector.map(|vector| Msi { cpu: vcpu, vector }))?;
            }
        }
        Action::Vcpu(VcpuAction::Start { vcpu, entry, argument }) => {
            // One that runs already is the machine's to report.
            let _ = control.start(vcpu, Entry { address: entry, argument });
        }
        Action::Vcpu(VcpuAction::Stop { vcpu }) => {
            let executes = control.stop(vcpu);
            if !executes {
                domain.stopped(vcpu);
            }
        }
        Action::Event(EventAction::Route { port, vcpu, vector }) => {
            let mut direct = lines.direct();
            let line = match direct.remove(&port) {
                Some(line) => line,
                None => lines.interrupts.line()?,
            };
            lines.interrupts.route(&line, Some(Msi { cpu: vcpu, vector }))?;
            direct.insert(port, line);
        }
        Action::Event(EventAction::Unroute { port }) => {
            if let Some(line) = lines.direct().remove(&port) {
                lines.interrupts.route(&line, None)?;
            }
        }
        Action::Event(EventAction::Raise { port, .. }) => {
            if let Some(line) = lines.direct().get(&port) {
                line.raise();
            }
        }
        Action::Session(SessionAction::Reset { .. }) => lines.reset()?,
        Action::Console(ConsoleAction::Output) => drop(domain.take_output()),
        Action::Lifecycle(LifecycleAction::Exit { code }) => control.end(Outcome::Exit(code)),
        Action::Lifecycle(LifecycleAction::Restart) => control.end(Outcome::Restart),
        // What is not offered here is not asked for.
        _ => {}
    }
    Ok(())
}

/// The host of one boot.
struct Stand {
    host: Loopback<Stood<VmMemory>>,
    memory: Stood<VmMemory>,
    watch: Arc<Watch>,
    plan: Plan,
    offer: Config,
    lines: Arc<Lines>,
    kicks_left: AtomicU64,
    /// Queues that were rung for and not served.
    rung: Mutex<BTreeSet<u32>>,
}

impl Stand {
    fn rung(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kick(&self, queue: u32) {
        let queues = CPUS * 2;
        self.watch.kicked(queue, queues);
        self.memory.look();
        if self.kicks_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.end_session();
        } else if self.plan.late {
            self.rung().insert(queue.min(queues));
        } else {
            self.host.kick(queue);
        }
        self.memory.look();
    }

    fn bind(&self, frame: u32) {
        self.memory.look();
        self.host.with(|domain| {
            self.memory.expect_request();
            domain.control(frame);
        });
    }

    /// As a host that was restarted (SES-9).
    fn end_session(&self) {
        let again = Domain::recover(self.offer.clone(), self.memory.clone(), Services::ready());
        let Ok(again) = again else { return };
        self.host.with(|domain| {
            self.watch.session_ended();
            *domain = again;
        });
        // What cannot be routed leads nowhere.
        let _ = self.lines.reset();
    }

    /// The second thread: looks, and does what is late.
    fn tick(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            thread::sleep(TICK);
            self.memory.look();
            for queue in std::mem::take(&mut *self.rung()) {
                self.host.kick(queue);
            }
            // Under the domain's lock: nobody stores a completion meanwhile.
            if self.host.with(|_| self.memory.release()) || self.plan.spurious {
                self.lines.raise_all();
            }
            if self.plan.typing {
                self.host.with(|domain| domain.input(b"x"));
            }
        }
        self.memory.look();
    }
}

impl Exits for Stand {
    fn pio_out(&self, _: u32, port: u16, data: &[u8]) -> Flow {
        let (values, rest) = data.as_chunks::<4>();
        if port == KICK_PORT || port == BIND_PORT {
            self.watch.check("ORD-1", rest.is_empty(), || {
                format!("{} bytes were written to a doorbell", data.len())
            });
        }
        for value in values.iter().map(|bytes| u32::from_le_bytes(*bytes)) {
            match port {
                KICK_PORT => self.kick(value),
                BIND_PORT => self.bind(value),
                _ => {}
            }
        }
        Flow::Continue
    }

    fn mmio_write(&self, vcpu: u32, address: u64, data: &[u8]) -> Flow {
        let in_window = address.checked_sub(WINDOW_ADDRESS).is_some_and(|at| at < WINDOW as u64);
        self.watch.check("GEN-2", !in_window, || {
            format!("vCPU {vcpu} stored {} bytes to the window at {address:#x}", data.len())
        });
        Flow::Continue
    }

    fn parked(&self, vcpu: u32) {
        self.host.with(|domain| domain.stopped(vcpu));
    }
}

/// The serial port's end: what is said there is not judged, as long as it ends.
struct Serial {
    left: u64,
    control: Control,
    flooded: Arc<AtomicBool>,
}

impl Write for Serial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => self.left = left,
            None if !self.flooded.swap(true, Ordering::Relaxed) => self.control.end(Outcome::Ended),
            None => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a machine can be made at all.
///
/// # Errors
///
/// Why not, in one line.
pub fn probe() -> Result<(), String> {
    Machine::new(&kvm::Config::default()).map(drop).map_err(|error| error.to_string())
}
