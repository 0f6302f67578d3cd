// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder for the files of one row.

use std::fs;
use std::path::Path;
use tempfile::{Builder, TempDir};

/// A folder for this user alone, where temporary things lie (`TMPDIR`): the program's own folder may be
/// anybody's. It goes when this is dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// A new folder.
    ///
    /// # Errors
    ///
    /// Why there is none, in one line.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let (prefix, place) = (format!("tenon-{name}-"), std::env::temp_dir());
        let mut builder = Builder::new();
        builder.prefix(&prefix);
        // Its mode before anybody can look into it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.tempdir_in(&place);
        folder.map(Self).map_err(|error| format!("no folder in {}: {error}", place.display()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into it.
    ///
    /// # Errors
    ///
    /// Why that is not possible, in one line.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.path().join(name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))
    }
}
