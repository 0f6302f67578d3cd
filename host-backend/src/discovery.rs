// SPDX-License-Identifier: MIT OR Apache-2.0
//! The discovery record, as the host writes it (DISC-1, NEG-5, SES-1).

use crate::config::Config;
use tenon_abi::control::SessionState;
use tenon_abi::discovery::{MAGIC, Session, seed_is_valid};
use tenon_abi::{Features, Granule, Record, Status, Tail, VERSION};
use tenon_rings::{Site, Words};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromZeros, IntoBytes};

/// Words of the record that do not change (DISC-3).
const FIXED_WORDS: usize = core::mem::offset_of!(Record, session) / 8;

/// Writes the record's words into the window.
pub(crate) struct RecordWriter<W> {
    window: W,
}

impl<W: Words> RecordWriter<W> {
    pub(crate) fn new(window: W) -> Self {
        Self { window }
    }

    /// Everything that does not change while the domain runs (DISC-3).
    pub(crate) fn write_fixed(&self, config: &Config, region0_len: u64) {
        let mut record = Record::new_zeroed();
        record.magic = U64::new(MAGIC);
        record.major = U16::new(VERSION.major);
        record.minor = U16::new(config.minor);
        record.size = U32::new(256);
        record.features = U64::new(config.features.bits());
        record.granules = U32::new(config.granules.bits());
        record.conduit = U16::new(config.conduit.kind.0);
        record.conduit_flags = U16::new(config.conduit.flags.bits());
        record.kick_base = U64::new(config.conduit.kick_base);
        record.kick_stride = U32::new(config.conduit.kick_stride);
        record.bind_base = U64::new(config.conduit.bind_base);
        record.window_len = U64::new(config.window_len);
        record.max_vcpus = U32::new(config.max_vcpus);
        record.max_depth = U32::new(config.max_depth);
        record.max_events = U32::new(config.max_events);
        record.max_ports = U32::new(config.max_ports);
        record.max_payload = U32::new(config.max_payload);
        record.region0_len = U64::new(region0_len);
        if config.features.intersects(Features::UPCALL | Features::DIRECT) {
            record.irq_first = U32::new(*config.interrupts.start());
            record.irq_last = U32::new(*config.interrupts.end());
        }
        let (words, _) = record.as_bytes().as_chunks::<8>();
        for (index, bytes) in words.iter().enumerate().take(FIXED_WORDS) {
            self.window.store(index, u64::from_le_bytes(*bytes), Site::Status);
        }
    }

    /// Clears the words that change, before the first session.
    pub(crate) fn clear(&self) {
        for index in FIXED_WORDS..size_of::<Record>() / 8 {
            self.window.store(index, 0, Site::Status);
        }
    }

    /// The session's minor version, granule and features, or `None` for an idle one (NEG-5).
    pub(crate) fn set_active(&self, active: Option<(u16, Granule, Features)>) {
        let (word, features) = match active {
            Some((minor, granule, features)) => {
                let [m0, m1] = VERSION.major.to_le_bytes();
                let [n0, n1] = minor.to_le_bytes();
                let [s0, s1] = SessionState::OPEN.0.to_le_bytes();
                (u64::from_le_bytes([m0, m1, n0, n1, granule.shift(), 0, s0, s1]), features.bits())
            }
            None => (0, 0),
        };
        if tenon_rings::planted!("active-before-features") {
            self.store(core::mem::offset_of!(Record, active), word, Site::ControlPublish);
        }
        self.store(core::mem::offset_of!(Record, active_features), features, Site::Status);
        self.store(core::mem::offset_of!(Record, active), word, Site::ControlPublish);
    }

    pub(crate) fn set_session(&self, session: Session) {
        self.store(core::mem::offset_of!(Record, session), session.to_word(), Site::ControlPublish);
    }

    /// The answer to a control request: the status is stored last (SES-4).
    pub(crate) fn answer(&self, ticket: u32, status: Status, value: u64) {
        self.store(core::mem::offset_of!(Record, control_value), value, Site::Status);
        let result = Tail { code: status.0, id: 0, turn: ticket }.to_word();
        self.store(core::mem::offset_of!(Record, control_result), result, Site::ControlPublish);
        if tenon_rings::planted!("value-behind-result") {
            self.store(core::mem::offset_of!(Record, control_value), value, Site::Status);
        }
    }

    fn store(&self, offset: usize, value: u64, site: Site) {
        self.window.store(offset / 8, value, site);
    }
}

/// The next number of the generator (splitmix64), which only has to be hard to repeat.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The first session of a domain.
pub(crate) fn first_session(random: &mut u64) -> Session {
    Session { number: 1, seed: next_seed(0, random) }
}

/// The session after `session`: another number, and a seed that differs by an odd number (SES-1).
pub(crate) fn next_session(session: Session, random: &mut u64) -> Session {
    Session { number: session.number.wrapping_add(1).max(1), seed: next_seed(session.seed, random) }
}

fn next_seed(seed: u32, random: &mut u64) -> u32 {
    // Each try succeeds with a probability of nearly one, and an odd step exists that always does.
    for _ in 0..8 {
        let (step, _) = tenon_abi::call::unpack(draw(random));
        let next = seed.wrapping_add(step | 1);
        if seed_is_valid(next) {
            return next;
        }
    }
    (seed & 1) ^ 1
}
