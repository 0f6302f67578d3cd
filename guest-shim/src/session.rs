// SPDX-License-Identifier: MIT OR Apache-2.0
//! Negotiate, bind, reset, open again ([NEG-1] to [NEG-6], [SES-1] to [SES-9]).
//!
//! [NEG-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#negotiation
//! [NEG-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#negotiation
//! [SES-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
//! [SES-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset

use crate::conduit::Conduit;
use crate::discovery::Found;
use crate::error::Error;
use crate::memory::Pages;
use crate::platform::Platform;
use crate::vcpu::{Area, Vcpu, needed};
use core::cell::Cell;
use core::fmt;
use core::mem::offset_of;
use tenon_abi::control::{MAGIC, SessionState};
use tenon_abi::discovery::Session as WireSession;
use tenon_abi::vcpu::Sizes;
use tenon_abi::{ControlOp, ControlRequest, Features, Granule, Record, Status, Tail, VERSION};
use tenon_rings::{Mapping, Site, Words, planted};
use zerocopy::{FromZeros, IntoBytes};

/// What a kernel would like to negotiate.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Features that it can use; what the host does not offer is left out.
    pub features: Features,
    /// Features without which it does not work.
    pub required: Features,
    /// Granules that it can use, best first.
    pub granules: &'static [Granule],
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            features: Features::all(),
            required: Features::empty(),
            granules: &[Granule::K4, Granule::K16, Granule::K64],
        }
    }
}

/// Bytes that [`Session::open`] takes for control requests.
pub const SCRATCH_LEN: u64 = 4096;

/// An open session.
pub struct Session<'p, P> {
    platform: &'p P,
    found: Found,
    /// For control requests.
    scratch: Pages,
    number: u32,
    seed: u32,
    granule: Granule,
    features: Features,
    ticket: Cell<u32>,
}

impl<'p, P: Platform> Session<'p, P> {
    /// Opens a session, after ending whatever session an earlier kernel left ([SES-8]). It takes
    /// [`SCRATCH_LEN`] bytes off the front of `pages`, from the next boundary of the session's granule on; a
    /// host that refuses leaves them there.
    ///
    /// # Errors
    ///
    /// [`Error::NoMatch`] if the host lacks what is required; [`Error::Refused`] with the host's status;
    /// [`Error::Pending`] if it does not answer; [`Error::BadMemory`] if the pages are too few.
    ///
    /// [SES-8]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    #[inline(never)]
    pub fn open(platform: &'p P, found: Found, pages: &mut Pages, wish: Wish) -> Result<Self, Error> {
        let (choice, now) = (Choice::of(&found, &wish)?, Now::of(&found)?);
        let coarser = if choice.granule.size() < now.granule.size() { now.granule } else { choice.granule };
        let scratch = pages.split_exactly(SCRATCH_LEN, coarser)?;
        let mut this = Self {
            platform,
            found,
            scratch,
            number: 0,
            seed: 0,
            granule: now.granule,
            features: Features::empty(),
            ticket: Cell::new(0),
        };
        let result = this.establish(choice, now);
        // Who refused is done with the request (SES-3); who is silent may still look at it.
        if let Err(Error::Refused(_)) = result {
            pages.put_back(&this.scratch);
        }
        result.map(|()| this)
    }

