// SPDX-License-Identifier: MIT OR Apache-2.0
//! What leaves the guest, and where it goes.

use std::fmt;

use super::CpuError;

/// What a vCPU does after one of its exits was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It is parked until [`super::Control::start`].
    Stop,
    /// The machine ends with [`Outcome::Ended`].
    End,
}

/// A hypercall (DISC-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hypercall {
    /// The function number.
    pub function: u32,
    /// The value.
    pub value: u32,
    /// Whether it came from below the kernel's level.
    pub is_from_user: bool,
}

/// Who handles a guest's exits. Called on the vCPU's own thread and with no lock held, so that calls for
/// different vCPUs run at once, and everything of the machine's may be called from here.
///
/// It must not block for long: a vCPU that is in here when the run ends has about half a second to come back,
/// and is given up then ([`super::Error::Stuck`]).
pub trait Exits: Send + Sync {
    /// The guest wrote `data` to `port`. The serial port and the exit port do not come here.
    fn pio_out(&self, vcpu: u32, port: u16, data: &[u8]) -> Flow;

    /// The guest wrote `data` where no writable memory is: outside memory, or into the window.
    fn mmio_write(&self, vcpu: u32, address: u64, data: &[u8]) -> Flow;

    /// The guest made a hypercall, on a machine that traps them ([`super::Machine::trap_hypercalls`]).
    fn hypercall(&self, vcpu: u32, call: Hypercall) -> Flow {
        let _ = (vcpu, call);
        Flow::Continue
    }

    /// The calling thread runs this vCPU from now on, and no other does. Told once, before the vCPU first
    /// runs.
    fn begins(&self, vcpu: u32) {
        let _ = vcpu;
    }

    /// A stop that [`super::Control::stop`] accepted is complete: the vCPU executes nothing and may be
    /// started again.
    fn parked(&self, vcpu: u32) {
        let _ = vcpu;
    }
}

/// Ignores every exit.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoExits;

impl Exits for NoExits {
    fn pio_out(&self, _: u32, _: u16, _: &[u8]) -> Flow {
        Flow::Continue
    }

    fn mmio_write(&self, _: u32, _: u64, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

/// How a machine's run ended. Displayed as whoever judges the machine wants to be told (REP-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest ended its domain with this code (LIFE-2).
    Exit(u32),
    /// The guest left by the exit port, which is not Tenon's, with this code.
    Left(u32),
    /// The guest asked for a fresh boot of the same image (LIFE-3).
    Restart,
    /// A handler returned [`Flow::End`], or someone called [`super::Control::end`].
    Ended,
    /// The time limit passed.
    TimedOut,
    /// A vCPU could not go on, or a thread beside the vCPUs (of the console, the serial port, a queue) has
    /// panicked.
    Failed {
        /// Which one; `None` for a thread beside them.
        vcpu: Option<u32>,
        /// Why.
        why: CpuError,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit={code}"),
            Self::Left(code) => write!(f, "left={code}"),
            Self::Restart => f.write_str("restart"),
            Self::Ended => f.write_str("ended from outside"),
            Self::TimedOut => f.write_str("its time limit passed"),
            Self::Failed { vcpu: Some(vcpu), why } => write!(f, "lost vCPU {vcpu}: {why}"),
            Self::Failed { vcpu: None, why } => write!(f, "lost a thread beside the vCPUs: {why}"),
        }
    }
}
