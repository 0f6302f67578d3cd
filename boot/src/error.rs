// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a guest cannot be booted.

/// What is wrong with an image, its command line, or the machine's layout: a clause for a sentence about
/// the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not begin as an ELF file of this byte order does.
    #[error("it is no little-endian ELF file")]
    NotElf,
    /// Neither an ELF file nor an `Image`.
    #[error("it is neither an ELF file nor an Image")]
    UnknownFormat,
    /// The file contradicts itself.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It was built for another processor.
    #[error("it is for another processor (ELF machine {0})")]
    OtherProcessor(u16),
    /// It has no segment with memory.
    #[error("it has nothing to load")]
    Empty,
    /// A segment's bytes lie beyond the end of the file.
    #[error("the segment at {address:#x} is not all in the file")]
    Truncated {
        /// Where the segment belongs.
        address: u64,
    },
    /// A segment has more bytes in the file than in memory.
    #[error("the segment at {address:#x} has more bytes in the file than in memory")]
    LargerInFile {
        /// Where the segment belongs.
        address: u64,
    },
    /// A segment, the part without bytes in the file included, lies where the machine has no memory, or
    /// ends beyond 2^64.
    #[error("it needs more memory than the machine has: {len:#x} bytes at {address:#x}")]
    NeedsMemory {
        /// Where the segment belongs.
        address: u64,
        /// Its bytes in memory.
        len: u64,
    },
    /// Two segments share memory, or a segment lies where the monitor leaves what it passes to the guest.
    #[error("the segment at {address:#x} lies over what is at {other:#x}")]
    Overlap {
        /// Where the segment belongs.
        address: u64,
        /// Where the other segment, or the passed data, begins.
        other: u64,
    },
    /// An x86-64 image without the note that PVH asks for.
    #[error("it has no PVH entry note")]
    NoEntryNote,
    /// The entry is in no segment, or where a vCPU cannot start.
    #[error("its entry {0:#x} is in no segment that a vCPU can start in")]
    BadEntry(u64),
    /// The command line is too long, or has a zero byte.
    #[error("the boot command line is longer than {max} bytes, or holds a zero byte")]
    BadCommandLine {
        /// The longest one.
        max: usize,
    },
    /// The layout contradicts itself, or lacks what the boot protocol needs.
    #[error("the machine's memory is not laid out well: {0}")]
    BadLayout(&'static str),
    /// The device tree does not fit its place.
    #[error("the device tree is too long for its place")]
    LongTree,
}
