// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ready machine: an image, a domain, a console.

use std::boxed::Box;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use std::vec::Vec;

use kvm_ioctls::IoEventAddress;
use vmm_sys_util::eventfd::EventFd;

use super::arch::{self, BIND_ADDRESS, KICK_ADDRESS, WINDOW_ADDRESS};
use super::attachment::{
    Attachment, BIND_FUNCTION, BIND_PORT, Console, Handle, KICK_FUNCTION, KICK_PORT, State,
};
use super::expiry::expire;
use super::job::{Ask, Job, Said};
use super::life::Life;
use super::time::{Alarm, TimeSource, Timing};
use super::worker::{give_back, serve_hot, talk, work};
use super::{Config as MachineConfig, Error, Machine, Outcome, RunDelays, VmMemory, WindowConfig};
use crate::config::{Balloon, Conduit, Config, Devices, Sharing};
use crate::device::Attached;
use crate::domain::Domain;
use crate::memory::Guard;
use crate::services::Services;
use tenon_abi::{ConduitFlags, ConduitKind, Features, Granule, VERSION};
use tenon_rings::Mapping;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

/// What a guest is given.
pub struct VmmConfig {
    /// Bytes of memory: a multiple of 4 KiB, the smallest granule. It lies where [`MachineConfig`] says.
    pub memory: usize,
    /// Bytes of room for memory that [`Handle::add_memory`] adds: a multiple of 64 KiB.
    pub room: usize,
    /// vCPUs, 1 to 255.
    pub vcpus: u32,
    /// Where session seeds are drawn from: give every guest another one.
    pub seed: u64,
    /// The run is ended after this time.
    pub limit: Duration,
    /// Takes what the guest writes to its Tenon console. It may block, and may call a [`Handle`].
    pub console: Console,
    /// Takes what the guest writes to its serial port. It may block, and may call a [`Handle`]; a guest that
    /// writes faster waits for it.
    pub serial: Box<dyn Write + Send>,
    /// How the guest rings: PORT_IO, which every x86 KVM has, MMIO, which every KVM has, or HYPERCALL, where
    /// this KVM hands over VMCALL and VMMCALL, or HVC.
    pub conduit: ConduitKind,
    /// Queues whose doorbell does not leave the guest: KVM signals an eventfd and the worker serves them.
    /// With any, the conduit is not SYNCHRONOUS. There are none on HYPERCALL.
    pub hot_queues: Vec<u32>,
    /// The newest minor version that the guest is offered (NEG-1).
    pub minor: u16,
    /// What the guest may be offered at most: to have the same on every host that a domain may go to.
    pub features: Features,
    /// What the guest's families are given: a family without its service is not offered.
    pub services: Services,
    /// UTC in the guest follows this system's clock, until [`Handle::set_utc`] says something else. Without
    /// it UTC is not known before that.
    pub follows_utc: bool,
    /// Is told what the guest says of its generation and of suspension. With it, GENERATION is offered: for
    /// whoever saves this machine and restores it by [`Handle::hold`], or by a domain of their own, and by
    /// nothing else (LIFE-5).
    pub life: Option<Life>,
    /// How the guest gives memory back; `None`: it does not (MEM-1).
    pub balloon: Option<Balloon>,
    /// Devices that the guest has from the start on.
    pub devices: Vec<Attached<Mapping>>,
    /// How many devices there may be, with those that [`Handle::add_device`] adds. `None`: the usual numbers,
    /// or none where [`Self::devices`] is empty.
    pub device_limits: Option<Devices>,
    /// The guest's memory is closed to its host, but for what the guest hands over or shares (MEM-10): the
    /// host opens it in this guard, and refuses itself everything else. It is a model: KVM's own memory is
    /// open to its process.
    pub closed: Option<Guard>,
}

