// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions through the shim, with the host under test and with one that lies.

use super::fake::Fake;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::case;
use crate::raw::{load, store};
use crate::shim::{SuitePlatform, failed};
use tenon_abi::{Features, Granule, Op, Status, Submission};
use tenon_guest::{Buffer, Error, Found, Session, Wish};

/// The cases.
pub const CASES: &[Case] = &[
    case("session.shim-kexec", &["SES-8", "SES-1"], Needs::NONE, kexec),
    case("session.shim-donates", &["NEG-2", "NEG-6"], Needs::NONE, donates),
    case("session.shim-granules", &["NEG-3", "GEN-4"], Needs::NONE, granules),
    case("session.shim-wants-more", &["NEG-2", "NEG-3"], Needs::NONE, wants_more),
    case("session.shim-clears-first", &["SES-2"], Needs::NONE, clears_first),
    case("session.shim-indeterminate", &["SES-7", "CALL-18"], Needs::CONSOLE, indeterminate),
    case("session.shim-host-restarted", &["SES-9", "SES-7", "CALL-18"], Needs::NONE, host_restarted),
    case("session.shim-lying-host", &["NEG-6", "SES-4", "CALL-13", "GEN-8"], Needs::NONE, lying_host),
];

fn kexec(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut last: Option<(u32, u32)> = None;
    for lap in 0..3u64 {
        // The earlier kernel's session is open each time, and nobody has reset it.
        let (session, vcpu) = platform.attach()?;
        if let Some((number, seed)) = last {
            check(session.number() != number, "the session number did not change")?;
            check(session.seed().wrapping_sub(seed) & 1 == 1, "the seed's step is not odd")?;
        }
        last = Some((session.number(), session.seed()));
        let found = vcpu.call(Op::NOP, [lap]).map_err(|error| failed("NOP", error))?;
        equal(found, lap, "NOP's value")?;
    }
    Ok(())
}

fn indeterminate(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let buffer = Buffer::new(platform.pages(4096, session.granule())?);
    let read = Submission::new(Op::CONSOLE_READ, [buffer.address(), 16, 0, 0, 0, 0]);
    let mut request = vcpu.request(read).map_err(|error| failed("CONSOLE_READ", error))?;
    check(request.poll() == Err(Error::Pending), "a read without input is not pending")?;
    session.reset().map_err(|error| failed("RESET", error))?;
    let told = request.wait();
    check(
        told == Err(Error::Refused(Status::INDETERMINATE)),
        "a request that a reset ended is not INDETERMINATE",
    )?;
    check(request.poll() == Err(Error::Pending), "it was told twice")?;
    let again = vcpu.call(Op::CONSOLE_READ, [buffer.address(), 16]);
    check(
        again == Err(Error::Refused(Status::INDETERMINATE)),
        "a call after the session is not INDETERMINATE",
    )
}

/// The host ends the session with a call in flight, behind one that it completed.
fn host_restarted(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    let vcpu = fake.attach()?;
    fake.script.set(|fake, _| fake.complete(0, fake.id(fake.completed.get()), 5));
    equal(vcpu.call(Op::NOP, [5]).map_err(|error| failed("NOP", error))?, 5, "NOP before the restart")?;
    fake.script.set(|fake, _| {
        store(&fake.window, 0x88, 0);
        store(&fake.window, 0x80, load(&fake.window, 0x80).wrapping_add((1 << 32) | 3));
    });
    let mut request = vcpu.request(Submission::new(Op::NOP, [6, 0, 0, 0, 0, 0]));
    let request = request.as_mut().map_err(|error| failed("NOP", *error))?;
    let indeterminate = Err(Error::Refused(Status::INDETERMINATE));
    check(request.poll() == indeterminate, "a call that a restart ended is not INDETERMINATE")?;
    check(request.poll() == Err(Error::Pending), "it was told twice")?;
    check(vcpu.call(Op::NOP, [7]) == indeterminate, "a call after the restart is not INDETERMINATE")
}

fn donates(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let features = Features::all().difference(Features::WINDOW);
    let session = platform.open(Wish { features, ..Wish::default() })?;
    check(!session.features().contains(Features::WINDOW), "WINDOW was negotiated")?;
    let vcpu = platform.bind(&session, 0)?;
    for value in 0..70 {
        let found = vcpu.call(Op::NOP, [value]).map_err(|error| failed("NOP", error))?;
        equal(found, value, "NOP's value in donated memory")?;
    }
    Ok(())
}

