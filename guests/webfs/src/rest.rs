// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time, and sleep until something happens.

use crate::platform::Kernel;
use tenon_abi::{Clock as Which, Features, PageKind};
use tenon_guest::time::{Clock, Processor};
use tenon_guest::{Error, Pages, Session, Vcpu};
use tenon_guest_rt as rt;

/// The interrupt by which the host says that there is an event.
const UPCALL: u8 = 0x31;
/// The disk has completed something.
pub(crate) const DISK: u32 = 1;
/// A frame came, or there is room for one.
pub(crate) const NET: u32 = 2;
/// It is time.
const TIMER: u32 = 3;
/// A timer may be so late, so that the host can ring several at once.
const SLACK: u64 = 1_000_000;

/// How this kernel knows the time.
enum Time<'v> {
    Page(Clock<'v, Processor>),
    Call(Clock<'v, ()>),
}

/// Time and sleep.
pub(crate) struct Rest<'v> {
    vcpu: &'v Vcpu<'v, Kernel>,
    time: Time<'v>,
    /// When the timer that was set last expires.
    until: Option<u64>,
}

impl<'v> Rest<'v> {
    pub(crate) fn new(
        session: &Session<'_, Kernel>,
        vcpu: &'v Vcpu<'v, Kernel>,
        pages: &mut Pages,
    ) -> Result<Self, Error> {
        let time = match session.page(vcpu, PageKind::TIME, pages) {
            Ok(page) => Time::Page(Clock::by_page(vcpu, &page, Processor)?),
            Err(_) => Time::Call(Clock::by_call(vcpu)),
        };
        rt::listen(UPCALL);
        if session.features().contains(Features::EVENTS) {
            vcpu.set_upcall(Some(UPCALL.into()))?;
        }
        for port in [DISK, NET, TIMER] {
            vcpu.bind_port(port, 0, 0)?;
        }
        // The interrupt's handler has nothing to do: whoever sleeps looks when it wakes.
        rt::irq_enable();
        Ok(Self { vcpu, time, until: None })
    }

    /// Nanoseconds that this machine has run.
    pub(crate) fn now(&self) -> Result<u64, Error> {
        let reading = match &self.time {
            Time::Page(clock) => clock.running(),
            Time::Call(clock) => clock.running(),
        };
        Ok(reading?.ns)
    }

    /// Sleeps until an event comes, or until `deadline`. The caller has armed what it waits for.
    pub(crate) fn sleep_until(&mut self, deadline: Option<u64>) -> Result<(), Error> {
        if let Some(deadline) = deadline {
            let now = self.now()?;
            if deadline <= now {
                return Ok(());
            }
            // One that is set already and comes earlier will do: each costs a call.
            if self.until.is_none_or(|until| until <= now || until > deadline) {
                self.vcpu.timers().set(TIMER, Which::RUNNING, deadline, SLACK)?;
                self.until = Some(deadline);
            }
        }
        self.sleep()
    }

    /// Sleeps until an event comes.
    pub(crate) fn sleep(&self) -> Result<(), Error> {
        let state = rt::irq_save();
        // With interrupts masked from here to the halt, none is lost.
        let armed = self.vcpu.arm();
        if armed == Ok(true) {
            rt::wait_for_interrupt();
        }
        rt::irq_restore(state);
        armed?;
        while self.vcpu.take_events(|_| {})? > 0 {}
        self.vcpu.disarm()
    }
}
