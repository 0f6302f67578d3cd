// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask vm MACHINE -- ARGS`: a program in an emulated machine with a standard hypervisor.
//!
//! The host may lack a hypervisor, or have an unusual one: QEMU's software emulation offers a stock Linux
//! kernel the virtualization of AMD's processors or of Arm's, which makes an ordinary `/dev/kvm` of it.

pub(crate) mod debian;
mod initramfs;
mod kernel;
mod machine;
mod model;
mod program;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use debian::Debian;
pub(crate) use model::Machine;
use model::{AMD64, ARM64, Arch, Model};

use crate::failure::{Context, Failure};
use crate::{Outcome, project};

/// Arguments of `vm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The machine to boot.
    machine: Machine,
    /// A program to run in place of the conformance suite; one for another processor has to be static.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// An image for the suite to boot, in place of its own; beside another binary it is the file /image.
    #[arg(long, value_name = "PATH")]
    image: Option<PathBuf>,
    /// Seconds from power-on after which the machine is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// Arguments for the program.
    #[arg(last = true)]
    args: Vec<String>,
}

/// Boots the machine; its exit code is the binary's.
pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(reason) = unavailable(args.machine) {
        return Err(Failure::Environment(reason));
    }
    let model = args.machine.model();
    let cache = project::target().join("vm");
    let debian = packages(model.arch);
    let kernel = kernel::Kernel::obtain(&debian, model.arch)?;
    let mut arguments = args.args.clone();
    let mut image = args.image.as_ref().map(|path| fs::read(path).context(path.display())).transpose()?;
    let binary = match &args.binary {
        Some(path) => path.clone(),
        None => {
            // The suite's rows are told apart by the machine that they ran in.
            arguments.extend(["--kvm-is".to_owned(), model.name.to_owned()]);
            if image.is_none() && !model.arch.is_native() {
                image = Some(program::image(model.arch, &cache)?);
            }
            if image.is_some() {
                arguments.extend(["--image".to_owned(), initramfs::IMAGE.to_owned()]);
            }
            if model.arch.is_native() {
                program::native_suite()?
            } else {
                let folder = cache.join(format!("build-{}", model.arch.debian));
                program::foreign_suite(model.arch, &debian, &folder)?
            }
        }
    };
    let packed = initramfs::pack(&initramfs::Parts {
        busybox: fs::read(busybox(&model, &debian)?).context("busybox")?,
        modules: model.module.map_or_else(|| Ok(Vec::new()), |name| kernel.modules(name))?,
        console: model.console,
        proof: model.proof,
        program: fs::read(&binary).context(binary.display())?,
        libraries: program::libraries(&binary, model.arch)?,
        image,
        args: &arguments,
    });
    let initrd = cache.join(format!("{}.cpio", model.name));
    fs::write(&initrd, packed).context(initrd.display())?;
    let code = machine::boot(&machine::Setup {
        model: &model,
        kernel: &kernel.image,
        initrd: &initrd,
        log: &cache.join(format!("{}.log", model.name)),
        timeout: Duration::from_secs(args.timeout),
    })?;
    Ok(ExitCode::from(code))
}

fn packages(arch: Arch) -> Debian {
    Debian::new(arch, project::target().join("vm").join(arch.debian))
}

/// Packages of the system that this runs on.
pub(crate) fn native_packages() -> Debian {
    packages(if AMD64.is_native() { AMD64 } else { ARM64 })
}

/// The shell that the machine boots with.
fn busybox(model: &Model, debian: &Debian) -> Result<PathBuf, Failure> {
    if model.arch.is_native() {
        return machine::busybox().ok_or_else(|| Failure::environment("busybox-static vanished"));
    }
    Ok(debian.package("busybox-static", None)?.join("bin/busybox"))
}

/// One line that says what this machine lacks for that one, and how to get it.
pub(crate) fn unavailable(machine: Machine) -> Option<String> {
    let model = machine.model();
    let mut lacks = program::missing(model.arch);
    if project::find_program(model.qemu).is_none() {
        lacks.push(model.package.to_owned());
    }
    if model.arch.is_native() && machine::busybox().is_none() {
        lacks.push("busybox-static".to_owned());
    }
    if project::find_program("xz").is_none() {
        lacks.push("xz-utils".to_owned());
    }
    if !lacks.is_empty() {
        return Some(format!(
            "`vm {}` needs packages that are missing here: apt-get install --no-install-recommends {}",
            model.name,
            lacks.join(" ")
        ));
    }
    let obtainable = debian::is_here() || kernel::is_cached(&packages(model.arch), model.arch);
    (!obtainable).then(|| {
        format!(
            "`vm {}` takes its kernel from a Debian package: apt-get and dpkg are missing here",
            model.name
        )
    })
}
