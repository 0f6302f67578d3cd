// SPDX-License-Identifier: MIT OR Apache-2.0
//! Negotiate, bind, reset (NEG-1 to NEG-6, SES-1 to SES-8).

use crate::conduit::Conduit;
use crate::discovery::Found;
use crate::error::Error;
use crate::memory::Pages;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::cell::Cell;
use core::mem::offset_of;
use tenon_abi::control::{MAGIC, SessionState};
use tenon_abi::discovery::Session as WireSession;
use tenon_abi::vcpu::Sizes;
use tenon_abi::{ControlOp, ControlRequest, Features, Granule, Record, Status, Tail, VERSION};
use tenon_rings::{Site, Words};
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

/// An open session.
#[derive(Debug)]
pub struct Session<'p, P> {
    platform: &'p P,
    found: Found,
    /// One granule for control requests.
    scratch: Pages,
    number: u32,
    seed: u32,
    granule: Granule,
    features: Features,
    ticket: Cell<u32>,
}

impl<'p, P: Platform> Session<'p, P> {
    /// Opens a session, after ending whatever session an earlier kernel left (SES-8). `scratch` is one
    /// granule of the largest size wished for, and so aligned.
    ///
    /// # Errors
    ///
    /// [`Error::NoMatch`] if the host lacks what is required; [`Error::Refused`] with the host's status;
    /// [`Error::Pending`] if it does not answer.
    pub fn open(platform: &'p P, found: Found, scratch: Pages, wish: Wish) -> Result<Self, Error> {
        let features = found.features().intersection(wish.features);
        if !features.contains(wish.required) {
            return Err(Error::NoMatch);
        }
        let offered = found.record().granules.get();
        let granule =
            wish.granules.iter().find(|granule| offered & granule.bit() != 0).ok_or(Error::NoMatch)?;
        let active = Tail::from_word(found.load(offset_of!(Record, active), Site::ControlTake));
        // Low to high: major, minor, granule shift, state.
        let [shift, _, state_low, state_high] = active.turn.to_le_bytes();
        let open = u16::from_le_bytes([state_low, state_high]) == SessionState::OPEN.0;
        let smallest = Granule::from_shift(offered.trailing_zeros()).ok_or(Error::NotPresent)?;
        let now =
            if open { Granule::from_shift(u32::from(shift)).ok_or(Error::NotPresent)? } else { smallest };
        let result = Tail::from_word(found.load(offset_of!(Record, control_result), Site::ControlTake));
        let session = found.session();
        let mut this = Self {
            platform,
            found,
            scratch,
            number: session.number,
            seed: session.seed,
            granule: now,
            features: Features::empty(),
            ticket: Cell::new(result.turn),
        };
        if open {
            this.control(ControlOp::RESET, |_| {})?;
            let session = found.session();
            (this.number, this.seed) = (session.number, session.seed);
        }
        this.granule = smallest;
        this.control(ControlOp::NEGOTIATE, |request| {
            request.major.set(VERSION.major);
            request.minor.set(VERSION.minor.min(found.record().minor.get()));
            request.granule.set(u32::from(granule.shift()));
            request.features.set(features.bits());
        })?;
        (this.granule, this.features) = (*granule, features);
        Ok(this)
    }

    /// Binds a vCPU. `pages` are for its area alone: [`Sizes::guest_len`] bytes, or twice as many granules
    /// where the host has no window.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] if the pages are too few or misaligned; [`Error::Refused`]; [`Error::Pending`].
    pub fn bind<const D: usize>(
        &self,
        vcpu: u32,
        mut pages: Pages,
        events: [u32; 2],
    ) -> Result<Vcpu<'p, P, D>, Error> {
        let depth = u32::try_from(D).map_err(|_| Error::BadMemory)?;
        let sizes = Sizes { depth, events };
        if !sizes.is_valid() {
            return Err(Error::BadMemory);
        }
        let guest = pages.split(sizes.guest_len(), self.granule)?;
        guest.clear();
        let donated = if self.features.contains(Features::WINDOW) {
            None
        } else {
            Some(pages.split(sizes.host_len(), self.granule)?)
        };
        let offset = self.control(ControlOp::BIND, |request| {
            request.vcpu.set(vcpu);
            request.depth.set(sizes.depth);
            let [first, second] = sizes.events;
            request.events0.set(first);
            request.events1.set(second);
            request.guest_area.set(guest.address());
            request.host_area.set(donated.as_ref().map_or(0, Pages::address));
        })?;
        let host = match &donated {
            Some(pages) => pages.mapping(),
            None => {
                let first = usize::try_from(offset / 8).map_err(|_| Error::BadMemory)?;
                let len = usize::try_from(sizes.host_len() / 8).map_err(|_| Error::BadMemory)?;
                // The host's number, checked against the window that the kernel mapped.
                self.found.window().slice(first, len).ok_or(Error::BadMemory)?
            }
        };
        let max_ports = self.found.record().max_ports.get();
        let word = self.found.window().slice(offset_of!(Record, session) / 8, 1).ok_or(Error::NotPresent)?;
        let session = WireSession { number: self.number, seed: self.seed };
        Vcpu::new(self.platform, vcpu, sizes, (guest.mapping(), host), max_ports, (word, session))
    }

    /// Ends the session (SES-6). vCPUs that were bound are of no use afterwards: their calls answer nothing
    /// more.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with BAD_SESSION if another vCPU was faster; [`Error::Pending`].
    pub fn reset(self) -> Result<(), Error> {
        self.control(ControlOp::RESET, |_| {}).map(|_| ())
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

    /// One control request (SES-3, SES-4).
    fn control(&self, op: ControlOp, fill: impl FnOnce(&mut ControlRequest)) -> Result<u64, Error> {
        let ticket = self.ticket.get().wrapping_add(1);
        self.ticket.set(ticket);
        let mut request = ControlRequest::new_zeroed();
        request.magic.set(MAGIC);
        request.op.set(op.0);
        request.ticket.set(ticket);
        request.session.set(self.number);
        fill(&mut request);
        self.send(&request)
    }

    /// Hands a request over and waits for its ticket. Apart from what differs between requests, so that it
    /// exists once.
    #[inline(never)]
    fn send(&self, request: &ControlRequest) -> Result<u64, Error> {
        let ticket = request.ticket.get();
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
