// SPDX-License-Identifier: MIT OR Apache-2.0
//! One queue of a device, whatever it carries: where its parts lie, and whether the host may touch them.

use super::life::{Life, port_or_none};
use super::opened::Device;
use crate::calls::Calls;
use crate::conduit::Conduit;
use crate::error::Error;
use crate::memory::Pages;
use crate::platform::Platform;
use tenon_abi::device::Named;
use tenon_abi::status::StateWord;
use tenon_abi::{Granule, Op, QueueState, Status, Submission};
use tenon_rings::{Mapping, Site, Words, planted};

/// The memory of a queue: the guest's part, the host's part behind it, and the data behind that, each of
/// whole granules.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Until they are given back.
    pages: Option<Pages>,
    mapping: Mapping,
    address: u64,
    granule: Granule,
    guest: u64,
    host: u64,
    data: u64,
}

impl Parts {
    /// Takes parts of these lengths off the front of `pages`; without `data` there is none.
    pub(crate) fn split(
        pages: &mut Pages,
        granule: Granule,
        [guest, host, data]: [u64; 3],
    ) -> Result<Self, Error> {
        let whole = |len| granule.round_up(len).ok_or(Error::BadMemory);
        let (guest, host, data) = (whole(guest)?, whole(host)?, whole(data)?);
        let all = guest.checked_add(host).and_then(|sum| sum.checked_add(data)).ok_or(Error::BadMemory)?;
        let pages = pages.split_exactly(all, granule)?;
        let (mapping, address) = (pages.mapping(), pages.address());
        Ok(Self { pages: Some(pages), mapping, address, granule, guest, host, data })
    }

    /// The words from `first` on, in bytes.
    fn words(&self, first: u64, len: u64) -> Result<Mapping, Error> {
        let words = |bytes: u64| usize::try_from(bytes / 8).map_err(|_| Error::BadMemory);
        self.mapping.slice(words(first)?, words(len)?).ok_or(Error::BadMemory)
    }

    pub(crate) fn guest(&self) -> Result<Mapping, Error> {
        self.words(0, self.guest)
    }

    pub(crate) fn host(&self) -> Result<Mapping, Error> {
        self.words(self.guest, self.host)
    }

    pub(crate) fn data(&self) -> Result<Mapping, Error> {
        self.words(self.guest.wrapping_add(self.host), self.data)
    }

    /// The wire addresses of the three.
    fn addresses(&self) -> [u64; 3] {
        let guest = self.address;
        let host = guest.wrapping_add(self.guest);
        [guest, host, if self.data == 0 { 0 } else { host.wrapping_add(self.host) }]
    }
}

/// Whether the host may touch a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It is being closed, or nobody knows whether it was opened.
    Unsure,
    Closed,
}

/// A queue of a device.
pub(crate) struct Queue<'p, P> {
    pub(crate) platform: &'p P,
    pub(crate) parts: Parts,
    name: Named,
    size: u32,
    port: Option<u32>,
    /// Whether the guest produces what lies in the data.
    fills: bool,
    /// Where the state word lies in the host's part, in bytes.
    state_at: u64,
    doorbell: u32,
    life: Life,
    seed: u32,
    state: State,
}

/// What a queue is opened with.
pub(crate) struct Wanted {
    pub(crate) index: u32,
    pub(crate) size: u32,
    pub(crate) port: Option<u32>,
    pub(crate) fills: bool,
    pub(crate) state_at: u64,
}

impl<'p, P: Platform> Queue<'p, P> {
    /// Opens a queue over parts off the front of `pages`; a host that refuses leaves them there.
    pub(crate) fn open(
        device: &Device<'p, P>,
        calls: &dyn Calls,
        wanted: Wanted,
        lens: [u64; 3],
        pages: &mut Pages,
    ) -> Result<Self, Error> {
        let parts = Parts::split(pages, device.granule(), lens)?;
        let Wanted { index, size, port, fills, state_at } = wanted;
        let mut this = Self {
            platform: device.platform(),
            parts,
            name: Named { device: device.number(), index },
            size,
            port,
            fills,
            state_at,
            doorbell: 0,
            life: device.life(),
            seed: device.seed(),
            state: State::Closed,
        };
        match this.ask(device, calls) {
            Ok(()) => Ok(this),
            Err(error) => {
                // Whoever is silent may still open it.
                if let Some(front) = this.take_pages() {
                    pages.put_back(&front);
                }
                Err(error)
            }
        }
    }

