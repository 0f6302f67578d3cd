// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loopback machines: this process is the machine. Its standard output is the serial port, and on
//! standard error the host says how it ended.

use crate::console::{self, Order};
use crate::faults::memory::FaultyMemory;
use crate::faults::{self, Fault, Line, Past};
use crate::guest::cpu::Cpus;
use crate::guest::memory::GuestMemory;
use crate::guest::{CPUS, Doorbells, Guest};
use crate::out::complain;
use crate::stolen::Stolen;
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::{panic, process, thread};
use tenon_conformance::Selection;
use tenon_host::loopback::{Act, Loopback, Timing, clock};
use tenon_host::memory::closed::{Closed, Guard, Refused};
use tenon_host::time::Passed;
use tenon_host::{
    Action, Balloon, Conduit, Config, ConsoleAction, CrashRecord, Domain, EventAction, LifecycleAction,
    Memory, MemoryAction, Services, Sharing, VcpuAction,
};

/// What the host's last line on standard error starts with.
pub const END: &str = "~END ";

/// What the line of a crash record starts with, before its code and its text in hexadecimal; it stands before
/// the last line.
pub const CRASH: &str = "~CRASH ";

/// Runs the suite in this process, on the host of this name, with boot parameters of the form `key=value`.
#[must_use]
pub fn run(host: &str, command_line: &str, fault: Option<&str>) -> ExitCode {
    end_with_the_runner();
    panic_at_once();
    match boot(host, command_line, fault) {
        Ok(guest) => {
            tenon_conformance::run(guest, Selection::of(guest), std::env::consts::ARCH);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("tenon-conformance: no loopback machine: {error}"));
            ExitCode::from(2)
        }
    }
}

fn boot(name: &str, command_line: &str, fault: Option<&str>) -> Result<&'static Guest, Box<dyn Error>> {
    let timing = match name {
        "loopback" | "loopback-minor1" | "loopback-closed" => Timing::Synchronous,
        "loopback-async" => Timing::Asynchronous,
        _ => return Err(format!("there is no loopback host `{name}`").into()),
    };
    let params: HashMap<_, _> = command_line
        .split_whitespace()
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let seed = params.get("seed").and_then(|seed| u64::from_str_radix(seed, 16).ok()).unwrap_or(1);
    let mut config =
        Config::new(Conduit::call(timing == Timing::Synchronous), CPUS, seed).with_time().with_stolen();
    // So little for one call, and so few ranges, that the cases reach the end of both.
    config = config.with_balloon(Balloon { granule: 4096, max_range: 256 << 10, max_ranges: 64 });
    let guard = (name == "loopback-closed").then(|| Guard::new(touched));
    config = config.with_generation();
    if guard.is_some() {
        config = config.with_sharing(Sharing { max_range: 256 << 10, max_ranges: 16 });
    }
    if name == "loopback-minor1" {
        config = config.of_minor(1);
    }
    // Ports beyond those with hints (EVT-15), and rings for which the window has no room (VCPU-4).
    (config.max_ports, config.max_events) = (4096, 65_536);
    let memory = GuestMemory::new(usize::try_from(config.window_len)?)?;
    let cpus: &'static Cpus = Box::leak(Box::default());
    let host: &'static dyn Doorbells = match fault {
        None => match guard {
            None => loopback(config, memory, timing, |user| act(cpus, memory, None, user))?,
            Some(guard) => {
                let closed = Closed::new(memory, guard.clone());
                loopback(config, closed, timing, |user| act(cpus, memory, Some(guard), user))?
            }
        },
        Some(fault) => broken(config, memory, timing, faults::by_name(fault)?, cpus)?,
    };
    Ok(Box::leak(Box::new(Guest::new(host, Box::leak(Box::new(memory)), cpus, params))))
}

/// The user of a loopback machine: what the cases ask for.
struct User {
    stolen: Stolen,
    /// Does orders that are about devices; `None` where there are none.
    devices: Option<Box<dyn Fn(Order) + Send>>,
}

impl User {
    fn has_devices_do(&self, order: Order) {
        // Without somebody who does it, the case says what it misses.
        if let Some(devices) = &self.devices {
            devices(order);
        }
    }
}

