// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames through a stream socket, each behind its length: 32 bits, the highest byte first. `passt` and
//! QEMU's
//! `-netdev stream` speak it.

use super::port::{Gone, Port};
use crate::Error;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use tenon_abi::net::MAX_FRAME;

/// Bytes of the length in front of a frame.
const PREFIX: usize = 4;
/// Bytes that are read at once.
const READ: usize = 256 << 10;
/// Bytes that are kept for a socket that takes none: from here on frames stay with the guest.
const KEPT: usize = 256 << 10;

/// Frames through a stream socket.
///
/// A stream that broke off within a frame can never be used again: a successor connects anew.
#[derive(Debug)]
pub struct Stream {
    socket: UnixStream,
    came: Vec<u8>,
    from: usize,
    to: usize,
    goes: Vec<u8>,
    /// Bytes of `goes` that are gone already.
    gone: usize,
}

impl Stream {
    /// Connects to who listens there.
    ///
    /// # Errors
    ///
    /// Nobody does.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        let socket = UnixStream::connect(path).map_err(Error::system(path.display().to_string()))?;
        Self::over(socket)
    }

    /// Uses a socket that is connected.
    ///
    /// # Errors
    ///
    /// It cannot be made one that does not block.
    pub fn over(socket: UnixStream) -> Result<Self, Error> {
        socket.set_nonblocking(true).map_err(Error::system("cannot use a socket"))?;
        Ok(Self { socket, came: vec![0; READ], from: 0, to: 0, goes: Vec::new(), gone: 0 })
    }

    /// Writes what the socket takes.
    fn push(&mut self) -> Result<(), Gone> {
        while self.gone < self.goes.len() {
            match self.socket.write(self.goes.get(self.gone..).unwrap_or_default()) {
                Ok(0) => return Err(Gone("the socket takes nothing any more".into())),
                Ok(count) => self.gone += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Gone(error.to_string())),
            }
        }
        self.goes.clear();
        self.gone = 0;
        Ok(())
    }

    /// The frame at the front of what came, if all of it is there: where it lies.
    fn front(&self) -> Result<Option<(usize, usize)>, Gone> {
        let bytes = self.came.get(self.from..self.to).unwrap_or_default();
        let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if len > MAX_FRAME as usize {
            return Err(Gone(format!("the other side sends a frame of {len} bytes")));
        }
        Ok((bytes.len() - PREFIX >= len).then_some((self.from + PREFIX, len)))
    }
}

impl Port for Stream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&mut self, frame: &[u8]) -> Result<bool, Gone> {
        if self.goes.len() - self.gone + PREFIX + frame.len() > KEPT {
            self.push()?;
            if self.goes.len() - self.gone + PREFIX + frame.len() > KEPT {
                return Ok(false);
            }
        }
        if self.gone > 0 {
            self.goes.drain(..self.gone);
            self.gone = 0;
        }
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.goes.extend_from_slice(&len.to_be_bytes());
        self.goes.extend_from_slice(frame);
        Ok(true)
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<Option<usize>, Gone> {
        loop {
            if let Some((at, len)) = self.front()? {
                self.from = at + len;
                let bytes = self.came.get(at..at + len).unwrap_or_default();
                match frame.get_mut(..len) {
                    Some(room) if len >= super::queue::SHORTEST => {
                        room.copy_from_slice(bytes);
                        return Ok(Some(len));
                    }
                    _ => continue,
                }
            }
            self.came.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            match self.socket.read(self.came.get_mut(self.to..).unwrap_or_default()) {
                Ok(0) => return Err(Gone("the other side has closed the socket".into())),
                Ok(count) => self.to += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(Gone(error.to_string())),
            }
        }
    }

    fn flush(&mut self) -> Result<(), Gone> {
        self.push()
    }

    fn waits(&self) -> bool {
        true
    }
}
