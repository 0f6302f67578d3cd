// SPDX-License-Identifier: MIT OR Apache-2.0
//! The chapter by the shim (MEM-3 to MEM-15).
#![allow(unsafe_code, reason = "pages come as addresses")]

use super::MEMORY;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::case;
use crate::shim::{SuitePlatform, failed};
use tenon_abi::{Features, Rights, Status};
use tenon_guest::memory::moving::Hold;
use tenon_guest::memory::{Fate, Given, Info, Moving, Wanted, give};
use tenon_guest::{Buffer, Error, Pages, Vcpu};
use tenon_rings::{Site, Words};

const CLOSED: Needs = Needs { features: Features::CLOSED.union(Features::CONSOLE), ..Needs::NONE };
const WATCH: Needs = Needs { features: Features::MEMORY.union(Features::EVENTS), ..Needs::NONE };

/// The cases.
pub const CASES: &[Case] = &[
    case("memory.shim-info", &["MEM-3", "MEM-4"], MEMORY, info),
    case("memory.shim-gives-and-takes", &["MEM-6", "MEM-7"], MEMORY, gives),
    case("memory.shim-hints", &["MEM-8"], MEMORY, hints),
    case("memory.shim-follows", &["MEM-4", "MEM-6", "MEM-7"], MEMORY, follows),
    case("memory.shim-watches", &["MEM-5"], WATCH, watches),
    case("memory.shim-is-refused", &["MEM-2", "MEM-6"], MEMORY, refused),
    case("closed.shim-shares", &["MEM-11", "MEM-12", "MEM-13"], CLOSED, shares),
    case("closed.shim-reads", &["MEM-13", "CON-4"], CLOSED, reads),
];

type Vcpu0<'s> = Vcpu<'s, SuitePlatform>;

fn ask(vcpu: &Vcpu0<'_>, platform: &SuitePlatform) -> Result<(Info, Buffer), Fail> {
    let buffer = Buffer::new(platform.pages(4096, tenon_abi::Granule::K4)?);
    let info = vcpu.memory().info(&buffer).map_err(|error| failed("MEMORY_INFO", error))?;
    Ok((info, buffer))
}

/// Memory of the guest's own that is not shared: so many units of giving.
fn pages(ctx: &Ctx, info: &Info, units: u64) -> Result<Pages, Fail> {
    let (len, align) = ((info.granule * units) as usize, info.granule as usize);
    let (mapping, at) = ctx.env.pages(len, align).ok_or(Fail::Error("no pages left"))?;
    // SAFETY: the environment owns the pages until `Env::clean`, which comes after the case; no reference to
    // them exists.
    unsafe { Pages::new(mapping.base(), len, at) }.map_err(|_| Fail::Error("unusable pages"))
}

/// Of a request that has to begin and to succeed whole.
fn done<F, T, B>(moving: Result<Moving<'_, F, T>, (Error, B)>, what: &'static str) -> Result<T, Fail>
where
    F: Hold,
    T: Hold,
{
    let moving = moving.map_err(|(error, _)| failed(what, error))?;
    match moving.wait() {
        Ok((whole, None)) => Ok(whole),
        Ok((_, Some(_))) => Err(Fail::Failed("a few units are more than one call", 0, 0)),
        Err((error, _)) => Err(failed(what, error)),
    }
}

fn info(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let (info, buffer) = ask(&vcpu, &platform)?;
    check(info.pieces != 0, "no piece of memory")?;
    let mut sum = 0;
    for index in 0..info.pieces {
        let (_, len) = give::piece(&buffer, &info, index).ok_or(Fail::Failed("no such piece", 0, 0))?;
        sum += len;
    }
    check(give::piece(&buffer, &info, info.pieces).is_none(), "a piece behind the last one")?;
    equal(sum, info.memory, "the bytes of all pieces")
}

fn gives(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let memory = vcpu.memory();
    let (info, _) = ask(&vcpu, &platform)?;
    let page = pages(ctx, &info, 2)?;
    let (at, words) = (page.address(), page.mapping());
    words.store(0, u64::MAX, Site::Status);
    let given: Given = done(memory.give(page), "GIVE")?;
    equal(given.address(), at, "the address of what was given")?;
    equal(ask(&vcpu, &platform)?.0.given, given.len() as u64, "bytes that are given")?;
    let page: Pages = done(memory.take(given), "TAKE")?;
    equal(page.address(), at, "the address of what was taken")?;
    equal(page.mapping().load(0, Site::Status), 0, "what was taken")?;
    equal(ask(&vcpu, &platform)?.0.given, 0, "bytes that are given")
}