/// A host whose vCPUs lose as much time as the cases ask for, with devices.
fn loopback<M>(
    config: Config,
    memory: M,
    timing: Timing,
    act: impl FnOnce(User) -> Act<M>,
) -> Result<&'static dyn Doorbells, Box<dyn Error>>
where
    M: Memory + Clone + Send + 'static,
    M::Words: Send,
{
    let stolen = Stolen::new();
    #[cfg(target_os = "linux")]
    let (config, devices, todo) = if config.minor > 1 {
        let (desk, todo) = crate::devices::desk();
        let give: Box<dyn Fn(Order) + Send> = Box::new(move |order| desk.give(order));
        (config.with_devices(tenon_host::Devices::default()), Some(give), Some(todo))
    } else {
        (config, None, None)
    };
    #[cfg(not(target_os = "linux"))]
    let devices = None;
    let user = User { stolen: stolen.clone(), devices };
    let domain = Domain::with(config, memory, stolen.counted(Services::ready()))?;
    let host: &'static Loopback<M> = Box::leak(Box::new(Loopback::over(domain, timing, act(user))?));
    #[cfg(target_os = "linux")]
    if let Some(todo) = todo {
        crate::devices::start(On(host), todo)?;
    }
    Ok(host)
}

/// A loopback machine as one that has devices.
#[cfg(target_os = "linux")]
struct On<M: Memory + Send + 'static>(&'static Loopback<M>)
where
    M::Words: Send;

#[cfg(target_os = "linux")]
impl<M> crate::devices::Machine<M::Words> for On<M>
where
    M: Memory + Clone + Send + 'static,
    M::Words: Send,
{
    fn add(&self, device: tenon_host::device::Attached<M::Words>) -> Option<u32> {
        self.0.add_device(device).ok()
    }

    fn remove(&self, device: u32) {
        // One that is gone already is what was asked for.
        let _ = self.0.with(|domain| domain.remove_device(device));
    }

    fn change(&self, device: u32, own: [u64; 8]) {
        let _ = self.0.with(|domain| domain.change_device(device, own));
    }

    fn restore(&self, stood: u64) {
        let home = crate::devices::all_home(
            || self.0.with(|domain| domain.ends_out() == 0),
            || {
                self.0.with(Domain::recall_ends);
            },
        );
        self.0.with(|domain| match restore(domain, stood) {
            Ok(()) if home => domain.hand_out_ends(),
            _ => end("the domain cannot go back", None),
        });
    }
}

/// What a loopback machine does for its host.
fn act<M: Memory + Clone>(
    cpus: &'static Cpus,
    memory: GuestMemory,
    guard: Option<Guard>,
    user: User,
) -> Act<M> {
    let mut crash = None;
    Box::new(move |domain: &mut Domain<M>, action| match action {
        Action::Vcpu(VcpuAction::Upcall { vcpu, vector })
        | Action::Event(EventAction::Raise { vcpu, vector, .. }) => cpus.inject(vcpu, vector),
        Action::Vcpu(VcpuAction::Start { vcpu, entry, argument }) => cpus.start(vcpu, entry, argument),
        Action::Vcpu(VcpuAction::Stop { vcpu }) => {
            let executes = cpus.stop(vcpu);
            if !executes {
                domain.stopped(vcpu);
            }
        }
        Action::Console(ConsoleAction::Output) => {
            let output = domain.take_output();
            for order in console::orders(&output) {
                match order {
                    Order::Target(bytes) => domain.set_memory_target(Some(bytes)),
                    Order::Add(len) if memory.add(len) => domain.memory_changed(),
                    Order::Add(_) => {}
                    Order::Suspend => drop(domain.ask_suspend()),
                    Order::Withdraw => domain.withdraw_suspend(),
                    Order::Steal(vcpu, nanoseconds) => user.stolen.steal(vcpu, nanoseconds),
                    order if order.is_of_devices() => user.has_devices_do(order),
                    // Their ends have to come home first, which takes the lock that is held here.
                    Order::Restore(_) if domain.ends_out() != 0 => user.has_devices_do(order),
                    Order::Restore(stood) => {
                        if let Err(why) = restore(domain, stood) {
                            end(&format!("the domain cannot go back: {why}"), crash.as_ref());
                        }
                    }
                    _ => {}
                }
            }
            domain.input(console::echo(&output));
        }
        Action::Lifecycle(LifecycleAction::Crash(record)) => crash = Some(record),
        Action::Lifecycle(LifecycleAction::Exit { code }) => end(&format!("exit={code}"), crash.as_ref()),
        Action::Lifecycle(LifecycleAction::Restart) => end("restart", crash.as_ref()),
        // Nothing leaves this machine, and nobody suspends it.
        Action::Lifecycle(LifecycleAction::Repaired { .. } | LifecycleAction::SuspendReady) => {}
        // Upcalls are injected as they come, with their vector.
        Action::Vcpu(VcpuAction::Route { .. })
        | Action::Event(EventAction::Route { .. } | EventAction::Unroute { .. })
        | Action::Session(_) => {}
        Action::Memory(action) => act_on_memory(domain, memory, guard.as_ref(), &action),
        other => end(&format!("the core asks for {other:?}"), crash.as_ref()),
    })
}

