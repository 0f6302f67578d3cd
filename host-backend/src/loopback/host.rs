// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain behind a lock: served within the call, or by a thread.

use super::Error;
use super::alarm::Alarm;
use super::bell::Bell;
use super::clock::{self, Measure};
use crate::action::{Action, Served, TimeAction};
use crate::config::Config;
#[cfg(target_os = "linux")]
use crate::device::BackEnds;
use crate::domain::Domain;
use crate::memory::Memory;
use crate::services::Services;
use crate::time::Passed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use tenon_abi::Features;
use tenon_rings::planted;

/// Submissions that are served before the lock is given to others (CALL-19).
const BUDGET: u32 = 256;
/// Timers that expire before the lock is given to others (TIME-18).
const TIMERS: u32 = 64;
/// How long after the start the counter is measured anew, at first and at most, in nanoseconds.
const MEASURE: (u64, u64) = (100_000_000, 1_000_000_000);

/// When a doorbell is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Within the call that rings it (`ConduitFlags::SYNCHRONOUS`).
    Synchronous,
    /// By a thread, some time later; kicks are merged and carry no value.
    Asynchronous,
}

/// Does one action. It is called with the domain locked and in the order of actions: it must ring no doorbell
/// of this host's.
pub type Act<M> = Box<dyn FnMut(&mut Domain<M>, Action) + Send>;

/// The host side of one guest in this process.
///
/// Its threads end before [`Drop`] does: the one that serves, where it is asynchronous, and the one that
/// expires timers, where TIME is offered.
pub struct Loopback<M: Memory> {
    shared: Arc<Shared<M>>,
    server: Option<JoinHandle<()>>,
    timer: Option<JoinHandle<()>>,
}

pub(super) struct Shared<M: Memory> {
    host: Mutex<Host<M>>,
    bell: Bell,
    alarm: Alarm,
    /// For ends that come home and bells, which may outlive this.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "there are no back ends"))]
    me: Weak<Self>,
}

pub(super) struct Host<M: Memory> {
    pub(super) domain: Domain<M>,
    act: Act<M>,
    #[cfg(target_os = "linux")]
    pub(super) back_ends: BackEnds<M::Words>,
}

