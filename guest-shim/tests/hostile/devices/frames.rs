// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames to and from a network interface: a header is held against its frame, and no length is believed.

use tenon_abi::net::FilterMode;
use tenon_abi::{NetFeatures, NetFlags, NetHeader, Op, SegmentKind, Status};
use tenon_guest::net::{Checksum, Header, Receiver, Segments, Sender};
use tenon_guest::{Buffer, Error};
use tenon_rings::{Site, Words};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::model::{ARENA, DOORBELL, End, LEN, Model, card, open};
use crate::host::{GRANULE, Host};
use crate::lies::{host, open as open_session};

const WORDS: u32 = 1024;

/// A host, its interface with these features, and both rings of pair 0.
macro_rules! rings {
    ($host:ident, $device:ident, $model:ident, $sender:ident, $receiver:ident, $features:expr) => {
        let $host = host();
        let session = open_session(&$host);
        let $model = Model::new(&$host, card($features.bits()));
        let mut pages = $model.pages();
        let $device = open(&$model, &session, &pages);
        let mut $sender = $device.sender(&$model, 0, WORDS, Some(5), &mut pages).expect("it opens");
        let mut $receiver = $device.receiver(&$model, 0, WORDS, Some(6), &mut pages).expect("it opens");
        // Some tests need less.
        let _ = (&mut $sender, &mut $receiver);
    };
}

/// What the host takes of the ring to it.
fn taken(model: &Model<'_>) -> Option<(NetHeader, Vec<u8>)> {
    let mut ends = model.ends.borrow_mut();
    let Some(End::ToHost(consumer)) = ends.get_mut(&0) else { panic!("there is no such ring") };
    let record = consumer.read(|record| {
        let mut bytes = vec![0; record.len()];
        assert!(record.copy_to(0, &mut bytes));
        bytes
    });
    let record = record.ok()?;
    Some((NetHeader::read_from_bytes(&record[..16]).expect("so long it is"), record[16..].to_vec()))
}

/// A record of the host's.
fn put(model: &Model<'_>, record: &[u8]) {
    let mut ends = model.ends.borrow_mut();
    let Some(End::ToGuest(producer)) = ends.get_mut(&1) else { panic!("there is no such ring") };
    producer.write(record).expect("there is room");
    producer.flush().expect("the ring is sound");
}

fn put_frame(model: &Model<'_>, header: &NetHeader, frame: &[u8]) {
    put(model, &[header.as_bytes(), frame].concat());
}

fn frame(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 3 + len) as u8).collect()
}

/// What the guest takes.
fn receive(receiver: &mut Receiver<'_, Host>) -> Result<(Header, Vec<u8>), Error> {
    receiver.receive(|header, frame| {
        let mut bytes = vec![0; frame.len()];
        assert!(frame.copy_into(&mut bytes).is_some());
        (*header, bytes)
    })
}

#[test]
fn frames_arrive_as_they_were_sent() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    let opens: Vec<_> =
        model.asked.borrow().iter().filter(|(op, _)| *op == Op::QUEUE_OPEN).copied().collect();
    let k = GRANULE as u64;
    assert_eq!(opens[0].1, [0, 1024, 5, ARENA, ARENA + k, ARENA + 2 * k]);
    assert_eq!(opens[1].1, [1 << 32, 1024, 6, ARENA + 4 * k, ARENA + 5 * k, ARENA + 6 * k]);
    for len in [14, 15, 60, 63, 64, 65, 1500, 1518] {
        let whole = frame(len);
        sender.send(&whole).expect("there is room");
        let (front, back) = whole.split_at(14);
        sender.send_parts(&Header::default(), &[front, back]).expect("there is room");
        let half = len / 2;
        let written = sender.send_with(&Header::default(), len, |draft| {
            assert_eq!((draft.len(), draft.is_empty()), (len, false));
            assert!(!draft.write(len, b"x") && !draft.write(usize::MAX, b"xy"), "that is behind it");
            draft.write(half, &whole[half..]) && draft.write(0, &whole[..half])
        });
        assert_eq!(written, Ok(true));
        sender.flush().expect("the ring is sound");
        for way in ["whole", "parts", "closure"] {
            let (header, bytes) = taken(&model).expect("it was sent");
            assert_eq!((header.as_bytes(), &bytes), (&[0; 16][..], &whole), "{len} bytes, {way}");
        }
        put_frame(&model, &NetHeader::new_zeroed(), &whole);
        assert_eq!(receive(&mut receiver), Ok((Header::default(), whole)));
    }
    assert_eq!(receive(&mut receiver).err(), Some(Error::Pending));
    assert_eq!((receiver.dropped(), sender.max_frame()), (0, 1518));
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "Sender { max_frame: 1518, .. } Receiver { dropped: 0, .. }"
    );
    model.assert_contained();
}

