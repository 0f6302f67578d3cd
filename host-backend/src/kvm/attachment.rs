// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain on a KVM machine: doorbells come in as port writes, actions go out as interrupts and vCPU states.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use super::worker::Job;
use super::{Control, Entry, Error, Exits, Flow, Hypercall, Interrupts, Line, Msi, Outcome, VmMemory};
use crate::action::Action;
use crate::config::Conduit;
use crate::domain::Domain;
use crate::lifecycle::CrashRecord;
use tenon_abi::ConduitKind;

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

/// Takes console output; what it returns is given to the guest as input.
pub type Console = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// A running domain, for devices and other threads of the embedder.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Attachment>);

impl Handle {
    /// Raises a port, after the state that it announces was made visible (EVT-9). From any thread.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NotBound`].
    pub fn raise(&self, port: u32) -> Result<(), crate::Error> {
        let mut state = self.0.lock();
        let result = state.domain.raise(port);
        self.0.act(&mut state);
        result
    }

    /// Ends the run.
    pub fn end(&self) {
        self.0.control.end(Outcome::Ended);
    }

    /// The last crash record, if the guest left one (LIFE-4); also after the run.
    #[must_use]
    pub fn crash_record(&self) -> Option<CrashRecord> {
        self.0.lock().domain.crash_record().cloned()
    }

    /// Gives the guest console input; the number of bytes taken.
    pub fn input(&self, bytes: &[u8]) -> usize {
        let mut state = self.0.lock();
        let taken = state.domain.input(bytes);
        self.0.act(&mut state);
        taken
    }
}

/// The domain with what its actions need.
pub(super) struct State {
    pub(super) domain: Domain<VmMemory>,
    upcalls: Vec<Line>,
    /// Lines of direct ports. A line that its port gave back is used again.
    direct: BTreeMap<u32, Line>,
    spare: Vec<Line>,
    console: Console,
}

/// What all vCPU threads share.
pub(super) struct Attachment {
    state: Mutex<State>,
    conduit: Conduit,
    control: Control,
    interrupts: Arc<Interrupts>,
    jobs: Sender<Job>,
}

impl Attachment {
    pub(super) fn new(
        domain: Domain<VmMemory>,
        control: Control,
        interrupts: Arc<Interrupts>,
        console: Console,
        jobs: Sender<Job>,
    ) -> Result<Self, Error> {
        let upcalls = (0..domain.config().max_vcpus).map(|_| interrupts.line()).collect::<Result<_, _>>()?;
        let conduit = domain.config().conduit;
        let state = State { domain, upcalls, direct: BTreeMap::new(), spare: Vec::new(), console };
        Ok(Self { state: Mutex::new(state), conduit, control, interrupts, jobs })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn control(&self) -> &Control {
        &self.control
    }

    /// Serves a queue; what the budget leaves over goes to the worker, so that the vCPU gets on.
    pub(super) fn serve(&self, queue: u32) {
        let mut state = self.lock();
        let served = state.domain.serve(queue, BUDGET);
        self.act(&mut state);
        drop(state);
        if served.again {
            self.leave_to_worker(Job::Serve(queue));
        }
    }

    /// Somebody rang at `bell`, a port, an address or a function of a conduit of this kind.
    fn rung(&self, kind: ConduitKind, bell: u64, value: u32) {
        if self.conduit.kind != kind.0 {
            return;
        }
        if bell == self.conduit.kick_base {
            self.serve(value);
        } else if bell == self.conduit.bind_base {
            let mut state = self.lock();
            state.domain.control(value);
            self.act(&mut state);
        }
    }

    /// The vCPU executes nothing more.
    pub(super) fn stopped(&self, vcpu: u32) {
        let mut state = self.lock();
        state.domain.stopped(vcpu);
        self.act(&mut state);
    }

    fn leave_to_worker(&self, job: Job) {
        // The worker lives as long as the machine runs; after that nobody waits for it.
        let _ = self.jobs.send(job);
    }

    /// Does all that the core asks for. Under the lock, so that what one entry asked for is not mixed with
    /// another's.
    pub(super) fn act(&self, state: &mut State) {
        while let Some(action) = state.domain.next_action() {
            if let Err(why) = self.act_once(state, action) {
                tracing::warn!(%why, "an interrupt cannot be routed");
            }
        }
    }

    fn act_once(&self, state: &mut State, action: Action) -> Result<(), Error> {
        match action {
            Action::Upcall { vcpu, .. } => {
                if let Some(line) = upcall_line(state, vcpu) {
                    line.raise();
                }
            }
            Action::Route { vcpu, vector } => {
                if let Some(line) = upcall_line(state, vcpu) {
                    self.interrupts.route(line, vector.map(|vector| Msi { cpu: vcpu, vector }))?;
                }
            }
            Action::RouteDirect { port, vcpu, vector } => {
                if !state.direct.contains_key(&port) {
                    let line = match state.spare.pop() {
                        Some(line) => line,
                        None => self.interrupts.line()?,
                    };
                    state.direct.insert(port, line);
                }
                if let Some(line) = state.direct.get(&port) {
                    self.interrupts.route(line, Some(Msi { cpu: vcpu, vector }))?;
                }
            }
            Action::UnrouteDirect { port } => {
                if let Some(line) = state.direct.remove(&port) {
                    let result = self.interrupts.route(&line, None);
                    state.spare.push(line);
                    result?;
                }
            }
            Action::Direct { port, .. } => {
                if let Some(line) = state.direct.get(&port) {
                    line.raise();
                }
            }
            Action::Start { vcpu, entry, argument } => {
                // Both were checked against the configuration's `max_start`.
                if let Err(why) = self.control.start(vcpu, Entry { address: entry, argument }) {
                    tracing::warn!(vcpu, %why, "cannot start");
                }
            }
            Action::Stop { vcpu } => {
                self.control.stop(vcpu);
                self.leave_to_worker(Job::Stopping(vcpu));
            }
            Action::Output => {
                let output = state.domain.take_output();
                let input = (state.console)(&output);
                if !input.is_empty() {
                    state.domain.input(&input);
                }
            }
            Action::Crash(record) => tracing::warn!(vcpu = record.vcpu, code = record.code, "crash record"),
            Action::Exit { code } => self.control.end(Outcome::Exit(code)),
            Action::Restart => self.control.end(Outcome::Restart),
            Action::Reset { .. } => {
                let ports: Vec<u32> = state.direct.keys().copied().collect();
                for port in ports {
                    self.act_once(state, Action::UnrouteDirect { port })?;
                }
                for line in &state.upcalls {
                    self.interrupts.route(line, None)?;
                }
            }
        }
        Ok(())
    }
}

fn upcall_line(state: &State, vcpu: u32) -> Option<&Line> {
    state.upcalls.get(usize::try_from(vcpu).ok()?)
}

impl Exits for Attachment {
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
