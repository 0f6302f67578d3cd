// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports that are masked twice, beside others (EVT-14, EVT-15).

use tenon_abi::vcpu::guest;
use tenon_guest::{Error, Vcpu};

use crate::host::{GRANULE, Host};
use crate::lies::{bind, host, open};
use crate::session::DEPTH;

const PORT: u32 = 7;

fn hint(host: &Host, word: u64) -> u64 {
    host.guest_word(GRANULE as u64 + guest::MASK_HINTS + 8 * word)
}

fn taken(vcpu: &Vcpu<'_, Host, DEPTH>) -> Vec<u32> {
    let mut seen = Vec::new();
    while vcpu.take_events(|port| seen.push(port)).expect("the ring is in order") > 0 {}
    seen
}

#[test]
fn a_port_that_is_masked_twice_is_masked_and_unmasked_once() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    for port in [PORT, PORT + 1] {
        vcpu.bind_port(port, 0, 0).expect("it binds");
    }
    for laps in 1..4 {
        (0..laps).for_each(|_| vcpu.mask(PORT).expect("it has a mask"));
        assert_eq!(hint(&host, 0), 1 << PORT);
        host.enter(|domain| drop(domain.raise(PORT + 1)));
        assert_eq!(taken(&vcpu), [PORT + 1], "the other port's events are handled");
        assert_eq!(vcpu.unmask(PORT), Ok(false), "nothing was raised");
        assert_eq!(hint(&host, 0), 0);
        host.enter(|domain| drop(domain.raise(PORT)));
        assert_eq!(taken(&vcpu), [PORT]);
        // Once more does no harm either.
        assert_eq!((vcpu.unmask(PORT), hint(&host, 0)), (Ok(false), 0));
    }
}

#[test]
fn an_event_that_came_while_masked_is_remembered_until_it_is_told() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    vcpu.bind_port(PORT, 0, 0).expect("it binds");
    // Raised before the host knew of the mask, as its hint allows.
    host.enter(|domain| drop(domain.raise(PORT)));
    vcpu.mask(PORT).expect("it has a mask");
    assert_eq!(taken(&vcpu), [0; 0], "an event of a masked port was handled");
    vcpu.mask(PORT).expect("it has a mask");
    assert_eq!(vcpu.unmask(PORT), Ok(true), "the second mask forgot what the first one kept");
    assert_eq!(vcpu.unmask(PORT), Ok(false), "it is told once");
    vcpu.mask(PORT).expect("it has a mask");
    assert_eq!(vcpu.unmask(PORT), Ok(false));
}

#[test]
fn a_port_that_is_masked_twice_stays_masked() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    vcpu.bind_port(PORT, 0, 0).expect("it binds");
    // In the ring already, so that the host's hint does not help.
    host.enter(|domain| drop(domain.raise(PORT)));
    (0..2).for_each(|_| vcpu.mask(PORT).expect("it has a mask"));
    assert_eq!(taken(&vcpu), [0; 0], "an event of a masked port was handled");
    assert_eq!(vcpu.unmask(PORT), Ok(true));
}

#[test]
fn hints_of_all_ports_lie_where_they_belong() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    for port in [0, 1, 63, 64, 127, 128, 1022, 1023] {
        vcpu.mask(port).expect("it has a mask");
    }
    let expected = |word| match word {
        0 => 1 << 63 | 0b11,
        1 => 1 << 63 | 1,
        2 => 1,
        15 => 0b11 << 62,
        _ => 0,
    };
    assert!((0..16).all(|word| hint(&host, word) == expected(word)));
    assert_eq!(vcpu.unmask(1), Ok(false));
    assert_eq!((hint(&host, 0), hint(&host, 1)), (1 << 63 | 1, 1 << 63 | 1), "another port's hint went too");
    for port in [1024, 1025, u32::MAX] {
        assert_eq!((vcpu.mask(port), vcpu.unmask(port)), (Err(Error::BadMemory), Err(Error::BadMemory)));
    }
    assert_eq!(hint(&host, 15), 0b11 << 62);
}