    /// Opens the next session, after this one has ended ([SES-9]): see [`Vcpu::is_over`],
    /// and [`Vcpu::release`] for the pages of the vCPUs that were bound. A session that is still open is
    /// ended first. May be tried again and again, while a host is away.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]. What is asked of the session before this has succeeded is refused by the host.
    ///
    /// [SES-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    pub fn reopen(&mut self, wish: Wish) -> Result<(), Error> {
        self.establish(Choice::of(&self.found, &wish)?, Now::of(&self.found)?)
    }

    fn establish(&mut self, choice: Choice, now: Now) -> Result<(), Error> {
        let result = Tail::from_word(self.found.load(offset_of!(Record, control_result), Site::ControlTake));
        self.ticket.set(if planted!("stale-answer-taken") { 0 } else { result.turn });
        (self.granule, self.features) = (now.granule, Features::empty());
        self.look();
        if now.is_open {
            self.control(ControlOp::RESET, |_| {})?;
            self.look();
        }
        self.granule = now.smallest;
        let minor = VERSION.minor.min(self.found.record().minor.get());
        self.control(ControlOp::NEGOTIATE, |request| {
            request.major.set(VERSION.major);
            request.minor.set(minor);
            request.granule.set(u32::from(choice.granule.shift()));
            request.features.set(choice.features.bits());
        })?;
        (self.granule, self.features) = (choice.granule, choice.features);
        Ok(())
    }

    /// The session that control requests name from now on.
    fn look(&mut self) {
        let session = self.found.session();
        (self.number, self.seed) = (session.number, session.seed);
    }

    /// Bytes that [`Self::bind`] takes for a vCPU with a queue of depth `D`.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if there are no such sizes.
    pub fn needed<const D: usize>(&self, events: [u32; 2]) -> Result<u64, Error> {
        let depth = u32::try_from(D).map_err(|_| Error::BadMemory)?;
        self.needed_for(Sizes { depth, events })
    }

    fn needed_for(&self, sizes: Sizes) -> Result<u64, Error> {
        let window = self.features.contains(Features::WINDOW);
        needed(sizes, self.granule, window).ok_or(Error::BadMemory)
    }

    /// Binds a vCPU. It takes what [`Self::needed`] says off the front of `pages`, from the next boundary of
    /// the granule on; a host that refuses leaves them there.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if there are no such sizes or the pages are too few; [`Error::Refused`];
    /// [`Error::Pending`].
    pub fn bind<const D: usize>(
        &self,
        vcpu: u32,
        pages: &mut Pages,
        events: [u32; 2],
    ) -> Result<Vcpu<'p, P, D>, Error> {
        let depth = u32::try_from(D).map_err(|_| Error::BadMemory)?;
        let sizes = Sizes { depth, events };
        let area = pages.split(self.needed_for(sizes)?, self.granule)?;
        let bound = self.bind_to(vcpu, sizes, &area);
        // Only who refused will never use them.
        if let Err(Error::Refused(_)) = bound {
            pages.put_back(&area);
        }
        let (guest, host) = bound?;
        let max_ports = self.found.record().max_ports.get();
        let word = self.found.window().slice(offset_of!(Record, session) / 8, 1).ok_or(Error::NotPresent)?;
        let session = WireSession { number: self.number, seed: self.seed };
        Vcpu::new(self.platform, vcpu, sizes, Area { pages: area, guest, host }, max_ports, (word, session))
    }

    /// The words of the two areas.
    fn bind_to(&self, vcpu: u32, sizes: Sizes, area: &Pages) -> Result<(Mapping, Mapping), Error> {
        let bytes = |len: u64| usize::try_from(len / 8).map_err(|_| Error::BadMemory);
        let guest = area.mapping();
        // Also what it donates, which the host clears once more (SES-2).
        if !planted!("area-left-as-found") {
            (0..guest.len()).for_each(|index| guest.store(index, 0, Site::Status));
        }
        let own = self.granule.round_up(sizes.guest_len()).ok_or(Error::BadMemory)?;
        let donates = !self.features.contains(Features::WINDOW);
        let offset = self.control(ControlOp::BIND, |request| {
            request.vcpu.set(vcpu);
            request.depth.set(sizes.depth);
            let [first, second] = sizes.events;
            request.events0.set(first);
            request.events1.set(second);
            request.guest_area.set(area.address());
            request.host_area.set(if donates { area.address().wrapping_add(own) } else { 0 });
        })?;
        // The host's number, checked against the window that the kernel mapped.
        let (place, first) = if donates { (guest, own) } else { (self.found.window(), offset) };
        let host = place.slice(bytes(first)?, bytes(sizes.host_len())?).ok_or(Error::BadMemory)?;
        Ok((guest, host))
    }

    /// Ends the session ([SES-6]). vCPUs that were bound are of no use afterwards: their calls answer nothing
    /// more.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with BAD_SESSION if another vCPU was faster; [`Error::Pending`].
    ///
    /// [SES-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    pub fn reset(self) -> Result<(), Error> {
        self.control(ControlOp::RESET, |_| {}).map(|_| ())
    }

    pub(crate) const fn platform(&self) -> &'p P {
        self.platform
    }

    /// What was negotiated.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// The session's granule.
    #[must_use]
    pub const fn granule(&self) -> Granule {
        self.granule
    }

    /// The session's number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The session's seed.
    #[must_use]
    pub const fn seed(&self) -> u32 {
        self.seed
    }

    /// The host's record, as it was read at attach.
    #[must_use]
    pub const fn found(&self) -> &Found {
        &self.found
    }

    /// One control request ([SES-3], [SES-4]).
    ///
    /// [SES-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    /// [SES-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#sessions-control-requests-reset
    fn control(&self, op: ControlOp, fill: impl FnOnce(&mut ControlRequest)) -> Result<u64, Error> {
        let mut request = ControlRequest::new_zeroed();
        fill(&mut request);
        self.send(op, &mut request)
    }

    /// Hands a request over and waits for its ticket. Apart from what differs between requests, so that it
    /// exists once.
    #[inline(never)]
    fn send(&self, op: ControlOp, request: &mut ControlRequest) -> Result<u64, Error> {
        let ticket = self.ticket.get().wrapping_add(1);
        self.ticket.set(ticket);
        request.magic.set(MAGIC);
        request.op.set(op.0);
        request.ticket.set(ticket);
        request.session.set(self.number);
        if !self.scratch.mapping().write(0, request.as_bytes()) {
            return Err(Error::BadMemory);
        }
        self.platform.conduit().bind(self.scratch.frame(self.granule)?);
        for _ in 0..self.platform.patience() {
            let word = self.found.load(offset_of!(Record, control_result), Site::ControlTake);
            let result = Tail::from_word(word);
            if result.turn == ticket {
                return match Status(result.code) {
                    Status::OK => Ok(self.found.load(offset_of!(Record, control_value), Site::Status)),
                    status => Err(Error::Refused(status)),
                };
            }
            self.platform.relax();
        }
        Err(Error::Pending)
    }
}

