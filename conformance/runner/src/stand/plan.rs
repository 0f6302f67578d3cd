// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a host behaves in one boot.

use std::fmt;
use tenon_abi::{Features, Granules};

/// One boot.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name in reports.
    pub name: String,
    /// Where sessions and order are drawn from.
    pub seed: u64,
    /// Features that are offered.
    pub features: Features,
    /// Granules that are offered (NEG-3).
    pub granules: Granules,
    /// The least limits that DISC-9 allows, in place of generous ones.
    pub small: bool,
    /// Seeds as high as CALL-5 allows.
    pub high_seed: bool,
    /// A kick is served some time after it, together with others (DISC-7, CALL-17).
    pub late: bool,
    /// Completions are held for a while, and come in another order (CALL-7).
    pub shuffled: bool,
    /// Upcalls come without a cause (EVT-13).
    pub spurious: bool,
    /// The console has input, one byte at a time.
    pub typing: bool,
    /// The host ends the session by itself after so many kicks (SES-9).
    pub ends_after: Option<u32>,
    /// The one word that is not what the host wrote.
    pub lie: Option<Lie>,
}

/// A word that a lying host writes in place of the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// Which of the host's stores it is, from the start of the machine on.
    pub store: u64,
    /// What stands there instead.
    pub value: Value,
}

/// What a lie makes of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Zero,
    /// All bits.
    Ones,
    /// The next number.
    More,
    /// The number before.
    Less,
    /// With the other sign.
    Sign,
    /// With another upper half: a turn of the next position.
    Turn,
    /// With another second field of 16 bits: another id.
    Id,
    /// As it was before: the store is left out.
    Omitted,
}

impl Value {
    /// All of them, boundaries first.
    pub const ALL: [Self; 8] =
        [Self::Zero, Self::Ones, Self::More, Self::Less, Self::Sign, Self::Turn, Self::Id, Self::Omitted];

    /// The word in place of `word`; `None`: none is stored.
    #[must_use]
    pub const fn of(self, word: u64) -> Option<u64> {
        Some(match self {
            Self::Zero => 0,
            Self::Ones => u64::MAX,
            Self::More => word.wrapping_add(1),
            Self::Less => word.wrapping_sub(1),
            Self::Sign => word ^ (1 << 63),
            Self::Turn => word.wrapping_add(1 << 32),
            Self::Id => word ^ (1 << 16),
            Self::Omitted => return None,
        })
    }
}

impl Plan {
    /// A host that does what it can at once.
    #[must_use]
    pub fn plain(seed: u64) -> Self {
        Self {
            name: "plain".to_owned(),
            seed,
            features: Features::all(),
            granules: Granules::all(),
            small: false,
            high_seed: false,
            late: false,
            shuffled: false,
            spurious: false,
            typing: false,
            ends_after: None,
            lie: None,
        }
    }

    fn named(self, name: impl fmt::Display) -> Self {
        Self { name: name.to_string(), ..self }
    }

    /// The unkind hosts: all within the text, each with all else as the plain host has it, and one with
    /// everything at once. `offered`: what the plain host offered, of which each is withheld once.
    #[must_use]
    pub fn unkind(seed: u64, offered: Features) -> Vec<Self> {
        let plain = || Self::plain(seed);
        let mut plans = vec![
            Self { late: true, ..plain() }.named("late"),
            Self { late: true, shuffled: true, ..plain() }.named("out of order"),
            Self { spurious: true, ..plain() }.named("spurious upcalls"),
            Self { typing: true, ..plain() }.named("console input in single bytes"),
            Self { small: true, ..plain() }.named("smallest limits"),
            Self { high_seed: true, ..plain() }.named("highest seeds"),
            Self { features: Features::empty(), ..plain() }.named("no features"),
        ];
        for granule in Granules::all().iter() {
            plans.push(
                Self { granules: granule, ..plain() }.named(format_args!("granule {}", granule.bits())),
            );
        }
        for feature in offered.iter() {
            let name = feature.iter_names().next().map_or("", |(name, _)| name);
            plans.push(
                Self { features: Features::all().difference(feature), ..plain() }
                    .named(format_args!("without {name}")),
            );
        }
        for kicks in [1, 2, 3, 5] {
            plans.push(
                Self { ends_after: Some(kicks), ..plain() }
                    .named(format_args!("session ended after {kicks}")),
            );
        }
        let all = Self { late: true, shuffled: true, spurious: true, typing: true, ..plain() };
        plans.push(Self { small: true, high_seed: true, ..all }.named("all at once"));
        plans
    }

