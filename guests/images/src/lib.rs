// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable guest images, as files.
