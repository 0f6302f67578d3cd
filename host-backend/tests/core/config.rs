// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limits of a configuration, at both sides of each (DISC-9).

use crate::tools::config;
use tenon_abi::{Features, Granules, VERSION};
use tenon_host::config::Setting;
use tenon_host::{Config, Error};

/// A setting, what makes it good, and what makes it bad.
type Rule = (Setting, fn(&mut Config, u64), &'static [u64], &'static [u64]);

fn narrow(value: u64) -> u32 {
    u32::try_from(value).expect("a setting of 32 bits")
}

const RULES: &[Rule] = &[
    (
        Setting::WindowLen,
        |config, to| config.window_len = to,
        &[256, 264, 1 << 40],
        &[0, 8, 248, 255, 257, 260],
    ),
    (
        Setting::MaxVcpus,
        |config, to| config.max_vcpus = narrow(to),
        &[1, 2, 3, 4096],
        &[0, 4097, u32::MAX as u64],
    ),
    (
        Setting::MaxDepth,
        |config, to| config.max_depth = narrow(to),
        &[64, 128, 4096],
        &[0, 1, 32, 63, 65, 96, 4095, 8192],
    ),
    (
        Setting::MaxEvents,
        |config, to| config.max_events = narrow(to),
        &[256, 512, 65_536],
        &[0, 1, 128, 255, 257, 300, 65_535, 131_072],
    ),
    (Setting::MaxPorts, |config, to| config.max_ports = narrow(to), &[64, 65, 65_536], &[0, 63, 65_537]),
    (
        Setting::MaxPayload,
        |config, to| config.max_payload = narrow(to),
        &[4096, 4097, 1 << 20],
        &[0, 4095, (1 << 20) + 1],
    ),
    // The low half is the first one, the high half the last.
    (
        Setting::Interrupts,
        |config, to| config.interrupts = narrow(to & 0xffff_ffff)..=narrow(to >> 32),
        &[1 | 8 << 32, 32 | 39 << 32, 32 | 255 << 32],
        &[8 << 32, 1 | 7 << 32, 32 | 38 << 32, 32 | 31 << 32, 255],
    ),
    (
        Setting::Granules,
        |config, to| config.granules = Granules::from_bits_retain(narrow(to)),
        &[1 << 12, 1 << 14, 1 << 16, 1 << 12 | 1 << 16],
        &[0, 1, 1 << 13, 1 << 12 | 1 << 15],
    ),
    (
        Setting::Features,
        |config, to| config.features = Features::from_bits_retain(to),
        &[0, 1],
        &[1 << 63, 1 | 1 << 62],
    ),
];

#[test]
fn each_limit_has_two_sides() {
    for (setting, set, good, bad) in RULES {
        for &value in *good {
            let mut config = config(1);
            set(&mut config, value);
            assert_eq!(config.check(), Ok(()), "{setting:?} {value:#x}");
        }
        for &value in *bad {
            let mut config = config(1);
            set(&mut config, value);
            assert_eq!(config.check(), Err(Error::BadConfig(*setting)), "{setting:?} {value:#x}");
        }
    }
}

#[test]
fn a_minor_version_is_one_that_there_is_and_has_its_features() {
    for minor in 0..=VERSION.minor + 1 {
        let config = config(1).of_minor(minor);
        let known = (1..=VERSION.minor).contains(&minor);
        assert_eq!(config.check().is_ok(), known, "{minor}");
        assert!(Features::of_minor(minor).contains(config.features));
    }
    // What a later version brought is not offered by an earlier one.
    let mut config = config(1);
    config.minor = 1;
    let offered = Features::of_minor(1) == Features::of_minor(VERSION.minor);
    assert_eq!(config.check().is_ok(), offered);
}

#[test]
fn interrupts_and_granules_are_as_the_configuration_says() {
    let mut config = config(1);
    config.interrupts = 40..=50;
    for (number, there) in [(39, false), (40, true), (45, true), (50, true), (51, false), (0, false)] {
        assert_eq!(config.has_interrupt(number), there, "{number}");
    }
    for (granules, smallest) in [(1 << 12, 12), (1 << 14 | 1 << 16, 14), (1 << 16, 16)] {
        config.granules = Granules::from_bits_retain(granules);
        assert_eq!(config.smallest_granule().shift(), smallest);
    }
}
