// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that the guest donates, by hand (PAGE-6).

use super::{KIND, Page, TIME};
use crate::case::{Case, Ctx, Fail, Needs, Outcome, check, equal};
use crate::cases::session::desk::Desk;
use crate::cases::tools::{case, expect, op, rest, status};
use crate::raw::{self, Bound, Control, load, store};
use tenon_rings::Mapping;

/// The cases.
pub const CASES: &[Case] = &[
    case("page.donated", &["PAGE-6", "PAGE-3", "PAGE-1"], TIME, donated),
    case("page.donated-twice", &["PAGE-6"], TIME, twice),
    case("page.donated-nowhere", &["PAGE-6", "GEN-4", "REG-2", "REG-3"], TIME, nowhere),
    case("page.donated-over-an-area", &["PAGE-6", "VCPU-10"], TIME, over_an_area),
    case("page.area-over-a-page", &["PAGE-6", "VCPU-10"], TWO, area_over),
    case("page.donation-ends", &["PAGE-6", "SES-7"], TIME, ends),
];

const TWO: Needs = Needs { vcpus: 2, ..TIME };
const MARK: u64 = 0x5a5a_5a5a_5a5a_5a5a;

/// A session without the window, and a marked granule of memory with one more behind it.
fn attach(ctx: &Ctx) -> Result<(Desk, Bound, (Mapping, u64)), Fail> {
    let desk = Desk::new(ctx.env)?;
    // Without what would close the memory or hold anything back.
    let features = desk.features() & (0x3ff & !1);
    let bound = desk.attach(features, 16)?;
    let granule = 1 << desk.smallest();
    let memory = raw::pages(ctx.env, 2 * granule, granule)?;
    mark(&memory.0);
    Ok((desk, bound, memory))
}

fn mark(memory: &Mapping) {
    (0..memory.byte_len()).step_by(8).for_each(|offset| store(memory, offset, MARK));
}

fn donated(ctx: &Ctx) -> Outcome {
    let (desk, mut bound, (memory, at)) = attach(ctx)?;
    equal(expect(&mut bound, op::PAGE, &[KIND, at], status::OK, "PAGE")?, 0, "the value of a donated page")?;
    let page = Page::new(memory, 0);
    check(page.sequence() != 0, "PAGE has answered, and nothing is there")?;
    check(page.copy()?[5] >> 32 & 3 == 3, "RUNNING and BOOT are not told")?;
    let granule = 1 << desk.smallest();
    for offset in (8..0x40).chain(0x140..granule).step_by(8) {
        equal(page.word(offset), 0, "a word that is neither sequence nor copy")?;
    }
    for offset in (granule..2 * granule).step_by(8) {
        equal(load(&memory, offset), MARK, "a word behind the page")?;
    }
    Ok(())
}

fn twice(ctx: &Ctx) -> Outcome {
    let (desk, mut bound, (memory, at)) = attach(ctx)?;
    let granule = 1 << desk.smallest();
    expect(&mut bound, op::PAGE, &[KIND, at], status::OK, "PAGE")?;
    let sequence = Page::new(memory, 0).sequence();
    expect(&mut bound, op::PAGE, &[KIND, at], status::OK, "PAGE at the same address")?;
    check(Page::new(memory, 0).sequence() >= sequence, "the sequence has become smaller")?;
    expect(&mut bound, op::PAGE, &[KIND, at + granule], status::EXISTS, "PAGE at another address")?;
    equal(load(&memory, granule as usize), MARK, "what lies where the page was refused")
}

fn nowhere(ctx: &Ctx) -> Outcome {
    let (desk, mut bound, (memory, at)) = attach(ctx)?;
    let granule = 1 << desk.smallest();
    let end = raw::record(ctx.env).region0_len.get();
    for (address, wanted, what) in [
        (at + 8, status::BAD_ALIGNMENT, "a page that is not aligned"),
        (at + granule / 2, status::BAD_ALIGNMENT, "a page that is half aligned"),
        (end & !(granule - 1), status::BAD_RANGE, "a page at the end of region 0"),
        ((1 << 48) - granule, status::BAD_RANGE, "a page at the end of what can be named"),
        (at | 7 << 48, status::BAD_REGION, "a page in a region that is not there"),
    ] {
        expect(&mut bound, op::PAGE, &[KIND, address], wanted, what)?;
    }
    for offset in (0..2 * granule as usize).step_by(8) {
        equal(load(&memory, offset), MARK, "memory that was refused")?;
    }
    expect(&mut bound, op::PAGE, &[KIND, at], status::OK, "PAGE").map(|_| ())
}

fn over_an_area(ctx: &Ctx) -> Outcome {
    let (_, mut bound, (_, at)) = attach(ctx)?;
    let guest = bound.guest.1;
    expect(&mut bound, op::PAGE, &[KIND, guest], status::BAD_RANGE, "a page over the guest-written area")?;
    // The host-written area was donated next to it: its offset follows from that of its memory.
    let host = guest + (bound.host.base() as u64).wrapping_sub(bound.guest.0.base() as u64);
    expect(&mut bound, op::PAGE, &[KIND, host], status::BAD_RANGE, "a page over the host-written area")?;
    expect(&mut bound, op::PAGE, &[KIND, at], status::OK, "PAGE").map(|_| ())
}

fn area_over(ctx: &Ctx) -> Outcome {
    let (desk, mut bound, (_, at)) = attach(ctx)?;
    let granule = 1 << desk.smallest();
    expect(&mut bound, op::PAGE, &[KIND, at], status::OK, "PAGE")?;
    let (_, apart) = raw::pages(ctx.env, 4 * granule, granule)?;
    let mut over = Control::bind(ctx.env, 1, 16, [16, 16], at);
    over.0[8] = apart;
    desk.expect(over, status::BAD_RANGE, "a guest-written area over a page")?;
    let mut over = Control::bind(ctx.env, 1, 16, [16, 16], apart);
    over.0[8] = at;
    desk.expect(over, status::BAD_RANGE, "a host-written area over a page").map(|_| ())
}

fn ends(ctx: &Ctx) -> Outcome {
    let (desk, mut bound, (memory, at)) = attach(ctx)?;
    expect(&mut bound, op::PAGE, &[KIND, at], status::OK, "PAGE")?;
    desk.reset()?;
    mark(&memory);
    // A new session has its page elsewhere, and what was the old one's is the guest's alone.
    let features = desk.features() & (0x3ff & !1);
    let mut bound = desk.attach(features, 16)?;
    let granule = 1 << desk.smallest();
    let (_, other) = raw::pages(ctx.env, granule, granule)?;
    expect(&mut bound, op::PAGE, &[KIND, other], status::OK, "PAGE in the next session")?;
    rest(ctx.env);
    for offset in (0..memory.byte_len()).step_by(8) {
        equal(load(&memory, offset), MARK, "the host writes a page of a session that is over")?;
    }
    Ok(())
}
