// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices in the middle of everything, for the tests of saved states.

use super::*;

/// A disk and a network interface that are in use, with ends that are home; one device more that was taken
/// away. For the tests of saved states.
pub(crate) fn busy(guest: &mut Guest) {
    let (gone, disk, card) =
        (guest.domain.add_device(disk()), guest.domain.add_device(disk()), guest.domain.add_device(card()));
    let (gone, disk, card) = (gone.expect("room"), disk.expect("room"), card.expect("room"));
    guest.ok(0, Op::DEVICE_WATCH, [31]);
    open(guest, gone, NO_PORT);
    guest.domain.remove_device(gone).expect("it is there");
    open(guest, disk, 31);
    let mut own = guest.domain.device_info(disk).expect("it is there").own;
    own[7] = 5;
    guest.domain.change_device(disk, own).expect("it is there");
    open_queue(guest, disk, 3, 8, 31);
    let mut end = self::end(guest);
    for positions in [0..8, 8..9] {
        let count = positions.len();
        publish(guest, 3, 8, positions);
        assert_eq!(serve(&mut end, 9), count);
    }
    guest.domain.return_end(end).expect("it is this domain's");
    let info = query(guest, card).expect("it is there");
    let features = NetFeatures::CSUM_TO_HOST | NetFeatures::SEGMENT_TO_GUEST | NetFeatures::CSUM_TO_GUEST;
    let named = word(card, info.incarnation.get());
    guest.ok(0, Op::DEVICE_OPEN, [named, features.bits(), ARENA, ARENA_LEN, NO_PORT]);
    let [own, other, data] = parts(0);
    guest.ok(0, Op::QUEUE_OPEN, [word(card, 0), 64, 31, own, other, data]);
    let mut end = self::end(guest);
    let mut producer = producer(guest, 0, 64);
    // An eighth of the ring is released at once: one record more is taken and not released, and one is left.
    for len in [24, 40, 8, 16] {
        producer.write(&vec![7; len]).expect("there is room");
    }
    producer.flush().expect("it is sound");
    let Ring::ToHost(consumer) = &mut end.ring else { panic!("a ring to the host") };
    for len in [24, 40, 8] {
        assert_eq!(consumer.read(|record| record.len()), Ok(len));
    }
    guest.domain.return_end(end).expect("it is this domain's");
    // A queue that was found corrupt, and a ring.
    open_queue(guest, disk, 2, 8, NO_PORT);
    let mut end = self::end(guest);
    publish(guest, 2, 8, 0..1);
    let tail = parts(2)[0] + 0x40 + 56;
    guest.store(tail, guest.word(tail) | 9 << 16);
    assert_eq!(serve(&mut end, 9), 0);
    guest.domain.return_end(end).expect("it is this domain's");
    let [own, other, data] = parts(1);
    guest.ok(0, Op::QUEUE_OPEN, [word(card, 2), 64, NO_PORT, own, other, data]);
    let mut end = self::end(guest);
    self::producer(guest, 1, 64).flush().expect("it is sound");
    guest.store(own, guest.word(own) + 65);
    let Ring::ToHost(consumer) = &mut end.ring else { panic!("a ring to the host") };
    assert!(consumer.read(|record| record.len()).is_err());
    guest.domain.return_end(end).expect("it is this domain's");
    // What was told of all that has been seen.
    guest.entries(0, 0);
    guest.take_all_events_and_arm();
    guest.actions();
}

/// A query whose answer may not come.
fn asked(guest: &mut Guest, device: u64) -> impl std::fmt::Debug + use<> {
    guest.submit(0, 59, Op::DEVICE_QUERY, [device, ANSWER, 128]);
    let _ = guest.kick(0);
    let mut bytes = [0; 128];
    assert!(guest.domain.memory().read(0, ANSWER, &mut bytes));
    (guest.take(0, 0), bytes)
}

/// What can be found out about them.
pub(crate) fn tell(guest: &mut Guest, say: &mut impl FnMut(&str, &dyn std::fmt::Debug)) {
    say("devices' actions", &guest.actions());
    for device in 0..3 {
        say("device", &asked(guest, device));
    }
    guest.domain.raise(31).expect("bound");
    for queue in [(1, 3), (2, 0), (1, 2), (2, 2)].map(|(device, index)| QueueName { device, index }) {
        let Ok(mut end) = guest.domain.take_end(queue) else { continue };
        say("end", &(end.queue, end.kind, &end.arena, end.features));
        match &mut end.ring {
            Ring::Requests(completer) => {
                say("stood", &completer.state());
                say("fetched", &completer.fetch().is_ok());
            }
            Ring::ToHost(consumer) => {
                say("stood", &consumer.state());
                say("read", &consumer.read(|record| record.len()));
            }
            Ring::ToGuest(_) => panic!("none is open"),
        }
        say("home", &guest.domain.return_end(end));
        guest.domain.ring(queue);
        say("rung", &guest.entries(0, 0));
        guest.take_all_events();
    }
    // Where the last incarnation stands, and what the change port and the watch are.
    say("changed", &guest.domain.change_device(1, [1; 8]));
    say("told", &guest.entries(0, 0));
    guest.take_all_events();
    say("changed", &guest.domain.change_device(2, [1; 8]));
    say("told", &guest.entries(0, 0));
    guest.take_all_events();
    for device in [1, 0] {
        guest.submit(0, 58, Op::DEVICE_CLOSE, [device]);
        let _ = guest.kick(0);
        say("closed", &guest.take(0, 0));
    }
    say("came", &guest.domain.add_device(self::disk()));
    say("incarnation", &asked(guest, 0));
    let again = [word(1, 2), 0, ARENA, ARENA_LEN, NO_PORT];
    guest.submit(0, 57, Op::DEVICE_OPEN, again);
    let _ = guest.kick(0);
    say("opened", &guest.take(0, 0));
}
