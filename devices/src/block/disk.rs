// SPDX-License-Identifier: MIT OR Apache-2.0
//! A disk as an embedder makes it.

use super::calls::Calls;
use super::control::{Control, Measure, Shared};
use super::engine::{Direct, Engine, Threads};
use super::file::{ByItself, OnFile};
use super::latch::{KeptHere, Latch};
use super::medium::Medium;
use super::memory::Memory;
use super::open::{Access, Opened as OpenedFile, open_raw, size, whole_blocks};
use super::shape::Shape;
use super::storage::Storage;
use super::uring::Uring;
use super::worker::{Message, Worker};
use crate::Error;
use crate::inbox::Inbox;
use std::fmt::{Debug, Formatter};
use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;
use tenon_host::device::{Backend, Device, Opened, QueueName};
use tenon_rings::{Waiter, Words};

/// Threads that do a file's calls where the kernel has no io_uring to give, and those of a qcow2 image.
const THREADS: usize = 4;

/// How the calls of a file are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// By io_uring; by threads where the kernel refuses it.
    #[default]
    Auto,
    /// By io_uring, or not at all.
    Uring,
    /// By threads.
    Threads,
}

/// A disk before it runs: what it lies on, and how a guest sees it.
pub struct Disk {
    engine: Box<dyn Engine>,
    shape: Shape,
    measure: Measure,
    latch: Arc<dyn Latch>,
    identity: [u64; 2],
    queues: u32,
    depth: u32,
    waiter: Waiter,
}

impl Disk {
    fn new(engine: Box<dyn Engine>, shape: Shape, measure: Measure) -> Result<Self, Error> {
        shape.check()?;
        Ok(Self {
            engine,
            shape,
            measure,
            latch: Arc::new(KeptHere::default()),
            identity: [0; 2],
            queues: 4,
            depth: 256,
            // Some tens of microseconds at most, which is what it takes to wake up.
            waiter: Waiter::new(16, 4096),
        })
    }

    /// A disk that is memory of this process.
    ///
    /// # Errors
    ///
    /// Its length is not a multiple of 512.
    pub fn in_memory(memory: impl Into<Arc<Memory>>) -> Result<Self, Error> {
        Self::over(memory.into(), 0)
    }

    /// A disk over an embedder's own medium. Its requests are done by so many threads; with 0 by the worker
    /// itself, one after the other, which is best for a medium that never waits.
    ///
    /// # Errors
    ///
    /// Its shape makes no sense, or threads cannot be started.
    pub fn over(medium: Arc<dyn Medium>, threads: usize) -> Result<Self, Error> {
        let shape = medium.shape();
        let measured = Arc::clone(&medium);
        let engine: Box<dyn Engine> = match threads {
            0 => Box::new(Direct(medium)),
            threads => Box::new(Threads::new(medium, threads)?),
        };
        Self::new(engine, shape, Box::new(move || Ok(measured.shape().bytes)))
    }

    /// A disk over something that does the calls of a file.
    ///
    /// # Errors
    ///
    /// Its shape makes no sense.
    pub fn over_storage(
        storage: impl Storage + 'static,
        shape: Shape,
        by_itself: ByItself,
    ) -> Result<Self, Error> {
        let bytes = shape.bytes;
        Self::new(Box::new(OnFile::new(storage, by_itself)), shape, Box::new(move || Ok(bytes)))
    }

    /// A disk in a raw file, or one that is a block device.
    ///
    /// # Errors
    ///
    /// It cannot be opened or locked, or is no disk.
    pub fn raw(path: &Path, access: Access, method: Method) -> Result<Self, Error> {
        let OpenedFile { file, shape, by_itself } = open_raw(path, access)?;
        let file = Arc::new(file);
        let measured = Arc::clone(&file);
        let measure = Box::new(move || Ok(whole_blocks(size(&measured)?, shape.block)));
        let ring = match method {
            Method::Threads => None,
            Method::Uring => Some(Uring::new(Arc::clone(&file)).map_err(Error::system("io_uring"))?),
            Method::Auto => match Uring::new(Arc::clone(&file)) {
                Ok(ring) => Some(ring),
                Err(error) => {
                    tracing::info!(%error, "no io_uring here: threads do the disk's I/O");
                    None
                }
            },
        };
        let engine: Box<dyn Engine> = match ring {
            Some(ring) => Box::new(OnFile::new(ring, by_itself)),
            None => Box::new(OnFile::new(Calls::new(file, THREADS)?, by_itself)),
        };
        Self::new(engine, shape, measure)
    }

    /// A disk in a qcow2 image, with the images and files that it stands on.
    ///
    /// # Errors
    ///
    /// One of them cannot be opened or locked, or the image is broken.
    #[cfg(feature = "qcow2")]
    pub fn qcow2(path: &Path, access: Access) -> Result<Self, Error> {
        Self::over(Arc::new(super::qcow2::Qcow2::open(path, access)?), THREADS)
    }

    /// What keeps FAILED (BLK-7). Without this the disk itself does, and it ends with it.
    #[must_use]
    pub fn with_latch(self, latch: Arc<dyn Latch>) -> Self {
        Self { latch, ..self }
    }

    /// What names it for the guest.
    #[must_use]
    pub fn with_identity(self, identity: [u64; 2]) -> Self {
        Self { identity, ..self }
    }

    /// So many queues, of at most this depth.
    #[must_use]
    pub fn with_queues(self, queues: u32, depth: u32) -> Self {
        Self { queues: queues.max(1), depth: depth.clamp(1, 4096), ..self }
    }

    /// How long its worker looks before it sleeps.
    #[must_use]
    pub fn with_waiter(self, waiter: Waiter) -> Self {
        Self { waiter, ..self }
    }

    /// Starts its worker. The result is what a domain is told of it, what an attachment gives queues to, and
    /// what controls it.
    ///
    /// # Errors
    ///
    /// A thread or a descriptor cannot be had.
    pub fn start<W: Words + Send + 'static>(self) -> Result<(Device, Queues<W>, Control), Error> {
        let shared = Arc::new(Shared::new(self.shape, self.latch, self.measure));
        let info = self.shape.info(shared.has_failed());
        let device = Device::block(self.identity, self.queues, self.depth, &info);
        let inbox = Arc::new(Inbox::new()?);
        let worker = Worker::new(Arc::clone(&shared), Arc::clone(&inbox), self.engine)?;
        let waiter = self.waiter;
        let thread = Builder::new().name("tenon-disk".to_owned()).spawn(move || worker.run(waiter));
        thread.map_err(Error::system("cannot start a thread"))?;
        Ok((device, Queues { inbox, control: Control(Arc::clone(&shared)) }, Control(shared)))
    }
}

impl Debug for Disk {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// What an attachment gives the queues of a disk to. When it is dropped, the disk ends what is under way and
/// gives all ends home; nobody waits for that, because a medium may hang.
pub struct Queues<W> {
    inbox: Arc<Inbox<Message<W>>>,
    control: Control,
}

impl<W: Words + Send + 'static> Backend<W> for Queues<W> {
    fn opened(&mut self, queue: Opened<W>) {
        self.inbox.post(Message::Opened(Box::new(queue)));
    }

    fn close(&mut self, queue: QueueName) {
        self.inbox.post(Message::Close(queue));
    }

    fn removed(&mut self) {
        self.control.set_removed();
    }
}

impl<W> Drop for Queues<W> {
    fn drop(&mut self) {
        self.inbox.post(Message::Over);
    }
}

impl<W> Debug for Queues<W> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queues").field("control", &self.control).finish_non_exhaustive()
    }
}