impl Default for VmmConfig {
    /// 32 MiB, one vCPU, a minute; console and serial port go to stdout.
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            room: 0,
            vcpus: 1,
            seed: 0,
            limit: Duration::from_secs(60),
            console: Box::new(|bytes| {
                // Nobody can be told that stdout is closed.
                let _ = io::stdout().write_all(bytes);
                Vec::new()
            }),
            serial: Box::new(io::stdout()),
            conduit: arch::CONDUIT,
            hot_queues: Vec::new(),
            minor: VERSION.minor,
            features: Features::all(),
            services: Services::ready(),
            follows_utc: true,
            life: None,
            balloon: Some(Balloon::of(Granule::K64.size())),
            devices: Vec::new(),
            device_limits: None,
            closed: None,
        }
    }
}

/// Size of the window: the record and the areas of 255 vCPUs of the usual size.
const WINDOW_SIZE: usize = 4 << 20;

/// A guest that has not run yet.
pub struct Vmm {
    machine: Machine,
    attachment: Arc<Attachment>,
    jobs: Channel<Job>,
    said: Channel<Said>,
    asked: Channel<Ask>,
    hot: Vec<(u32, EventFd)>,
    console: (Console, Option<Life>),
    serial: Box<dyn Write + Send>,
    limit: Duration,
    alarm: Alarm,
}

type Channel<T> = (Sender<T>, Receiver<T>);

impl Vmm {
    /// Builds the machine and its domain.
    ///
    /// # Errors
    ///
    /// [`Error`] says what is missing, and what to do.
    pub fn new(config: VmmConfig) -> Result<Self, Error> {
        let window = WindowConfig { address: WINDOW_ADDRESS, size: WINDOW_SIZE };
        let plain = MachineConfig {
            memory: config.memory,
            room: config.room,
            cpus: config.vcpus,
            window: Some(window),
            ..MachineConfig::default()
        };
        let machine = Machine::new(&plain.discovered()?)?;
        let region = machine.window().ok_or(Error::BadConfig("the machine has no window"))?;
        let mut memory = match machine.room() {
            Some(room) => VmMemory::with_room(machine.memory(), region, room)?,
            None => VmMemory::new(machine.memory(), region)?,
        };
        if !arch::CONDUITS.contains(&config.conduit) {
            return Err(Error::BadConfig("this platform's machine has no such conduit"));
        }
        let (mut conduit, bell) = match config.conduit {
            ConduitKind::PORT_IO => {
                (Conduit::port_io(KICK_PORT, BIND_PORT), Some(IoEventAddress::Pio(KICK_PORT.into())))
            }
            ConduitKind::MMIO => {
                (Conduit::mmio(KICK_ADDRESS, BIND_ADDRESS), Some(IoEventAddress::Mmio(KICK_ADDRESS)))
            }
            _ => {
                let more = machine.trap_hypercalls()?;
                (Conduit::hypercall(KICK_FUNCTION, BIND_FUNCTION, more), None)
            }
        };
        if !config.hot_queues.is_empty() {
            conduit.flags.remove(ConduitFlags::SYNCHRONOUS);
        }
        let mut offer = Config::new(conduit, config.vcpus, config.seed).with_time();
        offer.window_len = u64::try_from(WINDOW_SIZE).unwrap_or(0);
        (offer.max_events, offer.max_ports) = (65_536, 4096);
        (offer.max_start, offer.interrupts) = (arch::MAX_START, arch::INTERRUPTS);
        if config.life.is_some() {
            offer = offer.with_generation();
        }
        if let Some(balloon) = config.balloon {
            offer = offer.with_balloon(balloon);
        }
        if let Some(guard) = config.closed {
            memory = memory.closed(guard);
            offer = offer.with_sharing(Sharing::default());
        }
        let mut services = config.services;
        let mut delays = None;
        if services.stolen.is_none() {
            delays = RunDelays::new(config.vcpus);
            services.stolen = delays.as_ref().map(RunDelays::source);
        }
        offer = offer.with_stolen();
        let usual = (!config.devices.is_empty()).then(Devices::default);
        if let Some(limits) = config.device_limits.or(usual) {
            offer = offer.with_devices(limits);
        }
        offer.features &= config.features;
        let domain = Domain::with(offer.of_minor(config.minor), memory, services).map_err(Error::Domain)?;
        let (jobs, said, asked) = (channel(), channel(), channel());
        let interrupts = Arc::clone(machine.interrupts());
        let (job, say, ask) = (jobs.0.clone(), said.0.clone(), asked.0.clone());
        let alarm = Alarm::new().map_err(Error::io("making a timer"))?;
        let timing = Timing::new(TimeSource::new(machine.counter()), alarm.clone(), config.follows_utc);
        let mut hot = Vec::new();
        for &queue in &config.hot_queues {
            // Blocking: a thread waits for it.
            let event = EventFd::new(0).map_err(Error::io("making an eventfd"))?;
            let bell = bell.as_ref().ok_or(Error::BadConfig("a hypercall cannot signal an eventfd"))?;
            machine.add_doorbell_at(bell, queue, &event)?;
            hot.push((queue, event));
        }
        let doorbells = machine.doorbells(bell);
        let senders = (job, say, ask);
        let (control, timing) = (machine.control(), (timing, delays));
        let attachment = Attachment::new(domain, control, interrupts, senders, timing, doorbells)?;
        for device in config.devices {
            attachment.with(|state| state.back_ends.add(&mut state.domain, device)).map_err(Error::Domain)?;
        }
        let VmmConfig { console, life, serial, limit, .. } = config;
        let console = (console, life);
        Ok(Self { machine, attachment, jobs, said, asked, hot, console, serial, limit, alarm })
    }

