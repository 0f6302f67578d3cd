// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network interfaces ([NET-1] to [NET-12]).
//!
//! A pair of rings carries frames: [`Sender`] to the host, [`Receiver`] to the guest. Each is on its own, so
//! that two CPUs can have one each. A frame is written in place by a closure, or out of slices; it is taken
//! by a closure over a [`Frame`], from which bytes are copied.
//!
//! ```
//! use tenon_abi::NetFeatures;
//! use tenon_guest::device::{Arena, Info};
//! use tenon_guest::{Error, Pages, Platform, Session, Vcpu};
//!
//! /// Sends a frame, and takes the first one that comes.
//! fn exchange<P: Platform>(
//!     session: &Session<'_, P>,
//!     vcpu: &Vcpu<'_, P>,
//!     card: &Info,
//!     pages: &mut Pages,
//!     frame: &[u8],
//!     out: &mut [u8],
//! ) -> Result<usize, Error> {
//!     let device = session.open_device(vcpu, card, 0, Arena::of(pages), None)?;
//!     let told = card.net()?;
//!     let words = |to_host| told.least_words(NetFeatures::empty(), to_host);
//!     let mut sender = device.sender(vcpu, 0, words(true), None, pages)?;
//!     let mut receiver = device.receiver(vcpu, 0, words(false), None, pages)?;
//!     sender.send(frame)?;
//!     sender.flush()?;
//!     loop {
//!         match receiver.receive(|_, frame| frame.copy_into(out).map_or(0, |copy| copy.len())) {
//!             // A kernel with interrupts opens the ring with a port, and halts here if `arm` is true.
//!             Err(Error::Pending) => core::hint::spin_loop(),
//!             result => return result,
//!         }
//!     }
//! }
//! ```
//!
//! [NET-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
//! [NET-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces

mod filter;
mod header;
mod info;
mod receiver;
mod ring;
mod sender;

pub use header::{Checksum, Header, Segments};
pub use info::Info;
pub use receiver::{Frame, Receiver};
pub use sender::{Draft, Sender};
