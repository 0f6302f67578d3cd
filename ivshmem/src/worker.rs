// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process that may die: the core over a guest's memory. It keeps nothing that its successor needs.

use crate::Error;
use crate::memory::{Device, map};
use crate::protocol;
use crate::shape::{FIRST_INTERRUPT, GUEST, HOST, REFERENCE_WORDS, Shape};
use crate::time::{Alarm, now};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use tenon_host::time::Passed;
use tenon_host::{Action, Domain, EventAction, LifecycleAction, Services, TimeAction, VcpuAction};
use tenon_rings::{Mapping, Site, Words, planted};

/// Submissions that are served before another queue has its turn (CALL-19).
const BUDGET: u32 = 256;
/// Without a doorbell the worker looks by itself this often: a lost one costs this much time (SHM-2).
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Timers that expire before queues have their turn again (TIME-18).
const EXPIRES: u32 = 64;

/// What woke the worker.
const DOORBELL: u64 = 0;
const BROKER: u64 = 1;
const ALARM: u64 = 2;

/// How a guest ended, by its own wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By EXIT with this code.
    Exit(u32),
    /// By RESTART.
    Restart,
    /// The broker has gone, and the guest's memory with it.
    Left,
}

impl End {
    /// Bytes of a worker's word about it.
    pub const LEN: usize = 5;

    /// That word, for the broker: a letter, and the code.
    #[must_use]
    pub const fn write(self) -> [u8; Self::LEN] {
        let (letter, code) = match self {
            Self::Exit(code) => (b'e', code),
            Self::Restart => (b'r', 0),
            Self::Left => (b'l', 0),
        };
        let [b0, b1, b2, b3] = code.to_le_bytes();
        [letter, b0, b1, b2, b3]
    }

    /// From such a word; `None` where it is none.
    #[must_use]
    pub const fn read([letter, b0, b1, b2, b3]: [u8; Self::LEN]) -> Option<Self> {
        match (letter, u32::from_le_bytes([b0, b1, b2, b3])) {
            (b'e', code) => Some(Self::Exit(code)),
            (b'r', 0) => Some(Self::Restart),
            (b'l', 0) => Some(Self::Left),
            _ => None,
        }
    }
}

/// What a worker is told of its guest's life.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Where the seeds of sessions are drawn from.
    pub seed: u64,
    /// Another worker served this memory before.
    pub again: bool,
    /// When the guest's memory was made, by the system's monotonic clock: its clocks count from there.
    pub born: u64,
}

/// A guest's host.
pub struct Worker {
    domain: Domain<Device>,
    /// Both are waited for; while the broker's is open, its guest is there.
    waited: [OwnedFd; 2],
    waiter: OwnedFd,
    messages: Vec<OwnedFd>,
    /// The guest's word, and what was last found there (SHM-3).
    bind: (Mapping, u64),
    alarm: Alarm,
}

impl Worker {
    /// Attaches to the guest that the broker at the other end of this socket holds, and says that it is
    /// there.
    ///
    /// # Errors
    ///
    /// [`Error::System`], [`Error::Protocol`], [`Error::Core`].
    pub fn new(broker: OwnedFd, shape: Shape, life: Life, services: Services) -> Result<Self, Error> {
        let attached =
            protocol::attach(&broker, usize::from(shape.messages).saturating_add(shape.doorbells().into()))?;
        let all = map(&attached.memory, shape)?;
        let word = usize::try_from(shape.window_len() / 8).ok().and_then(|at| all.slice(at, 1));
        let bind = (word.ok_or(Error::Length(shape.len, shape.free()))?, 0);
        let memory = Device::new(all, shape).ok_or(Error::Length(shape.len, shape.free()))?;
        let config = shape.config(life.seed);
        let mut domain = if life.again {
            Domain::recover(config, memory, services)
        } else {
            Domain::with(config, memory, services)
        }?;
        let (doorbells, messages): (Vec<_>, Vec<_>) =
            attached.bells.into_iter().partition(|(peer, _)| *peer == HOST);
        let mut doorbells = doorbells.into_iter().map(|(_, doorbell)| doorbell);
        let doorbell = doorbells.next().ok_or(Error::Protocol("it sends no doorbell"))?;
        if let Some(reference) = doorbells.next() {
            let word = |offset: u64| {
                let at = usize::try_from(shape.window_len().saturating_add(offset) / 8).ok();
                at.and_then(|at| all.slice(at, 1)).ok_or(Error::Length(shape.len, shape.free()))
            };
            let [asked, answered] = REFERENCE_WORDS.map(word);
            let words = [asked?, answered?];
            std::thread::spawn(move || bare(&reference, words));
        }
        let messages = messages.into_iter().filter(|(peer, _)| *peer == GUEST).map(|(_, fd)| fd).collect();
        let begun = now();
        // Its clocks go on where those of the worker before it would be by now.
        domain.start_clocks(begun, Passed { ran: begun.monotonic.saturating_sub(life.born), stood: 0 });
        let mut alarm = Alarm::new()?;
        let utc = alarm.utc(begun);
        domain.set_utc(begun, utc);
        rustix::net::send(&broker, &[1], rustix::net::SendFlags::NOSIGNAL)
            .map_err(Error::system("the broker has gone"))?;
        let waiter = waiter(&doorbell, &broker, &alarm)?;
        Ok(Self { domain, waited: [doorbell, broker], waiter, messages, bind, alarm })
    }