    /// For devices and other threads, now and while the guest runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.attachment))
    }

    /// The machine under it, for what an embedder puts beside Tenon before it runs: doorbells and interrupts
    /// of their own, a look at the guest's memory. Ports and interrupt inputs of Tenon's are taken.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Loads a PVH image with its command line and runs it to its end.
    ///
    /// It comes back at most half a second after the limit, or after [`Handle::end`]. A guest that ends its
    /// run itself has until the limit to get rid of what it wrote to a console or a serial port that takes it
    /// slowly.
    ///
    /// # Errors
    ///
    /// [`Error`] if the image cannot be loaded or a thread cannot be started.
    pub fn run(self, image: &[u8], command_line: &str) -> Result<Outcome, Error> {
        let began = Instant::now();
        self.machine.load(image, command_line)?;
        let (attachment, helpers) = (self.attachment, self.machine.helpers().clone());
        let bells = self.hot.iter().map(|(_, bell)| bell.try_clone());
        let bells: Vec<_> = bells.collect::<Result<_, _>>().map_err(Error::io("sharing an eventfd"))?;
        let (alarm, last_alarm) = (self.alarm.clone(), self.alarm);
        let ((quit, jobs), (last, said), (stop, asked)) = (self.jobs, self.said, self.asked);
        let ended = move || {
            for bell in bells {
                // The machine is ending: whoever wakes sees it and leaves.
                let _ = bell.write(1);
            }
            let _ = (quit.send(Job::Quit), last.send(Said::Last), stop.send(Ask::Quit));
            last_alarm.set(0);
        };
        attachment.with(State::start_clocks);
        let start = || {
            let its = Arc::clone(&attachment);
            helpers.start("timers", move || expire(&its, &alarm))?;
            for (queue, bell) in self.hot {
                let its = Arc::clone(&attachment);
                helpers.start("hot queue", move || serve_hot(&its, queue, &bell))?;
            }
            let (its, console) = (Arc::clone(&attachment), self.console);
            helpers.start("worker", move || work(&its, &jobs))?;
            let its = Arc::clone(&attachment);
            helpers.start("memory", move || give_back(&its, &asked))?;
            let its = Arc::clone(&attachment);
            helpers.start("console", move || talk(&its, &said, console))
        };
        if let Err(why) = start() {
            attachment.control().end(Outcome::Ended);
            ended();
            return Err(why);
        }
        let exits = Arc::clone(&attachment);
        let outcome = self.machine.run_and(exits, self.serial, (began, self.limit), ended);
        attachment.log_left_out();
        outcome
    }
}
