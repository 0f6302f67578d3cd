// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every public function of the shim, linked with a panic handler that does not exist: an image that links
//! has no way to a panic (GEN-8). It is never run.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "entry point, memory functions and a platform")]

use core::arch::global_asm;
use core::fmt::Write;
use core::hint::black_box;
use core::ptr::NonNull;
use tenon_abi::{Granule, Op, PageKind, Record, Rights, Submission};
use tenon_guest::block::{Block, Cut, Io, List, Payload};
use tenon_guest::call::{Batch, Request};
use tenon_guest::conduit::{Doorbells, Hypercall, Mmio, PortIo};
use tenon_guest::console::{Console, Read};
use tenon_guest::device::{Arena, Device, Devices, Info};
use tenon_guest::discovery::{cpuid, cpuid_by};
use tenon_guest::lifecycle::Lifecycle;
use tenon_guest::memory::moving::Hold;
use tenon_guest::memory::{Given, Memory, Moving, Sharing, give, share};
use tenon_guest::net::{Header, Receiver, Sender};
use tenon_guest::pci::{Bus, ConfigSpace, Ecam, Function, IVSHMEM, MsiX, Ports};
use tenon_guest::region::Region;
use tenon_guest::shared::{self, Shared};
use tenon_guest::time::{Bracket, Clock, Counter, Monotonic, Processor, Rate, Reading, Timers};
use tenon_guest::vcpu::needed;
use tenon_guest::{
    Buffer, Calls, Conduit, Error, Found, Gate, HostPage, Pages, Platform, Session, Vcpu, Wish,
};
use tenon_rings::Mapping;

// The hosted target's prebuilt library lacks them.
global_asm!(include_str!("../../rt/src/arch/x86_64/mem.s"));

unsafe extern "C" {
    safe fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    a_panic_can_be_reached()
}

struct Probe(Doorbells);

// SAFETY: never run; the duties are `hello`'s.
unsafe impl Platform for Probe {
    type Conduit = Doorbells;

    fn conduit(&self) -> &Doorbells {
        &self.0
    }

    fn enter(&self) -> usize {
        black_box(0)
    }

    fn leave(&self, token: usize) {
        keep(token);
    }
}

static GATE: Gate<64> = Gate::new();
static MONOTONIC: Monotonic = Monotonic::new();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    keep(attach().is_ok());
    loop {
        core::hint::spin_loop();
    }
}

/// Makes the value's every part needed.
fn keep<T>(value: T) {
    drop(black_box(value));
}

fn pages(len: usize) -> Result<Pages, Error> {
    // SAFETY: never run.
    unsafe { Pages::new(black_box(core::ptr::null_mut()), black_box(len), black_box(0)) }
}

fn attach() -> Result<(), Error> {
    let at = cpuid()?;
    keep(cpuid_by(|leaf| [black_box(leaf); 4])?);
    // SAFETY: never run.
    let window = unsafe { Mapping::new(black_box(at.address as *mut u8), at.len as usize) };
    let window = window.ok_or(Error::BadMemory)?;
    let found = Found::at(window)?;
    keep((
        Found::features(&found),
        found.conduit_flags(),
        Found::session(&found),
        found.window(),
        found.record(),
    ));
    keep(functions(window).err());
    let platform = Probe(doorbells(found.record()).ok_or(Error::NotPresent)?);
    Doorbells::kick(&platform.0, black_box(3));
    Doorbells::bind(&platform.0, black_box(3));
    let mut pool = pages(1 << 18)?;
    let mut session = Session::open(&platform, found, &mut pool, black_box(Wish::default()))?;
    keep((Session::features(&session), session.granule(), Session::number(&session), session.seed()));
    keep((
        Session::reopen(&mut session, Wish::default()),
        session.found().record(),
        Session::needed::<64>(&session, black_box([256, 256]))?,
    ));
    let vcpu: Vcpu<'_, _> = Session::bind(&session, black_box(0), &mut pool, black_box([256, 256]))?;
    keep(Vcpu::number(&session.bind::<1>(black_box(1), &mut pool, black_box([1, 65_536]))?));
    keep(calls(&vcpu).err());
    keep(through_trait(&vcpu).err());
    keep(events(&vcpu).err());
    keep(families(&vcpu).err());
    keep(time(&session, &vcpu, &mut pool).err());
    keep(devices(&session, &vcpu, &mut pool).err());
    keep(Vcpu::release(vcpu).map(memory).is_ok());
    session.reset()
}

