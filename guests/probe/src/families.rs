// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel's use of one family, `--cfg family="…"`, beside what all of them need: a session, a vCPU, a call.
//! `cargo xtask size` links it with each family and with none. It is never run.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "entry point, memory functions and a platform")]

use core::arch::global_asm;
use core::hint::black_box;
use tenon_abi::Op;
use tenon_guest::conduit::PortIo;
use tenon_guest::{Error, Found, Pages, Platform, Session, Vcpu, Wish};
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

struct Kernel(PortIo);

// SAFETY: never run; the duties are `hello`'s.
unsafe impl Platform for Kernel {
    type Conduit = PortIo;

    fn conduit(&self) -> &PortIo {
        &self.0
    }

    fn enter(&self) -> usize {
        black_box(0)
    }

    fn leave(&self, token: usize) {
        keep(token);
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    keep(run().is_ok());
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

fn run() -> Result<(), Error> {
    let at = tenon_guest::discovery::cpuid()?;
    // SAFETY: never run.
    let window = unsafe { Mapping::new(black_box(at.address as *mut u8), at.len as usize) };
    let found = Found::at(window.ok_or(Error::BadMemory)?)?;
    // SAFETY: never run.
    let kernel = Kernel(unsafe { PortIo::of(found.record()) }.ok_or(Error::NotPresent)?);
    let mut pool = pages(1 << 18)?;
    let session = Session::open(&kernel, found, &mut pool, Wish::default())?;
    let vcpu: Vcpu<'_, _> = session.bind(black_box(0), &mut pool, black_box([256, 256]))?;
    keep(vcpu.call(black_box(Op::NOP), black_box([1]))?);
    family(&session, &vcpu, &mut pool)
}

type OneSession<'p> = Session<'p, Kernel>;
type OneVcpu<'p> = Vcpu<'p, Kernel>;

#[allow(unused_variables, reason = "most families need less")]
fn family(session: &OneSession<'_>, vcpu: &OneVcpu<'_>, pool: &mut Pages) -> Result<(), Error> {
    #[cfg(family = "batch")]
    {
        let mut batch = vcpu.batch::<32>();
        batch.push(tenon_abi::Submission::new(black_box(Op::PROBE), black_box([0; 6])))?;
        keep(batch.commit()?);
    }
    #[cfg(family = "event")]
    {
        vcpu.bind_port(black_box(7), 0, 1)?;
        keep(vcpu.take_events(keep)?);
        keep((vcpu.mask(black_box(7)), vcpu.unmask(black_box(7)), vcpu.arm()?));
    }
    #[cfg(family = "region")]
    keep(vcpu.region().length(black_box(1))?);
    #[cfg(family = "console")]
    keep(vcpu.console().write(black_box(b"text"))?);
    #[cfg(family = "lifecycle")]
    {
        vcpu.lifecycle().crash(black_box(b"text"))?;
        keep(vcpu.lifecycle().exit(black_box(3)));
    }
    #[cfg(family = "entropy")]
    keep(vcpu.entropy().fill(&tenon_guest::Buffer::new(pages(4096)?))?);
    #[cfg(family = "meter")]
    {
        let buffer = tenon_guest::Buffer::new(pages(4096)?);
        keep(vcpu.meter().read(black_box(0), &buffer)?.epoch());
    }
    #[cfg(family = "memory")]
    {
        let memory = vcpu.memory();
        keep(memory.info(&tenon_guest::Buffer::new(pages(4096)?))?);
        let given = memory.give(pages(4096)?).map_err(|(error, _)| error)?;
        keep(given.wait().is_ok());
    }
    #[cfg(family = "block")]
    {
        let buffer = tenon_guest::Buffer::new(pages(4096)?);
        let arena = tenon_guest::device::Arena::of(pool);
        let disk = vcpu.devices().query(black_box(0), &buffer)?;
        let device = session.open_device(vcpu, &disk, 0, arena, None)?;
        let mut block: tenon_guest::Block<'_, _> = device.block(vcpu, 0, None, pool)?;
        let read = tenon_guest::block::Io::Read { offset: black_box(0), into: buffer };
        let token = block.submit(read).map_err(|(error, _)| error)?;
        keep(block.wait(token)?.payload);
    }
    #[cfg(family = "net")]
    {
        let buffer = tenon_guest::Buffer::new(pages(4096)?);
        let arena = tenon_guest::device::Arena::of(pool);
        let card = vcpu.devices().query(black_box(1), &buffer)?;
        let device = session.open_device(vcpu, &card, 0, arena, None)?;
        let mut sender = device.sender(vcpu, 0, black_box(1024), None, pool)?;
        let mut receiver = device.receiver(vcpu, 0, black_box(1024), None, pool)?;
        sender.send(black_box(&[0; 60]))?;
        sender.flush()?;
        let mut out = [0; 2048];
        keep(receiver.receive(|_, frame| frame.copy_into(&mut out).is_some())?);
    }
    #[cfg(family = "time")]
    {
        use tenon_guest::time::{Clock, Monotonic, Processor};
        static ALL: Monotonic = Monotonic::new();
        let page = session.page(vcpu, tenon_abi::PageKind::TIME, pool)?;
        let clock = Clock::by_page(vcpu, &page, Processor)?.across(&ALL);
        keep(clock.running()?);
        vcpu.timers().set(black_box(7), tenon_abi::Clock::BOOT, black_box(1 << 40), 0)?;
        keep(vcpu.timers().cancel(black_box(7))?);
    }
    Ok(())
}
