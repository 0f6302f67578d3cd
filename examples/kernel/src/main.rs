// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel on Tenon: finds its host by CPUID or behind QEMU's shared memory device, says so on the console,
//! calls, and goes on when its host was restarted. Boot parameter `restarts=N` (0): stays until that has
//! happened so often.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "a kernel: memory and devices come as addresses")]

mod global;
mod host;

use core::fmt::Write as _;
use global::{Global, params};
use host::Kernel;
use tenon_abi::{Op, Status};
use tenon_guest::{Error, Session, Vcpu, Wish};

core::arch::global_asm!(include_str!("boot.s"));

/// Calls that are made at least, and so often a host that was restarted is asked before it is given up.
const CALLS: u64 = 1000;
const TRIES: u32 = 50;
const RINGS: [u32; 2] = [64, 64];
static KERNEL: Global<Kernel> = Global::new();
static VCPU: Global<Vcpu<'static, Kernel>> = Global::new();

/// Prints a line from anywhere in the kernel; without a host, or while it is away, nothing.
macro_rules! println {
    ($($text:tt)*) => { let _ = VCPU.with(|vcpu| writeln!(vcpu.console(), $($text)*)); };
}

#[unsafe(no_mangle)]
extern "C" fn kernel(start_info: *const u8) {
    // SAFETY: the entry code passes what the monitor passed, and memory is mapped one to one.
    let result = run(unsafe { params(start_info) });
    println!("kernel: {result:?}");
    let _ = VCPU.with(|vcpu| vcpu.lifecycle().exit(u32::from(result.is_err())));
}

fn run(line: &str) -> Result<(), Error> {
    let restarts = line.split(' ').find_map(|word| word.strip_prefix("restarts=")?.parse().ok()).unwrap_or(0);
    let (found, kernel, mut pages) = host::find()?;
    let kernel = KERNEL.put(kernel);
    let mut session = Session::open(kernel, found, &mut pages, Wish::default())?;
    VCPU.put(session.bind(0, &mut pages, RINGS)?);
    println!("kernel: session {}, {} bytes left", session.number(), pages.mapping().byte_len());
    let (mut calls, mut seen) = (0, 0);
    while calls < CALLS || seen < restarts {
        match VCPU.with(|vcpu| vcpu.call(Op::NOP, [calls])).ok_or(Error::NotPresent)? {
            Ok(_) => calls += 1,
            // The session is over: nobody knows what became of that call, and a NOP may be made again
            // (SES-9).
            Err(Error::Refused(Status::INDETERMINATE)) => {
                go_on(&mut session)?;
                seen += 1;
            }
            Err(error) => return Err(error),
        }
    }
    println!("kernel: {calls} calls, {seen} restarts");
    Ok(())
}

/// Opens the next session, in the pages that the last one had. The host may be restarted meanwhile.
fn go_on(session: &mut Session<'static, Kernel>) -> Result<(), Error> {
    let mut pages = VCPU.take().ok_or(Error::NotPresent)?.release().map_err(|_| Error::Busy)?;
    let mut next = || session.reopen(Wish::default()).and_then(|()| session.bind(0, &mut pages, RINGS));
    let vcpu = (1..TRIES).find_map(|_| next().ok()).map_or_else(&mut next, Ok)?;
    VCPU.put(vcpu);
    println!("kernel: session {} after a restart", session.number());
    Ok(())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let _ = VCPU.with(|vcpu| (vcpu.lifecycle().crash(b"panic").is_ok(), vcpu.lifecycle().exit(2)));
    loop {}
}
