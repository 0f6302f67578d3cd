// SPDX-License-Identifier: MIT OR Apache-2.0
//! How images are compiled: targets, flags, and a cargo that is not the one which runs us. The build script
//! uses it too.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::nested;

/// An architecture that images exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// Boots by PVH.
    X86_64,
    /// ELF, or a flat copy that is an Image; EL1.
    Aarch64,
    /// ELF, or a flat copy that is an Image; S-mode under SBI.
    Riscv64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Riscv64];

    /// Its name, as in reports and on command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// By its name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.name() == name)
    }

    /// The compiler's name for it without an operating system.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-none",
            Self::Aarch64 => "aarch64-unknown-none",
            Self::Riscv64 => "riscv64gc-unknown-none-elf",
        }
    }
}

/// Where x86-64 images are built if rustup lacks [`Arch::target`]: with the same result but for the linker's
/// command line.
pub const HOSTED_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where a distribution's compiler lies, beside rustup's.
const SYSTEM: &str = "/usr/bin";

/// A cargo that can build for one target.
pub struct Toolchain {
    cargo: Command,
    target: &'static str,
    flags: Vec<String>,
}

impl Toolchain {
    /// The cargo and compiler that run us, or rustup's if nothing does.
    #[must_use]
    pub fn own(target: &'static str) -> Self {
        Self { cargo: nested::command(named("CARGO", "cargo")), target, flags: Vec::new() }
    }

    /// One that can build for this architecture: rustup's where it has the target, else the distribution's,
    /// with the library's sources.
    ///
    /// # Errors
    ///
    /// What is missing, with what would bring it, in one line.
    pub fn bare(arch: Arch) -> Result<Self, String> {
        let target = arch.target();
        if has_target(target) {
            return Ok(Self::own(target));
        }
        let missing = |what: &str| {
            Err(format!(
                "no {what} for {target}: rustup target add {target}, \
                 or on Debian apt-get install rustc-web cargo-web rust-web-src"
            ))
        };
        let (cargo, rustc) = (Path::new(SYSTEM).join("cargo"), Path::new(SYSTEM).join("rustc"));
        let Some(root) = say(&rustc, &["--print", "sysroot"]).filter(|_| cargo.is_file()) else {
            return missing("compiler");
        };
        if !Path::new(root.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file() {
            return missing("library");
        }
        let Some(linker) = linker() else { return missing("linker") };
        let mut command = nested::command(cargo);
        // A compiler that is no nightly builds its own library only when told that it may.
        command.env_remove("RUSTUP_TOOLCHAIN").env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        command.args(["-Zbuild-std=core,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"]);
        Ok(Self { cargo: command, target, flags: vec![format!("-Clinker={}", linker.display())] })
    }

    /// The command that builds these packages of the images' workspace, which is the folder `guests`, and
    /// where it leaves them.
    #[must_use]
    pub fn build(mut self, arch: Arch, guests: &Path, packages: &[&str], out: &Path) -> (Command, PathBuf) {
        self.flags.extend(flags(arch, self.target));
        self.cargo.current_dir(guests).args(["build", "--quiet", "--locked", "--bins"]);
        self.cargo.args(["--config", PROFILE, "--release", "--target", self.target]);
        nested::apart(&mut self.cargo, out, &self.flags);
        for package in packages {
            self.cargo.args(["--package", &format!("tenon-guest-{package}")]);
        }
        (self.cargo, out.join(self.target).join("release"))
    }
}

/// How images are optimised and linked: a file of the folder `guests`, because the profile of a manifest
/// yields to the user's configuration.
const PROFILE: &str = "profile.toml";

/// Where the linker scripts are, seen from the folder `guests`, in which the compiler runs. A path that
/// begins elsewhere could have a comma, at which compilers split what they hand to the linker.
const SCRIPTS: &str = "rt/link";

/// Flags of the compiler for images.
fn flags(arch: Arch, target: &str) -> Vec<String> {
    let mut flags: Vec<String> =
        ["-Crelocation-model=static", "-Cforce-unwind-tables=no"].map(String::from).into();
    let link = ["--build-id=none", "-n", "--gc-sections", "-znoexecstack", "-znorelro"];
    if arch == Arch::X86_64 {
        flags.push("-Cno-redzone=yes".into());
    }
    if target == HOSTED_TARGET {
        // Only with fat LTO do these two leave the prebuilt core without SSE as well.
        flags.push("-Ctarget-feature=-sse,-sse2".into());
        flags.extend(
            ["-nostartfiles", "-nostdlib", "-static", "-no-pie"].map(|flag| format!("-Clink-arg={flag}")),
        );
        flags.extend(link.map(|flag| format!("-Clink-arg=-Wl,{flag}")));
    } else {
        flags.extend(link.map(|flag| format!("-Clink-arg={flag}")));
        // The scripts include one another.
        flags.push(format!("-Clink-arg=-L{SCRIPTS}"));
    }
    flags.push(format!("-Clink-arg=-T{SCRIPTS}/{}.ld", arch.name()));
    flags
}

/// Whether the compiler that runs us, or rustup's, has this target's library.
#[must_use]
pub fn has_target(target: &str) -> bool {
    let libraries = say(named("RUSTC", "rustc"), &["--print", "target-libdir", "--target", target]);
    libraries.is_some_and(|libraries| Path::new(libraries.trim()).is_dir())
}

/// LLVM's linker: that of rustup's toolchain, else one by its name.
fn linker() -> Option<PathBuf> {
    let rustc = named("RUSTC", "rustc");
    let host = say(&rustc, &["-vV"])?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "))?;
    let bundled = say(&rustc, &["--print", "sysroot"])
        .map(|root| Path::new(root.trim()).join("lib/rustlib").join(host).join("bin/rust-lld"));
    let path = env::var_os("PATH").unwrap_or_default();
    let found =
        env::split_paths(&path).flat_map(|folder| ["rust-lld", "ld.lld"].map(|name| folder.join(name)));
    bundled.into_iter().chain(found).find(|file| file.is_file())
}

fn named(variable: &str, otherwise: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| otherwise.into())
}

/// What a program prints, if it can be run and succeeds.
fn say(program: impl Into<OsString>, args: &[&str]) -> Option<String> {
    let output =
        nested::command(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
