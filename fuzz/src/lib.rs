// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host core under a guest that does whatever bytes say.
//!
//! One input is one guest's life: it writes words into its memory, most of them well-formed, hands over
//! frames, rings doorbells, and rewrites words between two looks of the host. Everything that the core does
//! to memory is recorded, and a model that knows the spec alone judges it.
//!
//! | module | what |
//! | --- | --- |
//! | `store` | zeroed words that cost only what is written to them |
//! | `ground` | memory and window that record every access of the host, with a second writer that races it |
//! | `model` | what the host may do: where it may write, what it may complete, how much it may do |
//! | `guest` | the guest's own books: where its areas lie, which slot and id come next |
//! | `world` | a domain on its ground, one step at a time |
//! | `interpreter` | bytes as a guest's life |

mod ground;
mod guest;
mod interpreter;
mod model;
mod store;
mod world;

/// Lives through one input.
///
/// # Panics
///
/// When the core broke a rule; the message says which.
pub fn core(data: &[u8]) {
    interpreter::Life::new(data).run();
}
