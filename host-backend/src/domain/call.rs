// SPDX-License-Identifier: MIT OR Apache-2.0
//! The serve loop, and which operation goes where (CALL-12 to CALL-22). The loop's bound is CALL-19's.

use crate::action::Served;
use crate::base::Base;
use crate::counted::add;
use crate::domain::Domain;
use crate::families::Families;
use crate::memory::Memory;
use crate::queues::{Lane, Queues};
use crate::request::{Call, Done};
use crate::time::Now;
use tenon_abi::operation::{Traits, rows};
use tenon_abi::{Features, Op, Operation, Status};
use tenon_rings::call::{Fetched, Next, Run};
use tenon_rings::{Completer, Error};

/// The family of devices: the high byte of its operations (CALL-12).
const DEVICE_FAMILY: u8 = 0x0c;

impl<M: Memory> Domain<M> {
    /// Serves a queue after its doorbell rang: at most `budget` submissions. A queue that is not bound is not
    /// an error (DISC-7).
    ///
    /// Operations that need the time take the last one that the domain was told: an attachment that offers
    /// TIME calls [`Self::serve_at`].
    pub fn serve(&mut self, queue: u32, budget: u32) -> Served {
        self.serve_by(queue, budget, || None)
    }

    /// As [`Self::serve`], with what says what time it is. It is asked by operations that need the time, and
    /// by no others.
    pub fn serve_at(&mut self, queue: u32, budget: u32, mut now: impl FnMut() -> Now) -> Served {
        self.serve_by(queue, budget, || Some(now()))
    }

    #[inline]
    fn serve_by(&mut self, queue: u32, budget: u32, mut now: impl FnMut() -> Option<Now>) -> Served {
        let (vcpu, lane) = Lane::of(queue);
        let mut served = Served { fetched: 0, again: false };
        while !self.base.ended {
            let room = self.base.actions.room();
            if served.fetched >= budget || room == 0 {
                served.again = true;
                break;
            }
            let left = budget.wrapping_sub(served.fetched);
            let Some(run) = self.run(queue, left.min(room)) else {
                self.base.kicked(queue);
                break;
            };
            served.fetched = served.fetched.saturating_add(run.answered);
            add(&mut self.base.counted.counts().calls, run.answered.into());
            match run.next {
                Ok(Some(next)) => {
                    let Some(op) = self.one(queue, next, &mut now) else { break };
                    served.fetched = served.fetched.saturating_add(1);
                    // It looked at every port, which is enough for one entry.
                    if op == Op::VCPU_STOP {
                        served.again = true;
                        break;
                    }
                }
                // The budget is used up, or the room for actions.
                Ok(None) => {}
                Err(error) => {
                    self.base.nothing_fetched(queue, error);
                    break;
                }
            }
        }
        if served.fetched > 0 {
            add(&mut self.base.counted.counts().batches, 1);
            self.completions_written(vcpu, lane);
        }
        served
    }

    /// Answers a run of submissions of the usual operation. `None`: the queue is not bound.
    #[inline]
    fn run(&mut self, queue: u32, budget: u32) -> Option<Run> {
        let (vcpu, lane) = Lane::of(queue);
        let Self { queues, base, families } = self;
        let bound = queues.get_mut(usize::try_from(vcpu).ok()?)?.as_mut()?;
        let (usual, completer) = (bound.usual, bound.lane(lane));
        Some(run_of(base, families, queue, completer, usual, budget))
    }

    /// Fetches what came behind a run and does it, apart from the loop, whose registers it would take.
    #[inline(never)]
    fn one(&mut self, queue: u32, next: Next, now: &mut dyn FnMut() -> Option<Now>) -> Option<Op> {
        let (vcpu, lane) = Lane::of(queue);
        let queues = self.queues_mut(vcpu)?;
        let fetched = match queues.lane(lane).fetch_next(next) {
            Ok(fetched) => fetched,
            Err(error) => {
                self.base.nothing_fetched(queue, error);
                return None;
            }
        };
        if lane == Lane::Call {
            queues.usual = fetched.op;
        }
        // Before it is done: METER_READ counts itself (MET-5).
        add(&mut self.base.counted.counts().calls, 1);
        let (status, value) = match self.dispatch(queue, lane, &fetched, now) {
            Ok(Done::Value(value)) => (Status::OK, value),
            Ok(Done::Later(waits)) => {
                self.base.late.insert((queue, fetched.id), waits);
                return Some(fetched.op);
            }
            Ok(Done::Never) => return Some(fetched.op),
            Err(status) => (status, 0),
        };
        if let Some(queues) = self.queues_mut(vcpu) {
            queues.lane(lane).complete(fetched.id, status, value);
        }
        Some(fetched.op)
    }

    fn dispatch(
        &mut self,
        queue: u32,
        lane: Lane,
        fetched: &Fetched,
        now: &mut dyn FnMut() -> Option<Now>,
    ) -> Result<Done, Status> {
        let submission = &fetched.submission;
        let row = self.base.row(fetched.op, lane, submission)?;
        let arguments = row.arguments(submission, &self.base.limits)?;
        let call = Call { op: fetched.op, queue, id: fetched.id, arguments, submission };
        match call.op {
            Op::PROBE => Ok(Done::Value(self.base.probe(&call))),
            Op::CANCEL => self.cancel(&call),
            Op::VCPU_STOP => self.vcpu_stop(&call),
            Op::GIVE | Op::TAKE | Op::HINT => self.give(&call),
            Op::SHARE | Op::UNSHARE => self.share(&call),
            Op::CLOCK_READ | Op::TIMER_SET | Op::TIMER_CANCEL => self.base.time(&call, now()),
            Op::PAGE => self.base.page(&call),
            op if op.family() == DEVICE_FAMILY => self.device(&call),
            _ => perform(&mut self.base, &mut self.families, &call),
        }
    }

