// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks and timers ([TIME-1] to [TIME-19]).
//!
//! A [`Clock`] reads the host's clocks in one of three ways:
//!
//! | way | needs | a reading costs | its error |
//! | --- | --- | --- | --- |
//! | [`Clock::by_page`] | the page TIME, and a counter that host and guest share | the counter, some loads | the page's |
//! | [`Clock::by_call`] | nothing | a call | none, at some moment within the call |
//! | [`Clock::bracketed`] | a counter of the guest's own, and how fast it runs | a call | half of what the call took |
//!
//! RUNNING and BOOT never go back, whatever the host writes: a value below an earlier one is replaced by that
//! one, its error grows by the difference, and the step is told once ([`Reading::step_back`]). UTC follows
//! the host in both directions.
//!
//! ```
//! use tenon_guest::time::{Clock, Monotonic, Processor};
//! use tenon_guest::{Error, Pages, Platform, Session, Vcpu};
//! use tenon_abi::PageKind;
//!
//! // One for the kernel: no CPU reads less than another one has read before.
//! static MONOTONIC: Monotonic = Monotonic::new();
//!
//! fn uptime<P: Platform>(
//!     session: &Session<'_, P>,
//!     vcpu: &Vcpu<'_, P>,
//!     pages: &mut Pages,
//! ) -> Result<u64, Error> {
//!     let clock = match session.page(vcpu, PageKind::TIME, pages) {
//!         Ok(page) => Clock::by_page(vcpu, &page, Processor)?,
//!         Err(Error::Refused(_)) => return Ok(Clock::by_call(vcpu).across(&MONOTONIC).running()?.ns),
//!         Err(error) => return Err(error),
//!     };
//!     Ok(clock.across(&MONOTONIC).running()?.ns)
//! }
//! ```
//!
//! [TIME-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time
//! [TIME-19]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#time

mod bracket;
mod clock;
mod counter;
mod page;
mod timer;

pub use bracket::{Bracket, Rate};
pub use clock::{Clock, Monotonic, Reading};
pub use counter::{Counter, Processor};
pub use timer::Timers;
