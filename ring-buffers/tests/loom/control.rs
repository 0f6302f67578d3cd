// SPDX-License-Identifier: MIT OR Apache-2.0
//! A model of what the record's words need. The protocol itself lives in the host core and the shim; its
//! orderings are named here.

use crate::memory::{Area, Side};
use loom::thread;
use tenon_rings::{Site, Words};

/// SES-4: the host writes the value, then the result with the ticket; a guest that sees its ticket sees the
/// value.
pub(crate) fn answer(weak: Option<Site>) {
    let record = Area::zeroed(Side::Host, 2, weak);
    let host = record.of(Side::Host);
    let host = thread::spawn(move || {
        for ticket in 1..=2 {
            host.store(0, ticket * 0x100, Site::Status);
            host.store(1, ticket, Site::ControlPublish);
        }
    });
    let guest = record.of(Side::Guest);
    for _ in 0..2 {
        let ticket = guest.load(1, Site::ControlTake);
        // The host may be one answer further, never behind.
        assert!(guest.load(0, Site::Status) >= ticket * 0x100, "a stale value");
    }
    host.join().unwrap();
}
