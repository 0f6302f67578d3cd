// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each frame comes back, once, as it was, on its pair.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tenon_abi::NetFeatures;
use tenon_devices::block::Change;
use tenon_devices::net::Echo;
use tenon_host::device::Backend;
use zerocopy::IntoBytes;

use crate::cable::{Guest, config, frame, mac, plain, summed};

#[test]
fn frames_come_back_in_order_on_their_pair() {
    let mut echo = Echo::new(config(1)).expect("it starts");
    let counts = echo.counts();
    assert_eq!((echo.device().max_queues, echo.device().own[0]), (4, 0x0100_0000_0002));
    let mut first = Guest::open(&mut echo, 0, NetFeatures::all());
    let mut second = Guest::open(&mut echo, 1, NetFeatures::all());
    // More than the rings hold: they go round.
    for round in 0..300u32 {
        let text = vec![round as u8; (round * 4) as usize];
        first.send(&plain(), &frame(mac(9), mac(1), &text));
        second.send(&summed(), &frame(mac(8), mac(7), &[1, 2, 3, 4]));
        assert_eq!(first.receive().1, frame(mac(9), mac(1), &text));
        let (header, bytes) = second.receive();
        // Whoever takes sums gets them left out.
        assert_eq!((header.as_bytes(), bytes), (summed().as_bytes(), frame(mac(8), mac(7), &[1, 2, 3, 4])));
    }
    // Bad ones are counted, and what follows comes.
    let mut checked = plain();
    checked.flags.set(2);
    first.send(&checked, &frame(mac(9), mac(1), b""));
    first.send(&plain(), &[0; 13]);
    first.send_raw(&[0; 15]);
    first.send(&plain(), &frame(mac(9), mac(1), b"last"));
    assert_eq!(first.receive().1, frame(mac(9), mac(1), b"last"));
    assert_eq!((counts.bad.get(), counts.sent.get(), counts.received.get()), (3, 601, 601));
    assert!(first.look().is_none() && second.look().is_none(), "each once");
    first.close(&mut echo);
    second.close(&mut echo);
}

#[test]
fn a_guest_that_sleeps_is_woken_and_a_host_that_sleeps_too() {
    let mut echo = Echo::new(config(1)).expect("it starts");
    let mut guest = Guest::open(&mut echo, 0, NetFeatures::empty());
    for round in 1..=20 {
        // Long enough that the thread sleeps, mostly: it is kicked then.
        std::thread::sleep(Duration::from_millis(2));
        assert!(guest.arm(), "nothing is there");
        guest.send(&plain(), &frame(mac(9), mac(1), b"wake"));
        let start = Instant::now();
        while guest.raised.load(Ordering::SeqCst) < round {
            assert!(start.elapsed() < Duration::from_secs(60), "nobody raised the port");
            std::thread::yield_now();
        }
        assert_eq!(guest.receive().1, frame(mac(9), mac(1), b"wake"));
    }
    guest.close(&mut echo);
}

#[test]
fn nothing_is_carried_while_the_link_is_down_or_once_the_device_was_removed() {
    let mut echo = Echo::new(config(1)).expect("it starts");
    let counts = echo.counts();
    let mut guest = Guest::open(&mut echo, 0, NetFeatures::empty());
    let refused = |at_least: u64| {
        let start = Instant::now();
        while counts.refused.get() < at_least {
            assert!(start.elapsed() < Duration::from_secs(60), "a frame is carried");
            std::thread::yield_now();
        }
    };
    let link = echo.link();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    link.tell_by(move |change| {
        let Change::Own(own) = change else { panic!("the link goes down, and the device stays") };
        telling.lock().expect("nobody panics").push(own);
    });
    link.set(false);
    let down = echo.device().own;
    guest.send(&plain(), &frame(mac(9), mac(1), b"while the link is down"));
    refused(1);
    link.set(false);
    link.set(true);
    let up = echo.device().own;
    // The low half of the third word is `link` (NET-2).
    assert_eq!([down[2] as u32, up[2] as u32], [0, 1]);
    assert_eq!(
        *told.lock().expect("nobody panics"),
        [up, down, up],
        "each change once, and how it was before"
    );
    guest.send(&plain(), &frame(mac(9), mac(1), b"again"));
    assert_eq!(guest.receive().1, frame(mac(9), mac(1), b"again"));
    echo.removed();
    guest.send(&plain(), &frame(mac(9), mac(1), b"removed"));
    refused(2);
    assert!(guest.look().is_none());
    guest.close(&mut echo);
}
