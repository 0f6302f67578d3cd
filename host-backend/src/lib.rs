// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host side of Tenon: a pure core, and ways to attach it.
