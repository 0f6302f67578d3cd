// SPDX-License-Identifier: MIT OR Apache-2.0
//! The data ring: one side produces, the other consumes (STR-1 to STR-14).
//!
//! | in memory | role of the one side | role of the other |
//! | --- | --- | --- |
//! | records of any length, each with a header of 8 bytes | [`Producer`] | [`Consumer`] |
//! | messages of one size, without headers | [`channel::Producer`] | [`channel::Consumer`] |
//!
//! Both are the same code but for what lies in a unit: positions, publication, back-pressure and distrust are
//! in one place. A [`RingMemory`] is split into its two sides once, and each side becomes one role.
//!
//! ```
//! # #[repr(align(64))] struct Page([std::sync::atomic::AtomicU64; 3 * 512]);
//! # let mut page = Page([const { std::sync::atomic::AtomicU64::new(0) }; 3 * 512]);
//! use tenon_rings::{Error, RingMemory};
//!
//! // Cleared memory: two control pages of 4 KiB and 4 KiB of data. Both sides know the session's seed.
//! let (near, far) = RingMemory::from_mut(&mut page.0, 12)?.split();
//! let mut producer = near.records(4096, 7, ())?;
//! let mut consumer = far.records(4096, 7, ())?;
//!
//! producer.write(b"first")?;
//! producer.write_vectored(&[b"sec", b"ond"])?;
//! producer.flush()?;
//! let mut seen = [0; 6];
//! assert_eq!(consumer.read(|record| record.len())?, 5);
//! assert!(consumer.read(|record| record.copy_to(0, &mut seen))?);
//! assert_eq!(&seen, b"second");
//! assert_eq!(consumer.read(|record| record.len()), Err(Error::Empty));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A role can move to another thread but not be shared:
//!
//! ```compile_fail,E0277
//! fn shared<T: Sync>() {}
//! shared::<tenon_rings::stream::Producer<tenon_rings::Mapping>>();
//! ```
//!
//! and a side gives its role once:
//!
//! ```compile_fail,E0382
//! # fn twice(side: tenon_rings::stream::ProducerSide<tenon_rings::Mapping>) {
//! let first = side.records(4096, 7, ());
//! let second = side.records(4096, 7, ());
//! # }
//! ```

mod bell;
pub mod channel;
mod consumer;
mod draft;
mod end;
mod memory;
mod producer;
mod span;

pub use bell::Bell;
pub use consumer::Consumer;
pub use draft::Draft;
pub use end::EndState;
pub use memory::{ConsumerSide, ProducerSide, RingMemory, SetupError};
pub use producer::Producer;
pub use span::Span;
