// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread of an interface: it owns the interface's rings and its port, and carries frames between them.

use super::control::{Shared, count};
use super::port::{Gone, Port};
use super::queue::{Queue, Taken};
use crate::Error;
use crate::event::Sleeper;
use crate::inbox::Inbox;
use std::sync::Arc;
use tenon_host::device::{Opened, QueueName};
use tenon_rings::{Waiter, Words};

/// Frames of one direction before the other has its turn.
const BUDGET: u32 = 256;
/// Sleeps before the worker's loop comes round; any number does.
const SLEEPS: u32 = 1024;

/// What the worker is told.
pub(crate) enum Message<W> {
    Opened(Box<Opened<W>>),
    Close(QueueName),
    /// The interface's owner has dropped it.
    Over,
}

/// A frame on its way, where it had no room.
struct Held {
    frame: Vec<u8>,
    len: Option<usize>,
}

impl Held {
    fn new(longest: usize) -> Self {
        Self { frame: vec![0; longest], len: None }
    }
}

pub(crate) struct Worker<W, P> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox<Message<W>>>,
    port: P,
    /// Why nothing is carried any more.
    is_gone: bool,
    to_host: Option<Queue<W>>,
    to_guest: Option<Queue<W>>,
    outgoing: Held,
    incoming: Held,
    sleeper: Arc<Sleeper>,
    is_over: bool,
}

impl<W: Words, P: Port> Worker<W, P> {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Arc<Inbox<Message<W>>>, port: P) -> Result<Self, Error> {
        let sleeper = Arc::new(Sleeper::new()?);
        sleeper.add(inbox.fd())?;
        sleeper.add_both(port.fd())?;
        let longest = shared.link.info().mtu.get().saturating_add(tenon_abi::net::FRAME_EXTRA) as usize;
        Ok(Self {
            shared,
            inbox,
            port,
            is_gone: false,
            to_host: None,
            to_guest: None,
            outgoing: Held::new(longest),
            incoming: Held::new(longest),
            sleeper,
            is_over: false,
        })
    }

    /// Carries frames until the interface is dropped and its rings are home.
    pub(crate) fn run(mut self, mut waiter: Waiter) {
        let sleeper = Arc::clone(&self.sleeper);
        while !self.is_over || self.to_host.is_some() || self.to_guest.is_some() {
            waiter.wait(&mut self, SLEEPS, Self::round, Self::rest, || sleeper.sleep());
        }
    }

    /// One look at everything; `None` if there was nothing.
    fn round(&mut self) -> Option<()> {
        let mut worked = false;
        for message in self.inbox.take() {
            worked = true;
            self.hear(message);
        }
        let sent = self.send();
        let received = self.receive();
        let flushed = if self.is_gone { Ok(()) } else { self.port.flush() };
        for result in [sent, received, flushed.map(|()| false)] {
            match result {
                Ok(some) => worked |= some,
                Err(gone) => self.lose(&gone),
            }
        }
        [&mut self.to_host, &mut self.to_guest].into_iter().flatten().for_each(Queue::tell);
        worked.then_some(())
    }

    fn lose(&mut self, Gone(why): &Gone) {
        if !std::mem::replace(&mut self.is_gone, true) {
            tracing::error!(%why, "the port of a network interface is gone: its link is down");
            self.sleeper.remove(self.port.fd());
            self.shared.link.set(false);
        }
    }

    fn hear(&mut self, message: Message<W>) {
        match message {
            Message::Opened(opened) => {
                let queue = Queue::new(*opened);
                if let Err(error) = self.sleeper.add(queue.kick()) {
                    tracing::error!(%error, "a ring of a network interface cannot be served");
                    queue.go_home();
                    return;
                }
                let place = if queue.is_to_host() { &mut self.to_host } else { &mut self.to_guest };
                if let Some(before) = place.replace(queue) {
                    self.sleeper.remove(before.kick());
                    before.go_home();
                }
            }
            Message::Close(name) => self.close(|queue| queue.end.queue == name),
            Message::Over => {
                self.is_over = true;
                self.close(|_| true);
            }
        }
    }

    fn close(&mut self, which: impl Fn(&Queue<W>) -> bool) {
        for place in [&mut self.to_host, &mut self.to_guest] {
            if let Some(queue) = place.take_if(|queue| which(queue)) {
                self.sleeper.remove(queue.kick());
                queue.go_home();
            }
        }
    }

    /// From the guest's ring to the port.
    fn send(&mut self) -> Result<bool, Gone> {
        let Self { to_host: Some(queue), outgoing, port, shared, .. } = self else { return Ok(false) };
        let metrics = &shared.metrics;
        for done in 0..BUDGET {
            let len = match outgoing.len.take() {
                Some(len) => len,
                None => match queue.take(&mut outgoing.frame) {
                    Taken::Frame(len) => len,
                    Taken::Bad => {
                        count(&metrics.bad);
                        continue;
                    }
                    Taken::Nothing => return Ok(done > 0),
                },
            };
            if self.is_gone || !shared.link.is_up() {
                count(&metrics.sent_dropped);
                continue;
            }
            if !port.send(outgoing.frame.get(..len).unwrap_or_default())? {
                outgoing.len = Some(len);
                return Ok(done > 0);
            }
            count(&metrics.sent);
        }
        Ok(true)
    }

    /// From the port to the guest's ring.
    fn receive(&mut self) -> Result<bool, Gone> {
        let Self { to_guest, incoming, port, shared, .. } = self;
        // A port whose other side waits is not read while nobody is there.
        if self.is_gone || (to_guest.is_none() && port.waits()) {
            return Ok(false);
        }
        let metrics = &shared.metrics;
        for done in 0..BUDGET {
            let len = match incoming.len.take() {
                Some(len) => len,
                None => match port.receive(&mut incoming.frame)? {
                    Some(len) => len,
                    None => return Ok(done > 0),
                },
            };
            let Some(queue) = to_guest.as_mut().filter(|_| shared.link.is_up()) else {
                count(&metrics.received_dropped);
                continue;
            };
            if queue.put(incoming.frame.get(..len).unwrap_or_default()) {
                count(&metrics.received);
            } else if port.waits() {
                incoming.len = Some(len);
                return Ok(done > 0);
            } else {
                count(&metrics.received_dropped);
            }
        }
        Ok(true)
    }

    /// Asks for what would end a sleep, and looks once more; `true`: nothing is there.
    fn rest(&mut self) -> bool {
        let mut nothing = true;
        // A frame that the port has no room for waits for the port.
        if self.outgoing.len.is_none()
            && let Some(queue) = &mut self.to_host
        {
            nothing &= queue.rest(0);
        }
        if let Some(len) = self.incoming.len
            && let Some(queue) = &mut self.to_guest
        {
            nothing &= queue.rest(len);
        }
        nothing
    }
}
