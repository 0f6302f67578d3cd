// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tenon's queues and event rings over shared memory that the peer may rewrite at will.
