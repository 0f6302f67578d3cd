// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small session that uses everything, and goes on whatever comes back.

use tenon_abi::{Op, Submission};
use tenon_guest::{Error, Session, Vcpu, Wish};
use tenon_rings::Corrupt;

use crate::host::{GRANULE, Host};

/// Depth of the queue.
pub(crate) const DEPTH: usize = 4;
/// Entries of each event ring.
pub(crate) const EVENTS: [u32; 2] = [4, 4];

/// What a queue was once found to be, it stays (CALL-15).
#[derive(Default)]
struct Latch(Option<Corrupt>);

impl Latch {
    fn note<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match (self.0, &result) {
            (Some(first), Err(Error::Corrupt(now))) => assert_eq!(first, *now, "the reason changed"),
            (Some(first), Ok(_) | Err(_)) => panic!("a queue with {first:?} was of use again"),
            (None, Err(Error::Corrupt(now))) => self.0 = Some(*now),
            (None, _) => {}
        }
        result.ok()
    }
}

/// Runs it. The number of steps that did what was asked, for a run without an attack.
pub(crate) fn run(host: &Host) -> usize {
    let Ok(found) = host.found() else { return 0 };
    let Ok(session) = Session::open(host, found, &mut host.scratch(), Wish::default()) else { return 1 };
    let Ok(vcpu) = session.bind::<DEPTH>(0, &mut host.area(), EVENTS) else { return 2 };
    let done = 3 + calls(host, &vcpu) + events(host, &vcpu);
    done + usize::from(session.reset().is_ok())
}

fn calls(host: &Host, vcpu: &Vcpu<'_, Host, DEPTH>) -> usize {
    let mut latch = Latch::default();
    let mut done = 0;
    let mut note = |good: bool| done += usize::from(good);
    note(latch.note(vcpu.call(Op::NOP, [77])) == Some(77));
    note(latch.note(vcpu.set_upcall(Some(40))).is_some());

    let mut batch = vcpu.batch::<3>();
    for value in 0..3 {
        note(latch.note(batch.push(Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0]))).is_some());
    }
    // Nothing was submitted on a queue that was corrupt by then: an empty batch waits for nothing.
    let results = batch.commit();
    if latch.0.is_none() {
        note(latch.note(results) == Some([Ok(0), Ok(1), Ok(2)]));
    }

    // In flight while other calls come and go.
    let read = vcpu.console().read(host.buffer());
    let in_flight = match read {
        Ok(read) => Some(read),
        Err(error) => latch.note(Err(error)),
    };
    note(
        latch.note(vcpu.console().write(b"some text that is longer than one call can carry by value"))
            == Some(57),
    );
    note(latch.note(vcpu.arm_completions()) == Some(true));
    host.enter(|domain| domain.input(b"typed"));
    if let Some(read) = in_flight {
        match read.wait() {
            Ok((buffer, len)) => {
                assert!(latch.0.is_none() && len <= buffer.len());
                assert_eq!(buffer.len(), GRANULE);
                note(len == 5);
            }
            Err((error, Ok(read))) => {
                latch.note::<()>(Err(error));
                // Asked again, and then given up with its buffer.
                if let Err((error, _)) = read.wait() {
                    latch.note::<()>(Err(error));
                }
            }
            Err((error, Err(_))) => drop(latch.note::<()>(Err(error))),
        }
    }
    let quarantined = latch.note(vcpu.quarantined()).unwrap_or(0);
    assert!(quarantined <= DEPTH && vcpu.in_flight() <= DEPTH);
    note(quarantined == 0);
    note(latch.note(vcpu.call(Op::NOP, [78])) == Some(78));

    // A queue of its own, whatever has become of the other one.
    let mut latch = Latch::default();
    note(latch.note(vcpu.lifecycle().crash(b"no reason")).is_some());
    note(latch.note(vcpu.emergency(Submission::new(Op::NOP, [5, 0, 0, 0, 0, 0]))) == Some(5));
    done
}

fn events(host: &Host, vcpu: &Vcpu<'_, Host, DEPTH>) -> usize {
    let mut done = 0;
    for (port, class) in [(3, 0), (5, 1), (7, 0)] {
        done += usize::from(vcpu.bind_port(port, 0, class).is_ok());
    }
    let mut latches = 0;
    for _ in 0..3 {
        for port in [3, 5, 7] {
            host.enter(|domain| drop(domain.raise(port)));
        }
        let _ = vcpu.mask(7);
        let mut seen = 0;
        // Each call takes at most 32, each ring holds at most 4: this is more than an honest host can fill.
        for _ in 0..4 {
            let taken = vcpu.take_events(|port| {
                assert!(port != 7, "an event of a masked port was handled");
                seen += 1;
            });
            match taken {
                Ok(count) => assert!(count <= 32),
                Err(Error::Corrupt(_)) => latches += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(seen <= 4 * 32);
        done += usize::from(seen == 2);
        done += usize::from(vcpu.unmask(7) == Ok(true));
        done += usize::from(vcpu.arm() == Ok(true));
        assert_eq!(vcpu.disarm(), Ok(()));
    }
    done + usize::from(latches == 0)
}