fn doorbells(record: &Record) -> Option<Doorbells> {
    let map = |address: u64, len: u64| NonNull::new(black_box((address + len) as *mut u32));
    // SAFETY: never run.
    unsafe {
        let (ports, own) = (PortIo::of(record)?, PortIo::new(black_box(1), black_box(2), black_box(3)));
        PortIo::kick(&ports, black_box(3));
        PortIo::bind(&own, black_box(3));
        let memory = Mmio::of(record, map)?;
        Mmio::kick(&memory, black_box(3));
        Mmio::bind(&memory, black_box(3));
        let hypercall = Hypercall::of(record)?;
        Hypercall::kick(&hypercall, black_box(3));
        Hypercall::bind(&hypercall, black_box(3));
        Doorbells::of(record, map)
    }
}

fn memory(mut pages: Pages) -> Result<(), Error> {
    let front = pages.split(black_box(5), black_box(Granule::K16))?;
    keep((Pages::address(&front), front.mapping(), front.frame(black_box(Granule::K64))));
    keep(needed(black_box(tenon_abi::vcpu::Sizes::default()), black_box(Granule::K4), black_box(true)));
    let buffer = Buffer::new(front);
    keep((Buffer::write(&buffer, black_box(1), b"x"), buffer.is_empty(), buffer.len()));
    let mut out = [0; 9];
    keep((Buffer::address(&buffer), Buffer::read(&buffer, black_box(2), &mut out), out));
    Ok(())
}

fn functions(window: Mapping) -> Result<(), Error> {
    let function = black_box(Function { bus: 1, device: 2, function: 3 });
    // SAFETY: never run.
    let (ecam, ports) = unsafe { (Ecam::new(black_box(core::ptr::null_mut()), black_box(9)), Ports::new()) };
    Ecam::write(&ecam, function, black_box(4), Ports::read(&ports, function, black_box(8)));
    Ports::write(&ports, function, black_box(4), Ecam::read(&ecam, function, black_box(8)));
    let mut found = [None; 4];
    let config: &dyn ConfigSpace = if black_box(true) { &ecam } else { &ports };
    let mut bus = Bus::new(config, black_box(0..1 << 32), black_box(1 << 32));
    keep(Bus::find(&mut bus, black_box(IVSHMEM), &mut found));
    for device in found.iter().flatten() {
        keep((device.function(), device.bar(black_box(0))?));
        let messages = device.messages(config).ok_or(Error::NotPresent)?;
        keep((MsiX::count(&messages), MsiX::table(&messages)));
        // SAFETY: never run.
        keep(unsafe { messages.route(NonNull::dangling(), black_box(1), black_box(2), black_box(3)) });
        messages.enable(device, config);
    }
    // SAFETY: never run.
    let attached = unsafe { shared::attach(window, black_box(core::ptr::null_mut())) }?;
    Shared::kick(&attached.conduit, black_box(3));
    Shared::bind(&attached.conduit, black_box(3));
    keep((attached.conduit.places(), Doorbells::from(attached.conduit)));
    Ok(())
}

fn calls<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    black_box(vcpu.call(black_box(Op::NOP), black_box([1])))?;
    let submission = Submission::new(black_box(Op::PROBE), black_box([0; 6]));
    black_box(Vcpu::call_with(vcpu, submission))?;
    let mut request = vcpu.request(submission)?;
    keep((Request::id(&request), Request::poll(&mut request), Request::wait(&mut request)));
    keep(Request::cancel(&request));
    let mut batch: Batch<'_, '_, _, D, 32> = vcpu.batch();
    Batch::push(&mut batch, submission)?;
    keep(batch.commit()?);
    let mut results = [Err(tenon_abi::Status::INDETERMINATE); 4];
    vcpu.call_all(&mut results, |index| Submission::new(Op::NOP, [index as u64; 6]))?;
    keep((results, Vcpu::is_over(vcpu)));
    keep((
        Vcpu::in_flight(vcpu),
        Vcpu::quarantined(vcpu)?,
        Vcpu::number(vcpu),
        vcpu.state_word(black_box(0)),
    ));
    vcpu.set_upcall(black_box(Some(48)))?;
    vcpu.start(black_box(1), black_box(2), black_box(3))?;
    vcpu.stop(black_box(1), black_box(0))?;
    keep(vcpu.arm_completions()?);
    keep(Vcpu::emergency(vcpu, submission)?);
    Ok(())
}

