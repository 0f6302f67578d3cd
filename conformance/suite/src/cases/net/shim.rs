// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network interfaces by the shim.

use super::{ARENA, pattern};
use crate::case::{Case, Ctx, Fail, Lacks, Outcome, check, equal};
use crate::cases::device::rig::NET;
use crate::cases::tools::case;
use crate::shim::{SuitePlatform, failed, own_pages};
use tenon_abi::SegmentKind;
use tenon_abi::net::FilterMode;
use tenon_abi::{DeviceKind, Granule, NetFeatures, Status};
use tenon_guest::device::Arena;
use tenon_guest::net::{Checksum, Header, Segments};
use tenon_guest::{Buffer, Device, Error, Pages, Receiver, Sender, Session, Vcpu};

/// The cases.
pub const CASES: &[Case] = &[
    case("net.shim-info", &["NET-2", "DEV-4"], NET, info),
    case("net.shim-echo", &["NET-3", "NET-4"], NET, echo),
    case("net.shim-batches", &["NET-8", "STR-6"], NET, batches),
    case("net.shim-headers", &["NET-5", "NET-6"], NET, headers),
    case("net.shim-refuses", &["NET-4", "NET-5", "NET-6"], NET, refuses),
    case("net.shim-filter", &["NET-9"], NET, filter),
    case("net.shim-closes", &["DEV-11", "DEV-12"], NET, closes),
];

/// An interface by the shim.
struct Card<'p> {
    _session: Session<'p, SuitePlatform>,
    vcpu: Vcpu<'p, SuitePlatform>,
    device: Device<'p, SuitePlatform>,
    told: tenon_guest::net::Info,
    features: NetFeatures,
    out: Sender<'p, SuitePlatform>,
    back: Receiver<'p, SuitePlatform>,
    page: Buffer,
    _pages: Pages,
}

fn open<'p>(ctx: &Ctx, platform: &'p SuitePlatform, wish: NetFeatures) -> Result<Card<'p>, Fail> {
    let (session, vcpu) = platform.attach()?;
    let page = Buffer::new(platform.pages(4096, Granule::K4)?);
    let found = vcpu.devices().find(DeviceKind::NET, &page);
    let found = found.map_err(|error| failed("DEVICE_QUERY", error))?;
    let found = found.ok_or(Fail::Skip(Lacks::Device("network interface")))?;
    let told = found.net().map_err(|error| failed("what an interface tells", error))?;
    let features = NetFeatures::from_bits_truncate(found.features).intersection(wish);
    let mut pages = own_pages(ctx.env, ARENA)?;
    let device = session.open_device(&vcpu, &found, features.bits(), Arena::of(&pages), None);
    let device = device.map_err(|error| failed("DEVICE_OPEN", error))?;
    let out = device.sender(&vcpu, 0, told.least_words(features, true), None, &mut pages);
    let out = out.map_err(|error| failed("the ring to the host", error))?;
    let back = device.receiver(&vcpu, 0, told.least_words(features, false), None, &mut pages);
    let back = back.map_err(|error| failed("the ring to the guest", error))?;
    Ok(Card { _session: session, vcpu, device, told, features, out, back, page, _pages: pages })
}

/// A frame of at most 2048 bytes.
fn frame(len: usize, key: u64) -> [u8; 2048] {
    core::array::from_fn(|at| if at < len { pattern(key, at) } else { 0 })
}

/// The next frame has to be this one.
fn comes(ctx: &Ctx, card: &mut Card<'_>, bytes: &[u8], header: &Header) -> Outcome {
    for _ in 0..ctx.env.patience().saturating_mul(4) {
        let taken = card.back.receive(|found, frame| {
            let mut copy = [0; 2048];
            let len = frame.len();
            let there = copy.get_mut(..len).is_some_and(|copy| frame.copy_to(0, copy));
            (there && copy.get(..len) == Some(bytes), found.checksum.is_some() == header.checksum.is_some())
        });
        match taken {
            Err(Error::Pending) => ctx.env.relax(),
            Err(error) => return Err(failed("a frame", error)),
            Ok((same, fits)) => {
                check(same, "a frame that was not sent so")?;
                return check(fits, "its header");
            }
        }
    }
    Err(Fail::Failed("the frame does not come back", bytes.len() as u64, 0))
}

fn info(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let card = open(ctx, &platform, NetFeatures::empty())?;
    check(card.told.mtu >= 68 && card.told.pairs >= 1, "what an interface tells")?;
    equal(card.out.max_frame() as u64, u64::from(card.told.mtu) + 18, "the longest frame")?;
    let again = card.device.query(&card.vcpu, &card.page).map_err(|error| failed("DEVICE_QUERY", error))?;
    let again = again.net().map_err(|error| failed("what an interface tells", error))?;
    check(again.mac == card.told.mac, "the address")
}

