// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain on its ground, one step at a time.

use std::rc::Rc;

use tenon_host::time::{Now, Passed, Utc};
use tenon_host::{Action, Config, Domain, Error, Misfit, Served, Services, State, TimeAction, VcpuAction};

use crate::ground::{Given, Ground};

/// One entry into the core.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Control(u32),
    Serve {
        queue: u32,
        budget: u32,
    },
    Raise(u32),
    Input(Vec<u8>),
    Stopped(u32),
    TakeOutput,
    /// So many nanoseconds pass, and timers expire.
    Pass {
        ns: u64,
        budget: u32,
    },
    /// UTC steps, or is not known any more.
    Utc(Option<u64>),
    /// The clocks stand, and nobody knows UTC: a state can be saved.
    Pause,
    /// They go on.
    GoOn,
}

/// What it answered, and asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) served: Option<Served>,
    /// A number that depends on the step.
    pub(crate) value: usize,
    pub(crate) actions: Vec<Action>,
}

impl Outcome {
    /// Without what a restored domain may do more often.
    fn without_upcalls(&self) -> (Option<Served>, usize, Vec<&Action>) {
        let rest = self.actions.iter().filter(|action| {
            !matches!(action, Action::Vcpu(VcpuAction::Upcall { .. }) | Action::Time(TimeAction::Deadline))
        });
        (self.served, self.value, rest.collect())
    }
}

pub(crate) struct World {
    pub(crate) ground: Rc<Ground>,
    pub(crate) domain: Domain<Given>,
    /// The host's clock.
    now: u64,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let ground = Ground::new(config.window_len);
        let mut domain = Domain::new(config, Given(Rc::clone(&ground))).expect("the configuration is legal");
        domain.start_clocks(at(0), Passed::default());
        // The record is not judged by how it was written, but by its words.
        ground.log.borrow_mut().clear();
        Self { ground, domain, now: 0 }
    }

    pub(crate) fn apply(&mut self, step: &Step) -> Outcome {
        let (mut served, mut value) = (None, 0);
        match step {
            Step::Control(frame) => self.domain.control(*frame),
            Step::Serve { queue, budget } => {
                let now = at(self.now);
                served = Some(self.domain.serve_at(*queue, *budget, || now));
            }
            Step::Raise(port) => value = usize::from(self.domain.raise(*port).is_ok()),
            Step::Input(bytes) => value = self.domain.input(bytes),
            Step::Stopped(vcpu) => self.domain.stopped(*vcpu),
            Step::TakeOutput => value = self.domain.take_output().len(),
            Step::Pass { ns, budget } => {
                self.now = self.now.saturating_add(*ns);
                let expired = self.domain.expire(at(self.now), *budget);
                value = expired.timers as usize * 2 + usize::from(expired.again);
            }
            Step::Utc(utc) => {
                self.domain.set_utc(at(self.now), utc.map(|ns| Utc::new(ns, 0)));
            }
            Step::Pause => {
                self.domain.set_utc(at(self.now), None);
                self.domain.stop_clocks(at(self.now));
            }
            // A disruption, as it is for a restored domain.
            Step::GoOn => self.domain.start_clocks(at(self.now), Passed { ran: 0, stood: 1 }),
        }
        Outcome { served, value, actions: self.drain() }
    }

    pub(crate) fn drain(&mut self) -> Vec<Action> {
        let actions: Vec<_> = std::iter::from_fn(|| self.domain.next_action()).collect();
        if actions.contains(&Action::Time(TimeAction::Deadline)) {
            self.domain.next_deadline();
        }
        actions
    }

    /// The private state. `written`: through its serialised form, which must lose nothing.
    fn saved(&self, written: bool) -> State {
        let state = self.domain.save();
        if written {
            let text = serde_json::to_string(&state).expect("a state can be written");
            let back: State = serde_json::from_str(&text).expect("a written state can be read");
            assert!(state == back, "a state changed by being written");
        }
        state
    }

    /// This domain as an embedder restores it over `ground`; `None` where the memory no longer holds its
    /// areas.
    pub(crate) fn restored(&self, ground: Rc<Ground>, written: bool) -> Option<Self> {
        let domain = Domain::restore(self.saved(written), Given(Rc::clone(&ground)), Services::default());
        let domain = match domain {
            Ok(domain) => domain,
            Err(Error::BadState(Misfit::OutsideMemory | Misfit::Page)) => return None,
            Err(error) => panic!("a state that was saved is refused: {error}"),
        };
        Some(Self { ground, domain, now: self.now })
    }

    /// Whether a restored domain stands where the one stands that it was saved from.
    pub(crate) fn assert_same(&self, other: &Self) {
        assert!(self.ground.same_contents(&other.ground), "a restored domain wrote something else");
        let states = [self, other].map(|world| world.domain.save().without_upcalls());
        assert_eq!(states[0], states[1], "a restored domain stands elsewhere");
    }
}

const fn at(monotonic: u64) -> Now {
    Now { monotonic, counter: None }
}

/// The same step in a domain and in its restored copy.
pub(crate) fn assert_alike(one: &Outcome, other: &Outcome) {
    assert_eq!(one.without_upcalls(), other.without_upcalls(), "a restored domain does something else");
}