/// What the families are made of.
fn through_trait<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    let submission = Submission::new(black_box(Op::PROBE), black_box([0; 6]));
    let mut ticket = Some(Vcpu::submit(vcpu, submission)?);
    keep((Vcpu::poll(vcpu, &mut ticket), Vcpu::wait(vcpu, &mut ticket)));
    Vcpu::give_up(vcpu, ticket.ok_or(Error::Pending)?);
    Err(Vcpu::end(vcpu, submission))
}

fn events<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    let port = black_box(7);
    vcpu.bind_port(port, 0, 1)?;
    vcpu.bind_direct(port, 0, 49)?;
    vcpu.move_port(port, 0, 0)?;
    vcpu.signal(port)?;
    black_box(vcpu.take_events(|port| {
        GATE.run(port, || {
            keep(port);
        });
    })?);
    vcpu.mask(port)?;
    keep((vcpu.unmask(port)?, Vcpu::arm(vcpu)?));
    Vcpu::disarm(vcpu)?;
    vcpu.unbind_port(port)
}

fn families<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    let (mut console, life, region) = (vcpu.console(), vcpu.lifecycle(), vcpu.region());
    keep(Console::write(&console, black_box(b"probe"))?);
    let buffer = Buffer::new(pages(4096)?);
    keep(console.write_buffer(&buffer, black_box(9))?);
    let read = Console::read(&console, buffer)?;
    keep(Read::cancel(&read)?);
    keep(Read::wait(read).is_ok());
    let _ = console.write_str(black_box("probe"));
    keep(region.length(black_box(1))?);
    life.crash(black_box(b"probe"))?;
    life.crash_with(&Buffer::new(pages(4096)?), black_box(9), black_box(1))?;
    keep((life.exit(black_box(3)), life.restart()));
    keep((vcpu.entropy().fill(&Buffer::new(pages(4096)?))?, tenon_guest::entropy::Entropy::over(vcpu)));
    giving(vcpu)?;
    keep(tenon_guest::stolen::Stolen::since_last(&mut vcpu.stolen()));
    let meter = vcpu.meter();
    let (buffer, number) = (Buffer::new(pages(4096)?), tenon_abi::Meter::CALLS);
    let mut reading = tenon_guest::meter::Meter::read(&meter, black_box(0), &buffer)?;
    keep((reading.epoch(), tenon_guest::meter::Reading::next(&mut reading), reading.next_first()));
    let (one, two) = (meter.get(black_box(number), &buffer)?, meter.get(black_box(number), &buffer)?);
    keep(one.zip(two).map(|(one, two)| two.since(one)));
    keep(tenon_guest::meter::Meter::over(vcpu));
    let suspension = vcpu.suspension();
    tenon_guest::generation::Suspension::watch(&suspension, black_box(7))?;
    keep((suspension.ready(), tenon_guest::generation::Suspension::over(vcpu)));
    // As a kernel makes them over calls of its own.
    let calls: &dyn Calls = vcpu;
    keep((Console::over(calls), Lifecycle::over(calls), Region::over(calls)));
    Ok(())
}

fn giving<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    let memory = vcpu.memory();
    let buffer = Buffer::new(pages(4096)?);
    keep((Buffer::len(&buffer), Buffer::is_empty(&buffer)));
    let info = Memory::info(&memory, &buffer)?;
    keep((info.wanted(), give::piece(&buffer, &info, black_box(2))));
    Memory::watch(&memory, black_box(3))?;
    let moving = memory.give(pages(8192)?).map_err(|(error, _)| error)?;
    let (given, rest) = Moving::wait(moving).map_err(|(error, _)| error)?;
    keep((Given::address(&given), Given::len(&given), Given::is_empty(&given), rest));
    keep(Moving::wait(memory.take(given).map_err(|(error, _)| error)?).is_ok());
    keep(memory.hint(pages(8192)?).map_err(|(error, _)| error)?.wait().is_ok());
    // SAFETY: never run.
    keep(unsafe { Given::after_its_session(Given::of(Pages::of(pages(4096)?))) });
    keep(Pages::into_pages(Given::into_pages(Given::of(pages(4096)?))));
    keep(Memory::over(vcpu));
    sharing(vcpu)
}

