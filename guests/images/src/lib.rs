// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable guest images, as files: ELF for x86-64 with a PVH entry, bootable by `tenon-host`'s KVM
//! machine and by `qemu-system-x86_64 -kernel`; and on demand for other architectures ([`cross`]).
//!
//! What they need of a machine is REP-7. Boot parameters that every image knows: `mode=native` (run at CPL3),
//! `serial=burst` (the serial port takes any number of bytes at once). Exit codes that every image has: 3
//! after an unexpected exception, 4 after a panic.

pub mod cross;
pub mod nested;
pub mod toolchain;

pub use cross::image;
pub use toolchain::Arch;

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

/// Bytes for the boot command line in an image's file, its final zero included (REP-9).
pub const PARAMETERS_MAX: usize = 1024;

/// The bytes before that place: nothing else in an image is like them.
pub const PARAMETERS_MARK: &[u8; 16] = b"~TENON-PARAMS-1~";

/// Where an image's file has a place for the boot command line, for machines that pass none (REP-9): offset
/// of the first byte of [`PARAMETERS_MAX`]. `None` where there is none, or more than one.
#[must_use]
pub fn place_of_parameters(image: &[u8]) -> Option<usize> {
    let mut places =
        image.windows(PARAMETERS_MARK.len()).enumerate().filter(|(_, bytes)| bytes == PARAMETERS_MARK);
    let ((at, _), None) = (places.next()?, places.next()) else { return None };
    let at = at + PARAMETERS_MARK.len();
    image.get(at..)?.get(..PARAMETERS_MAX).map(|_| at)
}

/// Tries what the run time has of an architecture, on any machine.
pub const SMOKE: Image = Image {
    name: "smoke",
    bytes: include_bytes!(env!("TENON_IMAGE_SMOKE")),
    path: env!("TENON_IMAGE_SMOKE"),
};

/// All images.
pub const ALL: [Image; 6] = [CONFORMANCE, HELLO, BARE, SELFTEST, BENCH, SMOKE];
