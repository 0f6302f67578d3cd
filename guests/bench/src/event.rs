// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers events as fast as it can: the host measures the way there and back.
#![allow(unsafe_code, reason = "an interrupt handler finds its vCPU through a static")]

use crate::line::line;
use crate::number;
use crate::platform::{Bench, shared};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use tenon_guest::{Error, Vcpu};
use tenon_guest_rt as rt;

/// The upcall of the event ring.
const UPCALL: u8 = 0x31;
/// The direct port's interrupt. The bare interrupt's is any other: the host chooses.
const DIRECT: u8 = 0x32;
const RING_PORT: u32 = 1;
const DIRECT_PORT: u32 = 2;

/// The vCPU that the handler takes events of.
static VCPU: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
/// The word that the host looks at: it counts handled events.
static ANSWERS: AtomicPtr<AtomicU64> = AtomicPtr::new(core::ptr::null_mut());

/// Binds the ports and answers until the host says stop, in the second word of the shared page.
pub(crate) fn answer(vcpu: &Vcpu<'_, Bench>) -> Result<(), Error> {
    let [answers, stop] = shared(number("control") as u16)?;
    ANSWERS.store(core::ptr::from_ref(answers).cast_mut(), Ordering::Release);
    VCPU.store(core::ptr::from_ref(vcpu).cast_mut().cast(), Ordering::Release);
    vcpu.set_upcall(Some(UPCALL.into()))?;
    vcpu.bind_port(RING_PORT, 0, 0)?;
    vcpu.bind_direct(DIRECT_PORT, 0, DIRECT.into())?;
    rt::set_upcall_handler(handle);
    while !vcpu.arm()? {
        vcpu.take_events(|_| {})?;
    }
    line("ready", &[u64::from(RING_PORT), u64::from(DIRECT_PORT)]);
    let spin = rt::Params::get("idle") == Some("spin");
    rt::irq_enable();
    while stop.load(Ordering::Acquire) == 0 {
        if spin {
            spin_loop();
        } else {
            // Masked, looked, slept: the host's last interrupt comes after its stop.
            rt::irq_disable();
            if stop.load(Ordering::Acquire) == 0 {
                rt::wait_for_interrupt();
            }
            rt::irq_enable();
        }
    }
    rt::irq_disable();
    Ok(())
}

/// The same for each way; only an upcall has events to take.
fn handle(_: usize, vector: u8) {
    if vector != UPCALL {
        count();
        return;
    }
    let vcpu = VCPU.load(Ordering::Acquire).cast::<Vcpu<'static, Bench>>();
    if vcpu.is_null() {
        return;
    }
    // SAFETY: `answer` stored the vCPU before it set this handler, and masks interrupts before it returns.
    // The handler runs on the only CPU.
    let vcpu = unsafe { &*vcpu };
    // Handled first and then armed: what comes between the two is seen by arming. A ring in use cannot be,
    // nor can a corrupt one be cured here.
    while vcpu.take_events(|_| count()).is_ok() && vcpu.arm() == Ok(false) {}
}

fn count() {
    let answers = ANSWERS.load(Ordering::Acquire);
    if !answers.is_null() {
        // SAFETY: `answer` stored a page that is never given back.
        let answers = unsafe { &*answers };
        answers.store(answers.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}