impl<M> Loopback<M>
where
    M: Memory + Send + 'static,
    M::Words: Send,
{
    /// A host that waits for its guest. The conduit of `config` should say what `timing` does: see
    /// [`crate::Conduit::call`].
    ///
    /// # Errors
    ///
    /// [`Error::Domain`] or [`Error::Thread`].
    pub fn new(config: Config, memory: M, timing: Timing, act: Act<M>) -> Result<Self, Error> {
        Self::over(Domain::with(config, memory, Services::ready())?, timing, act)
    }

    /// The same over a domain that is there: one with services of its own, or a restored one.
    ///
    /// # Errors
    ///
    /// [`Error::Thread`].
    pub fn over(domain: Domain<M>, timing: Timing, act: Act<M>) -> Result<Self, Error> {
        let has_time = domain.config().features.contains(Features::TIME);
        let shared = Arc::new_cyclic(|me: &Weak<_>| Shared {
            host: Mutex::new(Host {
                domain,
                act,
                #[cfg(target_os = "linux")]
                back_ends: BackEnds::default(),
            }),
            bell: Bell::default(),
            alarm: Alarm::default(),
            me: Weak::clone(me),
        });
        let timer = match has_time {
            true => Some(Self::keep_time(&shared)?),
            false => None,
        };
        let server = match timing {
            Timing::Synchronous => None,
            Timing::Asynchronous => {
                let shared = Arc::clone(&shared);
                let thread = thread::Builder::new().name("tenon-host".into());
                Some(thread.spawn(move || shared.serve_rings()).map_err(Error::Thread)?)
            }
        };
        Ok(Self { shared, server, timer })
    }

    /// Starts the clocks and the thread that expires timers.
    fn keep_time(shared: &Arc<Shared<M>>) -> Result<JoinHandle<()>, Error> {
        let measure = Measure::begin();
        shared.with(|domain| {
            if !domain.clocks_run() {
                domain.start_clocks(clock::now(), Passed::default());
            }
        });
        shared.measured(&measure);
        let shared = Arc::clone(shared);
        let thread = thread::Builder::new().name("tenon-timer".into());
        thread.spawn(move || shared.expire(&measure)).map_err(Error::Thread)
    }

    /// Rings the doorbell of a queue (DISC-7).
    #[inline]
    pub fn kick(&self, queue: u32) {
        if self.server.is_some() {
            self.shared.bell.kick();
        } else {
            while self.shared.with(|domain| serve(domain, queue)).again {}
        }
    }

    /// Hands over a frame number (DISC-8).
    pub fn bind(&self, frame: u32) {
        if self.server.is_some() {
            self.shared.bell.bind(frame);
        } else {
            self.shared.with(|domain| domain.control(frame));
        }
    }

    /// Enters the domain for something that no doorbell announces (an event of a device, console input, a
    /// stopped vCPU), and does what that asks for.
    pub fn with<R>(&self, enter: impl FnOnce(&mut Domain<M>) -> R) -> R {
        self.shared.with(enter)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn with_back_ends<R>(
        &self,
        enter: impl FnOnce(&mut Domain<M>, &mut BackEnds<M::Words>) -> R,
    ) -> R {
        self.shared.enter(|host| enter(&mut host.domain, &mut host.back_ends))
    }
}

impl<M: Memory> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, Host<M>> {
        // An action that panicked left the domain between two entries, which is a good state.
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Shared<M>
where
    M: Memory + Send + 'static,
    M::Words: Send,
{
    #[inline]
    pub(super) fn with<R>(&self, enter: impl FnOnce(&mut Domain<M>) -> R) -> R {
        self.enter(|host| enter(&mut host.domain))
    }

    #[inline]
    fn enter<R>(&self, enter: impl FnOnce(&mut Host<M>) -> R) -> R {
        let mut host = self.lock();
        let result = enter(&mut host);
        while let Some(action) = host.domain.next_action() {
            match action {
                Action::Time(TimeAction::Deadline) => self.alarm.set(host.domain.next_deadline()),
                #[cfg(target_os = "linux")]
                Action::Device(action) => host.act_on_device(action, &self.me),
                action => host.act_by_embedder(action),
            }
        }
        result
    }

    /// The page is told what is known of the counter and of UTC.
    fn measured(&self, measure: &Measure) {
        self.with(|domain| {
            if let Some((now, relation)) = measure.relation() {
                domain.set_counter(now, Some(relation));
            }
            domain.set_utc(clock::now(), clock::utc());
            if !tenon_rings::planted!("stolen-at-bind-alone") {
                domain.tell_all_stolen();
            }
        });
    }

    /// Expires timers until the host is dropped, and measures the counter from time to time.
    fn expire(&self, measure: &Measure) {
        let (mut pause, most) = MEASURE;
        let mut next = clock::now().monotonic.saturating_add(pause);
        while self.alarm.wait(next, || clock::now().monotonic) {
            while self.with(|domain| domain.expire(clock::now(), TIMERS)).again {}
            let now = clock::now().monotonic;
            if now >= next {
                self.measured(measure);
                pause = pause.saturating_mul(2).min(most);
                next = now.saturating_add(pause);
            }
        }
    }

    fn serve_rings(&self) {
        let (queues, doorbells) = self.lock().domain.config().doorbells();
        while let Some(rung) = self.bell.answer() {
            // Late on purpose: whoever rings in the meantime is served in one go.
            thread::yield_now();
            for frame in rung.frames {
                self.with(|domain| domain.control(frame));
            }
            if rung.kicked && !planted!("device-kick-merged-away") {
                self.with(|domain| {
                    for doorbell in queues..doorbells {
                        let _ = domain.serve(doorbell, BUDGET);
                    }
                });
            }
            let mut again = rung.kicked;
            while again && !self.bell.is_closed() {
                again = false;
                for queue in 0..queues {
                    again |= self.with(|domain| serve(domain, queue).again || !domain.rest(queue));
                }
            }
        }
    }
}

#[inline]
fn serve<M: Memory>(domain: &mut Domain<M>, queue: u32) -> Served {
    let served = domain.serve_at(queue, BUDGET, clock::now);
    if served.fetched > 0 && !tenon_rings::planted!("stolen-at-bind-alone") {
        domain.tell_stolen(queue / 2);
    }
    served
}

impl<M: Memory> Host<M> {
    pub(super) fn act_by_embedder(&mut self, action: Action) {
        (self.act)(&mut self.domain, action);
    }
}

impl<M: Memory> Drop for Loopback<M> {
    fn drop(&mut self) {
        self.shared.bell.close();
        self.shared.alarm.close();
        // Here, and without the lock: back ends wait for threads of theirs, which may want the lock.
        #[cfg(target_os = "linux")]
        {
            let back_ends = std::mem::take(&mut self.shared.lock().back_ends);
            drop(back_ends);
        }
        if let Some(server) = self.server.take() {
            // A panic of the embedder's actions was reported by its thread.
            let _ = server.join();
        }
        if let Some(timer) = self.timer.take() {
            let _ = timer.join();
        }
    }
}
