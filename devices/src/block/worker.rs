// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread of a disk: it owns the ends of the disk's queues, and serves them.

use super::buffers::Buffers;
use super::control::Shared;
use super::engine::Engine;
use super::job::{Done, Job, Key, Work};
use super::medium::Fault;
use super::queue::Queue;
use super::syncs::{Owed, Syncs};
use crate::Error;
use crate::event::Sleeper;
use crate::inbox::Inbox;
use std::sync::Arc;
use tenon_abi::Status;
use tenon_host::device::block::{Limits, Request, Segments};
use tenon_host::device::{Opened, QueueName};
use tenon_rings::call::Fetched;
use tenon_rings::{Waiter, Words};

/// Requests that are fetched from one queue before the next has its turn.
const BUDGET: u32 = 64;
/// Sleeps before the worker's loop comes round; any number does.
const SLEEPS: u32 = 1024;

/// What the worker is told.
pub(crate) enum Message<W> {
    Opened(Box<Opened<W>>),
    Close(QueueName),
    /// The disk's owner has dropped it: end when all queues are home.
    Over,
}

pub(crate) struct Worker<W> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox<Message<W>>>,
    queues: Vec<Queue<W>>,
    engine: Box<dyn Engine>,
    sleeper: Arc<Sleeper>,
    syncs: Syncs,
    limits: Limits,
    segments: Segments,
    /// Memory for buffers, to be used again.
    spare: Vec<Buffers>,
    done: Vec<Done>,
    is_over: bool,
}

