// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest under load whose host is restarted again and again (SES-9): it comes back by itself, and keeps
//! account of how each call ended.
//!
//! Payloads of its report: `session <number>` when it has come back, `lost <id>` for a line of text whose
//! fate it does not know, at last `load nops=<done> again=<submitted again> writes=<done> lost=<not known>
//! reads=<ended>` or `load failed <why>`. Lines of text are eight hexadecimal digits, counted from 0.

use crate::case::Fail;
use crate::env::Env;
use crate::report::Line;
use crate::shim::{SuitePlatform, failed};
use core::fmt;
use tenon_abi::{Op, Status, Submission};
use tenon_guest::{Buffer, Error, Request, Session, Vcpu, Wish};

/// Calls in flight at a time.
const SLOTS: usize = 16;
/// Calls of the last session, which nobody ends.
const LAST: u32 = 1000;
/// So often a session is asked for before the host is given up.
const TRIES: u32 = 50;

/// What a call is, so that it can be made again.
#[derive(Clone, Copy)]
enum What {
    /// NOP with this value: replay-safe.
    Nop(u64),
    /// A line of text: not replay-safe.
    Write(u32),
    /// CONSOLE_READ, which nothing ever answers.
    Read,
}

#[derive(Default)]
struct Counts {
    nops: u64,
    again: u64,
    writes: u32,
    lost: u32,
    reads: u32,
}

struct Load {
    env: &'static dyn Env,
    sequence: u32,
    counts: Counts,
    /// Numbers of the next NOP and the next line.
    next: (u64, u32),
    /// NOPs to submit again.
    again: [Option<u64>; SLOTS],
}

type Flight<'v> = Option<(What, Request<'v>)>;

/// Runs until the host was restarted `restarts` times, then ends in good order.
pub fn run(env: &'static dyn Env, restarts: u32) {
    let mut load = Load { env, sequence: 0, counts: Counts::default(), next: (0, 0), again: [None; SLOTS] };
    let platform = SuitePlatform::new(env);
    let result = load.sessions(&platform, restarts);
    let Counts { nops, again, writes, lost, reads } = load.counts;
    let (asked, lines) = load.next;
    let result = result.and_then(|()| match nops == asked && writes.wrapping_add(lost) == lines {
        true => Ok(()),
        false => Err(Fail::Failed("calls that have not ended once", asked - nops, u64::from(lines))),
    });
    match result {
        Ok(()) => {
            load.say(format_args!(
                "load nops={nops} again={again} writes={writes} lost={lost} reads={reads}"
            ));
        }
        Err(fail) => load.say(format_args!("load failed {fail}")),
    }
}

impl Load {
    fn say(&mut self, payload: fmt::Arguments<'_>) {
        self.env.report(Line::new(self.sequence, payload).as_bytes());
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Attaches; the host may be restarted meanwhile.
    fn attach<'p>(
        &self,
        platform: &'p SuitePlatform,
    ) -> Result<(Session<'p, SuitePlatform>, Vcpu<'p, SuitePlatform>), Fail> {
        let mut last = Fail::Error("never tried");
        for _ in 0..TRIES {
            // No session of this guest's is open, so all pages are free.
            self.env.clean();
            match platform.attach() {
                Ok(attached) => return Ok(attached),
                Err(fail) => last = fail,
            }
        }
        Err(last)
    }

    /// The first session, and one more after each restart.
    fn sessions(&mut self, platform: &SuitePlatform, restarts: u32) -> Result<(), Fail> {
        let (mut session, mut vcpu) = self.attach(platform)?;
        let buffer = Buffer::new(platform.pages(4096, session.granule())?);
        for _ in 0..restarts {
            self.session(session.number(), &vcpu, &buffer, None)?;
            vcpu = reopen(platform, &mut session, vcpu)?;
        }
        self.session(session.number(), &vcpu, &buffer, Some(session))
    }

