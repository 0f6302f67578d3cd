// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host pages, by hand (PAGE-1 to PAGE-6).

pub mod donated;

use super::session::desk::Desk;
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::tools::{case, expect, op, settle, status};
use crate::raw::{self, Bound, load};
use core::sync::atomic::{Ordering, fence};
use tenon_abi::Features;
use tenon_rings::Mapping;

/// The cases.
pub const CASES: &[Case] = &[
    case("page.place", &["PAGE-2", "PAGE-5", "PAGE-3"], WINDOW, place),
    case("page.alone-in-the-window", &["PAGE-5", "VCPU-4"], WINDOW, alone),
    case("page.zero-elsewhere", &["PAGE-1", "TIME-3"], WINDOW, zero_elsewhere),
    case("page.kept-over-reset", &["PAGE-5", "PAGE-3"], WINDOW, kept),
    case("page.not-writable", &["DISC-5", "PAGE-1"], WINDOW, not_writable),
    case("page.address-with-window", &["PAGE-5", "GEN-9"], WINDOW, address),
    case("page.unknown-kind", &["PAGE-2", "CALL-11"], PAGES, unknown_kind),
    case("page.kind-of-no-feature", &["PAGE-2", "NEG-7"], TIME, kind_of_no_feature),
    case("page.not-negotiated", &["PAGE-2", "NEG-7", "CALL-12"], TIME, not_negotiated),
];

const PAGES: Needs = Needs { features: Features::PAGES, ..Needs::NONE };
pub(super) const TIME: Needs = Needs { features: Features::PAGES.union(Features::TIME), ..Needs::NONE };
const WINDOW: Needs =
    Needs { features: Features::PAGES.union(Features::TIME).union(Features::WINDOW), ..Needs::NONE };

/// The kind TIME.
pub(super) const KIND: u64 = 1;
const PAGES_BIT: u64 = 1 << 8;
const TIME_BIT: u64 = 1 << 9;

/// Words of a copy of the page TIME.
pub(super) type Copy = [u64; 16];

/// A page, wherever it lies.
#[derive(Clone, Copy)]
pub(super) struct Page {
    memory: Mapping,
    at: usize,
}

impl Page {
    pub(super) const fn new(memory: Mapping, at: usize) -> Self {
        Self { memory, at }
    }

