// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payload in a closed domain (MEM-11): the kit shares one range in each session, and hands out pages of it.
#![allow(unsafe_code, reason = "hands out parts of a range by address")]

use crate::case::Fail;
use crate::env::Env;
use crate::raw::{self, Bound, load};
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use tenon_rings::Mapping;

/// Bytes of the range: the largest payload of the cases twice, and something beside it.
const LEN: usize = 5 << 16;
/// CLOSED, as the spec prints it.
const CLOSED: u64 = 1 << 13;
/// SHARE, and its rights to read and to write.
const SHARE: (u16, u64) = (0x0910, 3);

/// The range: where it is mapped, its offset in region 0, and what of it is handed out. Cases run one at a
/// time, on one CPU.
static BASE: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
static AT: AtomicU64 = AtomicU64::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// The `session` word of the session that it is shared in.
static SESSION: AtomicU64 = AtomicU64::new(0);

/// Whether the domain is closed: its host offers CLOSED, and no other does (MEM-10).
pub(crate) fn is_closed(env: &dyn Env) -> bool {
    load(&env.window(), 0x10) & CLOSED != 0
}

/// The case is over: its pages are the environment's again.
pub(crate) fn forget() {
    BASE.store(core::ptr::null_mut(), Ordering::Relaxed);
    SESSION.store(0, Ordering::Relaxed);
}

/// The case looks at a queue from its first position on: nothing is shared in it, and it uses no payload.
pub(crate) fn share_nothing() {
    SESSION.store(u64::MAX, Ordering::Relaxed);
}

/// Whether the open session needs the range to be shared.
fn is_due(env: &dyn Env) -> bool {
    let window = env.window();
    let shared = SESSION.load(Ordering::Relaxed);
    load(&window, 0x90) & CLOSED != 0 && shared != u64::MAX && shared != load(&window, 0x80)
}

/// The range, made if there is none.
fn range(env: &dyn Env) -> Result<(Mapping, u64), Fail> {
    let base = BASE.load(Ordering::Relaxed);
    if base.is_null() {
        let (mapping, at) = env.pages(LEN, 1 << 16).ok_or(Fail::Error("no pages left"))?;
        BASE.store(mapping.base(), Ordering::Relaxed);
        AT.store(at, Ordering::Relaxed);
        NEXT.store(0, Ordering::Relaxed);
        return Ok((mapping, at));
    }
    // SAFETY: the environment handed out these bytes, and takes them back after the case, when `forget` has
    // run.
    let mapping = unsafe { Mapping::new(base, LEN) }.ok_or(Fail::Error("no pages left"))?;
    Ok((mapping, AT.load(Ordering::Relaxed)))
}

/// Shares the range, if that is due: with the vCPU's own queue, by hand.
pub(crate) fn share(bound: &mut Bound) -> Result<(), Fail> {
    if !is_due(bound.env) {
        return Ok(());
    }
    let (_, at) = range(bound.env)?;
    let mut done = 0;
    while done < LEN as u64 {
        let answer = bound.call(SHARE.0, [at + done, LEN as u64 - done, SHARE.1, 0, 0, 0])?;
        if answer.status != 0 || answer.value == 0 {
            return Err(Fail::Failed("SHARE for the kit", u64::from(answer.status), answer.value));
        }
        done += answer.value;
    }
    SESSION.store(load(&bound.env.window(), 0x80), Ordering::Relaxed);
    Ok(())
}

/// As [`share`], where the shim has the queue: the range that `share` is to share.
pub(crate) fn share_by(
    env: &dyn Env,
    share: impl FnOnce(Mapping, u64) -> Result<(), Fail>,
) -> Result<(), Fail> {
    if is_due(env) {
        let (mapping, at) = range(env)?;
        share(mapping, at)?;
        SESSION.store(load(&env.window(), 0x80), Ordering::Relaxed);
    }
    Ok(())
}

/// Cleared pages of the range; `None` where none is shared, or it is used up.
pub(crate) fn pages(env: &dyn Env, len: usize, align: usize) -> Option<(Mapping, u64)> {
    let (shared, session) = (SESSION.load(Ordering::Relaxed), load(&env.window(), 0x80));
    if shared == 0 || shared != session {
        return None;
    }
    let (mapping, at) = range(env).ok()?;
    let start = NEXT.load(Ordering::Relaxed).checked_next_multiple_of(align.max(8))?;
    let end = start.checked_add(len)?;
    let words = tenon_rings::Words::slice(&mapping, start / 8, len.div_ceil(8))?;
    for offset in (0..len.div_ceil(8) * 8).step_by(8) {
        raw::store(&words, offset, 0);
    }
    NEXT.store(end, Ordering::Relaxed);
    Some((words, at + start as u64))
}
