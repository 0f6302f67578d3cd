// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain on a KVM machine: doorbells come in as port writes, actions go out as interrupts and vCPU states.

use std::boxed::Box;
use std::cell::Cell;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::vec::Vec;

use super::balloon::Discards;
use super::doorbells::{Doorbells, Lines};
use super::job::{Ask, Job, Said};
use super::noise::{self, Message, Noise};
use super::time::Timing;
use super::{
    Control, CpuError, Entry, Error, Exits, Flow, Hypercall, Interrupts, Line, Msi, Outcome, Room, RunDelays,
    VmMemory,
};
use crate::action::{
    Action, ConsoleAction, EventAction, LifecycleAction, MemoryAction, Served, SessionAction, TimeAction,
    VcpuAction,
};
use crate::config::Conduit;
use crate::device::BackEnds;
use crate::domain::Domain;
use crate::give::Stats;
use crate::lifecycle::CrashRecord;
use crate::time::Utc;
use tenon_abi::{Clock, ConduitKind};
use tenon_rings::Mapping;

/// Queue numbers are written here.
pub const KICK_PORT: u16 = 0x0b00;
/// Frame numbers are written here.
pub const BIND_PORT: u16 = 0x0b04;
/// On the conduit HYPERCALL, the function that kicks. Neither this nor the next means anything to KVM or to
/// Xen.
pub const KICK_FUNCTION: u32 = 0x5445_4e00;
/// On the conduit HYPERCALL, the function that binds.
pub const BIND_FUNCTION: u32 = 0x5445_4e01;

/// Submissions served for one kick before the rest is left to the worker (CALL-19).
const BUDGET: u32 = 256;
/// Doorbell values taken from one string instruction: a kick is a hint, and the rest would be more of the
/// same.
const BURST: usize = 16;

/// Takes console output; what it returns is given to the guest as input, as far as there is room. It is
/// called on a thread of its own with no lock held: it may block, and may call a [`Handle`].
pub type Console = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// A running domain, for devices and other threads of the embedder.
///
/// Each method may be called from any thread at any time, also after the run and from within [`Console`] and
/// the serial port's sink. Each waits for the domain's lock, which is held only for work that the core
/// bounds, and does the actions that come of it before it returns.
/// Whoever is called with that lock held (a `tracing` subscriber) is refused at once.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Attachment>);

impl Handle {
    /// Raises a port, after the state that it announces was made visible (EVT-9).
    ///
    /// # Errors
    ///
    /// [`crate::Error::NotBound`], and [`crate::Error::Entered`] where it waits for itself.
    pub fn raise(&self, port: u32) -> Result<(), crate::Error> {
        if self.0.is_inside() {
            return Err(crate::Error::Entered);
        }
        if tenon_rings::planted!("raise-without-actions") {
            return self.0.locked().domain.raise(port);
        }
        self.0.with(|state| state.domain.raise(port))
    }

    /// Ends the run.
    pub fn end(&self) {
        self.0.control.end(Outcome::Ended);
    }

    /// The last crash record, if the guest left one (LIFE-4); also after the run.
    #[must_use]
    pub fn crash_record(&self) -> Option<CrashRecord> {
        if self.0.is_inside() {
            return None;
        }
        self.0.with(|state| state.domain.crash_record().cloned())
    }

    /// UTC is this now, or is not known any more (TIME-8): for a guest whose UTC does not follow this
    /// system's ([`super::VmmConfig::follows_utc`]).
    ///
    /// # Errors
    ///
    /// [`crate::Error::Entered`] where it waits for itself.
    pub fn set_utc(&self, utc: Option<Utc>) -> Result<(), crate::Error> {
        if self.0.is_inside() {
            return Err(crate::Error::Entered);
        }
        self.0.with(|state| state.set_utc(utc));
        Ok(())
    }

    /// What a clock of the guest's says; `None` where it is not known, or waits for itself.
    #[must_use]
    pub fn clock(&self, clock: Clock) -> Option<u64> {
        if self.0.is_inside() { None } else { self.0.with(|state| state.clock(clock)) }
    }

    /// Sets the bytes of memory that the guest is to have; `None`: all that there are. The guest is told, and
    /// gives or takes what it can (MEM-4).
    pub fn set_memory_target(&self, bytes: Option<u64>) {
        if !self.0.is_inside() {
            self.0.with(|state| state.domain.set_memory_target(bytes));
        }
    }

