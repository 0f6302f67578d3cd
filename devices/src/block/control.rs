// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder does with a disk while it runs: resize, remove, clear FAILED, read its counts.

use super::latch::Latch;
use super::metrics::{Counts, Metrics};
use super::shape::Shape;
use crate::Error;
use std::fmt::{Debug, Formatter};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a guest is to be told of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `DeviceInfo::own` is another one: `Domain::change_device`.
    Own([u64; 8]),
    /// The disk was taken away: `Domain::remove_device`.
    Removed,
}

/// Tells a guest of a change. It returns when the guest can see it.
pub type Tell = Box<dyn Fn(Change) + Send + Sync>;

/// Asks how large the disk is now.
pub(crate) type Measure = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// What the worker of a disk and its embedder share.
pub(crate) struct Shared {
    /// All but its size stands still.
    shape: Shape,
    bytes: AtomicU64,
    failed: AtomicBool,
    removed: AtomicBool,
    latch: Arc<dyn Latch>,
    measure: Measure,
    tell: Mutex<Option<Tell>>,
    pub(crate) metrics: Metrics,
}

impl Shared {
    pub(crate) fn new(shape: Shape, latch: Arc<dyn Latch>, measure: Measure) -> Self {
        let failed = latch.is_set().unwrap_or_else(|error| {
            tracing::error!(%error, "nobody can tell whether a write-back of the disk has failed before");
            true
        });
        let failed = failed && !tenon_rings::planted!("disk-latch-not-read");
        Self {
            shape,
            bytes: AtomicU64::new(shape.bytes),
            failed: AtomicBool::new(failed),
            removed: AtomicBool::new(false),
            latch,
            measure,
            tell: Mutex::new(None),
            metrics: Metrics::default(),
        }
    }

    /// Its shape with the size that it has now.
    pub(crate) fn shape(&self) -> Shape {
        Shape { bytes: self.bytes.load(Ordering::Acquire), ..self.shape }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    pub(crate) fn own(&self) -> [u64; 8] {
        self.shape().own(self.has_failed())
    }

    /// A write-back has failed. Nobody is told a status before this returns (BLK-7).
    pub(crate) fn fail(&self) {
        if tenon_rings::planted!("disk-failure-forgotten") {
            return;
        }
        if self.failed.swap(true, Ordering::AcqRel) {
            return;
        }
        if !tenon_rings::planted!("disk-latch-not-kept")
            && let Err(error) = self.latch.set()
        {
            tracing::error!(%error, "a write-back of the disk has failed, and that cannot be kept");
        }
        tracing::error!("a write-back of the disk has failed: FLUSH fails until that is cleared");
        if !tenon_rings::planted!("disk-failure-not-told") {
            self.tell(Change::Own(self.own()));
        }
    }

    fn teller(&self) -> MutexGuard<'_, Option<Tell>> {
        self.tell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: Change) {
        if let Some(tell) = self.teller().as_ref() {
            tell(change);
        }
    }
}

/// What an embedder does with a disk while it runs. Copies are cheap.
#[derive(Clone)]
pub struct Control(pub(crate) Arc<Shared>);

impl Control {
    /// From now on changes are told in this way. What has changed until now is told at once.
    pub fn tell_by(&self, tell: impl Fn(Change) + Send + Sync + 'static) {
        let mut teller = self.0.teller();
        tell(Change::Own(self.0.own()));
        if self.0.is_removed() {
            tell(Change::Removed);
        }
        *teller = Some(Box::new(tell));
    }

    /// Looks how large the disk is now, and tells the guest (BLK-2). The result is its size in bytes.
    ///
    /// # Errors
    ///
    /// The size cannot be read, or is not a multiple of the disk's block; then nothing changes.
    pub fn resize(&self) -> Result<u64, Error> {
        let shared = &self.0;
        let bytes = (shared.measure)().map_err(Error::system("cannot read the disk's size"))?;
        let shape = Shape { bytes, ..shared.shape };
        shape.check()?;
        if shared.bytes.swap(bytes, Ordering::AcqRel) != bytes
            && !tenon_rings::planted!("disk-resize-not-told")
        {
            shared.tell(Change::Own(shared.own()));
        }
        Ok(bytes)
    }

    /// Takes the disk away (DEV-13): requests that come from now on answer REMOVED.
    pub fn remove(&self) {
        self.0.removed.store(true, Ordering::Release);
        self.0.tell(Change::Removed);
    }

    /// The core has taken it away already.
    pub(crate) fn set_removed(&self) {
        self.0.removed.store(true, Ordering::Release);
    }

    /// Whether a write-back has failed, and nobody cleared that (BLK-7).
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.has_failed()
    }

    /// The embedder has seen to the medium: FLUSH works again.
    ///
    /// # Errors
    ///
    /// What keeps the latch cannot be cleared; the disk still fails.
    pub fn clear_failed(&self) -> Result<(), Error> {
        self.0.latch.clear().map_err(Error::system("cannot clear FAILED"))?;
        self.0.failed.store(false, Ordering::Release);
        self.0.tell(Change::Own(self.0.own()));
        Ok(())
    }

    /// Its shape as it is now.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.0.shape()
    }

    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.metrics.counts()
    }
}

impl Debug for Control {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("shape", &self.shape()).finish_non_exhaustive()
    }
}