fn granules(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let offered = load(&ctx.env.window(), 0x18) as u32;
    let wishes: [(u32, &'static [Granule]); 3] =
        [(12, &[Granule::K4]), (14, &[Granule::K16]), (16, &[Granule::K64])];
    for (shift, granules) in wishes {
        if offered & (1 << shift) == 0 {
            continue;
        }
        let session = platform.open(Wish { granules, ..Wish::default() })?;
        equal((load(&ctx.env.window(), 0x88) >> 32) & 0xffff, u64::from(shift), "the session's granule")?;
        let vcpu = platform.bind(&session, 0)?;
        let found = vcpu.call(Op::NOP, [5]).map_err(|error| failed("NOP", error))?;
        equal(found, 5, "NOP's value")?;
        // By the granule of the session that ends.
        session.reset().map_err(|error| failed("RESET", error))?;
    }
    Ok(())
}

fn wants_more(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    let found = Found::at(fake.window).map_err(|error| failed("no record", error))?;
    let platform = SuitePlatform::new(ctx.env);
    let refused = |wish: Wish| -> Outcome {
        match Session::open(&fake, found, &mut platform.scratch()?, wish) {
            Err(Error::NoMatch) => Ok(()),
            _ => Err(Fail::Failed("the shim asks for what is not offered", 0, 0)),
        }
    };
    refused(Wish { required: Features::SMP, ..Wish::default() })?;
    refused(Wish { granules: &[Granule::K16, Granule::K64], ..Wish::default() })?;
    refused(Wish { granules: &[], ..Wish::default() })?;
    equal(u64::from(fake.requests.get()), 0, "the shim asked nevertheless")?;
    // What is not offered and not required is left out.
    let session = fake.open().map_err(|error| failed("a session with less", error))?;
    equal(session.features().bits(), 0x21, "the features that were negotiated")
}

fn clears_first(ctx: &Ctx) -> Outcome {
    let fake = Fake::new(ctx.env)?;
    fake.dirty.set(usize::MAX);
    fake.attach()?;
    equal(fake.dirty.get() as u64, 0, "words that the shim had not cleared when it asked for BIND")
}

fn lying_host(ctx: &Ctx) -> Outcome {
    // Silence: a bounded wait.
    let fake = Fake::new(ctx.env)?;
    fake.deaf.set(true);
    check(matches!(fake.open(), Err(Error::Pending)), "silence is not reported as pending")?;
    // Every refusal, the unknown ones included.
    for status in [1u16, 8, 17, 18, 0x7777, 0xffff] {
        let fake = Fake::new(ctx.env)?;
        fake.status.set(u64::from(status));
        match fake.open() {
            Err(Error::Refused(found)) => equal(u64::from(found.0), u64::from(status), "the status")?,
            _ => return Err(Fail::Failed("a refusal is not reported", u64::from(status), 0)),
        }
    }
    // An area that is not, or not wholly, inside the window.
    for at in [0x2000, 0x1f00, 1 << 32, u64::MAX, u64::MAX - 7, 1 << 63] {
        let fake = Fake::new(ctx.env)?;
        fake.bind_value.set(at);
        let session = fake.open().map_err(|error| failed("a session with the fake host", error))?;
        let mut pages = fake.vcpu_pages()?;
        let vcpu = session.bind::<4>(0, &mut pages, [8, 8]);
        check(matches!(vcpu, Err(Error::BadMemory)), "an area outside the window is used")?;
    }
    // A record that changes under the shim: what counts was read once.
    let fake = Fake::new(ctx.env)?;
    store(&fake.window, 0x18, 0);
    let none = matches!(fake.open(), Err(Error::NoMatch | Error::NotPresent));
    check(none, "a host without granules is used")?;
    let fake = Fake::new(ctx.env)?;
    store(&fake.window, 0x88, (77 << 32) | (1 << 48));
    let odd = matches!(fake.open(), Err(Error::NotPresent | Error::Refused(Status::BAD_STATE)));
    check(odd, "a session with an impossible granule is used")
}
