// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every public function of the shim, linked with a panic handler that does not exist: an image that links
//! has no way to a panic (GEN-8). It is never run.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "entry point, memory functions and a platform")]

use core::arch::global_asm;
use core::fmt::Write;
use core::hint::black_box;
use tenon_guest::conduit::PortIo;
use tenon_guest::discovery::{cpuid, cpuid_by};
use tenon_guest::{Buffer, Conduit, Error, Found, Gate, Pages, Platform, Session, Vcpu, Wish};
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

struct Probe(PortIo);

// SAFETY: never run; the duties are `hello`'s.
unsafe impl Platform for Probe {
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

static GATE: Gate<64> = Gate::new();

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
    let found = Found::at(window.ok_or(Error::BadMemory)?)?;
    keep((found.features(), found.conduit_flags(), found.session(), found.window(), found.record()));
    // SAFETY: never run.
    let ports = unsafe { PortIo::of(found.record()) }.ok_or(Error::NotPresent)?;
    ports.kick(black_box(3));
    let platform = Probe(ports);
    let session = Session::open(&platform, found, pages(1 << 16)?, black_box(Wish::default()))?;
    keep((session.features(), session.granule(), session.number(), session.seed(), session.found()));
    let vcpu: Vcpu<'_, _> = session.bind(black_box(0), pages(1 << 17)?, black_box([256, 256]))?;
    keep(session.bind::<1>(black_box(1), pages(1 << 17)?, black_box([1, 65_536]))?.number());
    keep(calls(&vcpu).err());
    keep(events(&vcpu).err());
    keep(console(&vcpu).err());
    keep(lifecycle(&vcpu).err());
    session.reset()
}

fn calls<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    use tenon_abi::{Op, Submission};
    black_box(vcpu.call(black_box(Op::NOP), black_box([1])))?;
    let submission = Submission::new(black_box(Op::PROBE), black_box([0; 6]));
    black_box(vcpu.call_with(submission))?;
    let mut request = vcpu.request(submission)?;
    keep((request.id(), request.poll(), request.wait(), request.cancel()));
    let mut batch = vcpu.batch::<32>();
    batch.push(submission)?;
    keep(batch.commit()?);
    keep((vcpu.in_flight(), vcpu.quarantined()?, vcpu.number(), vcpu.state_word(black_box(0))));
    vcpu.set_upcall(black_box(Some(48)))?;
    vcpu.start(black_box(1), black_box(2), black_box(3))?;
    vcpu.stop(black_box(1), black_box(0))?;
    keep(vcpu.arm_completions()?);
    keep(vcpu.emergency(submission)?);
    Ok(())
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
    keep((vcpu.unmask(port)?, vcpu.arm()?));
    vcpu.disarm()?;
    vcpu.unbind_port(port)
}

fn console<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    keep(vcpu.write(black_box(b"probe"))?);
    let buffer = Buffer::new(pages(4096)?);
    keep((buffer.write(black_box(1), b"x"), buffer.is_empty(), buffer.address()));
    keep(vcpu.write_buffer(&buffer, black_box(9))?);
    let mut out = [0; 9];
    keep(buffer.read(black_box(2), &mut out));
    let read = vcpu.read(buffer)?;
    keep(read.cancel()?);
    keep(read.wait().is_ok());
    let _ = vcpu.console().write_str(black_box("probe"));
    Ok(())
}

fn lifecycle<const D: usize>(vcpu: &Vcpu<'_, Probe, D>) -> Result<(), Error> {
    vcpu.crash(black_box(b"probe"))?;
    vcpu.crash_with(&Buffer::new(pages(4096)?), black_box(9), black_box(1))?;
    keep((vcpu.exit(black_box(3)), vcpu.restart()));
    Ok(())
}
