// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that outlives the host: a file that both processes map.
#![allow(unsafe_code, reason = "the memory of a guest is a mapping")]

use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::fs::File;
use std::ptr::null_mut;
use tenon_host::Memory;
use tenon_rings::call::Parts;
use tenon_rings::{Mapping, Words};

pub(crate) const LEN: usize = 1 << 20;
pub(crate) const DEPTH: usize = 32;
/// Where the guest's part lies, the host's part, and the buffers.
pub(crate) const GUEST: usize = 0;
pub(crate) const HOST: usize = 4096;
pub(crate) const BUFFERS: usize = 8192;
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub(crate) Mapping);

impl Shared {
    pub(crate) fn map(file: &File) -> Self {
        // SAFETY: a new mapping of a file of at least that length, which is never unmapped.
        let base =
            unsafe { mmap(null_mut(), LEN, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) };
        // SAFETY: mapped for as long as this process runs; no reference is made to it.
        Self(unsafe { Mapping::new(base.unwrap().cast(), LEN) }.unwrap())
    }

    pub(crate) fn words(&self, offset: usize, len: usize) -> Mapping {
        self.0.slice(offset / 8, len / 8).unwrap()
    }

    pub(crate) fn parts(&self) -> Parts<Mapping> {
        Parts {
            submissions: self.words(GUEST + 64, 64 * DEPTH),
            completions: self.words(HOST + 64, 16 * DEPTH),
            armed: self.words(GUEST, 8),
            kick: self.words(HOST + 8, 8),
        }
    }
}

impl Memory for Shared {
    type Words = Mapping;

    fn region_len(&self, region: u16) -> Option<u64> {
        (region == 0).then_some(LEN as u64)
    }

    fn words(&self, _: u16, offset: u64, len: u64) -> Option<Mapping> {
        self.0.slice(offset as usize / 8, len as usize / 8)
    }

    fn read(&self, _: u16, offset: u64, out: &mut [u8]) -> bool {
        self.0.read(offset as usize, out)
    }

    fn write(&self, _: u16, offset: u64, data: &[u8]) -> bool {
        self.0.write(offset as usize, data)
    }

    fn window(&self) -> Mapping {
        self.0
    }
}
