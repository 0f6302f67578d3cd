// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host may do: where it may write, what it may complete, how much it may do. From the spec alone.

use tenon_abi::discovery::Session;
use tenon_abi::operation::{Check, Traits};
use tenon_abi::status::{QueueState, StateWord};
use tenon_abi::vcpu::{Sizes, guest, host};
use tenon_abi::{Address, Entry, Op, Status, Submission, Tail, turn};
use tenon_host::{Action, LifecycleAction, SessionAction, VcpuAction};
use tenon_rings::Site;

use crate::ground::{Access, Ground, WINDOW, words};
use crate::world::{Outcome, Step};
use parts::{Area, Lane, Request, Taking, may_end};

mod parts;

/// What the core may do for one submission besides looking at ports, and for one entry besides its
/// submissions.
const ACCESSES: usize = 48;

#[derive(Debug)]
pub(crate) struct Model {
    seed: u32,
    max_ports: u32,
    areas: Vec<Option<Area>>,
    taking: Option<Taking>,
    /// A queue that showed an id out of range or in flight (CALL-6).
    bad_id: Option<(usize, usize)>,
    /// A ring whose guest says that it took what it cannot have taken (EVT-8).
    bad_taken: Option<(usize, usize)>,
    /// The page in the window, and the one that the guest donated: which grant, and the sequence in it.
    pages: [Option<(usize, u64)>; 2],
    ended: bool,
    /// The words that never change (DISC-3).
    fixed: Vec<u64>,
    /// Ids of call queues that were completed since the last step.
    pub(crate) completed: Vec<(usize, u16)>,
    /// Fetched in this step, and how many of them had to look at every port.
    fetched: usize,
    stops: usize,
    /// A control request was answered in this step.
    pub(crate) answered: bool,
}

impl Model {
    pub(crate) fn new(ground: &Ground, max_vcpus: u32, max_ports: u32, has_page: bool) -> Self {
        // It was placed before anything else, and written when its domain was made and when it was started.
        let pages = [has_page.then_some((WINDOW + 1, 2)), None];
        let mut model = Self {
            seed: 0,
            max_ports,
            areas: (0..max_vcpus).map(|_| None).collect(),
            taking: None,
            bad_id: None,
            bad_taken: None,
            pages,
            ended: false,
            fixed: (0..16).map(|word| ground.window(word)).collect(),
            completed: Vec::new(),
            fetched: 0,
            stops: 0,
            answered: false,
        };
        model.session(ground);
        model
    }

    /// The session as the record says it.
    pub(crate) fn session(&mut self, ground: &Ground) -> Session {
        let session = Session::from_word(ground.window(16));
        self.seed = session.seed;
        session
    }

    /// The guest was told that it bound a vCPU: the grants that were made for it.
    pub(crate) fn bound(&mut self, ground: &Ground, vcpu: usize, sizes: Sizes, made: std::ops::Range<usize>) {
        assert_eq!(made.len(), 2, "a bind reaches for two areas");
        let (guest, host) = (made.start, made.start + 1);
        let grants = ground.grants.borrow();
        assert!(!grants[guest].in_window, "a guest-written area lies in guest memory");
        assert_eq!(grants[guest].len, words(sizes.guest_len()));
        assert_eq!(grants[host].len, words(sizes.host_len()));
        if grants[host].in_window {
            let (first, end) = (grants[host].first, grants[host].first + grants[host].len);
            assert!(first >= 512 && first.is_multiple_of(512), "an area in the window is not on a granule");
            for other in self.areas.iter().flatten().map(|area| grants[area.host]) {
                let apart = !other.in_window || end <= other.first || other.first + other.len <= first;
                assert!(apart, "two areas in the window overlap");
            }
        }
        let fresh = || [Lane::default(), Lane::default()];
        let area =
            Area { guest, host, sizes, lanes: fresh(), written: [0; 2], taken: [0; 2], broken: [None; 2] };
        assert!(self.areas[vcpu].replace(area).is_none(), "a vCPU is bound twice");
    }

    /// The session is over: nothing of it may be touched (SES-7).
    pub(crate) fn reset(&mut self) {
        self.areas.iter_mut().for_each(|area| *area = None);
        self.pages[1] = None;
    }