fn sharing<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    let sharing = vcpu.sharing();
    let moving = sharing.share(pages(8192)?, Rights::all()).map_err(|(error, _)| error)?;
    let (shared, _) = Moving::wait(moving).map_err(|(error, _)| error)?;
    let (buffer, lent) = shared.lend();
    let shared = share::Shared::back(buffer, lent).map_err(|_| Error::BadMemory)?;
    keep(share::Shared::buffer(&shared).address());
    keep(Moving::wait(sharing.unshare(shared).map_err(|(error, _)| error)?).is_ok());
    // SAFETY: never run.
    keep(unsafe { share::Shared::after_its_session(share::Shared::of(pages(4096)?)) });
    keep(share::Shared::into_pages(share::Shared::of(pages(4096)?)));
    keep(Sharing::over(vcpu));
    Ok(())
}

fn time<const D: usize>(
    session: &Session<'_, Probe>,
    vcpu: &Vcpu<'_, Probe, D>,
    pool: &mut Pages,
) -> Result<(), Error> {
    let page = session.page(vcpu, black_box(PageKind::TIME), pool)?;
    keep(HostPage::words(&page));
    let rate = Rate::new(black_box(1), black_box(2)).ok_or(Error::NoMatch)?;
    keep((Rate::ns(rate, black_box(3)), Processor::kind(&Processor), Processor::read(&Processor)));
    let told = Clock::by_page(vcpu, &page, Processor)?;
    keep((Clock::copy(&told), told.utc()?));
    let bracketed = Clock::bracketed(vcpu, Processor, rate).across(&MONOTONIC);
    for clock in [told, bracketed] {
        keep((
            clock.running()?,
            clock.boot()?.step_back,
            Clock::read(&clock, black_box(tenon_abi::Clock(9))),
        ));
        keep(clock.bracket(tenon_abi::Clock::BOOT)?.map(|bracket| Bracket::at(&bracket, black_box(5))));
    }
    keep(Reading::reaches(&Clock::by_call(vcpu).running()?, black_box(7)));
    vcpu.timers().set(black_box(7), tenon_abi::Clock::BOOT, black_box(8), black_box(9))?;
    keep((Timers::cancel(&vcpu.timers(), black_box(7))?, Timers::over(vcpu)));
    let told = session.page(vcpu, black_box(PageKind::GENERATION), pool)?;
    let generations = tenon_guest::generation::Generations::new(vcpu, &told)?;
    generations.repaired(tenon_guest::generation::Generations::id(&generations)?)?;
    keep(HostPage::release(page).is_ok());
    Ok(())
}

fn devices(session: &Session<'_, Probe>, vcpu: &Vcpu<'_, Probe>, pool: &mut Pages) -> Result<(), Error> {
    let (devices, buffer) = (vcpu.devices(), Buffer::new(pages(4096)?));
    keep((devices.limits()?, Devices::watch(&devices, black_box(7))?, Devices::over(vcpu)));
    let found = Devices::find(&devices, black_box(tenon_abi::DeviceKind::BLOCK), &buffer)?
        .ok_or(Error::NotPresent)?;
    keep((found.is_removed(), Devices::query(&devices, black_box(1), &buffer)?));
    let arena = Arena::of(pool);
    let mut device = session.open_device(vcpu, &found, black_box(0), arena, black_box(Some(7)))?;
    keep((Device::number(&device), Device::info(&device).kind, Device::features(&device)));
    keep((Device::is_over(&device), Device::query(&device, vcpu, &buffer)?, Info::block(&found)?));
    let disk: Block<'_, _, Buffer> = Device::block(&device, vcpu, black_box(0), black_box(Some(7)), pool)?;
    keep(requests(disk, &device, vcpu).err());
    let disk: Block<'_, _, List<Cut, 4>, 16> = device.block(vcpu, black_box(1), None, pool)?;
    keep(lists(disk).err());
    keep(frames(&device, vcpu, pool).err());
    Device::close(&mut device, vcpu)
}

