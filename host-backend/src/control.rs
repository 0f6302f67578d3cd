// SPDX-License-Identifier: MIT OR Apache-2.0
//! Negotiate, bind, reset (NEG-1 to NEG-6, SES-1 to SES-8, VCPU-1 to VCPU-4).

use crate::action::SessionAction;
use crate::areas::{Areas, Place, Positions};
use crate::base::{Base, Session};
use crate::counted::add;
use crate::devices::Waiting;
use crate::discovery::next_session;
use crate::domain::Domain;
use crate::memory::Memory;
use crate::port::Port;
use crate::queues::Queues;
use crate::range::Range;
use alloc::vec::Vec;
use tenon_abi::control::MAGIC;
use tenon_abi::status::{QueueState, StateWord};
use tenon_abi::vcpu::{Sizes, host};
use tenon_abi::{ControlOp, ControlRequest, Features, Granule, Reason, Status, VERSION};
use tenon_rings::{Site, Words};
use zerocopy::{FromBytes, IntoBytes};

impl<M: Memory> Domain<M> {
    /// Answers a control request after a frame number was handed over (DISC-8). What is no request gets no
    /// answer (SES-3).
    pub fn control(&mut self, frame: u32) {
        let offset = u64::from(frame).wrapping_shl(u32::from(self.base.granule().shift()));
        let mut bytes = [0; size_of::<ControlRequest>()];
        let inside = Range::check(&self.base.memory, offset, 128).is_ok();
        if !inside || self.base.ended {
            return;
        }
        // It is shared until it was copied, and nothing is written there (SES-3, MEM-11).
        self.base.memory.hand_over(offset, 128);
        let copied = self.base.memory.read(0, offset, &mut bytes);
        self.base.memory.let_go(offset, 128);
        if !copied {
            return;
        }
        let Ok(request) = ControlRequest::read_from_bytes(&bytes) else { return };
        if request.magic.get() != MAGIC {
            return;
        }
        if tenon_rings::planted!("control-answered-first") {
            self.base.record().answer(request.ticket.get(), Status::OK, 0);
        }
        add(&mut self.base.counted.counts().controls, 1);
        let (status, value) = match self.request(&request, offset) {
            Ok(Some(value)) => (Status::OK, value),
            // It is answered when the ends of all devices' queues are home (DEV-12).
            Ok(None) => return,
            Err(status) => (status, 0),
        };
        if let Some(left_out) = self.base.quiet.admit() {
            tracing::debug!(op = ?ControlOp(request.op.get()), ?status, left_out, "control request");
        }
        self.base.record().answer(request.ticket.get(), status, value);
    }

    /// Answers a request that lies at `offset` in region 0.
    fn request(&mut self, request: &ControlRequest, offset: u64) -> Result<Option<u64>, Status> {
        let op = ControlOp(request.op.get());
        if op.name().is_none() {
            return Err(Status::NOT_SUPPORTED);
        }
        if request.session.get() != self.base.session.number {
            return Err(Status::BAD_SESSION);
        }
        check_reserved(request, op)?;
        match op {
            ControlOp::NEGOTIATE | ControlOp::BIND if self.base.devices.waiting.is_some() => {
                Err(Status::BAD_STATE)
            }
            ControlOp::NEGOTIATE => self.negotiate(request).map(Some),
            ControlOp::BIND => self.bind(request, offset).map(Some),
            _ => Ok(self.reset_when_home(request.ticket.get())),
        }
    }

    /// RESET; `None` where it waits for ends. A later one takes the place of one that waits (DEV-12).
    fn reset_when_home(&mut self, ticket: u32) -> Option<u64> {
        if self.base.devices.out() == 0 {
            return Some(self.reset());
        }
        if tenon_rings::planted!("reset-before-ends") {
            return Some(self.reset());
        }
        if self.base.devices.waiting.is_none() || !tenon_rings::planted!("first-reset-answered") {
            self.base.devices.waiting = Some(Waiting::Reset { ticket });
        }
        self.base.close_all_queues();
        None
    }

