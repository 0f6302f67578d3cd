// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images that boot, images that do not, and images that nobody would build.

mod aarch64;
mod malformed;
mod pvh;
mod tools;