fn requests<'p>(
    mut disk: Block<'p, Probe>,
    device: &Device<'p, Probe>,
    vcpu: &Vcpu<'_, Probe>,
) -> Result<(), Error> {
    let into = Buffer::new(pages(4096)?);
    keep((Buffer::count(&into), Buffer::segment(&into, black_box(0))));
    let read = Io::Read { offset: black_box(4096), into };
    let token = Block::submit(&mut disk, read).map_err(|(error, _)| error)?;
    keep(Block::push(&mut disk, Io::Flush).map_err(|(error, io)| (error, Io::into_payload(io))).is_ok());
    Block::kick(&mut disk);
    keep((Block::poll(&mut disk, token)?.result, disk.next_done()?.is_some()));
    keep(Block::wait(&mut disk, token)?.payload);
    let mut waiter = tenon_rings::Waiter::new(4, 64);
    keep(disk.wait_asleep(token, &mut waiter, black_box(3), core::hint::spin_loop)?.result);
    keep((Block::arm(&mut disk)?, Block::cancel(&mut disk, token)?));
    Block::disarm(&mut disk);
    Block::give_up(&mut disk, token);
    keep((disk.reclaim()?, Block::quarantined(&disk), Block::in_flight(&disk)));
    keep((Block::is_over(&disk), Block::state(&disk)));
    Block::close(&mut disk, vcpu)?;
    keep((Block::reopen(&mut disk, device, vcpu)?, disk.finish(tenon_abi::Status::REMOVED)));
    keep(Block::release(disk).is_ok());
    Ok(())
}

fn lists(mut disk: Block<'_, Probe, List<Cut, 4>, 16>) -> Result<(), Error> {
    let mut list = List::new(Some(Buffer::new(pages(64)?)));
    let cut = Cut::new(Buffer::new(pages(4096)?), black_box(512)).map_err(|(error, _)| error)?;
    keep((Cut::buffer(&cut).len(), Cut::count(&cut), Cut::segment(&cut, black_box(0))));
    keep((List::push(&mut list, cut).is_ok(), list.part(black_box(0)).is_some()));
    keep((List::count(&list), List::segment(&list, black_box(0)), List::table(&list).is_some()));
    keep(list.pop().map(Cut::into_buffer));
    let write = Io::Write { offset: black_box(0), from: list, durable: black_box(true) };
    let token = disk.submit(write).map_err(|(error, _)| error)?;
    keep(disk.wait(token)?.payload.and_then(List::into_table));
    Ok(())
}

fn frames(device: &Device<'_, Probe>, vcpu: &Vcpu<'_, Probe>, pool: &mut Pages) -> Result<(), Error> {
    let card = Info::net(device.info())?;
    let words = card.least_words(black_box(tenon_abi::NetFeatures::all()), black_box(true));
    keep(card.longest_frame(black_box(true)));
    let mut sender = device.sender(vcpu, black_box(0), words, black_box(None), pool)?;
    sender.send(black_box(&[0; 60]))?;
    sender.send_parts(&black_box(Header::default()), &[black_box(&[0; 14]), black_box(&[0; 46])])?;
    keep(sender.send_with(&Header::default(), black_box(60), |frame| frame.write(0, &[0; 60]))?);
    sender.flush()?;
    keep((Sender::arm(&mut sender, black_box(1500))?, sender.max_frame()));
    keep((Sender::is_over(&sender), Sender::state(&sender), Sender::close(&mut sender, vcpu)?));
    keep(Sender::release(sender).is_ok());
    let mut receiver = device.receiver(vcpu, black_box(0), words, black_box(Some(7)), pool)?;
    let mut out = [0; 2048];
    keep(receiver.receive(|header, frame| (*header, frame.copy_into(&mut out).is_some()))?);
    keep(receiver.drain(black_box(9), |header, frame| keep((*header, frame.len())))?);
    receiver.free()?;
    keep((Receiver::arm(&mut receiver)?, receiver.dropped()));
    keep((Receiver::is_over(&receiver), Receiver::state(&receiver), Receiver::close(&mut receiver, vcpu)?));
    keep(Receiver::release(receiver).is_ok());
    let buffer = Buffer::new(pages(4096)?);
    device.filter(vcpu, tenon_abi::net::FilterMode::BROADCAST, black_box(&[[2; 6]]), &buffer)
}
