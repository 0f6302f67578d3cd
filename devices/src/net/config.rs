// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a port of a switch is, and what it has carried.

use std::sync::atomic::{AtomicU64, Ordering};
use tenon_abi::net::MAX_FRAME;
use tenon_abi::{DeviceKind, NetFeatures, NetInfo};
use tenon_host::device::{Device, words};
use zerocopy::{FromZeros, IntoBytes};

/// What a port is, and what it may do.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// The interface's address.
    pub mac: [u8; 6],
    /// Most bytes behind the Ethernet header.
    pub mtu: u32,
    /// Longest frame with segments.
    pub max_frame: u32,
    /// Pairs of rings.
    pub pairs: u32,
    /// Features that its guest may choose.
    pub features: NetFeatures,
    /// Frames go to no other isolated port, and come from none.
    pub isolated: bool,
    /// Frames from other addresses than the interface's are refused (NET-10).
    pub own_address_only: bool,
}

impl PortConfig {
    /// A port with this address, an MTU of 1500, one pair, all features that a switch has, and no policy.
    #[must_use]
    pub fn new(mac: [u8; 6]) -> Self {
        let features = NetFeatures::all().difference(NetFeatures::HASH);
        let (isolated, own_address_only) = (false, false);
        Self { mac, mtu: 1500, max_frame: MAX_FRAME, pairs: 1, features, isolated, own_address_only }
    }

    /// What its kind tells of it, with the link up.
    pub(super) fn info(&self) -> NetInfo {
        let [m0, m1, m2, m3, m4, m5] = self.mac;
        let mut info = NetInfo::new_zeroed();
        info.mac.set(u64::from_le_bytes([m0, m1, m2, m3, m4, m5, 0, 0]));
        info.mtu.set(self.mtu);
        info.max_frame.set(self.max_frame);
        info.link.set(1);
        info.pairs.set(self.pairs);
        info
    }

    /// What a guest is told of it.
    #[must_use]
    pub fn device(&self) -> Device {
        let info = self.info();
        Device {
            kind: DeviceKind::NET,
            identity: [info.mac.get(), 0],
            features: self.features.bits(),
            max_queues: self.pairs * 2,
            max_depth: 1 << 20,
            own: words(info.as_bytes()),
        }
    }
}

/// A count that grows.
#[derive(Debug, Default)]
pub struct Total(AtomicU64);

impl Total {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How much it is.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a port has carried and dropped.
#[derive(Debug, Default)]
pub struct PortCounts {
    /// Frames that its guest sent.
    pub sent: Total,
    /// Frames that its guest was given.
    pub received: Total,
    /// Records of its guest's that are no frames (NET-4).
    pub bad: Total,
    /// Frames that a policy refused, or that came while nothing may be carried.
    pub refused: Total,
    /// Frames for which its guest had no room, or no ring.
    pub full: Total,
    /// Frames that are longer than its guest takes.
    pub long: Total,
}
