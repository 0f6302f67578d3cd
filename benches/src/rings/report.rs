// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that is measured, what of it is compared, and how it is printed.
//!
//! Lines of fields that tabs separate. `figure`: group, name, p25, median, p75, samples that counted, samples
//! taken. `row`: name, Tenon's variant, its p25, median, p75, unit, the reference, its p25, median, p75, the
//! ratio's p25, median, p75, the largest ratio that is allowed or nothing. `skip`: name, reason.

use std::time::Duration;

use super::compare::{Comparison, OURS};
use super::doorbells::per_request;
use super::events::{Devices, devices, events};
use super::lines::ping_pong;
use super::message::{Channel, stream};
use super::ours::{Batches, OneByOne};
use super::queue::{DEPTH, Queue, one_thread, round_trip, two_threads};
use super::sample::{Figure, Spread, Variant, measure};
use super::virtio::Virtio;
use super::{copy, data, others, slots};
use crate::quiet::{Seat, sit};
use crate::row::Skip;

/// Rounds, if all is quiet, and the longest that all of it may take.
const ROUNDS: usize = 25;
const LIMIT: Duration = Duration::from_secs(70);

const ALONE: &str = "queue, one thread, batch 32";
const ROUND: &str = "queue, two threads, depth 1";
const DEEP: &str = "queue, two threads, depth 128";
const EVENT: &str = "event, raised, taken, acknowledged";
const RAISED: &str = "event, raised through the domain's lock";

/// Measures and prints. Only groups whose names contain `only`.
pub fn run(only: &str) {
    sit(Seat::Host);
    let mut variants = all();
    variants.retain(|variant| variant.group.contains(only));
    let figures = measure(variants, ROUNDS, LIMIT);
    for figure in &figures {
        let Figure { group, name, taken, .. } = figure;
        let times = figure.times().map_or_else(|| "\t\t".to_owned(), three);
        println!("figure\t{group}\t{name}\t{times}\t{}\t{taken}", figure.kept());
    }
    for comparison in comparisons() {
        let Comparison { name, ours, most, .. } = &comparison;
        if !ours.0.contains(only) {
            continue;
        }
        let Some(result) = comparison.of(&figures) else {
            let reason = "the filter rejected too many samples: others use the processors".to_owned();
            println!("{}", Skip { name: name.clone(), reason });
            continue;
        };
        let (ours, theirs) = (result.ours, result.theirs);
        let times = |figure: &Figure| figure.times().map_or_else(|| "\t\t".to_owned(), three);
        println!(
            "row\t{name}\t{}\t{}\tns\t{}\t{}\t{}\t{}",
            ours.name,
            times(ours),
            theirs.name,
            times(theirs),
            three(result.ratio),
            most.map_or_else(String::new, |most| most.to_string()),
        );
    }
    if "doorbells".contains(only) {
        doorbells();
    }
}

/// A count, and no time: whoever is switched away meanwhile only waits.
fn doorbells() {
    let name = "doorbells of a queue under load, depth 32";
    let counts = (0..ROUNDS).map(|_| per_request(4000));
    if let Some(rung) = Spread::of(counts) {
        let limit = Spread { p25: 1.0 / 16.0, median: 1.0 / 16.0, p75: 1.0 / 16.0 };
        let ratio = Spread { p25: rung.p25 * 16.0, median: rung.median * 16.0, p75: rung.p75 * 16.0 };
        let [rung, limit, ratio] = [rung, limit, ratio].map(three);
        println!("row\t{name}\ttenon\t{rung}\ta request\tone for 16\t{limit}\t{ratio}\t1");
    }
}

fn three(Spread { p25, median, p75 }: Spread) -> String {
    format!("{p25:.4}\t{median:.4}\t{p75:.4}")
}

/// Every variant, in the order in which they take turns: those that are compared are neighbours.
fn all() -> Vec<Variant> {
    let mut all = vec![
        ping_pong(ROUND, "one line", true, false),
        ping_pong(ROUND, "two lines", false, false),
        ping_pong(ROUND, "two lines, paced", false, true),
    ];
    queues::<OneByOne>(&mut all, ["tenon, one by one", "tenon, one by one, paced"]);
    queues::<Batches>(&mut all, ["tenon, batches", "tenon, batches, paced"]);
    queues::<slots::Bare>(&mut all, ["unchecked slots", "unchecked slots, paced"]);
    queues::<Virtio<1, 128, false>>(&mut all, ["virtio 1, popped", "virtio 1, popped, paced"]);
    queues::<Virtio<1, 128, true>>(&mut all, ["virtio 1, iterated", "virtio 1, iterated, paced"]);
    queues::<Virtio<3, 512, false>>(&mut all, ["virtio 3, popped", "virtio 3, popped, paced"]);
    queues::<Virtio<3, 512, true>>(&mut all, ["virtio 3, iterated", "virtio 3, iterated, paced"]);
    all.push(events(EVENT, "tenon, 64 ports", 64));
    all.push(events(EVENT, "tenon, 65536 ports", 65536));
    all.push(devices(RAISED, "one thread", Devices::One));
    all.push(devices(RAISED, "two threads, one lock", Devices::Two));
    all.push(devices(RAISED, "two threads, a lock each", Devices::Apart));
    small::<8, 1>(&mut all);
    small::<64, 8>(&mut all);
    small::<256, 32>(&mut all);
    messages::<1500>(&mut all);
    messages::<4096>(&mut all);
    messages::<16384>(&mut all);
    all
}