    fn cancel(&mut self, call: &Call<'_>) -> Result<Done, Status> {
        let [id, ..] = call.numbers();
        let depth = self.queues_mut(call.vcpu()).map_or(0, |queues| queues.call.depth());
        let id = u16::try_from(id).ok().filter(|id| u32::from(*id) < depth).ok_or(Status::BAD_ARGUMENT)?;
        let key = (call.queue, id);
        let Some(waits) = self.base.late.get(key).filter(|waits| waits.is_cancellable()) else {
            return Ok(Done::Value(0));
        };
        self.base.late.remove(key);
        self.families.dropped(key, waits);
        if let Some(queues) = self.queues_mut(call.vcpu()) {
            queues.call.complete(id, Status::CANCELLED, 0);
        }
        Ok(Done::Value(1))
    }

    /// Writes the completions of late requests that are done (CALL-17). The end of each entry that may have
    /// ended some.
    pub(crate) fn write_finished(&mut self) {
        for finished in core::mem::take(&mut self.base.finished) {
            let ((queue, id), status, value) = (finished.key, finished.status, finished.value);
            let (vcpu, lane) = Lane::of(queue);
            if self.queues_mut(vcpu).is_some_and(|queues| queues.lane(lane).complete(id, status, value)) {
                self.completions_written(vcpu, lane);
            }
        }
    }

    /// Sends the upcall that completions owe (CALL-16).
    #[inline(always)]
    fn completions_written(&mut self, vcpu: u32, lane: Lane) {
        if lane == Lane::Emergency || !self.base.has(Features::UPCALL) {
            return;
        }
        let Some(queues) = self.queues_mut(vcpu) else { return };
        match queues.call.owes_upcall() {
            Ok(true) => self.base.owe(vcpu),
            Err(Error::Corrupt(corrupt)) => self.base.show_state(vcpu, lane, corrupt.to_word()),
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
        lane == Lane::Emergency || self.queues_mut(vcpu).is_none_or(|queues| queues.call.rest())
    }

    #[inline]
    pub(crate) fn queues_mut(&mut self, vcpu: u32) -> Option<&mut Queues<M::Words>> {
        self.queues.get_mut(usize::try_from(vcpu).ok()?)?.as_mut()
    }
}

/// The loop of [`run_of`] for each of these operations: with its row and its code known it takes a few
/// instructions for each submission. They are complete when [`perform`] comes back, ask for one action at
/// most, and leave the queues alone. All others are fetched and done one by one.
macro_rules! runs {
    ($($op:ident)*) => {
        $( const _: () = assert!(!rows::$op.traits.contains(Traits::LATE)); )*

        /// Submissions of one operation, one behind the other, with one look at what is negotiated for all
        /// of them.
        #[inline(always)]
        fn run_of<M: Memory>(
            base: &mut Base<M>,
            families: &mut Families,
            queue: u32,
            completer: &mut Completer<M::Words>,
            usual: Op,
            budget: u32,
        ) -> Run {
            match usual {
                $( Op::$op if takes(base, queue, &rows::$op) => completer.answer(budget, Op::$op, |submission| {
                    let arguments = rows::$op.arguments(submission, &base.limits)?;
                    let call = Call { op: Op::$op, queue, id: submission.id(), arguments, submission };
                    match perform(base, families, &call)? {
                        Done::Value(value) => Ok(value),
                        Done::Later(_) | Done::Never => Err(Status::INDETERMINATE),
                    }
                }), )*
                _ => Run { answered: 0, next: completer.next().map(Some) },
            }
        }
    };
}

/// Whether every submission of this row, whatever its flags, exists for this queue.
#[inline(always)]
fn takes<M: Memory>(base: &Base<M>, queue: u32, row: &Operation) -> bool {
    let (_, lane) = Lane::of(queue);
    base.has(row.needs) && (lane == Lane::Call || row.is_for_emergencies(0))
}

runs! { NOP EVENT_SIGNAL EVENT_BIND EVENT_UNBIND REGION_QUERY CONSOLE_WRITE }

/// The operations that need no queue but the one they came from: those of events, vCPUs and the leaf
/// families.
#[inline(always)]
fn perform<M: Memory>(base: &mut Base<M>, families: &mut Families, call: &Call<'_>) -> Result<Done, Status> {
    match call.op {
        Op::NOP => Ok(Done::Value(call.first())),
        Op::EVENT_SIGNAL => base.event_signal(call),
        Op::EVENT_BIND => base.event_bind(call),
        Op::EVENT_UNBIND => {
            let done = base.event_unbind(call)?;
            families.memory.unbound(call);
            let [port, ..] = call.numbers();
            base.devices.unbound(port);
            families.lifecycle.suspend.unbound(port);
            Ok(done)
        }
        Op::EVENT_MOVE => base.event_move(call),
        Op::EVENT_BIND_DIRECT => base.event_bind_direct(call),
        Op::VCPU_START => base.vcpu_start(call),
        Op::VCPU_UPCALL => base.vcpu_upcall(call),
        _ => families.call(base, call),
    }
}
