// SPDX-License-Identifier: MIT OR Apache-2.0
//! The serve loop and the call operations (CALL-12 to CALL-23). The loop's bound is CALL-19's.

use crate::action::Served;
use crate::domain::Domain;
use crate::memory::Memory;
use crate::region::Range;
use alloc::vec;
use alloc::vec::Vec;
use tenon_abi::call::{FLAG_INLINE, INLINE_MAX, unpack};
use tenon_abi::{Features, Op, Status, Submission};
use tenon_rings::call::Fetched;
use tenon_rings::{Completer, Error, Site, Words};

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Complete it with OK and this value.
    Value(u64),
    /// It completes later, or was completed already.
    Later,
    /// The domain or the vCPU is no more: nobody waits.
    Never,
}

/// One of a vCPU's two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Call,
    Emergency,
}

impl Lane {
    /// vCPU and lane of a queue number (VCPU-7).
    #[inline]
    pub(crate) const fn of(queue: u32) -> (u32, Self) {
        (queue >> 1, if queue & 1 == 0 { Self::Call } else { Self::Emergency })
    }
}

impl<M: Memory> Domain<M> {
    /// Serves a queue after its doorbell rang: at most `budget` submissions. A queue that is not bound is not
    /// an error (DISC-7).
    pub fn serve(&mut self, queue: u32, budget: u32) -> Served {
        let (vcpu, lane) = Lane::of(queue);
        let mut served = Served { fetched: 0, again: false };
        while !self.ended {
            if served.fetched >= budget || self.actions.is_high() {
                served.again = true;
                break;
            }
            let left = budget.wrapping_sub(served.fetched);
            let Some(completer) = self.lane(vcpu, lane) else { break };
            let run = completer.answer(left, Op::NOP, nop);
            served.fetched = served.fetched.saturating_add(run.answered);
            match run.next {
                Some(Ok(fetched)) => {
                    served.fetched = served.fetched.saturating_add(1);
                    self.execute(queue, vcpu, lane, &fetched);
                    // It looked at every port, which is enough for one entry.
                    if fetched.op == Op::VCPU_STOP {
                        served.again = true;
                        break;
                    }
                }
                Some(Err(Error::Corrupt(corrupt))) => {
                    self.show_state(vcpu, lane, corrupt.to_word());
                    break;
                }
                Some(Err(_)) => break,
                // The budget is used up.
                None => {}
            }
        }
        if served.fetched > 0 {
            self.completions_written(vcpu, lane);
        }
        served
    }

    /// Apart from the loop, whose registers it would take.
    #[inline(never)]
    fn execute(&mut self, queue: u32, vcpu: u32, lane: Lane, fetched: &Fetched) {
        let result = match lane {
            Lane::Call => self.dispatch(queue, vcpu, fetched),
            Lane::Emergency => self.dispatch_emergency(vcpu, fetched),
        };
        let (status, value) = match result {
            Ok(Done::Value(value)) => (Status::OK, value),
            Ok(Done::Later | Done::Never) => return,
            Err(status) => (status, 0),
        };
        if let Some(completer) = self.lane(vcpu, lane) {
            completer.complete(fetched.id, status, value);
        }
    }