    /// Lying hosts, at most `count`, spread over a boot in which the host stored `stores` words: each lies
    /// once.
    #[must_use]
    pub fn lying(seed: u64, stores: u64, count: usize) -> Vec<Self> {
        let kinds = u64::try_from(Value::ALL.len()).unwrap_or(1);
        let all = stores.saturating_mul(kinds);
        let count = u64::try_from(count).unwrap_or(u64::MAX).min(all);
        let plan = |number: u64| {
            // As many as are asked for, evenly over the stores; which value comes first is by the seed.
            let place = u64::try_from(u128::from(number) * u128::from(all) / u128::from(count.max(1)));
            let place = place.unwrap_or(0);
            let turn = (place / kinds).wrapping_add(place).wrapping_add(seed) % kinds;
            let value = usize::try_from(turn).ok().and_then(|turn| Value::ALL.get(turn).copied());
            let lie = Lie { store: place / kinds, value: value.unwrap_or(Value::Zero) };
            let plain = Self { lie: Some(lie), ..Self::plain(seed) };
            plain.named(format_args!("lie: store {} {:?}", lie.store, lie.value))
        };
        (0..count).map(plan).collect()
    }
}

/// A number for [`tenon_host::Config::seed`] whose first session has the highest seed that CALL-5 allows: the
/// core's generator (splitmix64) the other way round.
#[must_use]
pub(super) const fn high_seed() -> u64 {
    let seed = 0xfffe_fffd_u64;
    let mut z = seed << 32 | seed;
    z ^= z >> 31 ^ z >> 62;
    z = z.wrapping_mul(0x3196_42b2_d24d_8ec3);
    z ^= z >> 27 ^ z >> 54;
    z = z.wrapping_mul(0x96de_1b17_3f11_9089);
    z ^= z >> 30 ^ z >> 60;
    z.wrapping_sub(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;
    use std::collections::BTreeSet;
    use tenon_host::loopback::Ram;
    use tenon_host::{Conduit, Config, Domain, Memory};
    use tenon_rings::{Site, Words};

    #[test]
    fn the_highest_seed_is_that_of_the_first_session() {
        let config = Config::new(Conduit::call(true), 1, high_seed());
        let ram = Ram::new(1 << 16, usize::try_from(config.window_len).expect("small")).expect("memory");
        let _domain = Domain::new(config, ram.clone()).expect("a domain");
        let session = ram.window().load(offset_of!(tenon_abi::Record, session) / 8, Site::Status);
        assert_eq!(session as u32, 0xfffe_fffd);
        assert!(tenon_abi::discovery::seed_is_valid(0xfffe_fffd));
    }

    #[test]
    fn few_lies_reach_all_of_a_boot_and_many_are_every_word_with_every_value() {
        let lies =
            |count| -> Vec<_> { Plan::lying(7, 40, count).into_iter().filter_map(|plan| plan.lie).collect() };
        let few = lies(10);
        assert_eq!(few.len(), 10);
        assert!(few.iter().any(|lie| lie.store < 4) && few.iter().any(|lie| lie.store >= 36));
        let all: BTreeSet<_> =
            lies(10_000).iter().map(|lie| (lie.store, format!("{:?}", lie.value))).collect();
        assert_eq!(all.len(), 40 * Value::ALL.len());
    }

    #[test]
    fn every_feature_that_is_offered_is_withheld_once() {
        let offered = Features::EVENTS | Features::UPCALL;
        let plans = Plan::unkind(1, offered);
        for feature in offered.iter() {
            let without = Features::all().difference(feature);
            assert_eq!(plans.iter().filter(|plan| plan.features == without).count(), 1);
        }
    }
}
