// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a network interface tells ([NET-2]), and how long its frames are ([NET-4]).
//!
//! [NET-2]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
//! [NET-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces

use crate::device;
use crate::error::Error;
use tenon_abi::net::{FRAME_EXTRA, MAX_FRAME};
use tenon_abi::stream::record_units;
use tenon_abi::{DeviceKind, NetFeatures, NetHeader, NetInfo};
use tenon_rings::planted;

/// What a network interface tells: a copy, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its address.
    pub mac: [u8; 6],
    /// Most bytes behind the Ethernet header.
    pub mtu: u32,
    /// Longest frame with segments, in bytes.
    pub max_frame: u32,
    /// Whether the link is up.
    pub link: bool,
    /// Megabits per second, or zero.
    pub speed: u32,
    /// Pairs of rings.
    pub pairs: u32,
}

impl device::Info {
    /// What it tells as a network interface.
    ///
    /// # Errors
    ///
    /// [`Error::NoMatch`] if it is none, or the host contradicts itself.
    pub fn net(&self) -> Result<Info, Error> {
        if self.kind != DeviceKind::NET {
            return Err(Error::NoMatch);
        }
        self.own().and_then(|told: NetInfo| Info::checked(&told)).ok_or(Error::NoMatch)
    }
}

impl Info {
    /// Of what the host wrote; `None` where it contradicts the text.
    fn checked(told: &NetInfo) -> Option<Self> {
        let (mtu, max_frame, link) = (told.mtu.get(), told.max_frame.get(), told.link.get());
        let (pairs, mac) = (told.pairs.get(), told.mac.get());
        let plain = mtu.saturating_add(FRAME_EXTRA);
        let reserved = told.reserved1.iter().any(|word| word.get() != 0) || told.reserved0.get() != 0;
        let holds = !reserved
            && mac >> 48 == 0
            && link <= 1
            && (1..=256).contains(&pairs)
            && (68..=65_535).contains(&mtu)
            && (plain..=MAX_FRAME.max(plain)).contains(&max_frame);
        let [m0, m1, m2, m3, m4, m5, _, _] = mac.to_le_bytes();
        (holds || planted!("net-info-believed")).then_some(Self {
            mac: [m0, m1, m2, m3, m4, m5],
            mtu,
            max_frame,
            link: link == 1,
            speed: told.speed.get(),
            pairs,
        })
    }

    /// The longest frame of a direction, where `segments` says whether that direction may have them.
    #[must_use]
    pub const fn longest_frame(&self, segments: bool) -> u32 {
        if segments { self.max_frame } else { self.mtu.saturating_add(FRAME_EXTRA) }
    }

    /// Words of the smallest ring to the host, or to the guest, with these features ([NET-3]).
    ///
    /// [NET-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
    #[must_use]
    pub fn least_words(&self, features: NetFeatures, to_host: bool) -> u32 {
        let bit = if to_host { NetFeatures::SEGMENT_TO_HOST } else { NetFeatures::SEGMENT_TO_GUEST };
        let header = u32::try_from(size_of::<NetHeader>()).unwrap_or(0);
        let record = self.longest_frame(features.contains(bit)).saturating_add(header);
        // A record with its header takes at most a quarter (STR-8).
        let units = record_units(record).unwrap_or(u32::MAX).saturating_mul(4);
        units.checked_next_power_of_two().unwrap_or(u32::MAX)
    }
}
