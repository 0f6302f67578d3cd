// SPDX-License-Identifier: MIT OR Apache-2.0
//! The broker's socket: for its owner alone before anybody can reach it, and nothing but a dead socket of the
//! owner's makes way for it.

use crate::folder::Folder;
use crate::{Error, protocol};
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs::{Metadata, remove_file, symlink_metadata};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use tenon_rings::planted;

/// Clients that may wait to be looked at.
const BACKLOG: i32 = 128;

/// A socket that listens. Its file goes with it, unless another one has taken the place; whoever still waits
/// is turned away.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
    /// Last: it goes when the socket has.
    _folder: Option<Folder>,
}

impl Socket {
    /// Opens the socket. One that nobody serves any more is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Socket`].
    pub fn new(path: &Path) -> Result<Self, Error> {
        Self::open(path, None)
    }

    /// Opens a socket in a folder of its own, which goes with it.
    ///
    /// # Errors
    ///
    /// [`Error::System`], [`Error::Socket`].
    pub fn private() -> Result<Self, Error> {
        let folder = Folder::new()?;
        Self::open(&folder.socket(), Some(folder))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(path: &Path, folder: Option<Folder>) -> Result<Self, Error> {
        let failed = |error| Error::Socket(path.display().to_string(), error);
        let socket = match bound(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                make_way(path, error).map_err(failed)?;
                bound(path)
            }
            bound => bound,
        }
        .map_err(failed)?;
        let made = symlink_metadata(path).map_err(failed)?;
        let (listener, file) = (UnixListener::from(socket), identity(&made));
        let this = Self { listener, path: path.to_owned(), file, _folder: folder };
        // Nobody can connect before it listens; where the file has not got the mode of its socket, nobody
        // ever can.
        if made.mode() & 0o077 != 0 {
            return Err(failed(io::Error::new(ErrorKind::PermissionDenied, "others could reach it")));
        }
        listen(&this.listener, BACKLOG).map_err(|error| failed(error.into()))?;
        Ok(this)
    }

    /// The next client that waits, if one does and is still there.
    #[must_use]
    pub fn accept(&self) -> Option<UnixStream> {
        self.listener.accept().ok().map(|(client, _)| client)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_ours = symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.file);
        if is_ours || planted!("file-of-others-removed") {
            // Somebody else may remove it first, which is as good.
            let _ = remove_file(&self.path);
        }
        for client in std::iter::from_fn(|| self.accept()).take(BACKLOG as usize) {
            if !planted!("waiting-client-closed-mute") {
                protocol::refuse(client);
            }
        }
    }
}

/// A socket with a file of mode 0600, which does not listen yet.
fn bound(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // On Linux the file gets the mode that its socket has: there is no moment at which it has another one.
    if !planted!("socket-mode-left-to-the-umask") {
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    }
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Removes what lies in the socket's place, if it is a socket of this user's that nobody serves.
fn make_way(path: &Path, in_use: io::Error) -> io::Result<()> {
    let found = symlink_metadata(path)?;
    let refuse = |why| Err(io::Error::new(ErrorKind::AlreadyExists, why));
    if !found.file_type().is_socket() && !planted!("file-makes-way-for-a-socket") {
        return refuse("it is there, and no socket: it is not replaced");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse("it is another user's: it is not replaced");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove_file(path),
        _ => Err(in_use),
    }
}

/// What tells a file from all others.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
