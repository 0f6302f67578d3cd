// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who has which pages and buffers when: what a host may still touch is not given back, all else is.

use tenon_abi::vcpu::Sizes;
use tenon_abi::{Features, Granule, Op, Status, Submission};
use tenon_guest::session::SCRATCH_LEN;
use tenon_guest::vcpu::needed;
use tenon_guest::{Error, Session, Wish};

use crate::host::{GRANULE, Host, REGION};
use crate::lies::{bind, host, open};
use crate::session::{DEPTH, EVENTS};

const K: u64 = GRANULE as u64;

#[test]
fn what_a_vcpu_needs_is_what_it_takes() {
    let sizes = Sizes { depth: DEPTH as u32, events: EVENTS };
    for (granule, window, bytes) in [
        (Granule::K4, true, 4096),
        (Granule::K4, false, 8192),
        (Granule::K16, true, 16384),
        (Granule::K64, false, 131_072),
    ] {
        assert_eq!(needed(sizes, granule, window), Some(bytes));
    }
    let large = Sizes { depth: 4096, events: [65_536; 2] };
    // 0x200 and 64 bytes for each of 4096; 0x80, 16 for each of 4096, and 8 for each event.
    assert_eq!(needed(large, Granule::K4, true), Some(266_240));
    assert_eq!(needed(large, Granule::K4, false), Some(266_240 + 1_118_208));
    for wrong in
        [Sizes { depth: 3, ..sizes }, Sizes { depth: 8192, ..sizes }, Sizes { events: [4, 0], ..sizes }]
    {
        assert_eq!(needed(wrong, Granule::K4, true), None);
    }
}

#[test]
fn one_pool_is_enough_and_the_rest_of_it_comes_back() {
    for (features, area) in [(Features::all(), K), (Features::all().difference(Features::WINDOW), 2 * K)] {
        let host = host();
        let mut pool = host.all();
        let wish = Wish { features, ..Wish::default() };
        let session =
            Session::open(&host, host.found().expect("it is there"), &mut pool, wish).expect("it opens");
        assert_eq!(pool.address(), SCRATCH_LEN);
        assert_eq!(session.needed::<DEPTH>(EVENTS), Ok(area));
        let vcpu = session.bind::<DEPTH>(0, &mut pool, EVENTS).expect("it binds");
        assert_eq!((pool.address(), pool.mapping().byte_len() as u64), (K + area, REGION as u64 - K - area));
        assert_eq!(vcpu.call(Op::NOP, [3]), Ok(3));
        let Err(vcpu) = vcpu.release() else { panic!("its session goes on") };
        assert_eq!(session.reset(), Ok(()));
        let pages = vcpu.release().expect("its session is over");
        assert_eq!((pages.address(), pages.mapping().byte_len() as u64), (K, area));
    }
}

#[test]
fn a_host_that_refuses_leaves_the_pages() {
    let host = host();
    let mut pool = host.all();
    let session = Session::open(&host, host.found().expect("it is there"), &mut pool, Wish::default())
        .expect("it opens");
    let _vcpu = session.bind::<DEPTH>(0, &mut pool, EVENTS).expect("it binds");
    let before = pool.address();
    // Twice, and one that there is not.
    for vcpu in [0, 9] {
        let refused = session.bind::<DEPTH>(vcpu, &mut pool, EVENTS);
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
        assert_eq!((pool.address(), pool.mapping().byte_len() as u64), (before, REGION as u64 - before));
    }
    assert_eq!(session.bind::<DEPTH>(1, &mut pool, [4, 3]).err(), Some(Error::BadMemory));
    assert_eq!(pool.address(), before);
    let mut none = pool.split(0, Granule::K4).expect("nothing is always there");
    assert_eq!(session.bind::<DEPTH>(1, &mut none, EVENTS).err(), Some(Error::BadMemory));
}

#[test]
fn a_host_that_is_silent_keeps_them() {
    let host = host();
    host.deaf.set(true);
    let mut pool = host.all();
    let found = host.found().expect("it is there");
    assert_eq!(Session::open(&host, found, &mut pool, Wish::default()).err(), Some(Error::Pending));
    assert_eq!(pool.address(), SCRATCH_LEN, "it may still look at the request");
    host.deaf.set(false);
    let session = Session::open(&host, found, &mut pool, Wish::default()).expect("it opens");
    host.deaf.set(true);
    let before = pool.address();
    assert_eq!(session.bind::<DEPTH>(0, &mut pool, EVENTS).err(), Some(Error::Pending));
    assert_eq!(pool.address(), before + K, "it may still use the area");
}

