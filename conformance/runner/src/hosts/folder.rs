// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder for the files of one row.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that no other run uses, beside this program: in the build's own folder, where things are built.
/// It goes when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new folder.
    ///
    /// # Errors
    ///
    /// Why there is none, in one line.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let program = std::env::current_exe()
            .map_err(|error| format!("the executable does not know itself: {error}"))?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Self(program.with_file_name(format!("{name}-{}-{number}", std::process::id())));
        fs::create_dir_all(&folder.0).map_err(|error| format!("{}: {error}", folder.0.display()))?;
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it.
    ///
    /// # Errors
    ///
    /// Why that is not possible, in one line.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        fs::write(self.0.join(name), bytes).map_err(|error| format!("{name}: {error}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the build's own folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}