#[test]
fn a_frame_that_cannot_be_is_not_sent() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    for len in [0, 13, 1519, 4096, 100_000] {
        assert_eq!(sender.send(&vec![0; len]), Err(Error::TooLong), "{len} bytes");
        let never = |_: &mut tenon_guest::net::Draft<'_>| panic!("it is not to be written");
        assert_eq!(sender.send_with(&Header::default(), len, never), Err(Error::TooLong));
    }
    assert_eq!(
        sender.send_parts(&Header::default(), &[[0; 20].as_slice(); 8]),
        Err(Error::TooLong),
        "eight parts"
    );
    assert_eq!(sender.send_parts(&Header::default(), &[[0; 20].as_slice(); 7]), Ok(()));
    // What was not chosen.
    let sum = Header { checksum: Some(Checksum { start: 34, offset: 16 }), ..Header::default() };
    for header in [sum, Header { checked: true, ..sum }, Header { hash: 1, ..Header::default() }] {
        assert_eq!(sender.send_parts(&header, &[&[0; 60]]), Err(Error::NoMatch), "{header:?}");
    }
    sender.flush().expect("the ring is sound");
    assert_eq!(taken(&model).map(|(_, bytes)| bytes.len()), Some(140));
    assert!(taken(&model).is_none());
}

/// Headers for a frame, and whether the feature for each was chosen.
fn header(flags: NetFlags, words: [u16; 5], hash: u32) -> NetHeader {
    let mut header = NetHeader::new_zeroed();
    let [kind, header_len, size, start, offset] = words;
    header.flags.set(flags.bits());
    header.segment_kind.set(kind);
    header.header_len.set(header_len);
    header.segment_size.set(size);
    header.csum_start.set(start);
    header.csum_offset.set(offset);
    header.hash.set(hash);
    header
}

#[test]
fn what_a_host_asks_for_is_told_where_it_was_chosen() {
    let features = NetFeatures::CSUM_TO_GUEST | NetFeatures::SEGMENT_TO_GUEST | NetFeatures::HASH;
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, card(features.bits()));
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    let mut receiver = device.receiver(&model, 0, 16_384, None, &mut pages).expect("it opens");
    assert_eq!(model.asked.borrow().last().expect("it was opened").1[2], 0xffff_ffff);
    let needs = NetFlags::NEEDS_CSUM;
    let sum = Some(Checksum { start: 34, offset: 16 });
    let cut = |kind| Some(Segments { kind, header_len: 54, size: 1460 });
    let plain = Header::default();
    for (len, wire, told) in [
        (60, header(needs, [0, 0, 0, 34, 16], 0), Header { checksum: sum, ..plain }),
        (60, header(NetFlags::CHECKED, [0; 5], 9), Header { checked: true, hash: 9, ..plain }),
        (
            20_000,
            header(needs, [1, 54, 1460, 34, 16], 0),
            Header { checksum: sum, segments: cut(SegmentKind::TCP4), ..plain },
        ),
        (
            55,
            header(needs | NetFlags::CHECKED, [2, 54, 1460, 34, 16], 0),
            Header { checksum: sum, segments: cut(SegmentKind::TCP6), checked: true, hash: 0 },
        ),
    ] {
        put_frame(&model, &wire, &frame(len));
        assert_eq!(receive(&mut receiver), Ok((told, frame(len))));
    }
    assert_eq!(receiver.dropped(), 0);
}

