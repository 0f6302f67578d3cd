// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests of one process, joined by a switch: it learns behind which port an address is, and keeps to each
//! port's policy (NET-10, NET-12). No guest is given a byte that was not sent to it.
//!
//! ```
//! use tenon_devices::net::{PortConfig, Switch};
//! # use tenon_rings::Mapping;
//!
//! let switch = Switch::<Mapping>::new()?;
//! // A guest that can reach no other isolated one, and sends from its own address alone.
//! let config = PortConfig { isolated: true, own_address_only: true, ..PortConfig::new([2, 0, 0, 0, 0, 1]) };
//! let port = switch.port(config);
//! // For an attachment: what the guest is told, and what serves it.
//! let device = port.device();
//! assert_eq!(device.max_queues, 2);
//! # Ok::<(), tenon_devices::Error>(())
//! ```

use super::config::{PortConfig, PortCounts};
use super::fabric::{Command, Fabric, Port, Requests};
use super::link::Link;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;
use tenon_host::device::{Backend, Device, Opened, QueueName};
use tenon_rings::Words;

/// A thread that carries frames; it ends with the last of those who know it.
pub(super) struct Thread<W>(Arc<Requests<W>>);

impl<W: Words + Send + 'static> Thread<W> {
    pub(super) fn start(reflects: bool) -> Result<Arc<Self>, crate::Error> {
        let requests = Arc::new(Requests::new()?);
        let fabric = Fabric::new(Arc::clone(&requests), reflects)?;
        let thread = Builder::new().name("tenon-net".to_owned()).spawn(move || fabric.run());
        thread.map_err(crate::Error::system("cannot start a thread"))?;
        Ok(Arc::new(Self(requests)))
    }
}

impl<W> Thread<W> {
    fn ask(&self, command: Command<W>) {
        self.0.ask(command);
    }
}

impl<W> Drop for Thread<W> {
    fn drop(&mut self) {
        self.0.ask(Command::Stop);
    }
}

/// A switch. Its ports hold it, so that it may be dropped before them.
pub struct Switch<W> {
    thread: Arc<Thread<W>>,
    ports: AtomicUsize,
}

impl<W: Words + Send + 'static> Switch<W> {
    /// A switch without ports.
    ///
    /// # Errors
    ///
    /// [`crate::Error`] when the system has no thread or no eventfd for it.
    pub fn new() -> Result<Self, crate::Error> {
        Ok(Self { thread: Thread::start(false)?, ports: AtomicUsize::new(0) })
    }

    /// A further port, for one device of one domain.
    #[must_use]
    pub fn port(&self, config: PortConfig) -> SwitchPort<W> {
        SwitchPort::new(Arc::clone(&self.thread), self.ports.fetch_add(1, Ordering::Relaxed), config)
    }
}

impl<W> fmt::Debug for Switch<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch").field("ports", &self.ports).finish_non_exhaustive()
    }
}

/// The back end of one interface at a switch.
pub struct SwitchPort<W> {
    thread: Arc<Thread<W>>,
    port: usize,
    config: PortConfig,
    link: Link,
    counts: Arc<PortCounts>,
}

impl<W> SwitchPort<W> {
    pub(super) fn new(thread: Arc<Thread<W>>, port: usize, config: PortConfig) -> Self {
        let counts = Arc::new(PortCounts::default());
        let link = Link::new(config.info());
        let new = Port::new(config.clone(), link.clone(), Arc::clone(&counts));
        thread.ask(Command::Port { port, new: Box::new(new) });
        Self { thread, port, config, link, counts }
    }

    /// What a guest is told of it.
    #[must_use]
    pub fn device(&self) -> Device {
        Device { own: self.link.own(), ..self.config.device() }
    }

    /// Its link, which goes up and down while the guest runs; for whoever has given the port away as well.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// What it has carried and dropped: goes on when the port is given away.
    #[must_use]
    pub fn counts(&self) -> Arc<PortCounts> {
        Arc::clone(&self.counts)
    }
}

impl<W: Words + Send + 'static> Backend<W> for SwitchPort<W> {
    fn opened(&mut self, opened: Opened<W>) {
        self.thread.ask(Command::Opened { port: self.port, opened: Box::new(opened) });
    }

    fn close(&mut self, queue: QueueName) {
        self.thread.ask(Command::Close { port: self.port, queue });
    }

    fn removed(&mut self) {
        self.thread.ask(Command::Removed { port: self.port });
    }

    fn filter(&mut self, mode: u64, addresses: &[[u8; 6]]) {
        self.thread.ask(Command::Filter { port: self.port, mode, addresses: addresses.to_vec() });
    }
}

impl<W> Drop for SwitchPort<W> {
    fn drop(&mut self) {
        self.thread.ask(Command::Gone { port: self.port });
    }
}

impl<W> fmt::Debug for SwitchPort<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchPort").field("port", &self.port).finish_non_exhaustive()
    }
}