    #[inline]
    fn dispatch(&mut self, queue: u32, vcpu: u32, fetched: &Fetched) -> Result<Done, Status> {
        let submission = &fetched.submission;
        if !self.offers(fetched.op) {
            return Err(Status::NOT_SUPPORTED);
        }
        match fetched.op {
            Op::NOP => nop(submission).map(Done::Value),
            Op::PROBE => self.probe(submission),
            Op::CANCEL => self.cancel(queue, vcpu, submission),
            Op::EVENT_BIND => self.event_bind(submission),
            Op::EVENT_UNBIND => self.event_unbind(submission),
            Op::EVENT_MOVE => self.event_move(submission),
            Op::EVENT_SIGNAL => self.event_signal(submission),
            Op::EVENT_BIND_DIRECT => self.event_bind_direct(submission),
            Op::REGION_QUERY => self.region_query(submission),
            Op::VCPU_START => self.vcpu_start(submission),
            Op::VCPU_STOP => self.vcpu_stop(queue, fetched.id, submission),
            Op::VCPU_UPCALL => self.vcpu_upcall(submission),
            Op::CONSOLE_WRITE => self.console_write(submission),
            Op::CONSOLE_READ => self.console_read(queue, fetched.id, submission),
            Op::EXIT => self.exit(submission),
            Op::RESTART => self.restart(submission),
            Op::CRASH => self.crash(vcpu, submission),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    /// What the emergency lane takes (CALL-23).
    fn dispatch_emergency(&mut self, vcpu: u32, fetched: &Fetched) -> Result<Done, Status> {
        let submission = &fetched.submission;
        if !self.offers(fetched.op) {
            return Err(Status::NOT_SUPPORTED);
        }
        match fetched.op {
            Op::NOP => nop(submission).map(Done::Value),
            Op::CONSOLE_WRITE if submission.flags.get() & FLAG_INLINE != 0 => self.console_write(submission),
            Op::EXIT => self.exit(submission),
            Op::RESTART => self.restart(submission),
            Op::CRASH => self.crash(vcpu, submission),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    /// Whether an operation exists in this session (NEG-7, CALL-12).
    fn offers(&self, op: Op) -> bool {
        let needs = match op {
            Op::NOP | Op::PROBE | Op::CANCEL | Op::REGION_QUERY => Features::empty(),
            Op::EVENT_BIND | Op::EVENT_UNBIND | Op::EVENT_MOVE | Op::EVENT_SIGNAL => Features::EVENTS,
            Op::EVENT_BIND_DIRECT => Features::EVENTS.union(Features::DIRECT),
            Op::VCPU_START | Op::VCPU_STOP => Features::SMP,
            Op::VCPU_UPCALL => Features::UPCALL,
            Op::CONSOLE_WRITE | Op::CONSOLE_READ => Features::CONSOLE,
            Op::EXIT | Op::RESTART | Op::CRASH => Features::LIFECYCLE,
            _ => return false,
        };
        self.has(needs)
    }

    fn probe(&self, submission: &Submission) -> Result<Done, Status> {
        let [op] = arguments(submission)?;
        let op = Op(u16::try_from(op).map_err(|_| Status::BAD_ARGUMENT)?);
        Ok(Done::Value(match (self.offers(op), op.is_replay_safe()) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 3,
        }))
    }

    fn cancel(&mut self, queue: u32, vcpu: u32, submission: &Submission) -> Result<Done, Status> {
        let [id] = arguments(submission)?;
        let depth = self.lane(vcpu, Lane::Call).map_or(0, |completer| completer.depth());
        let id = u16::try_from(id).map_err(|_| Status::BAD_ARGUMENT)?;
        if u32::from(id) >= depth {
            return Err(Status::BAD_ARGUMENT);
        }
        if self.state.console.read.is_some_and(|read| read.queue == queue && read.id == id) {
            self.state.console.read = None;
            if let Some(completer) = self.lane(vcpu, Lane::Call) {
                completer.complete(id, Status::CANCELLED, 0);
            }
            return Ok(Done::Value(1));
        }
        Ok(Done::Value(0))
    }

    fn region_query(&self, submission: &Submission) -> Result<Done, Status> {
        let [region] = arguments(submission)?;
        let region = u16::try_from(region).map_err(|_| Status::BAD_ARGUMENT)?;
        self.memory.region_len(region).map(Done::Value).ok_or(Status::BAD_REGION)
    }

    /// Completes a request that was kept, outside of its kick (CALL-17).
    pub(crate) fn complete_later(&mut self, queue: u32, id: u16, status: Status, value: u64) {
        let (vcpu, lane) = Lane::of(queue);
        let done = self.lane(vcpu, lane).is_some_and(|completer| completer.complete(id, status, value));
        if done {
            self.completions_written(vcpu, lane);
        }
    }

    /// Sends the upcall that completions owe (CALL-16).
    fn completions_written(&mut self, vcpu: u32, lane: Lane) {
        if lane == Lane::Emergency || !self.has(Features::UPCALL) {
            return;
        }
        let Some(areas) = self.areas_mut(vcpu) else { return };
        match areas.call.owes_upcall() {
            Ok(true) => self.owe(vcpu),
            Err(Error::Corrupt(corrupt)) => self.show_state(vcpu, lane, corrupt.to_word()),
            Ok(false) | Err(_) => {}
        }
    }

    /// For who looks at a queue without waiting for its doorbell: says that kicks are wanted from now on, and
    /// looks once more. `false`: something came meanwhile, serve first. `true`: stop looking until the
    /// doorbell rings (CALL-26).
    ///
    /// Until this is called for the first time a guest rings for each of its batches; from then on only when
    /// it is called for, and after a restore every queue is to be served once without being rung for. The
    /// emergency lane is always rung for.
    pub fn rest(&mut self, queue: u32) -> bool {
        let (vcpu, lane) = Lane::of(queue);
        lane == Lane::Emergency || self.lane(vcpu, lane).is_none_or(Completer::rest)
    }

    fn show_state(&mut self, vcpu: u32, lane: Lane, word: u64) {
        let offset = match lane {
            Lane::Call => tenon_abi::vcpu::host::CALL_STATE,
            Lane::Emergency => tenon_abi::vcpu::host::EMERGENCY_STATE,
        };
        if let Some(areas) = self.areas_mut(vcpu) {
            areas.host.store(usize::try_from(offset / 8).unwrap_or(0), word, Site::Status);
        }
        tracing::debug!(vcpu, ?lane, state = word, "queue is corrupt");
    }
}

/// NOP: it needs nothing of the domain (CALL-20).
#[inline(always)]
fn nop(submission: &Submission) -> Result<u64, Status> {
    // One look at all that must be zero: flags, payload, the other arguments.
    let [head, value, a1, a2, a3, a4, a5, _] = submission.to_words();
    if head | a1 | a2 | a3 | a4 | a5 != 0 {
        // A branch, not a selection that every answer waits for.
        core::hint::cold_path();
        return Err(Status::BAD_RESERVED);
    }
    Ok(value)
}

/// The first `N` arguments of a submission without flags and payload; the others must be zero (CALL-9 to
/// CALL-11).
#[inline]
pub(crate) fn arguments<const N: usize>(submission: &Submission) -> Result<[u64; N], Status> {
    let mut rest = u64::from(submission.flags.get()) | u64::from(submission.count.get());
    let mut arguments = [0; N];
    for (index, word) in submission.args.iter().enumerate() {
        match arguments.get_mut(index) {
            Some(argument) => *argument = word.get(),
            None => rest |= word.get(),
        }
    }
    if rest == 0 { Ok(arguments) } else { Err(Status::BAD_RESERVED) }
}

/// The payload of a submission, copied, and its third argument where it carries a range (CALL-10, REG-2,
/// REG-3). One that is longer than `limit` is refused; what lies beyond the first `room` bytes is not copied.
pub(crate) fn payload<M: Memory>(
    domain: &Domain<M>,
    submission: &Submission,
    limit: u32,
    room: usize,
) -> Result<(Vec<u8>, u64), Status> {
    match submission.flags.get() {
        0 => {
            let [address, len, extra] = arguments(submission)?;
            if len > u64::from(limit) {
                return Err(Status::TOO_LONG);
            }
            let range = Range::check(&domain.memory, address, len)?;
            // Bounded by `limit`, which is the host's.
            let mut bytes = vec![0; usize::try_from(len).map_err(|_| Status::TOO_LONG)?.min(room)];
            // Nothing is wanted of an empty range, and memory that ends there may refuse it (REG-3).
            if !bytes.is_empty() && !domain.memory.read(range.region, range.offset, &mut bytes) {
                return Err(Status::BAD_RANGE);
            }
            Ok((bytes, extra))
        }
        FLAG_INLINE => {
            let count = usize::try_from(submission.count.get()).map_err(|_| Status::TOO_LONG)?;
            if count > INLINE_MAX {
                return Err(Status::TOO_LONG);
            }
            let bytes = submission.inline();
            let (used, rest) = bytes.split_at_checked(count).ok_or(Status::TOO_LONG)?;
            if rest.iter().any(|&byte| byte != 0) {
                return Err(Status::BAD_RESERVED);
            }
            Ok((used.get(..count.min(room)).unwrap_or_default().to_vec(), 0))
        }
        _ => Err(Status::BAD_RESERVED),
    }
}

/// A 32-bit argument (CALL-11).
pub(crate) fn narrow(argument: u64) -> Result<u32, Status> {
    match unpack(argument) {
        (low, 0) => Ok(low),
        _ => Err(Status::BAD_ARGUMENT),
    }
}