    /// Adds bytes of memory to the guest's, in the room of [`super::VmmConfig::room`]. The guest is told.
    ///
    /// # Errors
    ///
    /// [`Error::BadConfig`] where there is no room, or this waits for itself; [`Error::System`].
    pub fn add_memory(&self, bytes: u64) -> Result<(), Error> {
        if self.0.is_inside() {
            return Err(Error::BadConfig("memory is not added by whom the domain calls itself"));
        }
        let room = self.0.room.as_ref().ok_or(Error::BadConfig("the machine has no room for more memory"))?;
        // Without the domain's lock: KVM waits for its vCPUs.
        room.add(bytes)?;
        self.0.with(|state| state.domain.memory_changed());
        Ok(())
    }

    /// How much memory there is, is given, and is wanted; `None` where it waits for itself.
    #[must_use]
    pub fn memory_stats(&self) -> Option<Stats> {
        (!self.0.is_inside()).then(|| self.0.with(|state| state.domain.memory_stats()))
    }

    /// Enters the domain, unless the domain is waiting for the calling thread.
    pub(super) fn ask<R>(&self, enter: impl FnOnce(&mut State) -> R) -> Option<R> {
        if self.0.is_inside() { None } else { Some(self.0.with(enter)) }
    }

    /// Gives the guest console input; the number of bytes taken.
    pub fn input(&self, bytes: &[u8]) -> usize {
        if self.0.is_inside() {
            return 0;
        }
        if tenon_rings::planted!("input-without-actions") {
            return self.0.locked().domain.input(bytes);
        }
        self.0.with(|state| state.domain.input(bytes))
    }
}