fn queues<Q: Queue + 'static>(all: &mut Vec<Variant>, [name, paced]: [&'static str; 2]) {
    all.push(one_thread::<Q>(ALONE, name));
    all.push(round_trip::<Q>(ROUND, name, false));
    all.push(round_trip::<Q>(ROUND, paced, true));
    all.push(two_threads::<Q>(DEEP, name, DEPTH));
}

fn group(bytes: usize) -> String {
    format!("messages of {bytes} B")
}

/// Bytes of the ring for messages of a size: a thousand small ones, or what stays in the second-level cache.
const fn ring_bytes(bytes: usize) -> usize {
    if bytes <= 256 { 1024 * bytes } else { 256 << 10 }
}

/// Messages that a channel can be typed for.
fn small<const N: usize, const W: usize>(all: &mut Vec<Variant>) {
    channel::<data::ChannelEach<W>, N>(all, "tenon channel, push/pop");
    channel::<data::ChannelAll<W>, N>(all, "tenon channel, batches");
    channel::<data::ChannelSlices<W>, N>(all, "tenon channel, slices");
    channel::<data::StreamSlices<W>, N>(all, "tenon stream, slices");
    channel::<data::StreamWords<W>, N>(all, "tenon stream, words");
    messages::<N>(all);
}

fn messages<const N: usize>(all: &mut Vec<Variant>) {
    channel::<data::StreamEach, N>(all, "tenon stream, bytes");
    channel::<copy::Bare, N>(all, "unchecked copy");
    channel::<others::RtrbEach, N>(all, "rtrb push/pop");
    channel::<others::RtrbChunks, N>(all, "rtrb chunks");
    channel::<others::RtrbSlices, N>(all, "rtrb slices");
    channel::<others::RtrbBytes, N>(all, "rtrb byte slices");
    channel::<others::Crossbeam, N>(all, "crossbeam ArrayQueue");
    channel::<others::Std, N>(all, "std mpsc");
}

fn channel<C: Channel<N> + 'static, const N: usize>(all: &mut Vec<Variant>, name: &'static str) {
    all.push(stream::<C, N>(&group(N), name, ring_bytes(N) / N));
}

fn comparisons() -> Vec<Comparison> {
    let row = |name: &str, ours: (&str, &'static str), theirs: (&str, &'static str), most: Option<f64>| {
        Comparison {
            name: name.to_owned(),
            ours: (ours.0.to_owned(), ours.1),
            theirs: (theirs.0.to_owned(), theirs.1),
            most,
        }
    };
    let own = |group: &str, theirs, most| row(group, (group, OURS), (group, theirs), Some(most));
    let mut rows = vec![
        own(ROUND, "two lines", 1.2),
        own(ROUND, "virtio 1", 0.45),
        own(ALONE, "virtio 1", 1.0 / 6.0),
        own(ALONE, "virtio 3", 1.0 / 10.0),
        own(ALONE, "unchecked", 2.5),
        own(DEEP, "virtio 1", 1.0 / 5.0),
        own(DEEP, "virtio 3", 1.0 / 9.0),
        own(DEEP, "unchecked", 1.5),
        row(&format!("{EVENT}, 64 ports"), (EVENT, "tenon, 64 "), (ALONE, "unchecked"), Some(4.0)),
        row(&format!("{EVENT}, 65536 ports"), (EVENT, "tenon, 65536 "), (ALONE, "unchecked"), Some(4.0)),
        row("event, 65536 ports against 64", (EVENT, "tenon, 65536 "), (EVENT, "tenon, 64 "), None),
        row("event, the lock", (RAISED, "one thread"), (EVENT, "tenon, 64 "), None),
        row("event, two threads at one lock", (RAISED, "two threads, one"), (RAISED, "one thread"), None),
        row("event, two threads, a lock each", (RAISED, "two threads, a"), (RAISED, "one thread"), None),
    ];
    let mut data = |what: &str, ours, bytes: usize, theirs, most| {
        let group = group(bytes);
        rows.push(row(&format!("{what}, {bytes} B"), (&group, ours), (&group, theirs), most));
    };
    for bytes in [8, 64, 256] {
        data("channel", "tenon channel", bytes, "rtrb", Some(1.0));
    }
    for (bytes, most) in [(8, 2.0), (64, 1.8), (256, 1.1)] {
        data("stream", "tenon stream", bytes, "rtrb", Some(most));
    }
    for bytes in [1500, 4096, 16384] {
        data("stream", "tenon stream", bytes, "unchecked copy", Some(1.15));
        data("stream", "tenon stream", bytes, "rtrb", None);
    }
    rows
}