    fn negotiate(&mut self, request: &ControlRequest) -> Result<u64, Status> {
        if self.base.session.granule.is_some() {
            return Err(Status::BAD_STATE);
        }
        let minor = request.minor.get();
        if request.major.get() != VERSION.major || minor > self.base.config.minor {
            return Err(Status::BAD_VERSION);
        }
        // A feature that this version does not know is not offered in it.
        let offered = self.base.config.features.intersection(Features::of_minor(minor));
        let features = Features::from_bits(request.features.get())
            .filter(|features| offered.contains(*features))
            .ok_or(Status::BAD_FEATURES)?;
        let granule = Granule::from_shift(request.granule.get()).ok_or(Status::BAD_ARGUMENT)?;
        if !self.base.config.granules.offers(granule) {
            return Err(Status::BAD_ARGUMENT);
        }
        self.base.session.granule = Some(granule.shift());
        (self.base.session.minor, self.base.session.features) = (minor, features);
        self.base.record().set_active(Some((minor, granule, features)));
        Ok(0)
    }

    fn bind(&mut self, request: &ControlRequest, offset: u64) -> Result<u64, Status> {
        if self.base.session.granule.is_none() {
            return Err(Status::BAD_STATE);
        }
        let vcpu = request.vcpu.get();
        self.base.check_vcpu(vcpu)?;
        if self.base.areas_mut(vcpu).is_some() {
            return Err(Status::EXISTS);
        }
        let sizes =
            Sizes { depth: request.depth.get(), events: [request.events0.get(), request.events1.get()] };
        let [first, second] = sizes.events;
        if !sizes.is_valid()
            || sizes.depth > self.base.config.max_depth
            || first.max(second) > self.base.config.max_events
        {
            return Err(Status::BAD_ARGUMENT);
        }
        let align = self.base.granule().size();
        let guest_area = request.guest_area.get();
        let guest_range = Range::check_area(&self.base.memory, guest_area, sizes.guest_len(), align)?;
        let frame = Range { region: 0, offset, len: align };
        if !tenon_rings::planted!("frame-overlap-unchecked") {
            self.base.check_apart(guest_range, &[frame])?;
        }
        self.base.check_had(guest_range)?;

        let in_window = self.base.has(Features::WINDOW);
        let (host_at, value) = if in_window {
            if request.host_area.get() != 0 {
                return Err(Status::BAD_RESERVED);
            }
            let at = self.base.window_room(sizes.host_len()).ok_or(Status::NO_CAPACITY)?;
            (at, at)
        } else {
            let at = request.host_area.get();
            let range = Range::check_area(&self.base.memory, at, sizes.host_len(), align)?;
            if !tenon_rings::planted!("host-overlap-unchecked") {
                self.base.check_apart(range, &[frame, guest_range])?;
            }
            self.base.check_had(range)?;
            (at, 0)
        };
        let place =
            Place { depth: sizes.depth, events: sizes.events, guest: guest_area, host: host_at, in_window };
        self.base.hand_over(&place);
        let laid = self.base.words_of(&place).and_then(|(guest, host)| {
            clear(&host);
            Areas::lay_out(place, guest, host, self.base.session.seed, Positions::default())
                .ok_or(Status::BAD_RANGE)
        });
        let (areas, queues) = laid.inspect_err(|_| self.base.let_go(&place))?;
        show_running(&areas.host);
        self.attach(vcpu, areas, queues);
        self.base.begin_stolen(vcpu);
        Ok(value)
    }

    /// Gives a vCPU its areas and queues.
    pub(crate) fn attach(&mut self, vcpu: u32, areas: Areas<M::Words>, queues: Queues<M::Words>) {
        if let Some(slot) = self.base.vcpu_mut(vcpu) {
            slot.areas = Some(areas);
        }
        if let Some(place) = usize::try_from(vcpu).ok().and_then(|vcpu| self.queues.get_mut(vcpu)) {
            *place = Some(queues);
        }
    }

    pub(crate) fn reset(&mut self) -> u64 {
        let Self { queues, base, families } = self;
        let old = if tenon_rings::planted!("reset-marks-areas-late") {
            base.areas_mut(0).map(|areas| areas.host.clone())
        } else {
            None
        };
        queues.iter_mut().for_each(|queues| *queues = None);
        base.end_devices();
        base.let_all_go();
        families.end_session();
        base.late.clear();
        if tenon_rings::planted!("reset-clears-counts") {
            *base.counted.counts() = Default::default();
        }
        base.ports.fill(Port::default());
        base.direct = 0;
        if !tenon_rings::planted!("reset-keeps-timers") {
            base.time.timers.clear();
        }
        if !tenon_rings::planted!("reset-keeps-page") {
            base.pages.end_session();
        }
        for vcpu in &mut base.vcpus {
            vcpu.end_session();
        }
        base.actions.end_session();
        base.ledger.clear();
        if !tenon_rings::planted!("reset-keeps-giving") {
            base.memory.end_session();
        }
        let session = next_session(base.session.wire(), &mut base.session.random);
        base.session = Session::idle(session, base.session.random);
        let record = base.record();
        if tenon_rings::planted!("reset-session-first") {
            record.set_session(session);
        }
        record.set_active(None);
        // Last: whoever sees the new session finds nothing of the old one in use (SES-6).
        record.set_session(session);
        if let Some(host) = old {
            show_running(&host);
        }
        base.actions.push(SessionAction::Reset { session: session.number });
        u64::from(session.number)
    }
}