#[test]
fn a_header_that_does_not_fit_its_frame_is_dropped_and_counted() {
    let all = NetFeatures::all();
    let needs = NetFlags::NEEDS_CSUM;
    // Each is wrong for a frame of 60 bytes, whatever was chosen.
    let always: &[(&str, NetHeader)] = &[
        ("a sum before the headers", header(needs, [0, 0, 0, 13, 0], 0)),
        ("a sum that begins behind the frame", header(needs, [0, 0, 0, 61, 0], 0)),
        ("a sum whose place is behind the frame", header(needs, [0, 0, 0, 34, 25], 0)),
        ("a place that wraps", header(needs, [0, 0, 0, 0xffff, 0xffff], 0)),
        ("a place without a sum", header(NetFlags::empty(), [0, 0, 0, 34, 16], 0)),
        ("segments without a sum", header(NetFlags::empty(), [1, 54, 1460, 0, 0], 0)),
        ("segments of what is not known", header(needs, [3, 54, 1460, 34, 16], 0)),
        ("segments of nothing", header(needs, [1, 54, 0, 34, 16], 0)),
        ("headers as long as the frame", header(needs, [1, 60, 1460, 34, 16], 0)),
        ("headers longer than the frame", header(needs, [1, 0xffff, 1460, 34, 16], 0)),
        ("no headers", header(needs, [1, 0, 1460, 34, 16], 0)),
        ("a length of headers without segments", header(NetFlags::empty(), [0, 54, 0, 0, 0], 0)),
        ("a size without segments", header(NetFlags::empty(), [0, 0, 1460, 0, 0], 0)),
        ("a flag that is not known", header(NetFlags::from_bits_retain(4), [0; 5], 0)),
    ];
    let unchosen: &[(&str, NetHeader)] = &[
        ("a sum that was not chosen", header(needs, [0, 0, 0, 34, 16], 0)),
        ("CHECKED that was not chosen", header(NetFlags::CHECKED, [0; 5], 0)),
        ("a hash that was not chosen", header(NetFlags::empty(), [0; 5], 1)),
        ("segments that were not chosen", header(needs, [1, 54, 1460, 34, 16], 0)),
    ];
    // Of the other direction all were chosen.
    let other = NetFeatures::CSUM_TO_HOST | NetFeatures::SEGMENT_TO_HOST;
    for (features, cases) in [(all, always), (other, always), (other, unchosen)] {
        let host = host();
        let session = open_session(&host);
        let model = Model::new(&host, card(features.bits()));
        let mut pages = model.pages();
        let device = open(&model, &session, &pages);
        let mut receiver = device.receiver(&model, 0, 16_384, None, &mut pages).expect("it opens");
        for (count, (what, wire)) in cases.iter().enumerate() {
            put_frame(&model, wire, &frame(60));
            put_frame(&model, &NetHeader::new_zeroed(), &frame(61));
            let (_, bytes) = receive(&mut receiver).expect("the ring goes on");
            assert_eq!((bytes.len(), receiver.dropped()), (61, count as u64 + 1), "{what}");
        }
    }
}

#[test]
fn a_record_of_an_impossible_length_is_dropped_and_counted() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    // Without a header, with half of one, and frames of 0, 13 and 1519 bytes.
    let bad = [0, 1, 8, 15, 16, 29, 16 + 1519];
    for len in bad {
        put(&model, &vec![0; len]);
    }
    put_frame(&model, &NetHeader::new_zeroed(), &frame(14));
    assert_eq!(receive(&mut receiver), Ok((Header::default(), frame(14))));
    assert_eq!(receiver.dropped(), bad.len() as u64);
    // By many, the same.
    for len in bad {
        put(&model, &vec![0; len]);
        put_frame(&model, &NetHeader::new_zeroed(), &frame(100));
    }
    let mut lens = Vec::new();
    assert_eq!(receiver.drain(100, |_, frame| lens.push(frame.len())), Ok(bad.len()));
    assert_eq!((lens, receiver.dropped()), (vec![100; bad.len()], 2 * bad.len() as u64));
    // Nothing but bad ones: a caller is not kept for ever.
    for _ in 0..100 {
        put(&model, &[]);
    }
    assert_eq!(receive(&mut receiver).err(), Some(Error::Pending));
    assert_eq!(receiver.dropped(), 2 * bad.len() as u64 + 64);
}

