// SPDX-License-Identifier: MIT OR Apache-2.0
//! A unikernel that serves the files of a disk by HTTP: the shim's block and network devices below, smoltcp
//! and a FAT driver above. It has no allocator, and sleeps when nobody asks for anything.
//!
//! Boot parameters: `ip=ADDRESS/BITS` and `gw=ADDRESS`; without them it asks by DHCP. The exit code is 1
//! where there is no host or it lacks a device, and 2 where the disk has no FAT volume; why is on the
//! console.
#![no_std]
#![no_main]

mod disk;
mod net;
mod nic;
mod platform;
mod rest;

use core::cell::RefCell;
use core::fmt::Write as _;
use disk::{CLIENTS, Disk, Unwaited, Waited};
use net::Net;
use nic::Nic;
use rest::Rest;
use tenon_abi::{DeviceKind, Granule};
use tenon_guest::device::{Arena, Info};
use tenon_guest::memory::Buffer;
use tenon_guest::{Error, Session, Vcpu, Wish};
use tenon_guest_fileserver::{CLIENT, MountToken, Server, Volume};

tenon_guest_rt::entry!(main);
tenon_guest_rt::panic_with_message!();

/// Memory for session and vCPU.
const SHARED: usize = 1 << 18;

/// Why this image ends.
enum End {
    /// What was done, and why it did not succeed.
    Failed(&'static str, Error),
    NoVolume,
}

fn main() -> u32 {
    let _ = platform::on_long_stack(start);
    1
}

extern "C" fn start() {
    if let Err(error) = begin() {
        let _ = writeln!(tenon_guest_rt::Serial, "webfs: no host: {error}");
    }
}

fn begin() -> Result<u32, Error> {
    let (found, kernel) = platform::find()?;
    let kernel = platform::keep(kernel)?;
    let mut pages = platform::pages(SHARED)?;
    let session = Session::open(kernel, found, &mut pages, Wish::default())?;
    let vcpu: Vcpu<'_, _> = session.bind(0, &mut pages, [64, 64])?;
    let code = match serve(&session, &vcpu, &mut pages) {
        End::Failed(what, error) => {
            let _ = writeln!(vcpu.console(), "webfs: {what}: {error}");
            1
        }
        End::NoVolume => {
            let _ = writeln!(vcpu.console(), "webfs: there is no FAT volume on the disk");
            2
        }
    };
    // Comes back only if the host did not end the domain.
    Err(vcpu.lifecycle().exit(code))
}

type Session1<'p> = Session<'p, platform::Kernel>;
type Vcpu1<'p> = Vcpu<'p, platform::Kernel>;

fn serve(session: &Session1<'static>, vcpu: &Vcpu1<'_>, pages: &mut tenon_guest::Pages) -> End {
    match run(session, vcpu, pages) {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

fn run(
    session: &Session1<'static>,
    vcpu: &Vcpu1<'_>,
    pages: &mut tenon_guest::Pages,
) -> Result<core::convert::Infallible, End> {
    let told = |what| move |error| End::Failed(what, error);
    let buffer = pages.split(4096, Granule::K4).map(Buffer::new).map_err(told("memory"))?;
    let find = |kind, what| match vcpu.devices().find(kind, &buffer) {
        Ok(Some(info)) => Ok::<Info, End>(info),
        Ok(None) => Err(End::Failed(what, Error::NotPresent)),
        Err(error) => Err(End::Failed(what, error)),
    };
    let (block, net) = (find(DeviceKind::BLOCK, "no disk")?, find(DeviceKind::NET, "no network interface")?);
    let rest = RefCell::new(Rest::new(session, vcpu, pages).map_err(told("clock"))?);

    let mut arena = platform::pages(disk::ARENA).map_err(told("memory"))?;
    let device = session.open_device(vcpu, &block, 0, Arena::of(&arena), None).map_err(told("disk"))?;
    let disk = Disk::open(&device, vcpu, &mut arena, &rest).map_err(told("disk"))?;
    let mut token = MountToken::new();
    let volume: Volume<'_, _, CLIENTS> =
        Volume::mount(Waited(&disk), &mut token).map_err(|_| End::NoVolume)?;

    let mut arena = platform::pages(nic::ARENA).map_err(told("memory"))?;
    let device = session.open_device(vcpu, &net, 0, Arena::of(&arena), None).map_err(told("network"))?;
    let mut nic = Nic::open(&device, vcpu, &mut arena).map_err(told("network"))?;
    let mac = net.net().map_err(told("network"))?.mac;

    let clients = platform::memory(CLIENTS * CLIENT).map_err(told("memory"))?;
    let mut server = Server::new(volume, Unwaited(&disk), clients);
    let seed = rest.borrow().now().map_err(told("clock"))?;
    let mut net = Net::new(&mut nic, mac, seed, vcpu).map_err(told("network"))?;
    loop {
        let now = rest.borrow().now().map_err(told("clock"))?;
        if net.round(&mut nic, &mut server, now).map_err(told("network"))? {
            continue;
        }
        // Nothing moves: asks for an event of each, and sleeps if none came meanwhile.
        if nic.arm().map_err(told("network"))? && disk.arm().map_err(told("disk"))? {
            let deadline = net.deadline(&server, now);
            rest.borrow_mut().sleep_until(deadline).map_err(told("sleep"))?;
        }
    }
}
