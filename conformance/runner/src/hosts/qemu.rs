// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows `qemu-…`: the bootable image on an unmodified QEMU, without KVM. The host is another process
//! behind QEMU's ivshmem device.
//!
//! A machine is two processes, QEMU and the broker, in a folder of their own. Both end with the machine, by
//! their ids.

use super::{Host, Image};

#[cfg(target_os = "linux")]
pub(crate) mod machine;

/// What QEMU is told for one kind of machine.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The row.
    pub name: &'static str,
    /// The architecture, as `--arch` takes it.
    pub arch: &'static str,
    /// Its number in ELF files.
    elf: u16,
    program: &'static str,
    /// The Debian package that has it.
    package: &'static str,
    machine: &'static [&'static str],
    /// Boot parameters: where the configuration space of PCI lies, and addresses that are free for devices.
    /// Elsewhere the device tree says it.
    places: &'static str,
    /// Messages that the guest can take as interrupts.
    pub(crate) messages: u8,
}

/// The machines, in the order of the report.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "qemu-x86_64",
        arch: "x86_64",
        elf: 62,
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: &["-M", "q35", "-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
        places: "ecam=0xb0000000 mmio=0xc0000000",
        messages: 16,
    },
    Kind {
        name: "qemu-microvm",
        arch: "x86_64",
        elf: 62,
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: &["-M", "microvm,pcie=on", "-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
        places: "ecam=0xe0000000 mmio=0xc0000000",
        messages: 16,
    },
    Kind {
        name: "qemu-aarch64",
        arch: "aarch64",
        elf: 183,
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        machine: &["-M", "virt,gic-version=3,highmem=off", "-cpu", "max,pauth-impdef=on"],
        places: "",
        messages: 0,
    },
    Kind {
        name: "qemu-riscv64",
        arch: "riscv64",
        elf: 243,
        program: "qemu-system-riscv64",
        package: "qemu-system-misc",
        machine: &["-M", "virt", "-bios", "default"],
        places: "",
        messages: 0,
    },
];

/// The row of this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The host of this row.
///
/// # Errors
///
/// Why it is not available here, in one line.
#[cfg(target_os = "linux")]
pub fn host(kind: &'static Kind, image: Option<&Image>) -> Result<Box<dyn Host>, String> {
    let image = image_for(kind, image)?;
    machine::check(kind)?;
    Ok(Box::new(machine::Qemu { kind, image }))
}

/// The image to boot: this one, or the suite's own.
#[cfg(target_os = "linux")]
pub(crate) fn image_for(kind: &Kind, image: Option<&Image>) -> Result<Image, String> {
    if let Some(image) = image {
        // QEMU would load anything, and say nothing.
        let machine = image.get(18..20).filter(|_| image.starts_with(b"\x7fELF"));
        return match machine {
            Some(found) if found == kind.elf.to_le_bytes() => Ok(std::sync::Arc::clone(image)),
            Some(_) => Err(format!("the image is for another architecture than {}", kind.arch)),
            None => Err("the image is no ELF file".to_owned()),
        };
    }
    let arch =
        tenon_guest_images::Arch::by_name(kind.arch).ok_or("there is no image of that architecture")?;
    tenon_guest_images::image("conformance", arch).map(Into::into)
}

/// There is no broker for this platform.
///
/// # Errors
///
/// Always: it says so.
#[cfg(not(target_os = "linux"))]
pub fn host(_: &'static Kind, _: Option<&Image>) -> Result<Box<dyn Host>, String> {
    Err("the ivshmem broker is for Linux".to_owned())
}

/// Runs this program as the broker or a worker of it, if its arguments say so.
#[cfg(target_os = "linux")]
#[must_use]
pub fn host_process() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == machine::PREFIX).then(|| tenon_ivshmem::cli::main(&[machine::PREFIX], arguments))
}

/// There is no broker for this platform.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn host_process() -> Option<std::process::ExitCode> {
    None
}
