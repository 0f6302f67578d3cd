// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machines: what QEMU emulates, which kernel boots, what the program is built for.

use clap::ValueEnum;

/// A machine that can be booted.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Machine {
    /// x86-64 with AMD virtualization, emulated; Debian's cloud kernel; one CPU.
    KvmAmd,
    /// The same with a processor that has no nested paging: KVM shadows the guest's page tables.
    KvmAmdNoNpt,
    /// AArch64 with its virtualization extensions, emulated; Debian's cloud kernel; one CPU.
    KvmArm64,
}

/// What a machine is.
pub(crate) struct Model {
    /// As it is typed, and as the suite's rows are called in it.
    pub(crate) name: &'static str,
    /// The emulator.
    pub(crate) qemu: &'static str,
    /// Its package.
    pub(crate) package: &'static str,
    /// The machine and its processor. One: a second makes the emulation slower and the times jittery.
    pub(crate) hardware: &'static [&'static str],
    /// The kernel's console, which takes its messages.
    pub(crate) console: Console,
    /// The module that makes `/dev/kvm`, where it is not built in.
    pub(crate) module: Option<&'static str>,
    /// Where the kernel says what KVM uses, and what it has to say there: a row must not claim another
    /// machine.
    pub(crate) proof: Option<(&'static str, &'static str)>,
    /// What its programs are compiled for.
    pub(crate) arch: Arch,
}

/// How a machine talks to the outside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Console {
    /// Four 16550s.
    Isa,
    /// A PL011 for the kernel, and ports of a virtio console.
    Virtio,
}

/// An architecture with Debian's name and the compiler's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arch {
    pub(crate) debian: &'static str,
    pub(crate) rust: &'static str,
}

pub(crate) const AMD64: Arch = Arch { debian: "amd64", rust: "x86_64" };
pub(crate) const ARM64: Arch = Arch { debian: "arm64", rust: "aarch64" };

impl Arch {
    /// Whether it is the one of the system that this runs on.
    pub(crate) fn is_native(self) -> bool {
        self.rust == std::env::consts::ARCH
    }

    /// The compiler's name for its programs.
    pub(crate) fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.rust)
    }
}

const AMD: Model = Model {
    name: "kvm-amd",
    qemu: "qemu-system-x86_64",
    package: "qemu-system-x86",
    hardware: &["-machine", "q35", "-cpu", "max,+svm"],
    console: Console::Isa,
    module: Some("kvm_amd"),
    proof: Some(("/sys/module/kvm_amd/parameters/npt", "Y")),
    arch: AMD64,
};

impl Machine {
    /// As it is typed.
    pub(crate) const fn name(self) -> &'static str {
        self.model().name
    }

    /// What it is.
    pub(crate) const fn model(self) -> Model {
        match self {
            Self::KvmAmd => AMD,
            Self::KvmAmdNoNpt => Model {
                name: "kvm-amd-no-npt",
                hardware: &["-machine", "q35", "-cpu", "max,+svm,-npt"],
                proof: Some(("/sys/module/kvm_amd/parameters/npt", "N")),
                ..AMD
            },
            Self::KvmArm64 => Model {
                name: "kvm-arm64",
                qemu: "qemu-system-aarch64",
                package: "qemu-system-arm",
                hardware: &[
                    "-machine",
                    "virt,virtualization=on,gic-version=3",
                    // The architecture's own signing of pointers is what takes most time in emulation.
                    "-cpu",
                    "max,pauth-impdef=on",
                ],
                console: Console::Virtio,
                module: None,
                proof: None,
                arch: ARM64,
            },
        }
    }
}
