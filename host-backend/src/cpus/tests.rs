// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every order of steps of a small model, and threads that race.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use super::{CpuThread, Cpus, Next, locked};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

/// One step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Stop,
    End,
    /// The thread, which is out of the guest, asks what to do.
    Ask,
    /// The thread leaves the guest for a reason of its own, and asks.
    Park,
    /// The thread looks whether it has to leave the guest, and if so asks.
    Look,
    /// The thread is gone.
    Drop,
}

const STEPS: [Step; 7] = [Step::Start, Step::Stop, Step::End, Step::Ask, Step::Park, Step::Look, Step::Drop];

/// What must be true, kept apart from how it is done.
#[derive(Default)]
struct Model {
    /// The entry of an accepted start that the thread has not heard of.
    started: Option<u32>,
    /// The thread is in the guest.
    inside: bool,
    /// A stop was accepted and not reported.
    stopping: bool,
    ended: bool,
    gone: bool,
    entries: u32,
    kicks: u32,
}

struct Run {
    cpus: Cpus<u32, &'static str>,
    thread: Option<CpuThread<u32, &'static str>>,
    kicks: Arc<AtomicU32>,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let cpus = Cpus::new(1);
        let mut thread = cpus.take(0).unwrap();
        assert!(cpus.take(0).is_none() && cpus.take(1).is_none());
        let kicks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&kicks);
        thread.set_kick(move || _ = counted.fetch_add(1, Ordering::Relaxed));
        Self { cpus, thread: Some(thread), kicks, model: Model::default() }
    }

    /// What the thread is told, without waiting.
    fn ask(&mut self) -> Option<Next<u32>> {
        let cpu = self.thread.as_ref().unwrap().cpu().unwrap();
        let mut guarded = locked(&cpu.slot);
        guarded.slot.left();
        cpu.answer(&mut guarded, self.cpus.is_ending())
    }

    /// Does a step and checks its result; `false`: nobody can do it now.
    fn step(&mut self, step: Step) -> bool {
        let Model { started, inside, stopping, ended, gone, .. } = self.model;
        let busy = started.is_some() || inside;
        match step {
            Step::Start => {
                self.model.entries += 1;
                let entry = self.model.entries;
                assert_eq!(self.cpus.start(0, entry).is_ok(), !busy && !gone);
                if !busy && !gone {
                    self.model.started = Some(entry);
                }
            }
            Step::Stop => {
                assert_eq!(self.cpus.stop(0), busy && !gone);
                self.model.stopping |= busy && !gone;
                self.model.kicks += u32::from(busy && !gone);
            }
            Step::End => {
                self.cpus.end(if ended { "second" } else { "first" });
                self.model.ended = true;
                self.model.kicks += u32::from(!gone);
                assert_eq!(self.cpus.outcome(), Some("first"));
            }
            Step::Ask if inside || gone => return false,
            Step::Park | Step::Look | Step::Drop if gone => return false,
            Step::Park | Step::Look if !inside => return false,
            Step::Look if !self.thread.as_ref().unwrap().must_leave() => {
                assert!(!stopping && !ended, "a vCPU that was asked to leave stays");
            }
            Step::Ask | Step::Park | Step::Look => {
                self.model.inside = false;
                let told = self.ask();
                let expected = match (ended, stopping, started) {
                    (true, ..) => Some(Next::End),
                    (_, true, _) => Some(Next::Stopped),
                    (_, _, Some(entry)) => Some(Next::Run(entry)),
                    _ => None,
                };
                assert_eq!(told, expected);
                match told {
                    Some(Next::Run(_)) => (self.model.started, self.model.inside) = (None, true),
                    Some(Next::Stopped) => (self.model.started, self.model.stopping) = (None, false),
                    _ => {}
                }
            }
            Step::Drop => {
                self.thread = None;
                self.model = Model {
                    gone: true,
                    ended,
                    entries: self.model.entries,
                    kicks: self.model.kicks,
                    ..Model::default()
                };
            }
        }
        let Model { started, inside, gone, kicks, ended, .. } = self.model;
        assert_eq!(self.cpus.is_parked(0), started.is_none() && !inside && !gone);
        assert_eq!(self.cpus.is_ending(), ended);
        assert_eq!(self.kicks.load(Ordering::Relaxed), kicks);
        assert_eq!(self.cpus.wait_for_threads(Duration::ZERO).is_empty(), gone);
        true
    }
}

