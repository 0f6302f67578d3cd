// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian packages, unpacked without installing them: also those of another architecture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::model::Arch;
use crate::failure::{Context, Failure};
use crate::project::find_program;

/// Where packages of one architecture come from and go to.
pub(crate) struct Debian {
    arch: Arch,
    /// Unpacked packages, each in a folder of its name; with those of another architecture, apt's lists of
    /// them.
    dir: PathBuf,
}

/// Whether the tools are there.
pub(crate) fn is_here() -> bool {
    find_program("apt-get").is_some() && find_program("dpkg").is_some()
}

impl Debian {
    pub(crate) fn new(arch: Arch, dir: PathBuf) -> Self {
        Self { arch, dir }
    }

    /// The folders of unpacked packages whose names `pick` likes.
    pub(crate) fn cached(&self, pick: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let trees = files(&self.dir).unwrap_or_default();
        trees.into_iter().filter(|tree| pick(file_name(tree))).collect()
    }

    /// The unpacked package `name`, downloaded first if it is not there yet. `version` holds the download to
    /// one version.
    pub(crate) fn package(&self, name: &str, version: Option<&str>) -> Result<PathBuf, Failure> {
        let wanted = match version {
            // What a folder cannot be called, a version does not hold.
            Some(version) => format!("{name}={version}"),
            None => name.to_owned(),
        };
        self.tree(&wanted, std::slice::from_ref(&wanted))
    }

    /// The folder `name` with these packages unpacked into it, downloaded first if it is not there yet.
    pub(crate) fn tree(&self, name: &str, packages: &[String]) -> Result<PathBuf, Failure> {
        let tree = self.dir.join(name);
        if tree.is_dir() {
            return Ok(tree);
        }
        eprintln!("downloading {} for {}", packages.join(" "), self.arch.debian);
        self.know()?;
        let scratch = tempfile::tempdir_in(&self.dir).context(self.dir.display())?;
        quiet(self.apt("apt-get").arg("download").args(packages).current_dir(scratch.path()))?;
        let unpacked = scratch.path().join("tree");
        let archives = files(scratch.path())?;
        let archives: Vec<_> = archives.iter().filter(|path| file_name(path).ends_with(".deb")).collect();
        if archives.len() != packages.len() {
            return Err(Failure::Environment(format!(
                "apt-get download did not leave {}",
                packages.join(" ")
            )));
        }
        for archive in archives {
            quiet(Command::new("dpkg").arg("-x").arg(archive).arg(&unpacked))?;
        }
        // Renamed last, so that an interrupted download is never taken for a package.
        fs::rename(&unpacked, &tree).context(tree.display())?;
        Ok(tree)
    }

    /// What a package depends on, by names.
    pub(crate) fn depends(&self, package: &str) -> Result<Vec<String>, Failure> {
        self.know()?;
        let output = self.apt("apt-cache").args(["depends", package]).stdin(Stdio::null()).output();
        let output = output.context("cannot start apt-cache")?;
        let names = |line: &str| Some(line.trim().strip_prefix("Depends: ")?.to_owned());
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(names).collect())
    }

    /// Names of packages that begin with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        self.know()?;
        let output = self
            .apt("apt-cache")
            .args(["pkgnames", prefix])
            .stdin(Stdio::null())
            .output()
            .context("cannot start apt-cache")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// Lists of another architecture's packages are not the system's: they are fetched once.
    fn know(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.dir).context(self.dir.display())?;
        let known = self.apt_dir().join("known");
        if self.arch.is_native() || known.is_file() {
            return Ok(());
        }
        for dir in ["lists/partial", "cache/archives/partial"] {
            let dir = self.apt_dir().join(dir);
            fs::create_dir_all(&dir).context(dir.display())?;
        }
        // Nothing of that architecture is installed.
        fs::write(self.apt_dir().join("status"), "").context("apt's status")?;
        quiet(self.apt("apt-get").args(["update", "-qq"]))?;
        fs::write(&known, "").context(known.display())
    }

    fn apt_dir(&self) -> PathBuf {
        self.dir.join("apt")
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if !self.arch.is_native() {
            let (dir, arch) = (self.apt_dir(), self.arch.debian);
            for option in [
                format!("APT::Architecture={arch}"),
                format!("APT::Architectures={arch}"),
                format!("Dir::State::lists={}", dir.join("lists").display()),
                format!("Dir::State::status={}", dir.join("status").display()),
                format!("Dir::Cache={}", dir.join("cache").display()),
            ] {
                command.args(["-o", &option]);
            }
        }
        command
    }
}

/// Runs a tool whose output matters only if it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().context(format_args!("cannot start {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(Failure::Environment(format!("{program}: {last}")))
}

pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir).context(dir.display())?;
    entries.map(|entry| entry.map(|entry| entry.path()).context(dir.display())).collect()
}

pub(crate) fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
