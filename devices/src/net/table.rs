// SPDX-License-Identifier: MIT OR Apache-2.0
//! Behind which port an address is.

use std::collections::HashMap;

/// Addresses that are known at once, at most: further ones are not learnt.
const MOST: usize = 4096;

/// Behind which port an address is.
#[derive(Default)]
pub(super) struct Table(HashMap<[u8; 6], usize>);

/// Whether an address is that of a group.
pub(super) const fn is_group(mac: [u8; 6]) -> bool {
    mac[0] & 1 != 0
}

impl Table {
    /// A frame with this source came from a port.
    pub(super) fn learn(&mut self, mac: [u8; 6], port: usize) {
        if is_group(mac) || self.0.len() >= MOST && !self.0.contains_key(&mac) {
            return;
        }
        self.0.insert(mac, port);
    }

    /// The port of an address, if it is known.
    pub(super) fn port(&self, mac: [u8; 6]) -> Option<usize> {
        self.0.get(&mac).copied()
    }

    /// A port is gone.
    pub(super) fn forget(&mut self, port: usize) {
        self.0.retain(|_, at| *at != port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_learnt_moved_and_forgotten_within_a_bound() {
        let mut table = Table::default();
        let mac = |n: usize| [2, 0, 0, 0, (n >> 8) as u8, n as u8];
        table.learn(mac(1), 1);
        table.learn(mac(1), 2);
        table.learn([1, 0, 0, 0, 0, 9], 1);
        assert_eq!((table.port(mac(1)), table.port([1, 0, 0, 0, 0, 9])), (Some(2), None));
        (0..2 * MOST).for_each(|n| table.learn(mac(n), 3));
        assert_eq!((table.0.len(), table.port(mac(1))), (MOST, Some(3)));
        table.forget(3);
        assert_eq!(table.0.len(), 0);
    }
}
