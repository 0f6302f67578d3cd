// SPDX-License-Identifier: MIT OR Apache-2.0
//! Control requests, as a guest makes them.

use super::{Bound, Findings, Part, note};
use core::mem::offset_of;
use tenon_abi::{ControlOp, ControlRequest, Features, Record, Sizes, Status, VERSION, control};

/// What a request is held against.
pub struct View<'a> {
    /// A word of the record, by its offset in bytes.
    pub record: &'a dyn Fn(usize) -> u64,
    /// A word of region 0, by its offset in bytes.
    pub region: &'a dyn Fn(u64) -> Option<u64>,
    /// Bytes of region 0.
    pub region_len: u64,
}

/// A request that has no answer yet.
pub(super) struct Asked {
    op: ControlOp,
    vcpu: u32,
    sizes: Sizes,
    guest: u64,
    host: u64,
}

/// A request's fields.
struct Fields<'a>(&'a [u8; 128]);

impl Fields<'_> {
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or([0; N])
    }

    fn short(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }

    fn int(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }
}

/// The upper half of a word.
const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

pub(super) fn check(
    bytes: &[u8; 128],
    offset: u64,
    view: &View<'_>,
    bound: &[Bound],
    findings: &mut Findings,
) -> Asked {
    let fields = Fields(bytes);
    macro_rules! at {
        ($get:ident $field:ident) => {
            fields.$get(offset_of!(ControlRequest, $field))
        };
    }
    let mut hold = |clause, holds, what: &dyn Fn() -> String| {
        note(findings, clause, holds, || format!("the request at {offset:#x}: {}", what()));
    };
    let record = |field| (view.record)(field);
    let op = ControlOp(at!(short op));
    let (negotiates, binds) = (op == ControlOp::NEGOTIATE, op == ControlOp::BIND);
    let is_known = negotiates || binds || op == ControlOp::RESET;
    let magic = at!(word magic);
    hold("SES-3", magic == control::MAGIC && is_known, &|| format!("magic {magic:#x}, op {}", op.0));
    let last = high(record(offset_of!(Record, control_result)));
    let ticket = at!(int ticket);
    hold("SES-4", ticket != last, &|| format!("ticket {ticket} is that of the last answer"));
    let (session, now) = (at!(int session), high(record(offset_of!(Record, session))));
    hold("SES-5", session == now, &|| format!("session {session}, where the record has {now}"));
    // What the operation does not use is zero.
    let of_negotiate =
        [u64::from(at!(short major)), at!(short minor).into(), at!(int granule).into(), at!(word features)];
    let (guest, host) = (at!(word guest_area), at!(word host_area));
    let sizes = Sizes { depth: at!(int depth), events: [at!(int events0), at!(int events1)] };
    let [events0, events1] = sizes.events;
    let of_bind = [at!(int vcpu).into(), sizes.depth.into(), events0.into(), events1.into(), guest, host];
    let reserved = offset_of!(ControlRequest, reserved2);
    let is_clear = at!(short reserved0) == 0
        && at!(int reserved1) == 0
        && bytes.get(reserved..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
        && (negotiates || of_negotiate.iter().all(|field| *field == 0))
        && (binds || of_bind.iter().all(|field| *field == 0));
    hold("GEN-5", is_clear, &|| "a reserved or unused field is not zero".to_owned());
    let active = record(offset_of!(Record, active));
    let is_open = active >> 48 != 0;
    if negotiates || binds {
        hold("NEG-4", is_open == binds, &|| {
            format!("op {} while the session is {}", op.0, if is_open { "open" } else { "idle" })
        });
    }
    if negotiates {
        let [major, minor, granule, features] = of_negotiate;
        let highest = record(offset_of!(Record, major));
        let (their_major, their_minor) = (highest & 0xffff, highest >> 16 & 0xffff);
        hold("NEG-1", major == their_major && minor <= their_minor, &|| {
            format!("version {major}.{minor} of a host with {their_major}.{their_minor}")
        });
        let since = Features::of_minor(VERSION.minor.min(at!(short minor))).bits();
        let offered = record(offset_of!(Record, features)) & since;
        hold("NEG-2", features & !offered == 0, &|| {
            format!("features {features:#x}, where {offered:#x} are offered")
        });
        let granules = record(offset_of!(Record, granules)) & u64::from(u32::MAX);
        hold("NEG-3", granule < 32 && granules >> granule & 1 == 1, &|| {
            format!("granule 2^{granule}, where {granules:#x} are offered")
        });
    }
    if binds && is_open {
        let limits = (record(offset_of!(Record, max_depth)), record(offset_of!(Record, max_events)));
        // Two fields share each word: `max_vcpus` and `max_depth`, `max_events` and `max_ports`.
        let depth = high(record(offset_of!(Record, max_vcpus)));
        let events = limits.1 as u32;
        let fits = sizes.is_valid() && sizes.depth <= depth && events0.max(events1) <= events;
        hold("VCPU-2", fits, &|| format!("{sizes:?}, where depth {depth} and {events} events are most"));
        if sizes.is_valid() {
            let granule = 1_u64.checked_shl((active >> 32 & 0xffff) as u32).unwrap_or(1);
            let has_window = record(offset_of!(Record, active_features)) & Features::WINDOW.bits() != 0;
            hold("NEG-6", !has_window || host == 0, &|| {
                format!("host_area {host:#x}, where the window holds it")
            });
            let mut areas = vec![(guest, sizes.guest_len())];
            if !has_window {
                areas.push((host, sizes.host_len()));
            }
            for &(area, len) in &areas {
                let (region, start) = (area >> 48, area & 0xffff_ffff_ffff);
                hold("GEN-4", start.is_multiple_of(granule), &|| {
                    format!("area {area:#x} is not aligned to {granule:#x}")
                });
                let inside = region == 0 && start.checked_add(len).is_some_and(|end| end <= view.region_len);
                hold("VCPU-3", inside, &|| format!("area {area:#x} of {len} bytes is not all in region 0"));
            }
            let others = bound.iter().flat_map(Bound::in_region).chain([(offset, 128)]);
            let mut all: Vec<(u64, u64)> = others.chain(areas).collect();
            all.sort_unstable();
            let apart = all.windows(2).all(|pair| match pair {
                [(first, len), (second, _)] => first.saturating_add(*len) <= *second,
                _ => true,
            });
            hold("VCPU-10", apart, &|| format!("areas lie on each other: {all:x?}"));
            let dirty = (guest..guest.saturating_add(sizes.guest_len()))
                .step_by(8)
                .find(|at| (view.region)(*at).is_some_and(|word| word != 0));
            hold("SES-2", dirty.is_none(), &|| {
                format!("the guest-written area is not cleared at {:#x}", dirty.unwrap_or(0))
            });
        }
    }
    Asked { op, vcpu: at!(int vcpu), sizes, guest, host }
}

impl Asked {
    /// The host stores the result, before anybody sees it.
    pub(super) fn answered(self, result: u64, value: u64, seed: u32, bound: &mut Vec<Bound>) {
        if result & 0xffff != u64::from(Status::OK.0) {
            return;
        }
        if self.op == ControlOp::RESET {
            bound.clear();
        } else if self.op == ControlOp::BIND && self.sizes.is_valid() {
            let host = if self.host == 0 { (Part::Window, value) } else { (Part::Region, self.host) };
            bound.push(Bound::new(self.vcpu, self.sizes, self.guest, host, seed));
        }
    }
}
