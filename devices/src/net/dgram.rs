// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames through a datagram socket, one in each datagram: QEMU's `-netdev dgram`.

use super::port::{Gone, Port};
use super::queue::SHORTEST;
use crate::Error;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use tenon_abi::net::MAX_FRAME;

/// Room for the longest frame, and a byte that shows that a datagram was longer.
const ROOM: usize = MAX_FRAME as usize + 1;

/// Frames through a datagram socket.
///
/// Only the other side's datagrams come through it. When the other side ends, its place may be taken by a
/// successor at the same path: frames are dropped until then.
#[derive(Debug)]
pub struct Datagram {
    socket: UnixDatagram,
    came: Vec<u8>,
    /// Where the other side is; `None` for a socket that cannot be connected again.
    there: Option<PathBuf>,
    /// Our own path and which file is there: nobody needs it when this is gone.
    here: Option<(PathBuf, (u64, u64))>,
}

impl Datagram {
    /// Takes frames at `here`, which must not exist yet, and exchanges them with who has `there`.
    ///
    /// # Errors
    ///
    /// The path is taken, or nobody has the other one.
    pub fn connect(here: &Path, there: &Path) -> Result<Self, Error> {
        use rustix::fs::{Mode, fchmod};
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};
        let at = |path: &Path| Error::system(path.display().to_string());
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
            .map_err(|error| Error::system("cannot make a socket")(error.into()))?;
        // The file of a socket has the mode that its socket had, so nobody else can reach it at any time.
        fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(|error| at(here)(error.into()))?;
        let address = SocketAddrUnix::new(here).map_err(|error| at(here)(error.into()))?;
        bind(&socket, &address).map_err(|error| at(here)(error.into()))?;
        let mut port = Self::over(UnixDatagram::from(socket))?;
        port.here = Some((here.to_owned(), file_at(here).map_err(at(here))?));
        port.socket.connect(there).map_err(at(there))?;
        port.there = Some(there.to_owned());
        Ok(port)
    }

    /// Uses a socket that is connected.
    ///
    /// # Errors
    ///
    /// It cannot be made one that does not block.
    pub fn over(socket: UnixDatagram) -> Result<Self, Error> {
        socket.set_nonblocking(true).map_err(Error::system("cannot use a socket"))?;
        Ok(Self { socket, came: vec![0; ROOM], there: None, here: None })
    }

    /// What an error means for a frame: whether it has gone, as far as this side can say.
    fn failed(&self, error: &io::Error) -> Result<bool, Gone> {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS) => Ok(false),
            // Longer than the other side takes: a network drops.
            Some(libc::EMSGSIZE) => Ok(true),
            // Nobody has the other path, for now.
            Some(libc::ECONNREFUSED | libc::ENOTCONN | libc::ECONNRESET | libc::EPIPE)
                if let Some(there) = &self.there =>
            {
                // Its successor has it already, or the next frame looks again.
                let _ = self.socket.connect(there);
                Ok(true)
            }
            _ => Err(Gone(error.to_string())),
        }
    }
}

/// Which file is there: another one at the same path is not ours.
fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for Datagram {
    fn drop(&mut self) {
        if let Some((here, file)) = &self.here
            && file_at(here).is_ok_and(|there| there == *file)
        {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(here);
        }
    }
}

impl Port for Datagram {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&mut self, frame: &[u8]) -> Result<bool, Gone> {
        loop {
            match self.socket.send(frame) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.failed(&error),
            }
        }
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<Option<usize>, Gone> {
        loop {
            match self.socket.recv(&mut self.came) {
                Ok(len) if len < SHORTEST => {}
                Ok(len) => {
                    if let (Some(room), Some(bytes)) = (frame.get_mut(..len), self.came.get(..len)) {
                        room.copy_from_slice(bytes);
                        return Ok(Some(len));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return self.failed(&error).map(|_| None),
            }
        }
    }
}
