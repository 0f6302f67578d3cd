// SPDX-License-Identifier: MIT OR Apache-2.0
//! A bound vCPU; start, stop, upcall ([VCPU-1] to [VCPU-8]).
//!
//! [VCPU-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus
//! [VCPU-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus

use crate::conduit::Conduit;
use crate::error::{Error, into_value};
use crate::events::Events;
use crate::memory::Pages;
use crate::platform::Platform;
use core::cell::RefCell;
use core::fmt;
use tenon_abi::discovery::Session;
use tenon_abi::vcpu::{Sizes, emergency_queue, guest, host};
use tenon_abi::{Granule, Op, Submission};
use tenon_rings::call::{Lane, Parts, Queue};
use tenon_rings::{Mapping, Site, Submitter, Words, planted};

/// Bytes that a vCPU of these sizes takes of a kernel's pages: for its own area and, without `window` (the
/// feature WINDOW of the session), for the host's; `None` if there are no such sizes.
#[must_use]
#[inline(always)]
pub const fn needed(sizes: Sizes, granule: Granule, window: bool) -> Option<u64> {
    if !sizes.is_valid() {
        return None;
    }
    match (granule.round_up(sizes.guest_len()), granule.round_up(sizes.host_len())) {
        (Some(guest), Some(host)) => guest.checked_add(if window { 0 } else { host }),
        _ => None,
    }
}

/// The memory of a vCPU.
pub(crate) struct Area {
    /// All that was taken of the kernel's.
    pub(crate) pages: Pages,
    pub(crate) guest: Mapping,
    pub(crate) host: Mapping,
}

/// A bound vCPU: its call queue, emergency lane and event rings. `D` is the queue's depth.
///
/// It belongs to the CPU that runs the vCPU; it is not `Sync`. Interrupt handlers on that CPU may use it too:
/// the guard of [`Platform::enter`] keeps them out while a queue is in use, and whoever comes in nevertheless
/// (an NMI) gets [`Error::Busy`].
pub struct Vcpu<'p, P, const D: usize = 64> {
    pub(crate) platform: &'p P,
    pub(crate) number: u32,
    pub(crate) calls: RefCell<Submitter<Mapping, D>>,
    pub(crate) emergency: RefCell<Lane<Mapping>>,
    pub(crate) events: RefCell<Events>,
    pub(crate) host: Mapping,
    /// What was taken for the areas.
    pages: Pages,
    /// The record's session word, and what it was when this vCPU was bound.
    session: (Mapping, Session),
}

impl<'p, P: Platform, const D: usize> Vcpu<'p, P, D> {
    pub(crate) fn new(
        platform: &'p P,
        number: u32,
        sizes: Sizes,
        area: Area,
        max_ports: u32,
        session: (Mapping, Session),
    ) -> Result<Self, Error> {
        let seed = session.1.seed;
        let Area { pages, guest, host } = area;
        let part = |words: &Mapping, offset: u64, len: u64| {
            let first = usize::try_from(offset / 8).ok()?;
            words.slice(first, usize::try_from(len / 8).ok()?)
        };
        let depth = u64::from(sizes.depth);
        let calls = Parts {
            submissions: part(&guest, guest::SUBMISSIONS, depth.wrapping_mul(64)).ok_or(Error::BadMemory)?,
            completions: part(&host, host::COMPLETIONS, depth.wrapping_mul(16)).ok_or(Error::BadMemory)?,
            armed: part(&guest, guest::COMPLETIONS_ARMED, 8).ok_or(Error::BadMemory)?,
            kick: part(&host, host::KICK_WANTED, 8).ok_or(Error::BadMemory)?,
        };
        let slot = part(&guest, guest::EMERGENCY, 64).ok_or(Error::BadMemory)?;
        let answer = part(&host, host::EMERGENCY, 16).ok_or(Error::BadMemory)?;
        let mut calls = Queue::new(calls, seed, sizes.depth)?;
        let emergency = Lane::new(slot, answer, seed)?;
        // First what is made elsewhere: the rest is then made where it stays.
        let events = Events::new(guest, host, sizes, seed, max_ports)?;
        let this = Self {
            platform,
            number,
            calls: RefCell::new(calls.submitter()?),
            emergency: RefCell::new(emergency),
            events: RefCell::new(events),
            host,
            pages,
            session,
        };
        // Calls are waited for in memory: no upcall for completions until somebody asks (CALL-16).
        this.calls.borrow_mut().disarm();
        Ok(this)
    }