impl<W: Words> Worker<W> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        inbox: Arc<Inbox<Message<W>>>,
        engine: Box<dyn Engine>,
    ) -> Result<Self, Error> {
        let sleeper = Arc::new(Sleeper::new()?);
        sleeper.add(inbox.fd())?;
        if let Some(fd) = engine.wake() {
            sleeper.add(fd)?;
        }
        Ok(Self {
            limits: Limits::of(&shared.shape().info(false)),
            shared,
            inbox,
            queues: Vec::new(),
            engine,
            sleeper,
            syncs: Syncs::default(),
            segments: Segments::new(),
            spare: Vec::new(),
            done: Vec::new(),
            is_over: false,
        })
    }

    /// Serves until the disk is dropped and all its queues are home.
    pub(crate) fn run(mut self, mut waiter: Waiter) {
        let sleeper = Arc::clone(&self.sleeper);
        while !self.is_over || !self.queues.is_empty() {
            waiter.wait(&mut self, SLEEPS, Self::round, Self::rest, || sleeper.sleep());
        }
    }

    /// One look at everything; `None` if there was nothing.
    fn round(&mut self) -> Option<()> {
        let mut worked = false;
        for message in self.inbox.take() {
            worked = true;
            self.hear(message);
        }
        self.limits.bytes = self.shared.bytes();
        for at in 0..self.queues.len() {
            worked |= self.serve(at);
        }
        self.engine.push();
        let mut done = std::mem::take(&mut self.done);
        self.engine.reap(&mut done);
        worked |= !done.is_empty();
        for one in done.drain(..) {
            self.settle(one);
        }
        self.done = done;
        self.sync();
        self.tell();
        worked.then_some(())
    }

    fn hear(&mut self, message: Message<W>) {
        match message {
            Message::Opened(opened) => {
                let queue = Queue::new(*opened);
                // Without it kicks are not heard: the disk would seem to hang, so the queue goes home.
                if let Err(error) = self.sleeper.add(queue.kick()) {
                    tracing::error!(%error, "a queue of a disk cannot be served");
                    queue.go_home();
                    return;
                }
                self.queues.push(queue);
            }
            Message::Close(name) => {
                for queue in self.queues.iter_mut().filter(|queue| queue.end.queue == name) {
                    queue.is_closing = true;
                }
            }
            Message::Over => {
                self.is_over = true;
                for queue in &mut self.queues {
                    queue.is_closing = true;
                }
            }
        }
    }

    /// Fetches from one queue and begins what was fetched.
    fn serve(&mut self, at: usize) -> bool {
        let mut worked = false;
        for _ in 0..BUDGET {
            let Some(fetched) = self.queues.get_mut(at).and_then(Queue::fetch) else { break };
            worked = true;
            self.shared.metrics.requests.add(1);
            if let Err(status) = self.begin(at, &fetched) {
                self.shared.metrics.refused.add(1);
                self.answer(at, fetched.id, status, 0);
            }
        }
        worked
    }

    fn answer(&mut self, at: usize, id: u16, status: Status, value: u64) {
        if let Some(queue) = self.queues.get_mut(at) {
            queue.complete(id, status, value);
        }
    }

    fn begin(&mut self, at: usize, fetched: &Fetched) -> Result<(), Status> {
        if self.shared.is_removed() && !tenon_rings::planted!("removed-disk-served") {
            return Err(Status::REMOVED);
        }
        let Some(queue) = self.queues.get(at) else { return Ok(()) };
        let key = Key { queue: queue.end.queue.index, id: fetched.id };
        let arena = &queue.end.arena;
        let (work, durable) = match Request::parse(fetched, arena, &self.limits, &mut self.segments)? {
            Request::Nop(value) | Request::Probe(value) => {
                self.answer(at, fetched.id, Status::OK, value);
                return Ok(());
            }
            Request::Cancel(id) => {
                let value = self.cancel(at, Key { id, ..key })?;
                self.answer(at, fetched.id, Status::OK, value);
                return Ok(());
            }
            Request::Flush => {
                if tenon_rings::planted!("flush-that-lies") {
                    self.answer(at, fetched.id, Status::OK, 0);
                    return Ok(());
                }
                self.syncs.want(Owed { key, value: 0, has_begun: false });
                return Ok(());
            }
            Request::Read { offset, .. } => (Work::Read { offset }, false),
            Request::Write { offset, durable, .. } => (Work::Write { offset }, durable),
            Request::Discard { offset, len } => (Work::Discard { offset, len }, false),
            Request::Zero { offset, len, may_unmap } => (Work::Zero { offset, len, may_unmap }, false),
        };
        let mut buffers = self.spare.pop().unwrap_or_default();
        match work {
            Work::Read { .. } | Work::Write { .. } => {
                buffers.refill(self.segments.chunks().iter().copied());
            }
            _ => buffers.refill([]),
        }
        if durable && self.shared.has_failed() {
            self.spare.push(buffers);
            return Err(Status::IO_ERROR);
        }
        let mut job = Job { key: Some(key), work, durable, buffers };
        if matches!(work, Work::Write { .. }) && tenon_rings::planted!("write-completed-early") {
            self.answer(at, key.id, Status::OK, u64::try_from(job.buffers.len()).unwrap_or(0));
            job.key = None;
        }
        if let Some(done) = self.engine.begin(job) {
            self.settle(done);
        }
        Ok(())
    }

    /// Cancels a request that has not begun; the value of CANCEL (BLK-10).
    fn cancel(&mut self, at: usize, key: Key) -> Result<u64, Status> {
        if self.queues.get_mut(at).is_none_or(|queue| u32::from(key.id) >= queue.depth()) {
            return Err(Status::BAD_ARGUMENT);
        }
        let found = self.syncs.cancel(key)
            || match self.engine.cancel(key) {
                Some(job) => {
                    self.spare.push(job.buffers);
                    true
                }
                None => false,
            };
        if found {
            self.answer(at, key.id, Status::CANCELLED, 0);
        }
        Ok(u64::from(found))
    }

    /// Completes what is done, or goes on to make it durable.
    fn settle(&mut self, done: Done) {
        let Done { job, result } = done;
        let len = u64::try_from(job.buffers.len()).unwrap_or(0);
        self.spare.push(job.buffers);
        let metrics = &self.shared.metrics;
        match (job.key, job.work, result) {
            (_, Work::Sync, result) => self.synced(result),
            (None, ..) => {}
            (Some(key), _, Err(fault)) => {
                metrics.count(fault);
                let lies = tenon_rings::planted!("disk-error-swallowed");
                let (status, value) = if lies { (Status::OK, len) } else { (fault.status(), 0) };
                self.complete(key, status, value);
            }
            (Some(key), work, Ok(())) => {
                match work {
                    Work::Read { .. } => metrics.bytes_read.add(len),
                    Work::Write { .. } => metrics.bytes_written.add(len),
                    _ => {}
                }
                let value = if matches!(work, Work::Read { .. } | Work::Write { .. }) { len } else { 0 };
                if job.durable && !tenon_rings::planted!("durable-write-not-synced") {
                    self.syncs.want(Owed { key, value, has_begun: true });
                } else {
                    self.complete(key, Status::OK, value);
                }
            }
        }
    }

    fn complete(&mut self, key: Key, status: Status, value: u64) {
        if let Some(queue) = self.queues.iter_mut().find(|queue| queue.end.queue.index == key.queue) {
            queue.complete(key.id, status, value);
        }
    }

    /// Begins the next write-back, if one is wanted and none is under way.
    fn sync(&mut self) {
        while self.syncs.is_wanted() {
            if self.shared.has_failed() {
                for owed in self.syncs.take_wanted() {
                    self.complete(owed.key, Status::IO_ERROR, 0);
                }
                return;
            }
            self.syncs.begin();
            self.shared.metrics.syncs.add(1);
            let buffers = self.spare.pop().unwrap_or_default();
            let job = Job { key: None, work: Work::Sync, durable: false, buffers };
            if let Some(done) = self.engine.begin(job) {
                self.settle(done);
            }
            self.engine.push();
        }
    }

    /// A write-back is over. One that failed is latched before anybody is told (BLK-7).
    fn synced(&mut self, result: Result<(), Fault>) {
        let owed = self.syncs.end();
        if let Err(fault) = result {
            self.shared.metrics.count(fault);
            if tenon_rings::planted!("disk-failure-told-first") {
                for one in &owed {
                    self.complete(one.key, Status::IO_ERROR, 0);
                }
                self.tell();
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            self.shared.fail();
        }
        for Owed { key, value, .. } in owed {
            let failed = result.is_err() && !tenon_rings::planted!("flush-error-swallowed");
            let (status, value) = if failed { (Status::IO_ERROR, 0) } else { (Status::OK, value) };
            self.complete(key, status, value);
        }
    }

    /// Rings the bells that are owed, and sends home what is closed and has nothing under way.
    fn tell(&mut self) {
        let (mut in_flight, mut closing) = (0u64, 0u64);
        let mut at = 0;
        while let Some(queue) = self.queues.get_mut(at) {
            if queue.tell() {
                self.shared.metrics.bells.add(1);
            }
            let busy = queue.in_flight();
            let early = tenon_rings::planted!("disk-closed-early");
            if queue.is_closing && (busy == 0 || early) {
                let queue = self.queues.swap_remove(at);
                self.sleeper.remove(queue.kick());
                queue.go_home();
                continue;
            }
            in_flight = in_flight.saturating_add(busy.into());
            closing = closing.saturating_add(u64::from(queue.is_closing));
            at = at.saturating_add(1);
        }
        self.shared.metrics.in_flight.set(in_flight);
        self.shared.metrics.closing.set(closing);
    }

    /// Asks for kicks, and looks once more; `true`: there is nothing to do.
    fn rest(&mut self) -> bool {
        let mut all = !self.is_over || !self.queues.is_empty();
        for queue in &mut self.queues {
            all &= queue.rest();
        }
        if all {
            self.shared.metrics.sleeps.add(1);
        }
        all
    }
}