#[test]
fn pages_are_split_at_the_granule() {
    let host = host();
    let mut pool = host.all();
    let first = pool.split(1, Granule::K4).expect("it is there");
    assert_eq!((first.address(), first.mapping().byte_len(), first.frame(Granule::K4)), (0, GRANULE, Ok(0)));
    assert_eq!(pool.address(), K);
    assert_eq!(pool.frame(Granule::K4), Ok(1));
    assert_eq!(pool.frame(Granule::K16), Err(Error::BadMemory));
    let at = pool.mapping().base();
    let second = pool.split(K + 1, Granule::K4).expect("it is there");
    assert_eq!(
        (second.address(), second.mapping().byte_len(), second.mapping().base()),
        (K, 2 * GRANULE, at)
    );
    assert_eq!(pool.address(), 3 * K);
    // Too much leaves everything.
    for len in [K + 1, u64::MAX, u64::MAX - K] {
        assert!(matches!(pool.split(len, Granule::K4), Err(Error::BadMemory)));
    }
    assert!(
        matches!(pool.split(1, Granule::K64), Err(Error::BadMemory)),
        "the next boundary lies behind them"
    );
    assert_eq!((pool.address(), pool.mapping().byte_len()), (3 * K, GRANULE));
    // What lies before the boundary is lost.
    let mut pool = host.all_from(4 * K);
    let _ = pool.split(1, Granule::K4);
    let second = pool.split(1, Granule::K16).map(|pages| pages.address());
    assert_eq!(second, Err(Error::BadMemory), "it would begin where they end");
    let first = host.all().mapping().base();
    let mut pool = host.all_from(3 * K);
    let second = pool.split(1, Granule::K4).and_then(|_| pool.split(0, Granule::K16)).expect("it is there");
    assert_eq!((second.address(), second.mapping().base()), (4 * K, first.wrapping_add(GRANULE)));
}

#[test]
fn a_buffer_comes_back_with_the_answer_and_not_before() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    let mut read = vcpu.console().read(host.buffer()).expect("there is room");
    for _ in 0..3 {
        let Err((error, kept)) = read.wait() else { panic!("nothing was typed") };
        assert_eq!(error, Error::Pending);
        read = kept.map_err(drop).expect("the host may still write to the buffer");
    }
    host.enter(|domain| domain.input(b"typed"));
    let Ok((buffer, 5)) = read.wait() else { panic!("it was typed") };
    let mut text = [0; 5];
    assert!(buffer.read(0, &mut text) && &text == b"typed");
    // Cancelled, it comes back too.
    let read = vcpu.console().read(buffer).expect("there is room");
    assert_eq!(read.cancel(), Ok(true));
    let Err((Error::Refused(Status::CANCELLED), Err(buffer))) = read.wait() else {
        panic!("it was cancelled")
    };
    // And with its session.
    let read = vcpu.console().read(buffer).expect("there is room");
    host.end_session();
    let Err((error, Err(_))) = read.wait() else { panic!("its session is over") };
    assert_eq!(error, Error::Refused(Status::INDETERMINATE));
}

#[test]
fn a_read_that_is_dropped_keeps_its_id() {
    let host = host();
    let session = open(&host);
    let vcpu = bind(&host, &session);
    drop(vcpu.console().read(host.buffer()).expect("there is room"));
    assert_eq!((vcpu.in_flight(), vcpu.quarantined()), (1, Ok(1)));
    let mut request = vcpu.request(Submission::new(Op::NOP, [1, 0, 0, 0, 0, 0])).expect("there is room");
    assert_eq!((request.id(), request.wait()), (Some(1), Ok(1)));
    host.enter(|domain| domain.input(b"late"));
    assert_eq!((vcpu.quarantined(), vcpu.in_flight()), (Ok(0), 0));
}

#[test]
fn buffers_keep_inside_of_themselves() {
    let host = host();
    let buffer = host.buffer();
    assert_eq!((buffer.len(), buffer.is_empty(), buffer.address()), (GRANULE, false, 3 * K));
    assert!(buffer.write(GRANULE - 3, b"end") && !buffer.write(GRANULE - 2, b"end"));
    let mut text = [0; 3];
    assert!(buffer.read(GRANULE - 3, &mut text) && &text == b"end");
    assert!(!buffer.read(GRANULE - 2, &mut text) && &text == b"end");
    assert!(!buffer.write(usize::MAX, b"x") && buffer.write(GRANULE, b""));
    let none = tenon_guest::Buffer::new(Host::all(&host).split(0, Granule::K4).expect("nothing is there"));
    assert!(none.is_empty());
}
