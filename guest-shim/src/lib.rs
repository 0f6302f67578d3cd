// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest side of Tenon: link it into any kernel; no allocator, no std.