    /// Opens it once more in the same memory, on a device of this session; it is settled.
    pub(crate) fn reopen(&mut self, device: &Device<'p, P>, calls: &dyn Calls) -> Result<(), Error> {
        if !self.is_settled() {
            return Err(Error::Refused(Status::BAD_STATE));
        }
        let granule = device.granule();
        if granule.size() > self.parts.granule.size() {
            // What it has to itself is no whole granules any more.
            return Err(Error::BadMemory);
        }
        self.name.device = device.number();
        (self.life, self.seed, self.state) = (device.life(), device.seed(), State::Closed);
        self.ask(device, calls)
    }

    fn ask(&mut self, device: &Device<'p, P>, calls: &dyn Calls) -> Result<(), Error> {
        if !planted!("queue-part-left-as-found") {
            clear(self.parts.guest()?);
        }
        if self.fills {
            clear(self.parts.data()?);
        }
        // The host does so too (DEV-8). Here it is for a state word of an earlier queue, which would pass for
        // that of this one if the host does not open it.
        clear(self.parts.host()?);
        let [guest, host, data] = self.parts.addresses();
        let args = [self.name.to_word(), u64::from(self.size), port_or_none(self.port), guest, host, data];
        let told = match calls.call_with(Submission::new(Op::QUEUE_OPEN, args)) {
            Ok(told) => told,
            Err(error @ Error::Refused(_)) => return Err(error),
            Err(error) => {
                self.state = State::Unsure;
                return Err(error);
            }
        };
        self.state = State::Open;
        // The host's number: that of no queue of a vCPU (DEV-8).
        let doorbell = u32::try_from(told).ok().filter(|number| *number >= device.first_doorbell());
        match doorbell {
            Some(number) => self.doorbell = number,
            None if planted!("doorbell-believed") => {}
            None => {
                let _ = self.close(calls);
                return Err(Error::NoMatch);
            }
        }
        Ok(())
    }
}

impl<P> Queue<'_, P> {
    pub(crate) const fn seed(&self) -> u32 {
        self.seed
    }

    pub(crate) const fn doorbell(&self) -> u32 {
        self.doorbell
    }

    /// Whether the session in which it was opened has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.life.is_over()
    }

    /// Whether requests may be given to the host.
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether the host touches neither its parts nor the buffers of its requests any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.state == State::Closed || self.is_over()
    }

    /// The pages of its parts, once it is settled.
    pub(crate) fn take_pages(&mut self) -> Option<Pages> {
        if self.is_settled() || planted!("parts-given-back-early") { self.parts.pages.take() } else { None }
    }

    /// The host's state word ([DEV-9], [STR-13]).
    ///
    /// [DEV-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    /// [STR-13]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#data-rings
    pub(crate) fn state(&self) -> StateWord {
        let at = usize::try_from(self.state_at / 8).unwrap_or(usize::MAX);
        StateWord::from_word(self.parts.host().map_or(0, |host| host.load(at, Site::Status)))
    }

    /// Closes it ([DEV-11]); [`Error::Pending`] while the host has not, and then this is called again.
    ///
    /// [DEV-11]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#devices
    pub(crate) fn close(&mut self, calls: &dyn Calls) -> Result<(), Error> {
        if self.is_settled() {
            return Ok(());
        }
        let args = [self.name.to_word(), 0, 0, 0, 0, 0];
        let told = calls.call_with(Submission::new(Op::QUEUE_CLOSE, args));
        // It is being closed from here on, whatever was heard of it.
        self.state = State::Unsure;
        match told {
            _ if self.is_over() => Ok(()),
            // NOT_FOUND: an earlier call that was not waited for has done it, or DEVICE_CLOSE has.
            Ok(_) | Err(Error::Refused(Status::NOT_FOUND)) => {
                // A host that still serves it has answered too early.
                if self.state().state == QueueState::RUNNING && !planted!("early-close-believed") {
                    return Err(Error::NoMatch);
                }
                self.state = State::Closed;
                Ok(())
            }
            Err(Error::Refused(Status::BAD_STATE)) => Err(Error::Pending),
            Err(error) => Err(error),
        }
    }
}

fn clear(words: Mapping) {
    (0..words.len()).for_each(|index| words.store(index, 0, Site::Status));
}

/// Kicks one queue: the bell of a data ring.
pub(crate) struct Kick<'p, P> {
    pub(crate) platform: &'p P,
    pub(crate) doorbell: u32,
}

impl<P: Platform> tenon_rings::stream::Bell for Kick<'_, P> {
    #[inline]
    fn ring(&mut self) {
        self.platform.conduit().kick(self.doorbell);
    }
}
