// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with the environment, the image, or a vCPU.

use std::io;
use std::string::String;

/// Why a machine could not be made or run: one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `/dev/kvm`.
    #[error("no /dev/kvm on this system: load the kvm module, or choose a host that needs none")]
    NoDevice,
    /// `/dev/kvm` may not be opened by this user.
    #[error("no permission to open /dev/kvm: join the group that owns it, or run as its owner")]
    NoPermission,
    /// The kernel's KVM lacks something.
    #[error("this KVM does not offer {0}, which the machine needs: use a newer kernel, or another host")]
    Missing(&'static str),
    /// The image is not what this machine boots.
    #[error("the guest image cannot be booted ({0}): pass {image}", image = super::arch::IMAGE)]
    BadImage(tenon_boot::Error),
    /// The machine's description contradicts itself.
    #[error("the machine cannot be built as described: {0}")]
    BadConfig(&'static str),
    /// The system refused a request.
    #[error("{what} failed: {why}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system answered.
        why: io::Error,
    },
    /// The domain cannot be offered as described.
    #[error("the domain cannot be made: {0}")]
    Domain(crate::Error),
    /// A vCPU's thread did not stop in time after the run had ended. It is left behind, and leaves as soon as
    /// it comes back from where it is.
    #[error("vCPU {0} did not stop: its thread was left behind")]
    Stuck(u32),
}

impl From<tenon_boot::Error> for Error {
    fn from(why: tenon_boot::Error) -> Self {
        match why {
            tenon_boot::Error::BadLayout(what) => Self::BadConfig(what),
            tenon_boot::Error::BadCommandLine { .. } | tenon_boot::Error::LongTree => {
                Self::BadConfig("the boot command line is too long, or holds a zero byte")
            }
            why => Self::BadImage(why),
        }
    }
}

impl Error {
    /// A closure that makes [`Error::System`] of what KVM answered.
    pub(crate) fn kvm(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Self {
        move |why| Self::System { what, why: why.into() }
    }

    /// The same for other requests to the system.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |why| Self::System { what, why }
    }
}

/// Why a vCPU could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpuError {
    /// A triple fault, or what this KVM reports as one.
    #[error("the vCPU shut down (triple fault) at {rip:#x}")]
    Shutdown {
        /// Its instruction pointer.
        rip: u64,
    },
    /// KVM met what it cannot emulate.
    #[error("KVM cannot go on at {rip:#x} (internal error, suberror {suberror})")]
    Internal {
        /// KVM's own number for it; 1 is an instruction that it cannot emulate.
        suberror: u32,
        /// The vCPU's instruction pointer.
        rip: u64,
    },
    /// The processor refused the vCPU's state.
    #[error("the processor refused to run the vCPU at {rip:#x} (reason {reason:#x})")]
    FailEntry {
        /// The processor's own number for it.
        reason: u64,
        /// The vCPU's instruction pointer.
        rip: u64,
    },
    /// An exit that this machine has no use for.
    #[error("an exit that this machine does not know, at {rip:#x}: {what}")]
    Unknown {
        /// The exit's name.
        what: String,
        /// The vCPU's instruction pointer.
        rip: u64,
    },
    /// Code of the embedder's has panicked on one of the machine's threads.
    #[error("{who} panicked: {message}")]
    Panicked {
        /// Which thread, or what it called.
        who: &'static str,
        /// What the panic said.
        message: String,
    },
    /// The core asked for something that this attachment does not know.
    #[error("the core asked for what this attachment does not know: {0}")]
    UnknownAction(String),
    /// The core asked to start a vCPU that runs.
    #[error("the core asked to start a vCPU that runs")]
    Busy,
    /// Running the vCPU, or setting its registers, failed.
    #[error("running the vCPU failed: {0}")]
    Run(String),
}
