// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask vm MACHINE -- ARGS`: a static binary in an emulated machine with a standard hypervisor.
//!
//! The host may lack a hypervisor, or have an unusual one: QEMU's software emulation offers AMD's
//! virtualization to a stock Linux kernel, which makes an ordinary `/dev/kvm` of it.

mod initramfs;
mod kernel;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use object::{Object, ObjectSection};

use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// The suite's binary, run unless `--binary` names another.
const SUITE: &str = "tenon-conformance";
const SUITE_PACKAGE: &str = "tenon-conformance-runner";
/// Where kernels are kept.
const KERNELS: &str = "kernel-amd64";
const SUITE_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Arguments of `vm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The machine to boot.
    machine: Machine,
    /// A static binary to run in place of the conformance suite.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Seconds from power-on after which the machine is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Arguments for the binary.
    #[arg(last = true)]
    args: Vec<String>,
}

/// A machine that can be booted.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Machine {
    /// x86-64 with AMD virtualization, emulated; Debian's cloud kernel; one CPU.
    KvmAmd,
    /// The same with a processor that has no nested paging: KVM shadows the guest's page tables.
    KvmAmdNoNpt,
}

impl Machine {
    /// As it is typed, and as the suite's rows are called in it.
    const fn name(self) -> &'static str {
        match self {
            Self::KvmAmd => "kvm-amd",
            Self::KvmAmdNoNpt => "kvm-amd-no-npt",
        }
    }

    /// Where the machine's kernel says what KVM uses, and what it has to say there: a row must not claim another machine.
    const fn proof(self) -> (&'static str, &'static str) {
        let npt = "/sys/module/kvm_amd/parameters/npt";
        match self {
            Self::KvmAmd => (npt, "Y"),
            Self::KvmAmdNoNpt => (npt, "N"),
        }
    }

    /// The processor model that is emulated.
    const fn cpu(self) -> &'static str {
        match self {
            Self::KvmAmd => "max,+svm",
            Self::KvmAmdNoNpt => "max,+svm,-npt",
        }
    }
}

/// Boots the machine; its exit code is the binary's.
pub(crate) fn run(args: &Args) -> Outcome {
    let machine = args.machine;
    if let Some(reason) = unavailable() {
        return Err(Failure::Environment(reason));
    }
    let cache = project::target().join("vm");
    fs::create_dir_all(&cache).context(cache.display())?;
    let kernel = kernel::Kernel::obtain(&cache.join(KERNELS))?;
    // The suite's rows are told apart by the machine that they ran in.
    let mut arguments = args.args.clone();
    let binary = match &args.binary {
        Some(path) => path.clone(),
        None => {
            arguments.extend(["--kvm-is".to_owned(), machine.name().to_owned()]);
            build_suite(&cache.join("build"))?
        }
    };
    let program = static_elf(&binary)?;
    let busybox = machine::busybox().ok_or_else(|| Failure::environment("busybox-static vanished"))?;
    let image = initramfs::pack(&initramfs::Parts {
        busybox: fs::read(&busybox).context(busybox.display())?,
        modules: kernel.modules("kvm_amd")?,
        proof: Some(machine.proof()),
        program,
        args: &arguments,
    });
    let initrd = cache.join(format!("{}.cpio", machine.name()));
    fs::write(&initrd, image).context(initrd.display())?;
    let code = machine::boot(&machine::Setup {
        kernel: &kernel.image,
        initrd: &initrd,
        log: &cache.join(format!("{}.log", machine.name())),
        cpu: machine.cpu(),
        timeout: Duration::from_secs(args.timeout),
    })?;
    Ok(ExitCode::from(code))
}

/// One line that says what this machine lacks for `vm`, and how to get it.
pub(crate) fn unavailable() -> Option<String> {
    let mut packages = Vec::new();
    if project::find_program(machine::QEMU).is_none() {
        packages.push("qemu-system-x86");
    }
    if machine::busybox().is_none() {
        packages.push("busybox-static");
    }
    if project::find_program("xz").is_none() {
        packages.push("xz-utils");
    }
    if !packages.is_empty() {
        return Some(format!(
            "`vm` needs packages that are missing here: apt-get install --no-install-recommends {}",
            packages.join(" ")
        ));
    }
    (!kernel::obtainable(&project::target().join("vm").join(KERNELS)))
        .then(|| "`vm` takes its kernel from a Debian package: apt-get and dpkg are missing here".to_owned())
}

/// Builds the suite as a static binary, with a target folder of its own: its flags differ from everybody else's.
fn build_suite(dir: &Path) -> Result<PathBuf, Failure> {
    let status = project::cargo()
        .args(["build", "--quiet", "--release", "--package", SUITE_PACKAGE, "--bin", SUITE])
        .args(["--target", SUITE_TARGET, "--target-dir"])
        .arg(dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        return Err(Failure::Verdict(vec![format!("{SUITE_PACKAGE} does not build as a static binary")]));
    }
    Ok(dir.join(SUITE_TARGET).join("release").join(SUITE))
}

/// Reads a binary and makes sure that it starts without a dynamic linker, which the machine does not have.
fn static_elf(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(path).context(path.display())?;
    if needs_interpreter(&bytes).context(path.display())? {
        return Err(Failure::Environment(format!(
            "{}: needs a dynamic linker; build it with RUSTFLAGS='-C target-feature=+crt-static'",
            path.display()
        )));
    }
    Ok(bytes)
}

fn needs_interpreter(elf: &[u8]) -> object::Result<bool> {
    let file = object::File::parse(elf)?;
    Ok(file.sections().any(|section| section.name() == Ok(".interp")))
}
