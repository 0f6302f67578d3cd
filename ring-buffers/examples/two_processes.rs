// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two processes and one file of memory: calls one way, an event and a stream of records the other. `cargo
//! run -p tenon-rings --example two_processes`
//!
//! Neither process trusts the other: what it reads is checked where it is read, and every wait has an end.
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

#[cfg(target_os = "linux")]
#[path = "two_processes/memfd.rs"]
mod memfd;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        None => linux::parent(),
        Some(linux::CHILD) => linux::child(),
        Some(_) => Err("usage: two_processes".into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skip: the memory is a memfd, which only Linux has");
}

#[cfg(target_os = "linux")]
mod linux {
    #![allow(unsafe_code, reason = "each process says which side of the stream is its own")]

    use crate::memfd::Memory;
    use std::error::Error;
    use std::process::Command;
    use std::thread::yield_now;
    use std::time::{Duration, Instant};
    use tenon_abi::{Op, Status, Submission};
    use tenon_rings::call::{Parts, Queue};
    use tenon_rings::event::Ring;
    use tenon_rings::{Mapping, RingMemory, Site, Words};

    type Outcome = Result<(), Box<dyn Error>>;

    pub(super) const CHILD: &str = "child";
    const PATIENCE: Duration = Duration::from_secs(5);
    /// Both sides know it; whoever goes on after a death takes another.
    const SEED: u32 = 7;
    const DEPTH: usize = 4;
    const PORT: u32 = 3;

    /// What lies where, in words of eight bytes: a page of calls, a page of events, and the stream.
    struct Layout {
        submissions: Mapping,
        completions: Mapping,
        taker: Mapping,
        entries: Mapping,
        announced: Mapping,
        stream: Mapping,
    }

    const PAGE: usize = 512;

    fn layout(memory: Mapping) -> Result<Layout, Box<dyn Error>> {
        let part = |first, len| memory.slice(first, len).ok_or("the memory is too small");
        Ok(Layout {
            submissions: part(0, 8 * DEPTH)?,
            completions: part(PAGE / 2, 2 * DEPTH)?,
            taker: part(PAGE, 64)?,
            entries: part(PAGE + 64, 8)?,
            announced: part(PAGE + 128, 1)?,
            stream: part(2 * PAGE, 3 * PAGE)?,
        })
    }

    /// Asks until there is an answer, or no patience left.
    fn wait<T>(
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>, tenon_rings::Error>,
    ) -> Result<T, Box<dyn Error>> {
        let begun = Instant::now();
        loop {
            match look() {
                Ok(Some(found)) => return Ok(found),
                Ok(None) | Err(tenon_rings::Error::Empty) if begun.elapsed() < PATIENCE => yield_now(),
                Ok(None) | Err(tenon_rings::Error::Empty) => {
                    return Err(format!("no {what} within {PATIENCE:?}").into());
                }
                Err(error) => return Err(format!("{what}: {error}").into()),
            }
        }
    }

    /// Calls, takes the event, and reads what the child has written.
    pub(super) fn parent() -> Outcome {
        let memory = Memory::create(5 * 4096)?;
        let Layout { submissions, completions, taker, entries, announced, stream } =
            layout(memory.mapping())?;
        let mut submitter =
            Queue::new(Parts::bare(submissions, completions)?, SEED, 4)?.submitter::<DEPTH>()?;
        let mut taker = Ring::new(taker, entries, 0, SEED, 8)?.taker(PORT + 1)?;
        // SAFETY: the producing side is the child's; here it is dropped.
        let (_, ours) = unsafe { RingMemory::new(stream, 12) }?.split();
        let mut records = ours.records(4096, SEED, ())?;
        let mut child =
            Command::new(std::env::current_exe()?).arg(CHILD).stdin(memory.to_stdin()?).spawn()?;

        for number in [3, 5] {
            let mut waiting = Some(submitter.submit(Submission::new(Op::NOP, [number, 0, 0, 0, 0, 0]))?);
            let answer = wait("answer", || match waiting.take() {
                Some(ticket) => Ok(submitter.poll(ticket)?.map_err(|ticket| waiting = Some(ticket)).ok()),
                None => Ok(None),
            })?;
            println!("{number} squared is {}", answer.value);
        }
        let mut ports = [0; 4];
        wait("event", || Ok((taker.take(&mut ports)? > 0).then_some(())))?;
        println!("port {} announces {}", ports[0], announced.load(0, Site::Status));
        for _ in 0..2 {
            let mut text = [0; 64];
            let len =
                wait("record", || records.read(|record| record.copy_into(&mut text).map(|text| text.len())))?;
            println!("the child says: {}", String::from_utf8_lossy(text.get(..len).unwrap_or_default()));
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the child ended with {status}").into()) }
    }

    /// Serves two calls, raises a port and writes two records.
    pub(super) fn child() -> Outcome {
        let memory = Memory::inherited()?;
        let Layout { submissions, completions, taker, entries, announced, stream } =
            layout(memory.mapping())?;
        let mut completer = Queue::new(Parts::bare(submissions, completions)?, SEED, 4)?.completer()?;
        let mut raiser = Ring::new(taker, entries, 0, SEED, 8)?.raiser()?;
        // SAFETY: the consuming side is the parent's; here it is dropped.
        let (ours, _) = unsafe { RingMemory::new(stream, 12) }?.split();
        let mut records = ours.records(4096, SEED, ())?;

        for _ in 0..2 {
            let call = wait("call", || completer.fetch().map(Some))?;
            let number = call.submission.args[0].get();
            match number.checked_mul(number) {
                Some(square) => completer.complete(call.id, Status::OK, square),
                None => completer.complete(call.id, Status::BAD_ARGUMENT, 0),
            };
        }
        raiser.reserve()?;
        announced.store(0, 42, Site::Status);
        raiser.raise(PORT, &mut None)?;
        records.write(b"hello")?;
        records.write_vectored(&[b"good", b"bye"])?;
        records.flush()?;
        Ok(())
    }
}