fn echo(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut card = open(ctx, &platform, NetFeatures::empty())?;
    let longest = card.out.max_frame().min(2048);
    for (key, len) in (0..).zip([14, 15, 60, 64, 100, 1000, longest]) {
        let bytes = frame(len, key);
        card.out.send(&bytes[..len]).map_err(|error| failed("sending", error))?;
        card.out.flush().map_err(|error| failed("publishing", error))?;
        comes(ctx, &mut card, &bytes[..len], &Header::default())?;
    }
    equal(card.back.dropped(), 0, "frames that the shim dropped")
}

fn batches(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut card = open(ctx, &platform, NetFeatures::empty())?;
    for lap in 0..20 {
        for key in 0..5 {
            let bytes = frame(90, lap * 5 + key);
            card.out.send(&bytes[..90]).map_err(|error| failed("sending", error))?;
        }
        card.out.flush().map_err(|error| failed("publishing", error))?;
        for key in 0..5 {
            comes(ctx, &mut card, &frame(90, lap * 5 + key)[..90], &Header::default())?;
        }
    }
    Ok(())
}

fn headers(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let both = NetFeatures::CSUM_TO_HOST.union(NetFeatures::CSUM_TO_GUEST);
    let mut card = open(ctx, &platform, both)?;
    if card.features != both {
        return Ok(());
    }
    let bytes = frame(200, 7);
    let header = Header { checksum: Some(Checksum { start: 34, offset: 16 }), ..Header::default() };
    card.out
        .send_parts(&header, &[&bytes[..14], &bytes[14..200]])
        .map_err(|error| failed("sending", error))?;
    card.out.flush().map_err(|error| failed("publishing", error))?;
    // Whoever takes the frame may have computed it: then its two bytes differ.
    for _ in 0..ctx.env.patience().saturating_mul(4) {
        match card.back.receive(|found, frame| (found.checksum.is_some(), frame.len())) {
            Err(Error::Pending) => ctx.env.relax(),
            Err(error) => return Err(failed("a frame", error)),
            Ok((_, len)) => return equal(len as u64, 200, "the length of a frame"),
        }
    }
    Err(Fail::Failed("the frame does not come back", 0, 0))
}

/// What the text does not allow the shim does not send.
fn refuses(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut card = open(ctx, &platform, NetFeatures::empty())?;
    let bytes = frame(2048, 1);
    check(card.out.send(&bytes[..13]) == Err(Error::TooLong), "a frame of 13 bytes")?;
    let longest = card.out.max_frame();
    if let Some(long) = bytes.get(..longest + 1) {
        check(card.out.send(long) == Err(Error::TooLong), "a frame that is too long")?;
    }
    let sum = Header { checksum: Some(Checksum { start: 34, offset: 16 }), ..Header::default() };
    check(card.out.send_parts(&sum, &[&bytes[..60]]).is_err(), "a checksum without the feature")?;
    let cut = Segments { kind: SegmentKind::TCP4, header_len: 54, size: 500 };
    let cut = Header { segments: Some(cut), ..sum };
    check(card.out.send_parts(&cut, &[&bytes[..60]]).is_err(), "segments without the feature")?;
    card.out.send(&bytes[..60]).map_err(|error| failed("sending", error))?;
    card.out.flush().map_err(|error| failed("publishing", error))?;
    comes(ctx, &mut card, &bytes[..60], &Header::default())
}

fn filter(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let card = open(ctx, &platform, NetFeatures::empty())?;
    let macs = [[2, 0, 0, 0, 0, 1], [1, 0, 0x5e, 0, 0, 1]];
    for mode in [FilterMode::BROADCAST, FilterMode::PROMISCUOUS, FilterMode::all()] {
        let set = card.device.filter(&card.vcpu, mode, &macs, &card.page);
        set.map_err(|error| failed("NET_FILTER", error))?;
    }
    card.device
        .filter(&card.vcpu, FilterMode::all(), &[], &card.page)
        .map_err(|error| failed("NET_FILTER", error))
}

fn closes(ctx: &Ctx) -> Outcome {
    let platform = SuitePlatform::new(ctx.env);
    let mut card = open(ctx, &platform, NetFeatures::empty())?;
    let bytes = frame(60, 3);
    for _ in 0..10 {
        card.out.send(&bytes[..60]).map_err(|error| failed("sending", error))?;
    }
    for _ in 0..16 {
        match card.out.close(&card.vcpu).and_then(|()| card.back.close(&card.vcpu)) {
            Err(Error::Pending) => {}
            Err(Error::Refused(Status::NOT_FOUND)) | Ok(()) => break,
            Err(error) => return Err(failed("QUEUE_CLOSE", error)),
        }
    }
    check(card.out.release().is_ok(), "the pages of the ring to the host")?;
    check(card.back.release().is_ok(), "the pages of the ring to the guest")?;
    card.device.close(&card.vcpu).map_err(|error| failed("DEVICE_CLOSE", error))
}
