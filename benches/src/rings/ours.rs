// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tenon's queue, by each of its interfaces.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::spin_loop;
use std::sync::Arc;

use tenon_abi::{Op, Status, Submission};
use tenon_rings::call::Parts;
use tenon_rings::{Completer, Mapping, Submitter, Ticket};

use super::memory::Pages;
use super::queue::{BATCH, DEPTH, Queue};

const D: usize = DEPTH as usize;
const SUBMISSIONS: usize = D * 64;

/// The guest's end.
pub struct Driver {
    submitter: Submitter<Mapping, D>,
    /// Requests whose answers have not been taken, oldest first.
    tickets: VecDeque<Ticket>,
    sum: u64,
    _pages: Arc<Pages>,
}

/// The host's end.
pub struct Device {
    completer: Completer<Mapping>,
    _pages: Arc<Pages>,
}

fn make() -> (Driver, Device) {
    let pages = Pages::new(SUBMISSIONS + D * 16);
    let parts = Parts::bare(pages.mapping(0, SUBMISSIONS), pages.mapping(SUBMISSIONS, D * 16));
    let queue = parts.and_then(|parts| tenon_rings::call::Queue::new(parts, 0, DEPTH as u32));
    let mut queue = queue.expect("room for the ring");
    let submitter = queue.submitter().expect("nobody has it");
    let completer = queue.completer().expect("nobody has it");
    let driver =
        Driver { submitter, tickets: VecDeque::with_capacity(D), sum: 0, _pages: Arc::clone(&pages) };
    (driver, Device { completer, _pages: pages })
}

#[inline(always)]
fn request(number: u64) -> Submission {
    Submission::new(Op::NOP, std::array::from_fn(|word| number + word as u64))
}

/// What the device does with a request: reads all of it.
#[inline(always)]
fn sum(submission: &Submission) -> u64 {
    let head = u64::from(submission.flags.get()) + u64::from(submission.count.get());
    submission.args.iter().fold(head, |sum, word| sum.wrapping_add(word.get()))
}

/// A submission and a result at a time, on both sides.
pub struct OneByOne;

impl Queue for OneByOne {
    type Driver = Driver;
    type Device = Device;
    const WORDS: u64 = 6;

    fn make() -> (Driver, Device) {
        make()
    }

    #[inline(always)]
    fn submit(driver: &mut Driver, number: u64) {
        let ticket = driver.submitter.submit(request(number)).expect("room for a request");
        driver.tickets.push_back(ticket);
    }

    #[inline(always)]
    fn reap(driver: &mut Driver) -> bool {
        let Some(ticket) = driver.tickets.pop_front() else { return false };
        match driver.submitter.poll(ticket).expect("an honest peer") {
            Ok(outcome) => {
                assert!(outcome.status == Status::OK, "an answer");
                driver.sum = driver.sum.wrapping_add(outcome.value);
                true
            }
            Err(ticket) => {
                driver.tickets.push_front(ticket);
                false
            }
        }
    }

    #[inline(always)]
    fn serve(device: &mut Device, most: u64) -> u64 {
        let mut served = 0;
        while served < most {
            let Ok(fetched) = device.completer.fetch() else { break };
            let value = sum(&fetched.submission);
            assert!(device.completer.complete(fetched.id, Status::OK, value), "in flight");
            served += 1;
        }
        served
    }

    fn sum(driver: &Driver, _: &Device) -> u64 {
        driver.sum
    }
}

/// Batches: `exchange` on the guest's side, `answer` on the host's.
pub struct Batches;

#[inline(always)]
fn answer(device: &mut Device, most: u64) -> u64 {
    let run = device.completer.answer(most as u32, Op::NOP, |submission| Ok(sum(submission)));
    u64::from(run.answered)
}

/// One exchange of `results.len()` requests.
#[inline(always)]
fn exchange(driver: &mut Driver, first: u64, results: &mut [Result<u64, Status>], kick: impl FnOnce()) {
    let relax = || {
        spin_loop();
        true
    };
    driver
        .submitter
        .exchange(results, |index| request(first + index as u64), kick, relax)
        .expect("an honest peer");
    for result in results {
        driver.sum = driver.sum.wrapping_add(result.expect("an answer"));
    }
}

impl Queue for Batches {
    type Driver = Driver;
    type Device = Device;
    const WORDS: u64 = 6;

    fn make() -> (Driver, Device) {
        make()
    }

    #[inline(always)]
    fn submit(driver: &mut Driver, number: u64) {
        OneByOne::submit(driver, number);
    }

    #[inline(always)]
    fn reap(driver: &mut Driver) -> bool {
        OneByOne::reap(driver)
    }

    #[inline(always)]
    fn serve(device: &mut Device, most: u64) -> u64 {
        answer(device, most)
    }

    fn sum(driver: &Driver, _: &Device) -> u64 {
        driver.sum
    }

    #[inline(always)]
    fn batch(driver: &mut Driver, device: &RefCell<Device>, first: u64) {
        let mut results = [Ok(0); BATCH as usize];
        exchange(driver, first, &mut results, || {
            answer(&mut device.borrow_mut(), BATCH);
        });
    }
}