    pub(crate) fn is_bound(&self, vcpu: usize) -> bool {
        self.areas.get(vcpu).is_some_and(Option::is_some)
    }

    /// A restored domain has reached for its areas anew, vCPU by vCPU.
    pub(crate) fn restored(&mut self, mut made: std::ops::Range<usize>) {
        for (grant, _) in self.pages.iter_mut().flatten() {
            *grant = made.next().expect("a restored domain has its pages");
        }
        for area in self.areas.iter_mut().flatten() {
            area.guest = made.next().expect("a restored vCPU has its areas");
            area.host = made.next().expect("a restored vCPU has its areas");
        }
        assert!(made.is_empty(), "a restored domain reached for areas that it had not");
    }

    /// Judges one step by what it did to memory. `made` are the grants of this step; `raced`: another writer
    /// came in between.
    pub(crate) fn judge(
        &mut self,
        ground: &Ground,
        step: &Step,
        outcome: &Outcome,
        made: std::ops::Range<usize>,
        raced: bool,
    ) {
        (self.fetched, self.stops, self.answered) = (0, 0, false);
        let mut log = ground.log.take();
        let clears: usize = made.clone().map(|grant| ground.grants.borrow()[grant].len).sum();
        if matches!(step, Step::Serve { .. }) && !made.is_empty() {
            assert!(made.len() == 1 && self.pages[1].is_none(), "a call reaches for one page (PAGE-6)");
            self.pages[1] = Some((made.start, u64::MAX));
        }
        for access in &log {
            self.access(access, step, made.clone());
        }
        self.end_taking();
        if let Some((vcpu, lane)) = self.bad_id.take()
            && let Some(area) = &self.areas[vcpu]
        {
            assert!(
                area.lanes[lane].corrupt.is_some(),
                "a good submission was not fetched, or a bad id not latched"
            );
        }
        if let Some((vcpu, class)) = self.bad_taken.take()
            && let Some(area) = &self.areas[vcpu]
        {
            assert!(area.broken[class].is_some(), "a guest that took too much was not found out (EVT-8)");
        }
        for (word, value) in self.fixed.iter().enumerate() {
            assert_eq!(ground.window(word), *value, "word {word} of the record changed (DISC-3)");
        }
        let words = |access: &Access| if let Access::Store { count, .. } = access { *count } else { 1 };
        self.bounds(step, outcome, log.iter().map(words).sum(), clears);
        // Its room serves the next step.
        log.clear();
        ground.log.replace(log);
        if !raced {
            self.nothing_forgotten(ground, step, outcome);
        }
        self.actions(&outcome.actions);
    }

    fn access(&mut self, access: &Access, step: &Step, made: std::ops::Range<usize>) {
        match *access {
            Access::Load { grant, index, value, site } => self.load(grant, index, value, site),
            Access::Read { .. } => {}
            Access::Write { offset, len } => {
                let inside = |range: &Option<(u64, u64)>| {
                    range.is_some_and(|(at, most)| {
                        let at = Address(at);
                        at.region() == 0 && at.offset() == offset && len >= 1 && len <= most
                    })
                };
                let reads = self.areas.iter().flatten().flat_map(|area| &area.lanes[0].in_flight);
                assert!(
                    reads.map(|(_, request)| &request.range).any(inside),
                    "a write of {len} bytes at {offset:#x} that nobody asked for (CON-5)"
                );
            }
            Access::Store { grant, index, count, value, site } => {
                self.end_taking();
                // All words of a new area alike.
                let count = if made.contains(&grant) && !self.is_page(grant) { 1 } else { count };
                for index in index..index + count {
                    self.stored(step, made.clone(), grant, (index, value), site);
                }
            }
        }
    }

