// SPDX-License-Identifier: MIT OR Apache-2.0
//! The states of one vCPU, and nothing else: no lock, no thread, no time. Each method is one step under the
//! slot's lock.

/// The vCPU cannot be started: it is starting or running, its thread is gone, or there is no such vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vCPU is running, or does not exist")]
pub struct CpuBusy;

/// What a vCPU's thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<E> {
    /// Run the guest from this entry, until [`super::CpuThread::must_leave`].
    Run(E),
    /// A stop is complete: the vCPU executes nothing and may be started again. Say so to whoever asked
    /// ([`crate::Domain::stopped`]).
    Stopped,
    /// The run has ended: leave.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State<E> {
    /// It executes nothing.
    Parked,
    /// It was started, and its thread does not know yet.
    Starting(E),
    /// Its thread is in the guest, or on the way there or back.
    Running,
    /// Its thread will never run it again.
    Gone,
}

/// One vCPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot<E> {
    state: State<E>,
    /// A stop was accepted and is not reported. Never while parked or gone.
    stop: bool,
    /// Somebody has the vCPU's own end.
    taken: bool,
}

impl<E> Slot<E> {
    pub(super) const fn new() -> Self {
        Self { state: State::Parked, stop: false, taken: false }
    }

    /// Gives the vCPU's own end away, once.
    pub(super) const fn take(&mut self) -> bool {
        let first = !self.taken && !matches!(self.state, State::Gone);
        self.taken = true;
        first
    }

    pub(super) fn start(&mut self, entry: E) -> Result<(), CpuBusy> {
        if !self.is_parked() {
            return Err(CpuBusy);
        }
        self.state = State::Starting(entry);
        Ok(())
    }

    /// Whether the stop counts.
    pub(super) fn stop(&mut self) -> bool {
        let mut counts = matches!(self.state, State::Starting(_) | State::Running);
        if tenon_rings::planted!("stop-while-starting-lost") {
            counts = matches!(self.state, State::Running);
        }
        self.stop |= counts;
        counts
    }

    /// The thread is out of the guest.
    pub(super) fn left(&mut self) {
        if matches!(self.state, State::Running) {
            self.state = State::Parked;
        }
    }

    /// What a thread that is out of the guest does; `None`: it waits.
    pub(super) fn next(&mut self, ending: bool) -> Option<Next<E>> {
        if ending && !(self.stop && tenon_rings::planted!("stop-before-end")) {
            return Some(Next::End);
        }
        if core::mem::take(&mut self.stop) {
            // Whether it ran or was about to: it does not.
            self.state = State::Parked;
            return Some(Next::Stopped);
        }
        match core::mem::replace(&mut self.state, State::Running) {
            State::Starting(entry) => Some(Next::Run(entry)),
            other => {
                self.state = other;
                None
            }
        }
    }

    pub(super) fn gone(&mut self) {
        (self.state, self.stop) = (State::Gone, false);
    }

    pub(super) const fn is_parked(&self) -> bool {
        matches!(self.state, State::Parked)
    }

    pub(super) const fn has_thread(&self) -> bool {
        self.taken && !matches!(self.state, State::Gone)
    }
}
