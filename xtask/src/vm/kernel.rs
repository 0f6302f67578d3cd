// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian's cloud kernel and its modules, out of the package, without installing it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSection};

use crate::failure::{Context, Failure};
use crate::project::find_program;

/// Packages with a kernel are called so, with the version between.
const PREFIX: &str = "linux-image-";
const SUFFIX: &str = "-cloud-amd64";

/// An unpacked kernel package.
pub(crate) struct Kernel {
    /// The bootable image.
    pub(crate) image: PathBuf,
    /// Module files by name, with `_` for `-` as the kernel has it.
    modules: BTreeMap<String, PathBuf>,
}

/// Whether a kernel is cached in `dir` or the tools to get one are there.
pub(crate) fn obtainable(dir: &Path) -> bool {
    cached(dir).is_some() || (find_program("apt-get").is_some() && find_program("dpkg").is_some())
}

impl Kernel {
    /// Opens the kernel cached in `dir`, downloading it first if there is none.
    pub(crate) fn obtain(dir: &Path) -> Result<Self, Failure> {
        let tree = match cached(dir) {
            Some(tree) => tree,
            None => download(dir)?,
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

/// The newest unpacked package in `dir`.
fn cached(dir: &Path) -> Option<PathBuf> {
    let trees = files(dir).ok()?;
    trees.into_iter().filter_map(|path| Some((version(file_name(&path))?, path))).max().map(|(_, path)| path)
}

fn download(dir: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(dir).context(dir.display())?;
    let package = current_package()?;
    eprintln!("vm: downloading {package}");
    let scratch = tempfile::tempdir_in(dir).context(dir.display())?;
    quiet(Command::new("apt-get").args(["download", &package]).current_dir(scratch.path()))?;
    let archive = files(scratch.path())?
        .into_iter()
        .find(|path| file_name(path).ends_with(".deb"))
        .ok_or_else(|| Failure::Environment(format!("apt-get download {package} left no package")))?;
    let unpacked = scratch.path().join("tree");
    quiet(Command::new("dpkg").arg("-x").arg(&archive).arg(&unpacked))?;
    // Renamed last, so that an interrupted download is never taken for a kernel.
    let tree = dir.join(&package);
    fs::rename(&unpacked, &tree).context(tree.display())?;
    Ok(tree)
}

/// The newest kernel's package that apt knows: a stable release also has later kernels than the one that it installs.
fn current_package() -> Result<String, Failure> {
    let output = Command::new("apt-cache")
        .args(["pkgnames", PREFIX])
        .stdin(Stdio::null())
        .output()
        .context("cannot start apt-cache")?;
    let names = String::from_utf8_lossy(&output.stdout);
    newest(names.lines()).map(str::to_owned).ok_or_else(|| {
        Failure::Environment(format!(
            "apt knows no package {PREFIX}*{SUFFIX}: apt-get update, on Debian for amd64"
        ))
    })
}

fn newest<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names.filter_map(|name| Some((version(name)?, name))).max().map(|(_, name)| name)
}

/// The numbers in a kernel package's version; `None` for a package that is another or always stands for the current one.
fn version(package: &str) -> Option<Vec<u32>> {
    let version = package.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let numbers = version.split(|sign: char| !sign.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let numbers: Vec<u32> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() > 1).then_some(numbers)
}

/// Runs a tool whose output matters only if it fails.
fn quiet(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().context(format_args!("cannot start {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(Failure::Environment(format!("{program}: {last}")))
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

fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir).context(dir.display())?;
    entries.map(|entry| entry.map(|entry| entry.path()).context(dir.display())).collect()
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(newest(names.into_iter()), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(newest(["linux-image-cloud-amd64"].into_iter()), None);
    }

    #[test]
    fn dependencies_have_the_kernels_spelling() {
        assert_eq!(dependencies(b"license=GPL\0depends=kvm,cc-p\0name=kvm_amd\0"), ["kvm", "cc_p"]);
        assert!(dependencies(b"depends=\0").is_empty());
    }
}
