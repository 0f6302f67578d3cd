// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serves the files of a FAT volume by HTTP, without an operating system and without an allocator: what the
//! image `webfs` does above its devices.
//!
//! * [`Server`] drives the connections of a set of smoltcp's sockets. Each has one request at a time.
//! * [`Volume`] finds names, lists folders, and says where the bytes of a file lie on the disk.
//! * [`Transfers`] is what the embedder brings: reads of file data that run while others go on.
//!
//! GET and HEAD, HTTP/1.1 and 1.0, one range, persistent connections. A folder is a page with links.
#![cfg_attr(not(test), no_std)]

mod connection;
mod date;
mod head;
mod listing;
mod media;
mod range;
mod reply;
mod request;
mod server;
mod text;
mod transfers;
mod volume;

pub use hadris_fat::embedded::MountToken;
pub use server::{CLIENT, PATIENCE, RECEIVE, SEND, Server, socket};
pub use transfers::{Refused, Transfers};
pub use volume::{Fault, Volume};
