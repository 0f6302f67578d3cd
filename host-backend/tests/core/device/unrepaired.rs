// SPDX-License-Identifier: MIT OR Apache-2.0
//! A restored domain whose guest has not repaired its generation: rings of network interfaces wait, and all
//! else goes on (NET-11).

use super::*;
use tenon_host::Misfit;

/// A guest with a disk and a network interface, a queue of each, and the ends of both.
fn both() -> (Guest, [QueueName; 2], [End<Words0>; 2]) {
    let mut guest = Guest::open(offering().with_generation());
    guest.bind(0);
    let devices = [disk(), card()].map(|device| guest.domain.add_device(device).expect("there is room"));
    let [disk, card] = devices;
    open(&mut guest, disk, NO_PORT);
    open(&mut guest, card, NO_PORT);
    open_queue(&mut guest, disk, 1, 8, NO_PORT);
    let first = end(&mut guest);
    let [own, other, data] = parts(0);
    guest.ok(0, Op::QUEUE_OPEN, [word(card, 0), 64, NO_PORT, own, other, data]);
    let second = end(&mut guest);
    (guest, [first.queue, second.queue], [first, second])
}

/// The queues that attachments are told of.
fn told_of(actions: &[Action]) -> Vec<QueueName> {
    let opened = |action: &Action| match action {
        Action::Device(DeviceAction::Opened { queue, .. }) => Some(*queue),
        _ => None,
    };
    actions.iter().filter_map(opened).collect()
}

/// The guest repairs its generation: what it was for the ring, and what is told of it.
fn repair(guest: &mut Guest, card: QueueName) {
    let [own, other, data] = parts(3);
    let second = [word(card.device, 2), 64, NO_PORT, own, other, data];
    assert_eq!(guest.call(0, Op::QUEUE_OPEN, second), (Status::BAD_STATE, 0));
    let id = guest.domain.generation().expect("it is offered").id();
    guest.ok(0, Op::REPAIRED, id);
    assert_eq!(told_of(&guest.actions()), [card]);
    guest.ok(0, Op::QUEUE_OPEN, second);
}

#[test]
fn a_ring_waits_until_the_generation_is_repaired_and_a_disk_goes_on() {
    let (mut guest, [disk, card], ends) = both();
    for end in ends {
        guest.domain.return_end(end).expect("it is this domain's");
    }
    let state = guest.domain.save();
    // In a process of its own, and in this one.
    let mut other = guest.fork(state.clone()).expect("it fits");
    assert_eq!(told_of(&other.actions()), [disk]);
    repair(&mut other, card);
    guest.domain.put_back(state).expect("it is its own");
    assert_eq!(told_of(&guest.actions()), [disk]);
    // Nor does the embedder hand it out by mistake.
    guest.domain.hand_out_ends();
    assert_eq!(told_of(&guest.actions()), [disk]);
    repair(&mut guest, card);
    // What was repaired already, and moved, is the same generation.
    let moved = guest.domain.save().moved();
    assert_eq!(told_of(&guest.fork(moved).expect("it fits").actions())[..2], [disk, card]);
}

/// An end that is out would serve a queue that is put back with another end.
#[test]
fn a_domain_goes_back_when_every_end_is_home() {
    let (mut guest, _, [first, second]) = both();
    guest.domain.return_end(second).expect("it is this domain's");
    guest.domain.return_end(first).expect("it is this domain's");
    let state = guest.domain.save();
    guest.domain.hand_out_ends();
    let out = end(&mut guest);
    assert_eq!(guest.domain.put_back(state.clone()), Err(Error::BadState(Misfit::EndOut)));
    guest.domain.return_end(out).expect("it is this domain's");
    guest.domain.put_back(state).expect("every end is home");
}