    /// The page TIME of a session with the window.
    pub(super) fn in_window(bound: &mut Bound) -> Result<Self, Fail> {
        let at = expect(bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?;
        Ok(Self::new(bound.env.window(), at as usize))
    }

    pub(super) fn word(&self, offset: usize) -> u64 {
        load(&self.memory, self.at + offset)
    }

    pub(super) fn sequence(&self) -> u64 {
        self.word(0)
    }

    /// One look (PAGE-4): the valid copy, and what `within` reads while it is valid.
    pub(super) fn look<T>(&self, within: impl FnOnce(&Copy) -> T) -> Option<(Copy, T)> {
        let sequence = self.sequence();
        let first = if sequence & 1 == 0 { 0x40 } else { 0xc0 };
        let copy: Copy = core::array::from_fn(|index| self.word(first + index * 8));
        let found = within(&copy);
        fence(Ordering::Acquire);
        (self.sequence() == sequence).then_some((copy, found))
    }

    /// The valid copy.
    pub(super) fn copy(&self) -> Result<Copy, Fail> {
        (0..1000).find_map(|_| self.look(|_| ())).map(|(copy, ())| copy).ok_or(Fail::Failed(
            "the sequence never stands still",
            self.sequence(),
            0,
        ))
    }
}

fn place(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    let at = expect(&mut bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?;
    let (granule, len) = (1 << desk.largest(), raw::record(ctx.env).window_len.get());
    check(at % granule == 0, "the page is not aligned to the largest granule")?;
    check(at >= granule && at + granule <= len, "the page does not lie in the window")?;
    for _ in 0..4 {
        equal(expect(&mut bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?, at, "another place")?;
    }
    check(Page::new(ctx.env.window(), at as usize).sequence() != 0, "PAGE has answered, and nothing is there")
}

/// No area of any vCPU comes near it, however many there are and however large they are.
fn alone(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    let page = expect(&mut bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?;
    let granule = 1 << desk.largest();
    let window = ctx.env.window().base() as u64;
    let check_apart = |bound: &Bound| {
        let (start, len) = (bound.host.base() as u64 - window, bound.host.byte_len() as u64);
        check(start + len <= page || start >= page + granule, "an area lies where the page does")
    };
    check_apart(&bound)?;
    for vcpu in 1..raw::record(ctx.env).max_vcpus.get().min(16) {
        match desk.bind(vcpu, 64, [256, 256]) {
            Ok(other) => check_apart(&other)?,
            // The window has no more room.
            Err(Fail::Failed(_, 7, _)) => break,
            Err(fail) => return Err(fail),
        }
    }
    Ok(())
}

fn zero_elsewhere(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::in_window(&mut bound)?;
    let behind = (8..0x40).chain(0x140..1 << desk.largest()).step_by(8);
    for offset in behind.filter(|offset| offset % 8 == 0) {
        equal(page.word(offset), 0, "a word that is neither sequence nor copy")?;
    }
    Ok(())
}

fn kept(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let at = expect(&mut bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?;
    let page = Page::new(ctx.env.window(), at as usize);
    let before = (page.sequence(), page.copy()?);
    check(raw::reset(ctx.env), "RESET")?;
    let idle = (page.sequence(), page.copy()?);
    let mut bound = raw::attach(ctx.env)?;
    equal(expect(&mut bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?, at, "another place after a reset")?;
    let after = (page.sequence(), page.copy()?);
    for (old, new) in [(before, idle), (idle, after)] {
        check(new.0 >= old.0, "the sequence has become smaller")?;
        check(new.1[2] >= old.1[2], "RUNNING has become less by a reset")?;
    }
    Ok(())
}

fn not_writable(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let page = Page::in_window(&mut bound)?;
    let before = page.sequence();
    // A host that is not able to refuse it harms nobody but this guest, which puts back what was there.
    let at = expect(&mut bound, op::PAGE, &[KIND, 0], status::OK, "PAGE")?;
    if ctx.env.store_to_window(at as usize + 0x20, 7) == Some(false) {
        ctx.env.store_to_window(at as usize + 0x20, 0);
        return Err(Fail::Failed("a store to a page of the host's", at, 0));
    }
    settle(&mut bound)?;
    check(page.sequence() >= before && page.word(0x20) == 0, "a store to a page of the host's")
}

fn address(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    let (_, at) = raw::pages(ctx.env, 1 << 16, 1 << 16)?;
    for (args, what) in [
        (&[KIND, at][..], "an address beside the window"),
        (&[KIND, 8], "an address that is not aligned"),
        (&[KIND, u64::MAX], "an address that is none"),
        (&[0xffff, at], "an address with a kind that does not exist"),
        (&[KIND, 0, 1], "an unused argument"),
    ] {
        expect(&mut bound, op::PAGE, args, status::BAD_RESERVED, what)?;
    }
    expect(&mut bound, op::PAGE, &[0x1_0000, at], status::BAD_ARGUMENT, "a kind that cannot be")?;
    Page::in_window(&mut bound).map(|_| ())
}

fn unknown_kind(ctx: &Ctx) -> Outcome {
    let mut bound = raw::attach(ctx.env)?;
    for kind in [0, 3, 0x0101, 0x8000, 0xffff] {
        expect(&mut bound, op::PAGE, &[kind, 0], status::NOT_FOUND, "a kind that does not exist")?;
    }
    for kind in [0x1_0000, 0x1_0001, 1 << 32, u64::MAX] {
        expect(&mut bound, op::PAGE, &[kind, 0], status::BAD_ARGUMENT, "a kind above 0xffff")?;
    }
    Ok(())
}

fn kind_of_no_feature(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !TIME_BIT, 16)?;
    expect(&mut bound, op::PAGE, &[KIND, 0], status::NOT_FOUND, "a kind without its feature").map(|_| ())
}

fn not_negotiated(ctx: &Ctx) -> Outcome {
    let desk = Desk::new(ctx.env)?;
    let mut bound = desk.attach(desk.features() & !PAGES_BIT, 16)?;
    expect(&mut bound, op::PAGE, &[KIND, 0], status::NOT_SUPPORTED, "PAGE without PAGES")?;
    // Clocks are there, by call.
    expect(&mut bound, op::CLOCK_READ, &[0], status::OK, "CLOCK_READ without PAGES").map(|_| ())
}
