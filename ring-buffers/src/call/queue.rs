// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue's memory, and its two ends.

use super::{Completer, CompleterState, Submitter};
use crate::error::Error;
use crate::role::Claim;
use crate::words::Words;
use tenon_abi::call::{COMPLETION_WORDS, MAX_DEPTH, SUBMISSION_WORDS};

/// Where a queue lies: the slots, and for each side the word by which it says when it wants to be told. A
/// word that is not there has length zero.
#[derive(Clone, Debug)]
pub struct Parts<W> {
    /// The submissions, written by the guest.
    pub submissions: W,
    /// The completions, written by the host.
    pub completions: W,
    /// Position of the completion from which the guest wants an upcall, written by the guest (CALL-16).
    /// Without it no upcall is owed.
    pub armed: W,
    /// From which submission on the host wants kicks, written by the host (CALL-25). Without it every kick is
    /// wanted.
    pub kick: W,
}

impl<W: Words> Parts<W> {
    /// Slots alone: every kick is wanted, and no upcall.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if the memory breaks its contract and has no empty slice.
    #[inline(always)]
    pub fn bare(submissions: W, completions: W) -> Result<Self, Error> {
        let armed = submissions.slice(0, 0).ok_or(Error::BadSize)?;
        let kick = completions.slice(0, 0).ok_or(Error::BadSize)?;
        Ok(Self { submissions, completions, armed, kick })
    }
}

/// A queue over memory that is this queue's alone. Each of its ends is given out once: guest and host usually
/// make a queue each and take one end of it, a test or a pair of threads takes both.
///
/// ```
/// use core::sync::atomic::AtomicU64;
/// use tenon_rings::call::{Parts, Queue};
/// use tenon_rings::{Error, Submitter};
///
/// let submissions = [const { AtomicU64::new(0) }; 16];
/// let completions = [const { AtomicU64::new(0) }; 4];
/// let mut queue = Queue::new(Parts::bare(&submissions[..], &completions[..])?, 7, 2)?;
/// let submitter: Submitter<_, 2> = queue.submitter()?;
/// assert_eq!(queue.submitter::<2>().err(), Some(Error::Taken));
/// # Ok::<(), Error>(())
/// ```
///
/// An end may go to another thread, but two threads cannot share one:
///
/// ```
/// fn goes<T: Send>() {}
/// goes::<tenon_rings::Submitter<tenon_rings::Mapping, 2>>();
/// goes::<tenon_rings::Completer<tenon_rings::Mapping>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_shared<T: Sync>() {}
/// is_shared::<tenon_rings::Submitter<tenon_rings::Mapping, 2>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_shared<T: Sync>() {}
/// is_shared::<tenon_rings::Completer<tenon_rings::Mapping>>();
/// ```
///
/// Nor can there be a copy:
///
/// ```compile_fail,E0277
/// fn is_copied<T: Clone>() {}
/// is_copied::<tenon_rings::Completer<tenon_rings::Mapping>>();
/// ```
#[derive(Debug)]
pub struct Queue<W> {
    parts: Parts<W>,
    seed: u32,
    depth: u32,
    submitter: Claim,
    completer: Claim,
}

impl<W: Words> Queue<W> {
    /// A queue of `depth` slots (CALL-1) in a session with this seed (CALL-4).
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if `depth` is not a power of two from 1 to 4096 or a part is too small for it.
    #[inline(always)]
    pub fn new(parts: Parts<W>, seed: u32, depth: u32) -> Result<Self, Error> {
        let slots = usize::try_from(depth).map_err(|_| Error::BadSize)?;
        let fits = depth.is_power_of_two()
            && depth <= MAX_DEPTH
            && slots.checked_mul(SUBMISSION_WORDS).is_some_and(|words| words <= parts.submissions.len())
            && slots.checked_mul(COMPLETION_WORDS).is_some_and(|words| words <= parts.completions.len());
        if !fits {
            return Err(Error::BadSize);
        }
        Ok(Self { parts, seed, depth, submitter: Claim::default(), completer: Claim::default() })
    }

    /// The guest's end, at position 0 over cleared memory. `D` is the depth once more.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] the second time, [`Error::BadSize`] if `D` is not the depth.
    #[inline(always)]
    pub fn submitter<const D: usize>(&mut self) -> Result<Submitter<W, D>, Error> {
        self.submitter_at(0)
    }

    /// The guest's end at any position: for models and tests that start near the wrap.
    ///
    /// # Errors
    ///
    /// As [`Self::submitter`].
    #[inline(always)]
    pub fn submitter_at<const D: usize>(&mut self, position: u32) -> Result<Submitter<W, D>, Error> {
        if Submitter::<W, D>::DEPTH != self.depth {
            return Err(Error::BadSize);
        }
        self.submitter.take()?;
        Ok(Submitter::over(self.parts.clone(), self.seed, position))
    }

    /// The host's end, at position 0.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] the second time.
    pub fn completer(&mut self) -> Result<Completer<W>, Error> {
        self.completer_at(CompleterState::at(0))
    }

    /// The host's end, going on where another stood.
    ///
    /// # Errors
    ///
    /// As [`Self::completer`].
    pub fn completer_at(&mut self, state: CompleterState) -> Result<Completer<W>, Error> {
        self.completer.take()?;
        Ok(Completer::over(self.parts.clone(), self.seed, self.depth, state))
    }
}