    /// One session, until it is over. The last one is given: it is ended when enough was done.
    fn session(
        &mut self,
        number: u32,
        vcpu: &Vcpu<'_, SuitePlatform>,
        buffer: &Buffer,
        mut session: Option<Session<'_, SuitePlatform>>,
    ) -> Result<(), Fail> {
        self.say(format_args!("session {number}"));
        let last = session.is_some();
        let mut flights: [Flight<'_>; SLOTS] = [const { None }; SLOTS];
        let mut over = false;
        let mut left = if last { LAST } else { u32::MAX };
        for slot in (0..SLOTS).cycle() {
            let Some(flight) = flights.get_mut(slot) else { continue };
            match flight.take() {
                None if !over && left > 0 => {
                    left -= 1;
                    let what = if slot == 0 { What::Read } else { self.next_call(left) };
                    *flight = Some((what, vcpu.request(submission(what, buffer)?).map_err(broken)?));
                }
                None => {
                    if slot == SLOTS - 1 && flights.iter().all(Option::is_none) {
                        return Ok(());
                    }
                }
                Some((what, mut request)) => match request.poll() {
                    Ok(value) => self.done(what, value)?,
                    Err(Error::Pending) => *flight = Some((what, request)),
                    Err(Error::Refused(Status::INDETERMINATE)) => {
                        over = true;
                        self.lost(what);
                    }
                    Err(error) => return Err(broken(error)),
                },
            }
            // The read is all that is left of the last session: a reset ends it.
            if last
                && left == 0
                && flights.iter().skip(1).all(Option::is_none)
                && let Some(session) = session.take()
            {
                session.reset().map_err(|error| failed("RESET", error))?;
            }
        }
        Ok(())
    }

    /// What was lost and is replay-safe comes first.
    fn next_call(&mut self, turn: u32) -> What {
        if let Some(value) = self.again.iter_mut().find_map(Option::take) {
            self.counts.again += 1;
            return What::Nop(value);
        }
        if turn.is_multiple_of(2) {
            self.next.0 += 1;
            return What::Nop(self.next.0);
        }
        self.next.1 += 1;
        What::Write(self.next.1 - 1)
    }

    fn done(&mut self, what: What, value: u64) -> Result<(), Fail> {
        let expected = match what {
            What::Nop(value) => {
                self.counts.nops += 1;
                value
            }
            What::Write(_) => {
                self.counts.writes += 1;
                9
            }
            What::Read => return Err(Fail::Failed("a read without input was answered", value, 0)),
        };
        if value == expected { Ok(()) } else { Err(Fail::Failed("a value", value, expected)) }
    }

    fn lost(&mut self, what: What) {
        match what {
            What::Nop(value) => {
                // As many places as calls in flight.
                if let Some(place) = self.again.iter_mut().find(|place| place.is_none()) {
                    *place = Some(value);
                }
            }
            What::Write(number) => {
                self.counts.lost += 1;
                self.say(format_args!("lost {number}"));
            }
            What::Read => self.counts.reads += 1,
        }
    }
}

/// The next session in the pages that the last one had (SES-9); the host may be restarted meanwhile.
fn reopen<'p>(
    platform: &'p SuitePlatform,
    session: &mut Session<'p, SuitePlatform>,
    vcpu: Vcpu<'p, SuitePlatform>,
) -> Result<Vcpu<'p, SuitePlatform>, Fail> {
    let kept = vcpu.release();
    let mut pages = kept.map_err(|_| Fail::Error("a session that has ended keeps the pages of its vCPU"))?;
    let mut last = Error::NotPresent;
    for _ in 0..TRIES {
        match session.reopen(Wish::default()).and_then(|()| session.bind(0, &mut pages, [256, 256])) {
            Ok(vcpu) => return platform.share(&vcpu).map(|()| vcpu),
            Err(error) => last = error,
        }
        // Those that a host was asked for which did not answer are its own until the session ends.
        if last == Error::Pending || last == Error::BadMemory {
            pages = platform.areas(session.granule())?;
        }
    }
    Err(failed("no session after a restart", last))
}

fn broken(error: Error) -> Fail {
    failed("a call", error)
}

fn submission(what: What, buffer: &Buffer) -> Result<Submission, Fail> {
    Ok(match what {
        What::Nop(value) => Submission::new(Op::NOP, [value, 0, 0, 0, 0, 0]),
        What::Read => Submission::new(Op::CONSOLE_READ, [buffer.address(), 16, 0, 0, 0, 0]),
        What::Write(number) => {
            let mut line = *b"00000000\n";
            for (place, byte) in line.iter_mut().take(8).enumerate() {
                let digit = (number >> (28 - 4 * place) & 15) as u8;
                *byte = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            }
            Submission::with_inline(Op::CONSOLE_WRITE, &line).ok_or(Fail::Error("a line is too long"))?
        }
    })
}
