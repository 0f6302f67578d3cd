// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian's cloud kernel and its modules, out of the package, without installing it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSection};

use super::debian::{Debian, file_name, files};
use super::model::Arch;
use crate::failure::{Context, Failure};

/// Packages with a kernel are called so, with the version and the architecture behind.
const PREFIX: &str = "linux-image-";

/// An unpacked kernel package.
pub(crate) struct Kernel {
    /// The bootable image.
    pub(crate) image: PathBuf,
    /// Module files by name, with `_` for `-` as the kernel has it.
    modules: BTreeMap<String, PathBuf>,
}

/// Whether a kernel was unpacked before.
pub(crate) fn is_cached(debian: &Debian, arch: Arch) -> bool {
    cached(debian, arch).is_some()
}

impl Kernel {
    /// Opens the newest kernel that was unpacked before, downloading one first if there is none.
    pub(crate) fn obtain(debian: &Debian, arch: Arch) -> Result<Self, Failure> {
        let tree = match cached(debian, arch) {
            Some(tree) => tree,
            None => {
                let names = debian.names(PREFIX)?;
                // A stable release also has later kernels than the one that it installs.
                let name = newest(names.iter().map(String::as_str), arch).ok_or_else(|| {
                    Failure::Environment(format!(
                        "apt knows no package {PREFIX}*{}: apt-get update, on Debian",
                        suffix(arch)
                    ))
                })?;
                debian.package(name, None)?
            }
        };
        Self::open(&tree)
    }

    fn open(tree: &Path) -> Result<Self, Failure> {
        let boot = tree.join("boot");
        let image = files(&boot)?
            .into_iter()
            .find(|path| file_name(path).starts_with("vmlinuz-"))
            .ok_or_else(|| Failure::Environment(format!("{}: holds no kernel; delete it", boot.display())))?;
        let mut modules = BTreeMap::new();
        // Merged-usr releases ship modules in usr/lib, older ones in lib.
        for library in ["lib/modules", "usr/lib/modules"] {
            let library = tree.join(library);
            if library.is_dir() {
                collect_modules(&library, &mut modules)?;
            }
        }
        Ok(Self { image, modules })
    }

    /// The named module after everything that it depends on, in an order in which they can be inserted.
    pub(crate) fn modules(&self, name: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let mut ordered = Vec::new();
        self.add_module(name, &mut ordered)?;
        Ok(ordered)
    }

    fn add_module(&self, name: &str, ordered: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        if ordered.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        let path = self
            .modules
            .get(name)
            .ok_or_else(|| Failure::Environment(format!("{}: has no module {name}", self.image.display())))?;
        let code = read_module(path)?;
        for dependency in depends(&code).context(path.display())? {
            self.add_module(&dependency, ordered)?;
        }
        ordered.push((name.to_owned(), code));
        Ok(())
    }
}

/// The newest unpacked package.
fn cached(debian: &Debian, arch: Arch) -> Option<PathBuf> {
    let trees = debian.cached(|name| version(name, arch).is_some());
    trees.into_iter().max_by_key(|tree| version(file_name(tree), arch))
}

fn suffix(arch: Arch) -> String {
    format!("-cloud-{}", arch.debian)
}

fn newest<'n>(names: impl Iterator<Item = &'n str>, arch: Arch) -> Option<&'n str> {
    names.filter_map(|name| Some((version(name, arch)?, name))).max().map(|(_, name)| name)
}

/// The numbers in a kernel package's version; `None` for a package that is another or always stands for the
/// current one.
fn version(package: &str, arch: Arch) -> Option<Vec<u32>> {
    let version = package.strip_prefix(PREFIX)?.strip_suffix(&*suffix(arch))?;
    let numbers = version.split(|sign: char| !sign.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let numbers: Vec<u32> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() > 1).then_some(numbers)
}

fn collect_modules(dir: &Path, modules: &mut BTreeMap<String, PathBuf>) -> Result<(), Failure> {
    for path in files(dir)? {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect_modules(&path, modules)?;
        } else if let Some((stem, "ko" | "ko.xz")) = file_name(&path).split_once('.') {
            modules.insert(stem.replace('-', "_"), path);
        }
    }
    Ok(())
}

fn read_module(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(path).context(path.display());
    }
    let mut child = Command::new("xz")
        .arg("-dc")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start xz (package xz-utils)")?;
    let mut code = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_end(&mut code).context(path.display())?;
    }
    match child.wait().context("xz")?.success() {
        true => Ok(code),
        false => Err(Failure::Environment(format!("xz cannot unpack {}", path.display()))),
    }
}

/// The modules that a module names in its `depends=` entry.
fn depends(module: &[u8]) -> object::Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let Some(section) = file.section_by_name(".modinfo") else { return Ok(Vec::new()) };
    Ok(dependencies(section.data()?))
}

fn dependencies(modinfo: &[u8]) -> Vec<String> {
    let entries = modinfo.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    let lists = entries.filter_map(|entry| entry.strip_prefix("depends="));
    lists
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCH: Arch = Arch { debian: "amd64", rust: "x86_64" };

    #[test]
    fn the_newest_kernel_is_taken() {
        let names = [
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-cloud-amd64",
            "linux-image-6.12.9+deb12-cloud-amd64",
            "linux-image-6.12.117+deb12-cloud-amd64",
            "linux-image-6.12.117+deb12-cloud-amd64-unsigned",
            "linux-image-7.0.1-amd64",
        ];
        assert_eq!(newest(names.into_iter(), ARCH), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(newest(["linux-image-cloud-amd64"].into_iter(), ARCH), None);
    }

    #[test]
    fn dependencies_have_the_kernels_spelling() {
        assert_eq!(dependencies(b"license=GPL\0depends=kvm,cc-p\0name=kvm_amd\0"), ["kvm", "cc_p"]);
        assert!(dependencies(b"depends=\0").is_empty());
    }
}