    fn stored(
        &mut self,
        step: &Step,
        made: std::ops::Range<usize>,
        grant: usize,
        (index, value): (usize, u64),
        site: Site,
    ) {
        if self.page(grant, index, value, site) {
            return;
        }
        assert!(
            !self.ended || matches!(step, Step::Stopped(_) | Step::Raise(_) | Step::Input(_)),
            "a store after the end"
        );
        if grant == WINDOW {
            assert!((16..21).contains(&index), "a store to word {index} of the record");
            self.answered |= index == 20;
        } else if made.contains(&grant) {
            assert!(grant == made.start + 1, "a store to a guest-written area (GEN-2)");
        } else {
            self.store(step, grant, index, value, site);
        }
    }

    fn is_page(&self, grant: usize) -> bool {
        self.pages.iter().flatten().any(|(page, _)| *page == grant)
    }

    /// A store to a page, if it is one: beside the valid copy, and then the next sequence (PAGE-3).
    fn page(&mut self, grant: usize, index: usize, value: u64, site: Site) -> bool {
        let Some((_, sequence)) = self.pages.iter_mut().flatten().find(|(page, _)| *page == grant) else {
            return false;
        };
        match site {
            // A page that was just donated is cleared, and shows any sequence first.
            Site::Status => {
                assert!(*sequence == u64::MAX && value == 0, "a page is cleared when it is donated")
            }
            Site::PageBody if *sequence == u64::MAX => assert!((8..40).contains(&index)),
            Site::PageBody => {
                let first = if *sequence % 2 == 0 { 24 } else { 8 };
                assert!((first..first + 16).contains(&index), "a store to word {index} of a page");
            }
            Site::PagePublish => {
                assert!(index == 0 && value != 0);
                assert!(
                    *sequence == u64::MAX || value == *sequence + 1,
                    "a sequence that is not the next one"
                );
                *sequence = value;
            }
            _ => panic!("a store of kind {site:?} to a page"),
        }
        true
    }

    fn load(&mut self, grant: usize, index: usize, value: u64, site: Site) {
        let seed = self.seed;
        if site == Site::SubmissionBody {
            let taking = self.taking.as_mut().expect("words of a submission whose tail was not taken");
            assert_eq!(index, taking.at + taking.words.len(), "a submission's words out of order");
            taking.words.push(value);
            if taking.words.len() == 7 {
                self.fetch();
            }
            return;
        }
        self.end_taking();
        let found = self.areas.iter().position(|area| area.as_ref().is_some_and(|area| area.guest == grant));
        let vcpu =
            found.expect("the host loads only from the guest-written area of a bound vCPU (GEN-2, SES-7)");
        if site == Site::TakenRead {
            self.taken(vcpu, usize::from(index == words(guest::TAKEN1)), value);
        }
        if site != Site::SubmissionTake {
            return;
        }
        let Some(area) = &self.areas[vcpu] else { return };
        let first = words(guest::SUBMISSIONS);
        let (lane, at, depth) =
            if index < first { (1, words(guest::EMERGENCY), 1) } else { (0, first, area.sizes.depth) };
        let here = &area.lanes[lane];
        assert!(here.corrupt.is_none(), "a fetch from a corrupt queue (CALL-15)");
        let at = at + (here.fetched & (depth - 1)) as usize * 8;
        assert_eq!(index, at + 7, "the slot of another position was looked at (CALL-1)");
        let tail = Tail::from_word(value);
        if tail.turn == turn(seed, here.fetched) {
            self.taking = Some(Taking { vcpu, lane, at, tail, words: Vec::new() });
        }
    }

    /// The host was told how far the guest has taken: neither backwards nor beyond what was written.
    fn taken(&mut self, vcpu: usize, class: usize, value: u64) {
        let Some(area) = &mut self.areas[vcpu] else { return };
        assert!(area.broken[class].is_none(), "a look at a corrupt ring (EVT-20)");
        let (taken, high) = tenon_abi::call::unpack(value);
        let step = taken.wrapping_sub(area.taken[class]);
        if high != 0 || step > area.written[class].wrapping_sub(area.taken[class]) {
            self.bad_taken = Some((vcpu, class));
        } else {
            area.taken[class] = taken;
        }
    }

    /// A slot with the right turn was not copied: the queue has to be latched for it.
    fn end_taking(&mut self) {
        let Some(taking) = self.taking.take() else { return };
        assert!(taking.words.is_empty(), "a submission was copied in part");
        self.bad_id = Some((taking.vcpu, taking.lane));
    }