/// Each order of up to `depth` steps, from the beginning; the number of those that can happen.
fn explore(path: &mut Vec<Step>, depth: usize) -> u32 {
    let mut run = Run::new();
    if !path.iter().all(|&step| run.step(step)) {
        return 0;
    }
    let mut orders = 1;
    if path.len() < depth {
        for step in STEPS {
            path.push(step);
            orders += explore(path, depth);
            path.pop();
        }
    }
    orders
}

#[test]
fn every_order_of_steps_is_answered_as_the_model_says() {
    let orders = explore(&mut Vec::new(), 7);
    assert!(orders > 30_000, "{orders}");
}

#[test]
fn a_stop_of_a_starting_vcpu_counts() {
    let cpus = Cpus::<u32, ()>::new(1);
    let mut thread = cpus.take(0).unwrap();
    cpus.start(0, 7).unwrap();
    assert!(cpus.stop(0));
    assert!(cpus.start(0, 8).is_err(), "not before the stop was reported");
    assert_eq!(thread.next(), Next::Stopped);
    cpus.start(0, 9).unwrap();
    assert_eq!(thread.next(), Next::Run(9));
    assert!(!thread.must_leave());
}

/// Threads race: every accepted stop is reported, every accepted start is run or was stopped, and the end
/// comes at once whatever is pending.
#[test]
fn nothing_is_lost_between_threads() {
    const CPUS: u32 = 3;
    const STOPS: u32 = 2000;
    let cpus = Cpus::<u32, &str>::new(CPUS);
    let reported: Arc<[AtomicU32; 3]> = Arc::default();
    let mut threads = Vec::new();
    for index in 0..CPUS {
        let (mut cpu, reported) = (cpus.take(index).unwrap(), Arc::clone(&reported));
        threads.push(thread::spawn(move || {
            loop {
                match cpu.next() {
                    Next::Run(_) => {
                        while !cpu.must_leave() {
                            thread::yield_now();
                        }
                    }
                    Next::Stopped => _ = reported[index as usize].fetch_add(1, Ordering::SeqCst),
                    Next::End => return,
                }
            }
        }));
    }
    let start = Instant::now();
    for index in 0..CPUS {
        for round in 0..STOPS {
            cpus.start(index, round).unwrap();
            if round % 3 == 0 {
                thread::yield_now();
            }
            assert!(cpus.stop(index));
            // Whether it was starting or running: it is reported. A lost one would never be.
            while reported[index as usize].load(Ordering::SeqCst) != round + 1 {
                assert!(start.elapsed() < Duration::from_secs(60), "stop {round} of vCPU {index} was lost");
                thread::yield_now();
            }
        }
    }
    for index in 0..CPUS {
        cpus.start(index, 0).unwrap();
    }
    assert_eq!(cpus.wait(Duration::ZERO, "limit"), "limit");
    assert!(cpus.wait_for_threads(Duration::from_secs(60)).is_empty());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn late_threads_are_waited_for_together() {
    let cpus = Cpus::<(), ()>::new(16);
    let kept: Vec<_> = (0..16).map(|index| cpus.take(index).unwrap()).collect();
    cpus.end(());
    let start = Instant::now();
    let late = cpus.wait_for_threads(Duration::from_millis(50));
    assert_eq!(late, (0..16).collect::<Vec<_>>());
    // Not 16 times as long: the bound is far from both.
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    drop(kept);
    assert!(cpus.wait_for_threads(Duration::ZERO).is_empty());
}