/// Memory that is given, taken and shared.
fn act_on_memory<M: Memory>(
    domain: &mut Domain<M>,
    memory: GuestMemory,
    guard: Option<&Guard>,
    action: &MemoryAction,
) {
    let (job, done) = match *action {
        MemoryAction::Give { job, offset, len }
        | MemoryAction::Take { job, offset, len }
        | MemoryAction::Hint { job, offset, len } => {
            memory.discard(offset, len);
            (job, true)
        }
        MemoryAction::Share { job, offset, len, rights } => {
            guard.inspect(|guard| guard.share(offset, len, rights));
            (job, guard.is_some())
        }
        MemoryAction::Unshare { job, offset, len } => {
            guard.inspect(|guard| guard.unshare(offset, len));
            (job, guard.is_some())
        }
        _ => end("the core asks for something of memory that is not known here", None),
    };
    domain.memory_done(job, done);
}

/// The core touched what its guest neither handed over nor shared: the case that runs has failed.
fn touched(refused: Refused) {
    let Refused { what, offset, len } = refused;
    end(&format!("was touched where it is closed: {what} of {len} bytes at {offset:#x} (MEM-11)"), None)
}

/// Saves the domain, and puts it back twice. No CPU of the guest's is in the domain meanwhile.
fn restore<M: Memory + Clone>(domain: &mut Domain<M>, stood: u64) -> Result<(), tenon_host::Error> {
    let ran = domain.clocks_run();
    domain.stop_clocks(clock::now());
    let state = domain.save();
    domain.put_back(state.clone())?;
    domain.put_back(state)?;
    if ran {
        domain.start_clocks(clock::now(), Passed { ran: 0, stood });
    }
    Ok(())
}

/// A host with a fault.
fn broken(
    config: Config,
    memory: GuestMemory,
    timing: Timing,
    fault: &'static Fault,
    cpus: &'static Cpus,
) -> Result<&'static dyn Doorbells, Box<dyn Error>> {
    let past: &'static Past = Box::leak(Box::default());
    // Without devices: what is wrong with those is planted in their own code.
    let act = |stolen| -> Act<FaultyMemory> {
        let mut sound = act(cpus, memory, None, User { stolen, devices: None });
        Box::new(move |domain, action| {
            let action = match fault.line {
                Line::Act(line) => line(domain, action),
                _ => Some(action),
            };
            if let Some(action) = action {
                sound(domain, action);
            }
        })
    };
    let timing = if matches!(fault.line, Line::LateService) { Timing::Asynchronous } else { timing };
    let stolen = Stolen::new();
    let services = stolen.counted(Services::ready());
    let domain = Domain::with(config, FaultyMemory::new(memory, fault, past), services)?;
    let host = Loopback::over(domain, timing, act(stolen))?;
    past.begin();
    Ok(Box::leak(Box::new(Broken { host, fault })))
}

struct Broken {
    host: Loopback<FaultyMemory>,
    fault: &'static Fault,
}

impl Doorbells for Broken {
    fn kick(&self, queue: u32) {
        match self.fault.line {
            Line::Kick(line) => self.host.with(|domain| line(domain, queue)),
            _ => self.host.kick(queue),
        }
    }

    fn bind(&self, frame: u32) {
        self.host.bind(frame);
    }

    fn stopped(&self, cpu: u32) {
        Doorbells::stopped(&self.host, cpu);
    }
}

/// Ends the machine: neither guest nor host executes anything more.
fn end(how: &str, crash: Option<&CrashRecord>) -> ! {
    let mut lines = String::new();
    // A string takes whatever it is given.
    if let Some(record) = crash {
        let _ = writeln!(lines, "{CRASH}{record}");
    }
    let _ = writeln!(lines, "{END}{how}");
    // Whoever runs the machine reads these lines or has gone.
    let _ = std::io::stderr().write_all(lines.as_bytes());
    process::exit(0)
}

/// Bytes from two hexadecimal digits each.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (digits, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.iter().map(byte).collect()
}

/// No machine outlives its runner, however that ends: its standard input is closed then.
fn end_with_the_runner() {
    let watch = || {
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        process::exit(0)
    };
    // Without the thread the judge's limits bound the machine as well, as long as there is a judge.
    let _ = thread::Builder::new().name("runner-watch".into()).spawn(watch);
}

/// A panic on any thread ends the machine: a guest does not go on without one of its CPUs.
fn panic_at_once() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        process::exit(101)
    }));
}
