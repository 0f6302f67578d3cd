// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cases, a file for each chapter; names of files as everywhere.

pub mod call;

use crate::case::Case;

/// The chapters in the spec's order.
pub const CHAPTERS: &[&[Case]] = &[call::CASES];
