// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Tenon wire: types, numbers and status codes, each with its clause.