    /// The vCPU's number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Whether the session in which this vCPU was bound has ended: nothing in flight is completed any more
    /// ([SES-7]).
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[must_use]
    pub fn is_over(&self) -> bool {
        let (word, bound) = &self.session;
        Session::from_word(word.load(0, Site::ControlTake)) != *bound
    }

    /// The pages that [`crate::Session::bind`] took, once the session is over: the host touches them no more
    /// ([SES-7], [SES-9]). What was in flight is INDETERMINATE.
    ///
    /// # Errors
    ///
    /// The vCPU itself while its session goes on.
    ///
    /// [SES-7]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    /// [SES-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[allow(clippy::result_large_err, reason = "the vCPU comes back, and there is no allocator to box it")]
    pub fn release(self) -> Result<Pages, Self> {
        if self.is_over() || planted!("pages-given-back-early") { Ok(self.pages) } else { Err(self) }
    }

    /// Sets, or with `None` removes, the interrupt of this vCPU's upcall, by the platform's number
    /// ([VCPU-8]).
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [VCPU-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus
    pub fn set_upcall(&self, vector: Option<u32>) -> Result<(), Error> {
        self.call(Op::VCPU_UPCALL, [u64::from(self.number), u64::from(vector.unwrap_or(0))]).map(|_| ())
    }

    /// Starts another vCPU ([VCPU-5]).
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [VCPU-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus
    pub fn start(&self, vcpu: u32, entry: u64, argument: u64) -> Result<(), Error> {
        self.call(Op::VCPU_START, [u64::from(vcpu), entry, argument]).map(|_| ())
    }

    /// Stops a vCPU and moves its ports to `target` ([VCPU-6]). A vCPU that stops itself does not come back
    /// unless it is refused.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [VCPU-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#vcpus
    pub fn stop(&self, vcpu: u32, target: u32) -> Result<(), Error> {
        self.call(Op::VCPU_STOP, [u64::from(vcpu), u64::from(target)]).map(|_| ())
    }

    /// Asks for an upcall when the next completion is written ([CALL-16]). `true`: none is there, the vCPU
    /// may halt.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`]; [`Error::Corrupt`], as no completion will be taken any more.
    ///
    /// [CALL-16]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    pub fn arm_completions(&self) -> Result<bool, Error> {
        self.with_calls(|calls| {
            if let Some(corrupt) = calls.corrupt() {
                return Err(Error::Corrupt(corrupt));
            }
            Ok(calls.arm())
        })
    }

    /// A state word of the host's about this vCPU ([CALL-15], [EVT-20]); `offset` is one of
    /// [`tenon_abi::vcpu::host`].
    ///
    /// [CALL-15]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    /// [EVT-20]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    #[must_use]
    pub fn state_word(&self, offset: u64) -> tenon_abi::status::StateWord {
        let index = usize::try_from(offset / 8).unwrap_or(usize::MAX);
        tenon_abi::status::StateWord::from_word(self.host.load(index, Site::Status))
    }

    /// A submission on the emergency lane and its kick; waits for the result ([CALL-23]).
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [CALL-23]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
    pub fn emergency(&self, submission: Submission) -> Result<u64, Error> {
        self.emergency_within(submission, self.platform.patience())
    }

    /// As [`Self::emergency`], with so many looks.
    pub(crate) fn emergency_within(&self, submission: Submission, looks: u32) -> Result<u64, Error> {
        let mut lane = self.emergency.try_borrow_mut().map_err(|_| Error::Busy)?;
        // One that was given up before is done by now, or the lane is full.
        lane.submit(submission)?;
        self.platform.conduit().kick(emergency_queue(self.number));
        for _ in 0..looks {
            if let Some(outcome) = lane.take()? {
                return into_value(outcome);
            }
            self.platform.relax();
        }
        Err(Error::Pending)
    }
}

impl<P, const D: usize> fmt::Debug for Vcpu<'_, P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vcpu").field("number", &self.number).field("depth", &D).finish_non_exhaustive()
    }
}