impl<M: Memory> Base<M> {
    /// The lowest place in the window with room for `len` bytes, on a granule, behind the record.
    fn window_room(&self, len: u64) -> Option<u64> {
        let granule = self.granule();
        let len = granule.round_up(len)?;
        let places = self.vcpus.iter().filter_map(|vcpu| Some(vcpu.areas.as_ref()?.place));
        let taken =
            places.filter_map(|place| Some((place.host, granule.round_up(place.sizes().host_len())?)));
        let mut taken: Vec<(u64, u64)> = taken.collect();
        taken.sort_unstable();
        let mut at = granule.size();
        for (start, taken) in taken {
            if at.checked_add(len)? <= start {
                break;
            }
            at = start.checked_add(taken)?;
        }
        let planted = tenon_rings::planted!("areas-over-window-page");
        let end = if planted { self.config.window_len } else { self.config.pages_from()? };
        (at.checked_add(len)? <= end).then_some(at)
    }

    /// The two areas of a vCPU.
    fn words_of(&self, place: &Place) -> Result<(M::Words, M::Words), Status> {
        let sizes = place.sizes();
        let words = |at, len| Range::check(&self.memory, at, len)?.words(&self.memory);
        let guest = words(place.guest, sizes.guest_len())?;
        let host = if place.in_window {
            self.window_words(place.host, sizes.host_len()).ok_or(Status::NO_CAPACITY)?
        } else {
            words(place.host, sizes.host_len())?
        };
        Ok((guest, host))
    }

    /// Says that areas are in use (MEM-11).
    pub(crate) fn hand_over(&self, place: &Place) {
        place.in_region().for_each(|range| self.memory.hand_over(range.offset, range.len));
    }

    /// Says that they are not any more.
    pub(crate) fn let_go(&self, place: &Place) {
        place.in_region().for_each(|range| self.memory.let_go(range.offset, range.len));
    }

    /// The same of every vCPU's areas.
    fn let_all_go(&self) {
        let places = self.vcpus.iter().filter_map(|vcpu| Some(vcpu.areas.as_ref()?.place));
        places.for_each(|place| self.let_go(&place));
        self.pages.donated().for_each(|page| self.memory.let_go(page.offset, page.len));
    }

    pub(crate) fn window_words(&self, at: u64, len: u64) -> Option<M::Words> {
        self.memory.window().slice(usize::try_from(at / 8).ok()?, usize::try_from(len / 8).ok()?)
    }
}

/// Reserved fields, and those of other operations, are zero (GEN-5).
fn check_reserved(request: &ControlRequest, op: ControlOp) -> Result<(), Status> {
    let mut used = *request;
    for field in [&mut used.reserved1, &mut used.session, &mut used.ticket] {
        field.set(0);
    }
    (used.magic, used.op) = (0.into(), 0.into());
    if request.reserved1.get() != 0 {
        return Err(Status::BAD_RESERVED);
    }
    match op {
        ControlOp::NEGOTIATE => {
            (used.major, used.minor, used.granule, used.features) = Default::default();
        }
        ControlOp::BIND => {
            (used.vcpu, used.depth, used.events0, used.events1, used.guest_area) = Default::default();
            used.host_area = Default::default();
        }
        _ => {}
    }
    if used.as_bytes().iter().all(|&byte| byte == 0) { Ok(()) } else { Err(Status::BAD_RESERVED) }
}

fn clear<W: Words>(words: &W) {
    for index in 0..words.len() {
        words.store(index, 0, Site::Status);
    }
}

fn show_running<W: Words>(host: &W) {
    let word = StateWord { state: QueueState::RUNNING, reason: Reason::NONE, position: 0 }.to_word();
    for offset in [host::CALL_STATE, host::EMERGENCY_STATE, host::EVENT_STATE0, host::EVENT_STATE1] {
        host.store(usize::try_from(offset / 8).unwrap_or(0), word, Site::Status);
    }
}