std::thread_local! {
    /// The attachment whose lock this thread holds, by its address; 0: none.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Marks the calling thread until it is dropped, also by a panic. Other machines may be entered meanwhile.
struct Inside(usize);

impl Inside {
    fn of(attachment: &Attachment) -> Self {
        Self(INSIDE.replace(std::ptr::from_ref(attachment).addr()))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// The domain with what its actions need.
pub(super) struct State {
    pub(super) domain: Domain<VmMemory>,
    pub(super) upcalls: Vec<Line>,
    /// Lines that direct ports gave back, to be used again.
    pub(super) spare: Vec<Line>,
    pub(super) noise: Noise,
    /// Clocks and timers, where the guest is offered them.
    pub(super) timing: Option<Timing>,
    pub(super) back_ends: BackEnds<Mapping>,
    pub(super) doorbells: Doorbells,
}

/// What all threads of the machine share.
pub(super) struct Attachment {
    state: Mutex<State>,
    conduit: Conduit,
    control: Control,
    interrupts: Arc<Interrupts>,
    /// Lines of direct ports.
    direct: Arc<Lines>,
    pub(super) jobs: Sender<Job>,
    console: Sender<Said>,
    asks: Sender<Ask>,
    discards: Arc<Discards>,
    room: Option<Arc<Room>>,
    delays: Option<RunDelays>,
    /// For ends that come home and bells, which may outlive this.
    me: Weak<Self>,
}

impl Attachment {
    pub(super) fn new(
        domain: Domain<VmMemory>,
        control: Control,
        interrupts: Arc<Interrupts>,
        (jobs, console, asks): (Sender<Job>, Sender<Said>, Sender<Ask>),
        (timing, delays): (Timing, Option<RunDelays>),
        doorbells: Doorbells,
    ) -> Result<Arc<Self>, Error> {
        let upcalls = (0..domain.config().max_vcpus).map(|_| interrupts.line()).collect::<Result<_, _>>()?;
        let conduit = domain.config().conduit;
        let discards = Arc::clone(domain.memory().discards());
        let room = domain.memory().room().cloned();
        let (spare, timing, noise) = (Vec::new(), Some(timing), Noise::default());
        let back_ends = BackEnds::default();
        let state = State { domain, upcalls, spare, noise, timing, back_ends, doorbells };
        let (state, direct) = (Mutex::new(state), Arc::default());
        Ok(Arc::new_cyclic(|me| Self {
            state,
            conduit,
            control,
            interrupts,
            direct,
            jobs,
            console,
            asks,
            discards,
            room,
            delays,
            me: Weak::clone(me),
        }))
    }

    pub(super) const fn control(&self) -> &Control {
        &self.control
    }

    pub(super) fn discards(&self) -> &Discards {
        &self.discards
    }

    /// Whether the calling thread is in [`Self::with`] of this attachment.
    pub(super) fn is_inside(&self) -> bool {
        INSIDE.get() == std::ptr::from_ref(self).addr()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the domain and does all that it asks for. Under the lock, so that what one entry asked for is
    /// not mixed with another's.
    pub(super) fn with<R>(&self, enter: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.locked();
        let inside = Inside::of(self);
        let result = enter(&mut state);
        while let Some(action) = state.domain.next_action() {
            if let Err(why) = self.act(&mut state, action) {
                state.noise.note(Message::Route(why));
            }
        }
        let messages = state.noise.take();
        drop(state);
        drop(inside);
        noise::log(messages);
        result
    }

    /// The run is over.
    pub(super) fn log_left_out(&self) {
        let left_out = self.with(|state| state.noise.left_out());
        if left_out > 0 {
            tracing::warn!(left_out, "the guest caused more messages like the last ones");
        }
    }

    /// Serves a queue; what the budget leaves over goes to the worker, so that the vCPU gets on.
    pub(super) fn serve(&self, queue: u32) {
        let again = self.with(|state| state.serve(queue, BUDGET)).again;
        if again && !tenon_rings::planted!("budget-rest-forgotten") {
            // The worker lives as long as the machine runs; after that nobody waits for it.
            let _ = self.jobs.send(Job::Serve(queue));
        }
    }

    /// Somebody rang at `bell`, a port, an address or a function of a conduit of this kind.
    fn rung(&self, kind: ConduitKind, bell: u64, value: u32) {
        if self.conduit.kind != kind {
            return;
        }
        if bell == self.conduit.kick_base {
            self.serve(value);
        } else if bell == self.conduit.bind_base {
            self.with(|state| state.domain.control(value));
        }
    }

    fn act(&self, state: &mut State, action: Action) -> Result<(), Error> {
        match action {
            Action::Vcpu(VcpuAction::Upcall { vcpu, .. }) => {
                if let Some(line) = upcall_line(state, vcpu) {
                    line.raise();
                }
            }
            Action::Vcpu(VcpuAction::Route { vector: None, .. })
                if tenon_rings::planted!("upcall-route-kept") => {}
            Action::Vcpu(VcpuAction::Route { vcpu, vector }) => {
                if let Some(line) = upcall_line(state, vcpu) {
                    self.interrupts.route(line, vector.map(|vector| Msi { cpu: vcpu, vector }))?;
                }
            }
            Action::Event(EventAction::Route { port, vcpu, vector }) => {
                let to = Some(Msi { cpu: vcpu, vector });
                if tenon_rings::planted!("direct-route-kept") && self.direct.at(port, |_| ()).is_some() {
                    return Ok(());
                }
                if let Some(routed) = self.direct.at(port, |line| self.interrupts.route(line, to)) {
                    return routed;
                }
                let line = match state.spare.pop() {
                    Some(line) => line,
                    None => self.interrupts.line()?,
                };
                // It leads there before a bell finds it.
                let routed = self.interrupts.route(&line, to);
                self.direct.insert(port, line);
                routed?;
            }
            Action::Event(EventAction::Unroute { port }) => {
                if let Some(line) = self.direct.remove(port) {
                    let result = match tenon_rings::planted!("released-route-kept") {
                        false => self.interrupts.route(&line, None),
                        true => Ok(()),
                    };
                    state.spare.push(line);
                    result?;
                }
            }
            Action::Event(EventAction::Raise { port, .. }) => {
                self.direct.raise(port);
            }
            Action::Vcpu(VcpuAction::Start { vcpu, entry, argument }) => {
                // Both were checked against the configuration's `max_start`.
                let started = self.control.start(vcpu, Entry { address: entry, argument });
                // Once the run has ended nothing is started any more.
                if started.is_err() && !self.control.is_ending() {
                    self.control.end(Outcome::Failed { vcpu: Some(vcpu), why: CpuError::Busy });
                }
            }
            Action::Vcpu(VcpuAction::Stop { vcpu }) => {
                // The vCPU's own thread says when it has (`Exits::parked`), unless it executes nothing.
                if !self.control.stop(vcpu) {
                    state.domain.stopped(vcpu);
                }
            }
            Action::Console(ConsoleAction::Output) => {
                // The console's thread lives as long as the machine runs.
                let _ = self.console.send(Said::Output);
            }
            Action::Memory(action) => self.act_on_memory(state, action),
            Action::Lifecycle(LifecycleAction::Crash(record)) => {
                state.noise.note(Message::Crash { vcpu: record.vcpu, code: record.code });
            }
            Action::Lifecycle(LifecycleAction::Exit { code }) => self.control.end(Outcome::Exit(code)),
            Action::Lifecycle(LifecycleAction::Restart) => self.control.end(Outcome::Restart),
            Action::Time(TimeAction::Deadline) => state.arm(),
            Action::Device(action) => state.act_on_device(action, &self.direct, &self.me),
            Action::Lifecycle(told @ (LifecycleAction::Repaired { .. } | LifecycleAction::SuspendReady)) => {
                // As above.
                let _ = self.console.send(Said::Life(told));
            }
            Action::Session(SessionAction::Reset { .. }) if tenon_rings::planted!("reset-keeps-routes") => {}
            Action::Session(SessionAction::Reset { .. }) => {
                for port in self.direct.ports() {
                    self.act(state, EventAction::Unroute { port }.into())?;
                }
                for line in &state.upcalls {
                    self.interrupts.route(line, None)?;
                }
            }
        }
        Ok(())
    }
}

impl Attachment {
    /// What is given goes to a thread of its own; what is shared is a mark in a list.
    fn act_on_memory(&self, state: &mut State, action: MemoryAction) {
        let guard = state.domain.memory().guard().cloned();
        let job = match (action, guard) {
            (MemoryAction::Share { job, offset, len, rights }, Some(guard)) => {
                guard.share(offset, len, rights);
                job
            }
            (MemoryAction::Unshare { job, offset, len }, Some(guard)) => {
                guard.unshare(offset, len);
                job
            }
            (action, _) => {
                // The thread lives as long as the machine runs.
                let _ = self.asks.send(Ask::Do(action, self.discards.epoch()));
                return;
            }
        };
        state.domain.memory_done(job, true);
    }
}

impl State {
    fn serve(&mut self, queue: u32, budget: u32) -> Served {
        let served = match &mut self.timing {
            Some(timing) => self.domain.serve_at(queue, budget, || timing.now()),
            None => self.domain.serve(queue, budget),
        };
        if served.fetched > 0 {
            self.domain.tell_stolen(queue / 2);
        }
        served
    }
}

fn upcall_line(state: &State, vcpu: u32) -> Option<&Line> {
    state.upcalls.get(usize::try_from(vcpu).ok()?)
}

impl Exits for Attachment {
    fn begins(&self, vcpu: u32) {
        if let Some(delays) = &self.delays {
            delays.watch(vcpu);
        }
    }

    fn parked(&self, vcpu: u32) {
        self.with(|state| state.domain.stopped(vcpu));
    }

    fn pio_out(&self, _: u32, port: u16, data: &[u8]) -> Flow {
        let (values, _) = data.as_chunks::<4>();
        for value in values.iter().take(BURST).map(|bytes| u32::from_le_bytes(*bytes)) {
            self.rung(ConduitKind::PORT_IO, port.into(), value);
        }
        Flow::Continue
    }

    fn mmio_write(&self, _: u32, address: u64, data: &[u8]) -> Flow {
        // A store of another width, to the window, or to nothing is without effect (DISC-5, DISC-7).
        if let Ok(bytes) = data.try_into() {
            self.rung(ConduitKind::MMIO, address, u32::from_le_bytes(bytes));
        }
        Flow::Continue
    }

    fn hypercall(&self, _: u32, call: Hypercall) -> Flow {
        // The instruction is open to user mode: what it may not do is refused here (DISC-11).
        if !call.is_from_user {
            self.rung(ConduitKind::HYPERCALL, call.function.into(), call.value);
        }
        Flow::Continue
    }
}