    /// Serves until the guest or the broker ends. `between` runs after each look: for what no doorbell
    /// announces.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn run(&mut self, mut between: impl FnMut(&mut Domain<Device>)) -> Result<End, Error> {
        loop {
            let mut again = self.look();
            again |= self.tick();
            between(&mut self.domain);
            while let Some(action) = self.domain.next_action() {
                match action {
                    Action::Vcpu(VcpuAction::Upcall { vector, .. })
                    | Action::Event(EventAction::Raise { vector, .. }) => self.message(vector),
                    Action::Lifecycle(LifecycleAction::Exit { code }) => return Ok(End::Exit(code)),
                    Action::Lifecycle(LifecycleAction::Restart) => return Ok(End::Restart),
                    // Interrupts are routed by the guest; output and crash records were kept before this.
                    Action::Vcpu(VcpuAction::Route { .. })
                    | Action::Event(EventAction::Route { .. } | EventAction::Unroute { .. })
                    | Action::Session(_)
                    // The deadline is asked for before each sleep.
                    | Action::Time(TimeAction::Deadline)
                    | Action::Console(_)
                    | Action::Lifecycle(LifecycleAction::Crash(_)) => {}
                    other => return Err(Error::Action(format!("{other:?}"))),
                }
                again = true;
            }
            if !self.sleep(again)? {
                return Ok(End::Left);
            }
        }
    }

    /// What time asks for; whether there is more.
    fn tick(&mut self) -> bool {
        let now = now();
        if let Some(utc) = self.alarm.utc(now) {
            self.domain.set_utc(now, Some(utc));
        }
        self.domain.expire(now, EXPIRES).again
    }

    /// Tells the broker how the guest ended: the last word, after which the broker kills this process if it
    /// goes on.
    pub fn tell(&self, end: End) {
        if planted!("end-untold") {
            return;
        }
        let [_, broker] = &self.waited;
        // It may have gone, and then nobody asks.
        let _ = rustix::net::send(broker, &end.write(), rustix::net::SendFlags::NOSIGNAL);
    }

    /// Looks at everything that the guest may have rung for; whether there is more.
    fn look(&mut self) -> bool {
        let (word, last) = &mut self.bind;
        let found = word.load(0, Site::ControlTake);
        // A word whose count is zero is none.
        if found != *last && found.checked_shr(32).unwrap_or(0) != 0 {
            *last = found;
            let [f0, f1, f2, f3, ..] = found.to_le_bytes();
            self.domain.control(u32::from_le_bytes([f0, f1, f2, f3]));
        }
        let queues = self.domain.config().max_vcpus.saturating_mul(2);
        let mut again = false;
        for queue in 0..queues {
            again |= self.domain.serve_at(queue, BUDGET, now).again;
        }
        again
    }

    /// Raises the message of an interrupt. One that was raised and not taken is raised once.
    fn message(&self, interrupt: u32) {
        let number = interrupt.checked_sub(FIRST_INTERRUPT).and_then(|number| usize::try_from(number).ok());
        if let Some(message) = number.and_then(|number| self.messages.get(number)) {
            let _ = rustix::io::write(message, &1u64.to_ne_bytes());
        }
    }

    /// Waits for the doorbell, unless there is more to do; `false` when the broker has gone.
    fn sleep(&mut self, again: bool) -> Result<bool, Error> {
        let patience = if again { Timespec { tv_sec: 0, tv_nsec: 0 } } else { LOOK };
        if !again {
            self.alarm.set(self.domain.next_deadline())?;
        }
        let mut events = [const { MaybeUninit::uninit() }; 3];
        match epoll::wait(&self.waiter, &mut events, Some(&patience)) {
            Ok((events, _)) => Ok(events.iter().all(|event| event.data.u64() != BROKER)),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(Error::System("cannot wait", error.into())),
        }
    }
}

/// What is waited for. The doorbell wakes once for each ring that comes after the last look, and its count is
/// never taken: that would be a system call for each call.
fn waiter(doorbell: &OwnedFd, broker: &OwnedFd, alarm: &Alarm) -> Result<OwnedFd, Error> {
    let waiter = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::system("cannot wait"))?;
    let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&waiter, doorbell, epoll::EventData::new_u64(DOORBELL), edges)
        .map_err(Error::system("the doorbell"))?;
    epoll::add(&waiter, alarm, epoll::EventData::new_u64(ALARM), edges)
        .map_err(Error::system("the timer"))?;
    epoll::add(&waiter, broker, epoll::EventData::new_u64(BROKER), epoll::EventFlags::IN)
        .map_err(Error::system("the broker"))?;
    Ok(waiter)
}

/// The least that a host behind a doorbell can do, for a bench: waits, and copies a word.
fn bare(doorbell: &OwnedFd, [asked, answered]: [Mapping; 2]) {
    loop {
        let mut fds = [PollFd::new(doorbell, PollFlags::IN)];
        let _ = poll(&mut fds, None);
        let _ = rustix::io::read(doorbell, &mut [0u8; 8]);
        answered.store(0, asked.load(0, Site::ControlTake), Site::ControlPublish);
    }
}
