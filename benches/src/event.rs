// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events against bare interrupts: from the host to the guest's handler, and the handler's answer back
//! through memory.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use tenon_host::kvm::Outcome;
use tenon_rings::{Mapping, Site, Words};

use crate::call::{LIMIT, Trouble, heard};
use crate::host::{Host, machine};
use crate::listen::{Line, Listener, ROUNDS};
use crate::quiet::{Seat, sit, switches, thread as this_thread};
use crate::row::median;

/// Longer than a guest needs to halt again.
const BACK_TO_SLEEP: Duration = Duration::from_micros(300);
/// An event whose answer takes longer is lost.
const LOST: Duration = Duration::from_secs(2);
/// Words of the shared page.
const ANSWERS: usize = 0;
const STOP: usize = 1;

/// Medians of the three ways, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrips {
    /// A direct port.
    pub direct: f64,
    /// A port of an event ring.
    pub ring: f64,
    /// An eventfd that is nothing to Tenon.
    pub bare: f64,
}

/// Measures the three in turns, with a guest that waits as `idle` says: `halt` or `spin`.
///
/// # Errors
///
/// [`Trouble`].
pub fn round_trips(name: &str, idle: &str, rounds: u32) -> Result<RoundTrips, Trouble> {
    let (machine, host) = machine(&format!("mode=native bench=event idle={idle}"))?;
    let (listener, lines) = Listener::new();
    let control = machine.control();
    let raiser = thread::spawn({
        let (name, host) = (name.to_owned(), Arc::clone(&host));
        move || {
            sit(Seat::Host);
            let result = when_ready(&lines).and_then(|ports| measure(&name, &host, ports, rounds));
            if result.is_err() {
                // A guest that is lost would sleep until the limit.
                control.end(Outcome::Ended);
            }
            (result, lines)
        }
    });
    let outcome = machine.run(host, Box::new(listener), LIMIT);
    let Ok((result, lines)) = raiser.join() else {
        return Err(Trouble::Broken("the raising thread panicked".into()));
    };
    let result = result?;
    heard(&outcome?, &lines)?;
    Ok(result)
}

/// Ports of the guest's: on a ring, and direct.
struct Ports {
    ring: u32,
    direct: u32,
}

/// Waits for the guest to say that it is ready. A guest that ends instead says nothing more.
fn when_ready(lines: &Receiver<Line>) -> Result<Ports, String> {
    while let Ok(line) = lines.recv() {
        if let ("ready", [ring, direct]) = (line.word.as_str(), line.numbers.as_slice()) {
            let port =
                |number: &u64| u32::try_from(*number).map_err(|_| "a port of the guest's is too large");
            return Ok(Ports { ring: port(ring)?, direct: port(direct)? });
        }
    }
    Err("the guest ended before it was ready for events".into())
}

fn measure(name: &str, host: &Host, ports: Ports, rounds: u32) -> Result<RoundTrips, String> {
    let page = host.page().ok_or("the guest shared no page")?;
    let ways: [&dyn Fn(); 3] =
        [&|| host.raise(ports.direct), &|| host.raise(ports.ring), &|| host.raise_bare()];
    let disturbed = || switches(this_thread()) + switches(host.vcpu());
    let (mut quiet, mut all) = (Vec::new(), Vec::new());
    for round in 0..rounds as usize {
        let before = disturbed();
        let mut times = [0.0; 3];
        for place in 0..3 {
            // Each way comes first as often as the others.
            let way = (round + place) % 3;
            times[way] = round_trip(&page, ways[way])?;
        }
        all.push(times);
        if disturbed() == before {
            quiet.push(times);
        }
    }
    page.store(STOP, 1, Site::ControlPublish);
    host.raise_bare();
    if quiet.len() < ROUNDS {
        eprintln!("{name}: only {} of {rounds} rounds were undisturbed: all are counted", quiet.len());
        quiet = all;
    }
    let of = |way: usize| median(quiet.iter().map(|times| times[way])).ok_or("no rounds");
    Ok(RoundTrips { direct: of(0)?, ring: of(1)?, bare: of(2)? })
}

/// Microseconds until the guest's handler has answered.
fn round_trip(page: &Mapping, raise: &dyn Fn()) -> Result<f64, String> {
    let rest = Instant::now();
    while rest.elapsed() < BACK_TO_SLEEP {
        spin_loop();
    }
    let before = page.load(ANSWERS, Site::ControlTake);
    let start = Instant::now();
    raise();
    while page.load(ANSWERS, Site::ControlTake) == before {
        if start.elapsed() > LOST {
            return Err("an event got no answer".into());
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6)
}
