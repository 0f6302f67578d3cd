// SPDX-License-Identifier: MIT OR Apache-2.0
//! The conformance cases, written once, for any guest environment.