    fn fetch(&mut self) {
        let Some(taking) = self.taking.take() else { return };
        let Some(area) = &mut self.areas[taking.vcpu] else { return };
        let depth = if taking.lane == 0 { area.sizes.depth } else { 1 };
        let here = &mut area.lanes[taking.lane];
        let mut all = [0; 8];
        all[..7].copy_from_slice(&taking.words);
        let submission = Submission::from_words(all);
        let op = Op(taking.tail.code);
        // A range that is not a payload's is one that the host writes to.
        let place = op.row().filter(|row| !row.traits.contains(Traits::PAYLOAD) && taking.lane == 0);
        let place = place
            .and_then(|row| row.checks.windows(2).position(|pair| pair == [Check::ADDRESS, Check::LENGTH]));
        let range = place.map(|at| (submission.args[at].get(), submission.args[at + 1].get()));
        if u32::from(taking.tail.id) >= depth || here.in_flight.contains_key(&taking.tail.id) {
            self.bad_id = Some((taking.vcpu, taking.lane));
            return;
        }
        here.in_flight.insert(taking.tail.id, Request { op, range });
        assert!(here.in_flight.len() <= depth as usize, "more in flight than the depth (CALL-8)");
        here.fetched = here.fetched.wrapping_add(1);
        self.fetched += 1;
        self.stops += usize::from(op == Op::VCPU_STOP);
    }

    fn store(&mut self, step: &Step, grant: usize, index: usize, value: u64, site: Site) {
        let (seed, max_ports) = (self.seed, self.max_ports);
        let vcpu = self.areas.iter().position(|area| area.as_ref().is_some_and(|area| area.host == grant));
        let vcpu =
            vcpu.expect("the host stores only to the host-written area of a bound vCPU (GEN-2, SES-7)");
        let Some(area) = &mut self.areas[vcpu] else { return };
        match site {
            Site::Status => {
                assert!(index < 4, "a state word at word {index}");
                let latched = match index {
                    0 | 1 => &mut area.lanes[index].corrupt,
                    _ => &mut area.broken[index - 2],
                };
                assert_eq!(StateWord::from_word(value).state, QueueState::CORRUPT);
                assert_eq!(*latched.get_or_insert(value), value, "a latched state word changed (CALL-15)");
            }
            Site::CompletionBody | Site::CompletionPublish => {
                let first = words(host::COMPLETIONS);
                let (lane, first, depth) =
                    if index < first { (1, words(host::EMERGENCY), 1) } else { (0, first, area.sizes.depth) };
                let here = &mut area.lanes[lane];
                let at = first + (here.completed & (depth - 1)) as usize * 2;
                if site == Site::CompletionBody {
                    assert_eq!(index, at, "a completion in another slot (CALL-1)");
                    return;
                }
                assert_eq!(index, at + 1, "a completion in another slot (CALL-1)");
                let tail = Tail::from_word(value);
                assert_eq!(tail.turn, turn(seed, here.completed), "a completion with another turn (CALL-4)");
                assert!(Status(tail.code).name().is_some(), "a status that does not exist");
                let request =
                    here.in_flight.remove(&tail.id).expect("a completion for what is not in flight (CALL-7)");
                assert!(
                    may_end(step, request.op, Status(tail.code)),
                    "{:?} ended with {tail:?} by {step:?}",
                    request.op
                );
                here.completed = here.completed.wrapping_add(1);
                if lane == 0 {
                    self.completed.push((vcpu, tail.id));
                }
            }
            Site::EntryPublish => {
                let second = words(area.sizes.ring_offset(1));
                let class = usize::from(index >= second);
                assert!(area.broken[class].is_none(), "an entry in a corrupt ring (EVT-20)");
                let first = if class == 0 { words(area.sizes.ring_offset(0)) } else { second };
                let place = area.written[class] & (area.sizes.events[class] - 1);
                assert_eq!(index, first + place as usize, "an entry at another place (EVT-7)");
                let entry = Entry::from_word(value);
                assert_eq!(entry.turn, turn(seed, area.written[class]), "an entry with another turn (EVT-7)");
                assert!(entry.port < max_ports, "an entry for a port that cannot be (EVT-7)");
                area.written[class] = area.written[class].wrapping_add(1);
            }
            _ => panic!("a store of kind {site:?} by the host"),
        }
    }

