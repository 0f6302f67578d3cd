// SPDX-License-Identifier: MIT OR Apache-2.0
//! A few threads that do what may block.

use crate::Error;
use crate::event::Event;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Threads that make an `R` of each `J`, in any order.
pub(crate) struct Pool<J, R> {
    shared: Arc<Shared<J, R>>,
    threads: Vec<JoinHandle<()>>,
    in_flight: usize,
}

struct Shared<J, R> {
    todo: Mutex<Todo<J>>,
    wanted: Condvar,
    done: Mutex<Vec<R>>,
    /// Something stands in `done`.
    event: Event,
}

struct Todo<J> {
    jobs: VecDeque<J>,
    is_over: bool,
}

/// No thread panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<J: Send + 'static, R: Send + 'static> Pool<J, R> {
    /// So many threads, at least one. `run` does not panic.
    pub(crate) fn new(threads: usize, run: impl Fn(J) -> R + Send + Sync + 'static) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            todo: Mutex::new(Todo { jobs: VecDeque::new(), is_over: false }),
            wanted: Condvar::new(),
            done: Mutex::new(Vec::new()),
            event: Event::new()?,
        });
        let run = Arc::new(run);
        let mut pool = Self { shared, threads: Vec::new(), in_flight: 0 };
        for _ in 0..threads.max(1) {
            let (shared, run) = (Arc::clone(&pool.shared), Arc::clone(&run));
            let thread = Builder::new().name("tenon-disk-io".to_owned()).spawn(move || shared.serve(&*run));
            pool.threads.push(thread.map_err(Error::system("cannot start a thread"))?);
        }
        Ok(pool)
    }

    /// Gives a job to whichever thread is free first.
    pub(crate) fn give(&mut self, job: J) {
        self.in_flight = self.in_flight.saturating_add(1);
        lock(&self.shared.todo).jobs.push_back(job);
        self.shared.wanted.notify_one();
    }

    /// Takes what was done.
    pub(crate) fn take(&mut self, out: &mut Vec<R>) {
        if !self.shared.event.take() {
            return;
        }
        let mut done = lock(&self.shared.done);
        self.in_flight = self.in_flight.saturating_sub(done.len());
        out.append(&mut done);
    }

    /// Takes back a job that no thread has begun.
    pub(crate) fn take_back(&mut self, which: impl Fn(&J) -> bool) -> Option<J> {
        let mut todo = lock(&self.shared.todo);
        let at = todo.jobs.iter().position(which)?;
        let job = todo.jobs.remove(at)?;
        self.in_flight = self.in_flight.saturating_sub(1);
        Some(job)
    }

    /// Jobs that were given, and not taken back or taken as done.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Signalled when something was done.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.shared.event.fd()
    }
}

impl<J, R> Shared<J, R> {
    fn serve(&self, run: &dyn Fn(J) -> R) {
        while let Some(job) = self.next() {
            let result = run(job);
            lock(&self.done).push(result);
            self.event.signal();
        }
    }

    fn next(&self) -> Option<J> {
        let mut todo = lock(&self.todo);
        loop {
            if let Some(job) = todo.jobs.pop_front() {
                return Some(job);
            }
            if todo.is_over {
                return None;
            }
            todo = self.wanted.wait(todo).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends when all that was given is done: a thread that hangs in the kernel can only be waited for.
impl<J, R> Drop for Pool<J, R> {
    fn drop(&mut self) {
        lock(&self.shared.todo).is_over = true;
        self.shared.wanted.notify_all();
        for thread in self.threads.drain(..) {
            // It does not panic; if it did, there would be nothing left to wait for.
            let _ = thread.join();
        }
    }
}