#[test]
fn a_segmented_frame_is_sent_where_that_was_chosen() {
    let features = NetFeatures::CSUM_TO_HOST | NetFeatures::SEGMENT_TO_HOST;
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, card(features.bits()));
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    let mut sender = device.sender(&model, 0, 16_384, None, &mut pages).expect("it opens");
    let cut = Segments { kind: SegmentKind::TCP4, header_len: 54, size: 1460 };
    let sum = Some(Checksum { start: 34, offset: 16 });
    let long = Header { checksum: sum, segments: Some(cut), ..Header::default() };
    for len in [55, 20_000] {
        // A header of another frame lies there when the closure writes.
        let put = sender.send_with(&long, len, |draft| draft.write(0, &frame(len)));
        assert_eq!(put, Ok(true));
        sender.flush().expect("the ring is sound");
        let wire = header(NetFlags::NEEDS_CSUM, [1, 54, 1460, 34, 16], 0);
        let (told, bytes) = taken(&model).expect("it was sent");
        assert_eq!((told.as_bytes(), bytes), (wire.as_bytes(), frame(len)));
    }
    for (len, bad) in [
        (20_001, long),
        (54, long),
        (1519, Header { segments: None, ..long }),
        (60, Header { checksum: None, ..long }),
        (60, Header { checked: true, ..long }),
        (60, Header { hash: 1, ..long }),
        (60, Header { segments: Some(Segments { size: 0, ..cut }), ..long }),
        (60, Header { checksum: Some(Checksum { start: 34, offset: 25 }), ..long }),
    ] {
        assert_eq!(sender.send_parts(&bad, &[&frame(len)]), Err(Error::NoMatch), "{len}: {bad:?}");
    }
}

#[test]
fn a_full_ring_says_so_and_wakes_who_waits_for_room() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    let mut sent = 0;
    while sender.send(&frame(1500)).is_ok() {
        sent += 1;
    }
    assert!(sent >= 4, "four of the longest fit");
    assert_eq!(sender.send(&frame(1500)), Err(Error::Full));
    assert_eq!(sender.arm(1500), Ok(true), "there is no room");
    assert!(taken(&model).is_some());
    assert!(taken(&model).is_some());
    assert_eq!(sender.arm(1500), Ok(false), "there is room again");
    sender.send(&frame(1500)).expect("there is room");
    model.end_session();
    while sender.send(&frame(1500)).is_ok() {}
    assert_eq!(sender.arm(1500), Ok(false), "nobody wakes it");
}

/// A word of a control line of the guest's.
fn line(model: &Model<'_>, granule: usize, word: usize) -> u64 {
    model.arena.load(granule * GRANULE / 8 + word, Site::Status)
}

#[test]
fn who_waits_for_a_frame_has_asked_to_be_woken() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    // The guest's line is its first granule: position, armed, shape, state.
    let position = line(&model, 4, 0);
    assert_eq!(line(&model, 4, 1), position, "nothing is waited for");
    assert_eq!(receiver.arm(), Ok(true), "none is there");
    assert_eq!(line(&model, 4, 1), position + 1, "the next unit is waited for");
    put_frame(&model, &NetHeader::new_zeroed(), &frame(60));
    assert_eq!(receiver.arm(), Ok(false), "one is there");
    receive(&mut receiver).expect("one is there");
    model.end_session();
    assert_eq!(receiver.arm(), Ok(false), "the end of the session raises nothing");
}

#[test]
fn a_host_that_sleeps_is_kicked_once_for_all_frames() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    {
        let mut ends = model.ends.borrow_mut();
        let Some(End::ToHost(consumer)) = ends.get_mut(&0) else { panic!("there is no such ring") };
        assert_eq!(consumer.arm(1), Ok(true));
    }
    host.rung.borrow_mut().clear();
    (0..5).for_each(|_| sender.send(&frame(60)).expect("there is room"));
    assert!(taken(&model).is_none(), "they are not published");
    sender.flush().expect("the ring is sound");
    sender.flush().expect("the ring is sound");
    assert_eq!(*host.rung.borrow(), [DOORBELL], "one kick for all");
    assert!((0..5).all(|_| taken(&model).is_some()));
    sender.send(&frame(60)).and_then(|()| sender.flush()).expect("there is room");
    assert_eq!(*host.rung.borrow(), [DOORBELL], "it does not sleep");
}

