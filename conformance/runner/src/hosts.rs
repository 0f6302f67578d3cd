// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts that a guest can be booted on.
//!
//! | module | rows |
//! | --- | --- |
//! | [`loopback`] | `loopback`, `loopback-async`: a child process of the same executable |
//! | [`kvm`] | `kvm`, `kvm-native`, `kvm-mmio`, `kvm-vmcall`, on Arm `kvm-hvc`, `kvm-large` |
//! | [`c_host`] | `c-host`, `c-host-native`: a C program that is compiled here |
//! | [`qemu`] | `qemu-…`: an unmodified QEMU, the host a process behind its ivshmem device |
//! | [`command`] | any other hypervisor, by its command line |

pub mod c_host;
pub mod command;
pub(crate) mod folder;
pub mod kvm;
pub mod loopback;
mod process;
pub mod qemu;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tenon_conformance::case::Ends;

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By EXIT with this code.
    Exit(u32),
    /// By RESTART.
    Restart,
    /// It never ran: why, in one line.
    NotBooted(String),
    /// By itself, and its host does not say how; what is known of it instead, in a few words.
    Untold(String),
    /// Otherwise, told in a few words that follow "the machine".
    Other(String),
}

impl End {
    /// Whether that is the end that a case announced.
    #[must_use]
    pub fn is(&self, ends: Ends) -> bool {
        match (self, ends) {
            (Self::Exit(code), Ends::Exit(expected) | Ends::ExitAfterCrash(expected, _)) => *code == expected,
            (Self::Restart, Ends::Restart) => true,
            _ => false,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "the machine ended by EXIT with code {code}"),
            Self::Restart => f.write_str("the machine ended by RESTART"),
            Self::NotBooted(why) => write!(f, "the machine did not boot: {why}"),
            Self::Untold(how) => write!(f, "the machine ended, nobody said how ({how})"),
            Self::Other(how) => write!(f, "the machine {how}"),
        }
    }
}

/// A crash record as a host has kept it (LIFE-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Its code.
    pub code: u64,
    /// Its text.
    pub text: Vec<u8>,
}

/// What a running machine does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It sent these bytes to its serial port.
    Bytes(Vec<u8>),
    /// It is about to end, and this is the crash record that its host holds, if there is one. Not every host
    /// can tell.
    Crash(Option<Crash>),
    /// It ended; nothing comes after that.
    Ended(End),
}

/// A host: boots machines, one at a time.
pub trait Host: Send {
    /// Boots a machine with this command line.
    ///
    /// # Errors
    ///
    /// Why there is no machine, in one line.
    fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String>;

    /// Whether its image has this case. An image that was built earlier lacks those that came since.
    fn has(&self, case: &str) -> bool {
        let _ = case;
        true
    }

    /// Why a failure of this case says nothing about this host, if it does not: the case is that of an image
    /// that was built earlier, and the text has changed since.
    fn excuse(&self, case: &str) -> Option<&'static str> {
        let _ = case;
        None
    }
}

/// A running machine. Dropping it stops it: no process and no thread of it is left.
pub trait Machine {
    /// Waits for what it does next, at most for `patience`; `None` when that is nothing.
    fn next(&mut self, patience: Duration) -> Option<Event>;
}

/// The KVM host whose conduit is the processor's hypercall.
const HYPERCALL: &str = if cfg!(target_arch = "x86_64") { "kvm-vmcall" } else { "kvm-hvc" };

/// What a run without `--host` plays: the hosts that need nothing but Rust, in the order of the report.
pub const OURS: &[&str] =
    &["loopback", "loopback-async", "loopback-minor1", "loopback-closed", "kvm", "kvm-native", "kvm-closed"];
/// Names of all hosts, in the order of the report: those that need other tools, or more than every KVM has,
/// come last, and with `--all`.
pub const NAMES: &[&str] = &[
    "loopback",
    "loopback-async",
    "loopback-minor1",
    "loopback-closed",
    "kvm",
    "kvm-native",
    "kvm-closed",
    "kvm-mmio",
    HYPERCALL,
    "kvm-large",
    "kvm-minor1",
    "kvm-old-image",
    "c-host",
    "c-host-native",
    "qemu-x86_64",
    "qemu-microvm",
    "qemu-aarch64",
    "qemu-riscv64",
];

/// A bootable image.
pub type Image = Arc<[u8]>;

/// A host by its name. Where it boots images, it boots `image`, and without one the suite's own.
///
/// # Errors
///
/// Why it is not available here, in one line.
pub fn by_name(name: &str, image: Option<&Image>) -> Result<Box<dyn Host>, String> {
    match name {
        "loopback" | "loopback-async" | "loopback-minor1" | "loopback-closed" => {
            Ok(Box::new(loopback::Loopback::new(name, None)?))
        }
        _ if let Some(kind) = kvm::kind(name) => kvm::host(kind, image),
        "kvm-minor1" => kvm::host(kvm::Kind { age: kvm::Age::OldHost, ..Default::default() }, image),
        "kvm-old-image" => kvm::host(kvm::Kind { age: kvm::Age::OldImage, ..Default::default() }, image),
        "c-host" => c_host::host(kvm::Level::Kernel, image),
        "c-host-native" => c_host::host(kvm::Level::User, image),
        _ if let Some(kind) = qemu::kind(name) => qemu::host(kind, image),
        _ => {
            let names: Vec<_> = NAMES.iter().copied().chain(crate::emulated::names()).collect();
            Err(format!("there is no host `{name}`; there are {}", names.join(", ")))
        }
    }
}

/// Whether the host of this name boots images.
#[must_use]
pub fn boots_images(name: &str) -> bool {
    !name.starts_with("loopback")
}

/// The host that is `host` with another conduit than its own.
///
/// # Errors
///
/// Why they do not go together, in one line.
pub fn with_conduit(host: &str, conduit: &str) -> Result<String, String> {
    match (host, conduit) {
        ("kvm" | "kvm-native", "port-io") if cfg!(target_arch = "x86_64") => Ok(host.to_owned()),
        ("kvm", "mmio") => Ok(format!("{host}-mmio")),
        ("kvm", _) if HYPERCALL.strip_prefix("kvm-") == Some(conduit) => Ok(HYPERCALL.to_owned()),
        ("kvm-native", "mmio" | "vmcall") => Err(format!(
            "{host} runs its kernel in user mode, which {conduit} is closed to: it goes with port-io"
        )),
        ("kvm" | "kvm-native", _) => Err(format!(
            "there is no conduit `{conduit}` here; there are port-io, mmio, vmcall, and on Arm hvc"
        )),
        _ => Err(format!("{host} has one conduit: `--conduit` goes with kvm")),
    }
}

/// The seed in a command line, as sessions and random cases take it.
#[must_use]
pub fn seed(command_line: &str) -> u64 {
    let word = command_line.split_whitespace().find_map(|word| word.strip_prefix("seed="));
    word.and_then(|seed| u64::from_str_radix(seed, 16).ok()).unwrap_or(1)
}
