// SPDX-License-Identifier: MIT OR Apache-2.0
//! libFuzzer feeds the host core.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tenon_fuzz::core(data));