#[test]
fn rings_come_back_when_they_are_closed_and_not_before() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    sender.send(&frame(60)).expect("there is room");
    let mut sender = sender.release().expect_err("it is open");
    let mut receiver = receiver.release().expect_err("it is open");
    model.say(Op::QUEUE_CLOSE, Err(Error::Pending));
    assert_eq!(sender.close(&model), Err(Error::Pending));
    assert!(taken(&model).is_some(), "what was sent is published first");
    let closed = Err(Error::Refused(Status::BAD_STATE));
    assert_eq!(
        (sender.send(&frame(60)), sender.flush(), sender.arm(60)),
        (closed, closed, closed.map(|()| true))
    );
    let mut sender = sender.release().expect_err("it may be open");
    sender.close(&model).expect("it closes");
    receiver.close(&model).expect("it closes");
    assert_eq!(receive(&mut receiver).map(|_| ()), closed);
    assert_eq!((receiver.drain(1, |_, _| ()).map(|_| ()), receiver.free()), (closed, closed));
    let (first, second) =
        (sender.release().expect("it is closed"), receiver.release().expect("it is closed"));
    assert_eq!((first.address(), second.address()), (ARENA, ARENA + 4 * GRANULE as u64));
    assert_eq!(first.mapping().byte_len(), 4 * GRANULE);
    // At the end of the session, at once.
    let mut pages = model.pages();
    let sender = device.sender(&model, 0, WORDS, None, &mut pages).expect("it opens");
    model.end_session();
    assert!(sender.is_over() && sender.release().is_ok());
}

#[test]
fn a_ring_that_the_host_breaks_says_so_for_ever() {
    rings!(host, device, model, sender, receiver, NetFeatures::empty());
    assert_eq!(sender.state().state, tenon_abi::QueueState::RUNNING);
    put_frame(&model, &NetHeader::new_zeroed(), &frame(60));
    receive(&mut receiver).expect("it is there");
    // A position far ahead of what can be.
    let seed = tenon_abi::discovery::Session::from_word(host.word(0x80)).seed;
    let far = tenon_abi::RingPosition { position: seed.wrapping_add(5000), seed }.to_word();
    model.spoil(1, 0, far);
    let broken = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Corrupt(_))), "{result:?}");
    broken(receive(&mut receiver).map(|_| ()));
    broken(receiver.arm().map(|_| ()));
    broken(receiver.free());
    broken(receiver.drain(9, |_, _| ()).map(|_| ()));
    receiver.close(&model).expect("it closes");
    // The other ring goes on.
    assert_eq!(sender.send(&frame(60)).and_then(|()| sender.flush()), Ok(()));
    assert!(taken(&model).is_some());
}

#[test]
fn a_ring_that_no_pages_hold_is_refused() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, card(0));
    let mut pages = model.pages();
    let device = open(&model, &session, &pages);
    for words in [0, 1000, 1 << 20, u32::MAX] {
        let refused: Result<Sender<'_, Host>, Error> = device.sender(&model, 0, words, None, &mut pages);
        assert_eq!(refused.err(), Some(Error::BadMemory), "{words}");
    }
    assert_eq!(device.receiver(&model, 1 << 31, 1024, None, &mut pages).err(), Some(Error::BadMemory));
    assert_eq!(device.block::<Buffer, 4>(&model, 0, None, &mut pages).err(), Some(Error::NoMatch));
    assert_eq!((pages.address(), pages.mapping().byte_len()), (ARENA, LEN));
    // Where the host's line is that of another session, the queue is closed again, and the pages come back.
    model.opens_with.set(Some((0, 0)));
    assert_eq!(device.sender(&model, 0, 1024, None, &mut pages).err(), Some(Error::NoMatch));
    assert_eq!((model.count(Op::QUEUE_CLOSE), pages.address()), (1, ARENA));
}

#[test]
fn a_filter_is_a_list_of_addresses() {
    let host = host();
    let session = open_session(&host);
    let model = Model::new(&host, card(0));
    let pages = model.pages();
    let device = open(&model, &session, &pages);
    let buffer = host.buffer();
    let mode = FilterMode::BROADCAST | FilterMode::PROMISCUOUS;
    device.filter(&model, mode, &[[1, 2, 3, 4, 5, 6], [9; 6]], &buffer).expect("it is answered");
    let asked = || model.asked.borrow().last().copied().expect("it was asked");
    assert_eq!(asked(), (Op::NET_FILTER, [0, 5, buffer.address(), 2, 0, 0]));
    let mut list = [0; 16];
    assert!(buffer.read(0, &mut list));
    assert_eq!(list, [1, 2, 3, 4, 5, 6, 0, 0, 9, 9, 9, 9, 9, 9, 0, 0]);
    device.filter(&model, FilterMode::empty(), &[], &buffer).expect("it is answered");
    assert_eq!(asked(), (Op::NET_FILTER, [0; 6]));
    assert_eq!(device.filter(&model, mode, &[[0; 6]; 65], &buffer), Err(Error::TooLong));
    let short = Buffer::new(host.rest());
    assert_eq!(device.filter(&model, mode, &[[0; 6]; 64], &short), Ok(()));
}