    fn bounds(&self, step: &Step, outcome: &Outcome, accesses: usize, clears: usize) {
        if let (Step::Serve { budget, .. }, Some(served)) = (step, outcome.served) {
            assert_eq!(served.fetched as usize, self.fetched, "what was served is not what was fetched");
            assert!(served.fetched <= *budget, "more was fetched than the budget allows (CALL-19)");
            assert!(served.fetched == 0 || !self.ended, "a fetch after the end");
        } else {
            assert_eq!(self.fetched, 0, "a fetch without a kick");
        }
        let ports = self.max_ports as usize;
        let expired = if matches!(step, Step::Pass { .. }) { outcome.value / 2 } else { 0 };
        if let Step::Pass { budget, .. } = step {
            assert!(expired <= *budget as usize, "more timers expired than the budget allows (TIME-18)");
        }
        let most = ACCESSES * (self.fetched + 1) + expired * 24 + self.stops * ports * 24 + clears;
        assert!(accesses <= most, "{accesses} accesses, {most} are the most");
        let most = 64 + 2 * ports + 8;
        assert!(outcome.actions.len() <= most, "{} actions, {most} are the most", outcome.actions.len());
    }

    /// What the host says that it is done with is done.
    fn nothing_forgotten(&self, ground: &Ground, step: &Step, outcome: &Outcome) {
        let (Step::Serve { queue, .. }, Some(served)) = (step, outcome.served) else { return };
        let ends = |action: &Action| {
            matches!(
                action,
                Action::Lifecycle(LifecycleAction::Exit { .. })
                    | Action::Lifecycle(LifecycleAction::Restart)
                    | Action::Vcpu(VcpuAction::Stop { .. })
            )
        };
        if served.again || self.ended || outcome.actions.iter().any(ends) {
            return;
        }
        let Some(Some(area)) = self.areas.get((queue >> 1) as usize) else { return };
        let lane = (queue & 1) as usize;
        let here = &area.lanes[lane];
        let (first, depth) =
            if lane == 0 { (guest::SUBMISSIONS, area.sizes.depth) } else { (guest::EMERGENCY, 1) };
        if here.corrupt.is_some() || here.in_flight.len() >= depth as usize {
            return;
        }
        let base = ground.grants.borrow()[area.guest].first;
        let at = base + words(first) + (here.fetched & (depth - 1)) as usize * 8 + 7;
        let tail = Tail::from_word(ground.peek(at));
        assert_ne!(tail.turn, turn(self.seed, here.fetched), "a submission was left lying (CALL-14)");
    }

    fn actions(&mut self, actions: &[Action]) {
        let mut upcalls = vec![false; self.areas.len()];
        for action in actions {
            match *action {
                Action::Vcpu(VcpuAction::Upcall { vcpu, vector }) => {
                    let sent = std::mem::replace(&mut upcalls[vcpu as usize], true);
                    assert!(!sent, "two upcalls for vCPU {vcpu} at once");
                    assert!(vector >= 32, "an upcall with vector {vector} (VCPU-8)");
                }
                Action::Vcpu(VcpuAction::Stop { vcpu }) => {
                    upcalls[vcpu as usize] = false;
                    self.areas[vcpu as usize] = None;
                }
                Action::Session(SessionAction::Reset { .. }) => upcalls.fill(false),
                Action::Lifecycle(LifecycleAction::Exit { .. })
                | Action::Lifecycle(LifecycleAction::Restart) => self.ended = true,
                _ => {}
            }
        }
    }

    pub(crate) const fn seed(&self) -> u32 {
        self.seed
    }

    /// Position up to which entries were written to a ring.
    pub(crate) fn written(&self, vcpu: usize, class: usize) -> u32 {
        self.areas.get(vcpu).and_then(Option::as_ref).map_or(0, |area| area.written[class])
    }
}
