// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that is measured, and what of it is compared.

use std::time::Duration;

use super::lines::ping_pong;
use super::ours::{Batches, OneByOne};
use super::queue::{DEPTH, Queue, one_thread, round_trip, two_threads};
use super::sample::{Figure, Variant, measure};
use super::slots::Bare;
use super::virtio::Virtio;
use crate::quiet::{Seat, sit};

const ROUNDS: usize = 25;
const LIMIT: Duration = Duration::from_secs(75);

/// Measures, and prints figures and rows.
pub fn run() {
    sit(Seat::Host);
    let rounds = std::env::var("ROUNDS").ok().and_then(|t| t.parse().ok()).unwrap_or(ROUNDS);
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut variants = queues();
    variants.retain(|variant| variant.group.contains(&only));
    for figure in measure(variants, rounds, LIMIT) {
        let Figure { group, name, median, p25, p75, kept, taken } = figure;
        println!("figure\t{group}\t{name}\t{median:.2}\t{p25:.2}\t{p75:.2}\t{kept}\t{taken}");
    }
}

const ALONE: &str = "queue, one thread, batch 32";
const ROUND: &str = "queue, two threads, depth 1";
const DEEP: &str = "queue, two threads, depth 128";

fn queues() -> Vec<Variant> {
    let mut all = vec![
        ping_pong(ROUND, "one line", true, false),
        ping_pong(ROUND, "two lines", false, false),
        ping_pong(ROUND, "two lines, paced", false, true),
    ];
    add::<OneByOne>(&mut all, ["tenon, one by one", "tenon, one by one, paced"]);
    add::<Batches>(&mut all, ["tenon, batches", "tenon, batches, paced"]);
    add::<Bare>(&mut all, ["unchecked slots", "unchecked slots, paced"]);
    add::<Virtio<1, 128, false>>(
        &mut all,
        ["virtio 1 descriptor, popped", "virtio 1 descriptor, popped, paced"],
    );
    add::<Virtio<1, 128, true>>(
        &mut all,
        ["virtio 1 descriptor, iterated", "virtio 1 descriptor, iterated, paced"],
    );
    add::<Virtio<3, 512, false>>(
        &mut all,
        ["virtio 3 descriptors, popped", "virtio 3 descriptors, popped, paced"],
    );
    add::<Virtio<3, 512, true>>(
        &mut all,
        ["virtio 3 descriptors, iterated", "virtio 3 descriptors, iterated, paced"],
    );
    all
}

fn add<Q: Queue + 'static>(all: &mut Vec<Variant>, [name, paced]: [&'static str; 2]) {
    all.push(one_thread::<Q>(ALONE, name));
    all.push(round_trip::<Q>(ROUND, name, false));
    all.push(round_trip::<Q>(ROUND, paced, true));
    all.push(two_threads::<Q>(DEEP, name, DEPTH));
}