impl<P> fmt::Debug for Session<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("number", &self.number)
            .field("granule", &self.granule)
            .finish_non_exhaustive()
    }
}

/// What to ask for.
#[derive(Clone, Copy)]
struct Choice {
    granule: Granule,
    features: Features,
}

impl Choice {
    fn of(found: &Found, wish: &Wish) -> Result<Self, Error> {
        // What is newer than the version that both speak is not offered in it (NEG-2).
        let known = Features::of_minor(VERSION.minor.min(found.record().minor.get()));
        let features = found.features().intersection(wish.features).intersection(known);
        if !features.contains(wish.required) {
            return Err(Error::NoMatch);
        }
        let offered = found.record().granules.get();
        let granule = wish.granules.iter().find(|granule| offered & granule.bit() != 0);
        Ok(Self { granule: *granule.ok_or(Error::NoMatch)?, features })
    }
}

/// The session that stands in the record: whether it is open, and in which granule frames are counted.
#[derive(Clone, Copy)]
struct Now {
    is_open: bool,
    granule: Granule,
    smallest: Granule,
}

impl Now {
    fn of(found: &Found) -> Result<Self, Error> {
        let active = Tail::from_word(found.load(offset_of!(Record, active), Site::ControlTake));
        // Low to high: major, minor, granule shift, state.
        let [shift, _, state_low, state_high] = active.turn.to_le_bytes();
        let is_open = u16::from_le_bytes([state_low, state_high]) == SessionState::OPEN.0;
        let smallest = Granule::from_shift(found.record().granules.get().trailing_zeros());
        let smallest = smallest.ok_or(Error::NotPresent)?;
        let granule =
            if is_open { Granule::from_shift(u32::from(shift)).ok_or(Error::NotPresent)? } else { smallest };
        Ok(Self { is_open, granule, smallest })
    }
}
