// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that follows what its host wants of its memory (MEM-4): it touches so many MiB, and then gives and
//! takes whenever its port is raised.
//!
//! It reports `balloon ready bytes=<N>`, and after each time that it was told
//! `balloon memory=<N> target=<N> given=<N> zeros=<0 or 1>`: what the host says when it has followed, and
//! whether all that it took again was zero.
#![allow(unsafe_code, reason = "pages come as addresses")]

use tenon_abi::Granule;
use tenon_conformance::env::Env;
use tenon_conformance::report::Line;
use tenon_conformance::shim::SuitePlatform;
use tenon_guest::memory::{Given, Info, Wanted};
use tenon_guest::{Buffer, Pages, Vcpu};
use tenon_guest_rt as rt;
use tenon_rings::{Site, Words};

/// The port that is raised.
const PORT: u32 = 9;
/// Calls that may be given at once: 16 MiB each, where the host does as much.
const MOST: usize = 64;
/// What marks memory.
const MARK: u64 = 0x6261_6c6c_6f6f_6e21;

/// What the guest has and has given.
struct Balloon {
    /// What it has left to give, touched.
    pool: Option<Pages>,
    given: [Option<Given>; MOST],
    /// All that was taken again was zero.
    zeros: bool,
}

impl Balloon {
    /// Gives so many bytes off the pool's front.
    fn give(&mut self, vcpu: &Vcpu<'_, SuitePlatform>, mut bytes: u64) -> Option<()> {
        while bytes != 0 {
            let mut pool = self.pool.take()?;
            let part = bytes.min(pool.mapping().byte_len() as u64);
            let pages = pool.split(part, Granule::K64).ok()?;
            self.pool = Some(pool);
            let mut rest = Some(pages);
            while let Some(pages) = rest {
                let (given, left) = vcpu.memory().give(pages).ok()?.wait().ok()?;
                bytes = bytes.saturating_sub(given.len() as u64);
                *self.given.iter_mut().find(|slot| slot.is_none())? = Some(given);
                rest = left;
            }
        }
        Some(())
    }

    /// Takes what was given last, as long as that is wanted.
    fn take(&mut self, vcpu: &Vcpu<'_, SuitePlatform>, mut bytes: u64) -> Option<()> {
        for slot in self.given.iter_mut().rev() {
            let Some(given) = slot.take_if(|given| given.len() as u64 <= bytes) else { continue };
            bytes = bytes.saturating_sub(given.len() as u64);
            let mut rest = Some(given);
            while let Some(given) = rest {
                let (pages, left) = vcpu.memory().take(given).ok()?.wait().ok()?;
                let words = pages.mapping();
                self.zeros &= (0..words.len()).all(|index| words.load(index, Site::Status) == 0);
                rest = left;
            }
        }
        Some(())
    }
}

fn info(vcpu: &Vcpu<'_, SuitePlatform>, buffer: &Buffer) -> Option<Info> {
    vcpu.memory().info(buffer).ok()
}

/// Follows for so many milliseconds; `None` where the host refuses what a sound one does.
fn run(env: &'static dyn Env, mib: u64, millis: u64) -> Option<()> {
    let platform = SuitePlatform::new(env);
    let (_session, vcpu) = platform.attach().ok()?;
    let buffer = Buffer::new(platform.pages(4096, Granule::K4).ok()?);
    let len = usize::try_from(mib << 20).ok()?;
    let (mapping, at) = env.pages(len, 2 << 20)?;
    for index in (0..mapping.len()).step_by(512) {
        mapping.store(index, MARK, Site::Status);
    }
    // SAFETY: the environment's pages are the case's own, and this is the only one.
    let pool = unsafe { Pages::new(mapping.base(), len, at) }.ok()?;
    let mut balloon = Balloon { pool: Some(pool), given: [const { None }; MOST], zeros: true };
    vcpu.bind_port(PORT, 0, 0).ok()?;
    vcpu.memory().watch(PORT).ok()?;
    let (mut line, begun) = (1, env.micros());
    env.report(Line::new(0, format_args!("balloon ready bytes={len}")).as_bytes());
    while env.micros().wrapping_sub(begun) < millis * 1000 {
        let mut told = false;
        vcpu.take_events(|port| told |= port == PORT).ok()?;
        if !told {
            env.relax();
            continue;
        }
        match info(&vcpu, &buffer)?.wanted() {
            Wanted::Give(bytes) => balloon.give(&vcpu, bytes)?,
            Wanted::Take(bytes) => balloon.take(&vcpu, bytes)?,
            Wanted::Nothing => {}
        }
        let Info { memory, target, given, .. } = info(&vcpu, &buffer)?;
        let zeros = u8::from(balloon.zeros);
        let text = format_args!("balloon memory={memory} target={target} given={given} zeros={zeros}");
        env.report(Line::new(line, text).as_bytes());
        line += 1;
    }
    Some(())
}

/// As [`run`], by the boot parameters; `None` where they ask for nothing.
pub(crate) fn asked(env: &'static dyn Env) -> Option<()> {
    let (mib, millis) = (rt::Params::number("balloon")?, rt::Params::number("millis")?);
    if run(env, mib, millis).is_none() {
        env.report(Line::new(0, format_args!("balloon failed")).as_bytes());
    }
    Some(())
}
