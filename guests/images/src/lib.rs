// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable guest images, as files: ELF for x86-64 with a PVH entry, bootable by `tenon-host`'s KVM machine and by
//! `qemu-system-x86_64 -kernel`.
//!
//! Boot parameters that every image knows: `mode=native` (run at CPL3), `serial=burst` (the serial port takes any number
//! of bytes at once). Exit codes that every image has: 3 after an unexpected exception, 4 after a panic.

/// A bootable image.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Its name.
    pub name: &'static str,
    /// The ELF file.
    pub bytes: &'static [u8],
    /// Where the build left that file.
    pub path: &'static str,
}

/// Runs the conformance cases and reports on the serial port.
pub const CONFORMANCE: Image = Image {
    name: "conformance",
    bytes: include_bytes!(env!("TENON_IMAGE_CONFORMANCE")),
    path: env!("TENON_IMAGE_CONFORMANCE"),
};

/// Says hello on Tenon's console and ends the domain.
pub const HELLO: Image = Image {
    name: "hello",
    bytes: include_bytes!(env!("TENON_IMAGE_HELLO")),
    path: env!("TENON_IMAGE_HELLO"),
};

/// `hello` without Tenon, for the measure of its size.
pub const BARE: Image =
    Image { name: "bare", bytes: include_bytes!(env!("TENON_IMAGE_BARE")), path: env!("TENON_IMAGE_BARE") };

/// Exercises the images' own run time; needs the machine of `tenon-host`'s test `kvm_boot`.
pub const SELFTEST: Image = Image {
    name: "selftest",
    bytes: include_bytes!(env!("TENON_IMAGE_SELFTEST")),
    path: env!("TENON_IMAGE_SELFTEST"),
};

/// Times calls, doorbells and events; needs the machine of `tenon-benches`.
pub const BENCH: Image = Image {
    name: "bench",
    bytes: include_bytes!(env!("TENON_IMAGE_BENCH")),
    path: env!("TENON_IMAGE_BENCH"),
};

/// All images.
pub const ALL: [Image; 5] = [CONFORMANCE, HELLO, BARE, SELFTEST, BENCH];
