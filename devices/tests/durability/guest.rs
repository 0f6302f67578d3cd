// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest: it writes and flushes, and knows what may stand on the disk at any moment.

use crate::pages::Pages;
use crate::pattern::{PAGE, PAGES, fill, page_of};
use crate::random::Random;
use crate::shared::{BUFFERS, DEPTH, GUEST, HOST, Shared};
use crate::trial::Mix;
use std::process::ChildStdin;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tenon_abi::{Op, QueueState, Status, Submission};
use tenon_rings::call::Queue;
use tenon_rings::{Mapping, Site, Submitter, Ticket, Words};

/// Longer than any host needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is under way.
enum Work {
    Write { version: u64, durable: bool },
    Flush { completed: Vec<u64> },
    Read { page: usize },
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) writes: u64,
    pub(crate) flushes: u64,
    pub(crate) again: u64,
    pub(crate) lost: u64,
}

pub(crate) struct Guest {
    shared: Shared,
    pub(crate) pages: Pages,
    next: u64,
    pub(crate) log: Log,
    /// Writes of the last session that have no result.
    unanswered: Vec<u64>,
}

/// One session: the queue, until its host dies.
pub(crate) struct Session {
    submitter: Submitter<Mapping, DEPTH>,
    doorbell: ChildStdin,
    under_way: Vec<(Ticket, Work)>,
    /// How often the host has said that something is durable which was not before.
    promises: u64,
}

impl Guest {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, pages: Pages::new(), next: 1, log: Log::default(), unanswered: Vec::new() }
    }

    /// What a guest does before it opens a queue; the host is started behind it.
    pub(crate) fn clear(&self) {
        assert!(self.shared.0.write(GUEST, &[0; BUFFERS]));
    }

    /// Waits for the host's session, and for what stands on its disk.
    pub(crate) fn begin(&mut self, seed: u32, doorbell: ChildStdin) -> Result<Session, String> {
        let state = self.shared.words(HOST, 8);
        let end = Instant::now() + PATIENCE;
        while state.load(0, Site::Status) != u64::from(QueueState::RUNNING.0) {
            if Instant::now() > end {
                return Err("the host does not show its session".to_owned());
            }
            sleep(Duration::from_micros(200));
        }
        let mut queue = Queue::new(self.shared.parts(), seed, DEPTH as u32).unwrap();
        let submitter = queue.submitter().unwrap();
        let mut session = Session { submitter, doorbell, under_way: Vec::new(), promises: 0 };
        for page in 0..PAGES {
            self.submit(&mut session, Work::Read { page });
            while !session.under_way.is_empty() {
                self.reap(&mut session)?;
                if Instant::now() > end {
                    return Err("the host does not answer".to_owned());
                }
                std::thread::yield_now();
            }
        }
        // Half of what has no result is submitted again. Of the other half nothing may ever be seen.
        for version in std::mem::take(&mut self.unanswered) {
            if version.is_multiple_of(2) {
                self.log.again += 1;
                self.submit(&mut session, Work::Write { version, durable: false });
            }
        }
        Ok(session)
    }

    fn submit(&mut self, session: &mut Session, work: Work) {
        let at = |page: usize| (BUFFERS + page * PAGE) as u64;
        let offset = |page: usize| (page * PAGE) as u64;
        let submission = match &work {
            Work::Write { version, durable } => {
                let (page, flags) = (page_of(*version), u64::from(*durable) << 32);
                let mut bytes = [0; PAGE];
                fill(*version, &mut bytes);
                assert!(self.shared.0.write(BUFFERS + page * PAGE, &bytes));
                self.pages.submitted(*version);
                Submission::new(Op::WRITE, [offset(page), at(page), PAGE as u64, 0, 0, 1 | flags])
            }
            Work::Flush { .. } => Submission::new(Op::FLUSH, [0; 6]),
            Work::Read { page } => {
                Submission::new(Op::READ, [offset(*page), at(*page), PAGE as u64, 0, 0, 1])
            }
        };
        let Ok(ticket) = session.submitter.submit(submission) else { return };
        session.under_way.push((ticket, work));
        if session.submitter.wants_kick() {
            // A host that was killed does not hear it.
            let _ = rustix::io::write(&session.doorbell, &[1]);
        }
    }

    /// Takes what is done, and learns from it.
    fn reap(&mut self, session: &mut Session) -> Result<(), String> {
        for (ticket, work) in std::mem::take(&mut session.under_way) {
            match session.submitter.poll(ticket).map_err(|error| format!("the queue is broken: {error}"))? {
                Err(ticket) => session.under_way.push((ticket, work)),
                Ok(outcome) if outcome.status != Status::OK => {
                    return Err(format!("a request ended with {:?}", outcome.status));
                }
                Ok(_) => session.promises += self.learn(work)?,
            }
        }
        Ok(())
    }

    /// How much of what is done is durable now and was not before.
    fn learn(&mut self, work: Work) -> Result<u64, String> {
        match work {
            Work::Write { version, durable } => {
                self.log.writes += 1;
                self.pages.completed(version);
                Ok(u64::from(durable && self.pages.durable(version)))
            }
            Work::Flush { completed } => {
                self.log.flushes += 1;
                let written = completed.into_iter().filter(|version| *version > 0);
                Ok(written.map(|version| u64::from(self.pages.durable(version))).sum())
            }
            Work::Read { page } => {
                let mut bytes = vec![0; PAGE];
                assert!(self.shared.0.read(BUFFERS + page * PAGE, &mut bytes));
                self.log.lost += u64::from(self.pages.stands(page, &bytes)?);
                Ok(0)
            }
        }
    }

    /// Writes and flushes for so long, and until the host has promised so much.
    pub(crate) fn work(
        &mut self,
        session: &mut Session,
        mix: Mix,
        (time, promises): (Duration, u64),
        random: &mut Random,
    ) -> Result<(), String> {
        let (begun, mut dice) = (Instant::now(), random.below(10));
        while begun.elapsed() < time || session.promises < promises {
            if begun.elapsed() > PATIENCE {
                return Err("the host does not answer".to_owned());
            }
            self.reap(session)?;
            let version = self.next;
            let page = page_of(version);
            let is_busy = |(_, work): &(Ticket, Work)| matches!(work, Work::Write { version, .. } if page_of(*version) == page);
            if dice == 0 && mix.flushes {
                let completed = self.pages.all_completed();
                self.submit(session, Work::Flush { completed });
            // Of two writes of one page at once either might win.
            } else if session.under_way.len() >= DEPTH - 1 || session.under_way.iter().any(is_busy) {
                std::thread::yield_now();
            } else {
                self.next += 1;
                self.submit(session, Work::Write { version, durable: dice == 1 && mix.durable });
            }
            dice = random.below(10);
        }
        Ok(())
    }

    /// The host is dead. What it has answered until now counts, and no more.
    pub(crate) fn end(&mut self, mut session: Session) -> Result<(), String> {
        self.reap(&mut session)?;
        let unanswered = session.under_way.into_iter().filter_map(|(_, work)| match work {
            Work::Write { version, .. } => Some(version),
            _ => None,
        });
        self.unanswered = unanswered.collect();
        Ok(())
    }
}