fn hints(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let (info, _) = ask(&vcpu, &platform)?;
    let page: Pages = done(vcpu.memory().hint(pages(ctx, &info, 1)?), "HINT")?;
    page.mapping().store(0, 5, Site::Status);
    equal(page.mapping().load(0, Site::Status), 5, "what was hinted is memory")
}

fn follows(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let (info, _) = ask(&vcpu, &platform)?;
    // A guest that has given what its host wants it to have takes as much again.
    let had = info.wanted();
    let given: Given = done(vcpu.memory().give(pages(ctx, &info, 2)?), "GIVE")?;
    let (now, _) = ask(&vcpu, &platform)?;
    match (had, now.wanted()) {
        (Wanted::Nothing, Wanted::Take(bytes)) => equal(bytes, given.len() as u64, "bytes to take")?,
        // The host wants less than all, or counts a rest that is no unit.
        (Wanted::Nothing, Wanted::Nothing) | (Wanted::Give(_), _) => {}
        _ => {
            return Err(Fail::Failed(
                "what is wanted does not follow from what is given",
                now.given,
                now.target,
            ));
        }
    }
    let _: Pages = done(vcpu.memory().take(given), "TAKE")?;
    check(ask(&vcpu, &platform)?.0.wanted() == had, "what is wanted after all was taken again")
}

fn watches(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let refused = vcpu.memory().watch(11);
    check(refused == Err(Error::Refused(Status::NOT_FOUND)), "a port that is not bound watches")?;
    vcpu.bind_port(11, 0, 0).map_err(|error| failed("EVENT_BIND", error))?;
    vcpu.memory().watch(11).map_err(|error| failed("MEMORY_WATCH", error))
}

fn refused(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (_session, vcpu) = platform.attach()?;
    let (info, _) = ask(&vcpu, &platform)?;
    let mut page = pages(ctx, &info, 2)?;
    // Eight bytes that are no unit, off its front.
    let at = page.address();
    let front = page.split(4096, tenon_abi::Granule::K4).map_err(|error| failed("split", error))?;
    let _ = front;
    if info.granule == 4096 {
        let given: Given = done(vcpu.memory().give(page), "GIVE")?;
        return equal(given.address(), at + 4096, "what was given");
    }
    let moving = vcpu.memory().give(page).map_err(|(error, _)| failed("GIVE", error))?;
    match moving.wait() {
        Err((Error::Refused(Status::BAD_ALIGNMENT), Fate::Back(page))) => {
            equal(page.address(), at + 4096, "the pages come back")
        }
        _ => Err(Fail::Failed("pages that are no whole units are given", at, info.granule)),
    }
}

fn shares(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let (mapping, at) = ctx.env.pages(1 << 16, 1 << 16).ok_or(Fail::Error("no pages left"))?;
    // SAFETY: as in `pages`.
    let page = unsafe { Pages::new(mapping.base(), session.granule().size() as usize, at) };
    let page = page.map_err(|_| Fail::Error("unusable pages"))?;
    check(mapping.write(0, b"shared by the shim\n"), "the page")?;
    let shared = done(vcpu.sharing().share(page, Rights::READ), "SHARE")?;
    let taken = vcpu.console().write_buffer(shared.buffer(), 19);
    check(taken.is_ok(), "output of a shared buffer")?;
    let page: Pages = done(vcpu.sharing().unshare(shared), "UNSHARE")?;
    let denied = vcpu.console().write_buffer(&Buffer::new(page), 19);
    check(denied == Err(Error::Refused(Status::DENIED)), "output of a buffer that is not shared")
}

fn reads(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let (session, vcpu) = platform.attach()?;
    let (mapping, at) = ctx.env.pages(1 << 16, 1 << 16).ok_or(Fail::Error("no pages left"))?;
    // SAFETY: as in `pages`.
    let page = unsafe { Pages::new(mapping.base(), session.granule().size() as usize, at) };
    let page = page.map_err(|_| Fail::Error("unusable pages"))?;
    let shared = done(vcpu.sharing().share(page, Rights::all()), "SHARE")?;
    let (buffer, lent) = shared.lend();
    let read = vcpu.console().read(buffer).map_err(|error| failed("CONSOLE_READ", error))?;
    // While the read has it, there is nothing to end the share with.
    check(read.cancel().map_err(|error| failed("CANCEL", error))?, "the read cannot be cancelled")?;
    let buffer = match read.wait() {
        Err((Error::Refused(Status::CANCELLED), Err(buffer))) => buffer,
        Ok((buffer, _)) => buffer,
        Err((error, _)) => return Err(failed("CONSOLE_READ", error)),
    };
    let shared = tenon_guest::memory::Shared::back(buffer, lent);
    let shared = shared.map_err(|_| Fail::Failed("another buffer came back", 0, 0))?;
    let _: Pages = done(vcpu.sharing().unshare(shared), "UNSHARE")?;
    Ok(())
}
