// SPDX-License-Identifier: MIT OR Apache-2.0
//! Jobs that wait for most of their time, as many at once as there are processors.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::failure::Failure;

/// Runs all jobs, begun in their order, and hands over each result when it is there. An error ends it.
pub(crate) fn at_once<J: Send, T: Send>(
    jobs: Vec<J>,
    run: impl Fn(J) -> Result<T, Failure> + Sync,
    mut finish: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(VecDeque::from(jobs));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (sender, finished) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..processors {
            let (sender, next, run) = (sender.clone(), &next, &run);
            scope.spawn(move || {
                while let Some(job) = next() {
                    // If nobody listens any more, a job before could not be run.
                    if sender.send(run(job)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        finished.into_iter().try_for_each(|result| finish(result?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_run_once_and_an_error_ends_it() {
        let mut sum = 0;
        let all = at_once((1..=100).collect(), Ok, |number: u32| {
            sum += number;
            Ok(())
        });
        assert!(all.is_ok());
        assert_eq!(sum, 5050);
        let fails = |number: u32| if number == 3 { Err(Failure::environment("three")) } else { Ok(number) };
        assert!(matches!(at_once((1..=100).collect(), fails, |_| Ok(())), Err(Failure::Environment(_))));
    }
}
