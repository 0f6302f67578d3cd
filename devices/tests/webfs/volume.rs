// SPDX-License-Identifier: MIT OR Apache-2.0
//! A disk image with a FAT volume, made by the usual tools.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const IMAGE: u64 = 96 << 20;
/// A long name, and one that is no ASCII.
pub(crate) const LONG: &str = "a folder/a long name, and more of it.txt";
pub(crate) const FOREIGN: &str = "a folder/Gr\u{fc}\u{df}e.txt";
pub(crate) const BIG: &str = "big file.bin";
/// Files that are fetched at once.
pub(crate) const MANY: usize = 16;

pub(crate) struct Volume {
    folder: TempDir,
    pub(crate) big: Vec<u8>,
    pub(crate) many: Vec<Vec<u8>>,
}

impl Volume {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let big = noise(16 << 20, 1);
        let many: Vec<_> = (0..MANY).map(|number| noise((1 << 20) + number, 2 + number as u64)).collect();
        let volume = Self { folder, big, many };
        let files = volume.path("files");
        fs::create_dir_all(files.join("a folder")).expect("a folder");
        let write = |name: &str, bytes: &[u8]| fs::write(files.join(name), bytes).expect("a file");
        write(BIG, &volume.big);
        write(LONG, b"long");
        write(FOREIGN, "Stra\u{df}e".as_bytes());
        write("empty", b"");
        for (number, bytes) in volume.many.iter().enumerate() {
            write(&name(number), bytes);
        }
        File::create(volume.image()).and_then(|file| file.set_len(IMAGE)).expect("an image");
        let image = volume.image();
        run(Command::new("mkfs.vfat").arg(&image));
        let mut mcopy = Command::new("mcopy");
        // The tool reads names in the user's character set.
        mcopy.env("LC_ALL", "C.UTF-8").arg("-s").arg("-i").arg(&image);
        for entry in fs::read_dir(&files).expect("files") {
            mcopy.arg(entry.expect("a file").path());
        }
        run(mcopy.arg("::/"));
        volume
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.path("image")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) fn name(number: usize) -> String {
    format!("file-{number}.bin")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Bytes that are unlike in each place.
fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend(seed.to_le_bytes().into_iter().skip(2));
    }
    bytes.truncate(len);
    bytes
}
