// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a client of the ivshmem protocol is told, version 0: little-endian 64-bit numbers, some with a file
//! descriptor beside them. The client says nothing.
//!
//! Protocol version, the client's number, -1 with the memory; then a peer's number with each of its
//! doorbells, the client's own last.

use crate::Error;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The only version there is.
const VERSION: i64 = 0;
/// In the place of the version, for a client that is turned away: an end without a word makes QEMU 7.2 wait
/// for ever, with its lock held.
const REFUSED: i64 = -16;
/// Stands before the memory.
const MEMORY: i64 = -1;

/// Stands before the socket on which a worker tells what it counts; comes before everything else.
pub(crate) const LISTENER: i64 = -2;

/// Tells a client all that it needs, without waiting for it: what a fresh socket has no room for fails.
///
/// # Errors
///
/// What the socket says: the client has gone.
pub fn greet(
    client: impl AsFd,
    id: u16,
    memory: BorrowedFd<'_>,
    bells: &[(u16, BorrowedFd<'_>)],
) -> io::Result<()> {
    send(&client, VERSION, None)?;
    send(&client, i64::from(id), None)?;
    send(&client, MEMORY, Some(memory))?;
    bells.iter().try_for_each(|&(peer, bell)| send(&client, i64::from(peer), Some(bell)))
}

/// Turns a client away: QEMU ends with "server sent version -16, expecting 0".
pub fn refuse(client: impl AsFd) {
    // It may have gone, which is as good.
    let _ = send(client, REFUSED, None);
}

/// One message: a number, and a descriptor beside it.
///
/// # Errors
///
/// What the socket says.
pub fn send(client: impl AsFd, number: i64, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = fd.as_slice();
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    let bytes = number.to_le_bytes();
    let sent =
        sendmsg(client, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
    if sent == bytes.len() { Ok(()) } else { Err(Errno::AGAIN.into()) }
}

/// What a client was told.
#[derive(Debug)]
pub struct Attached {
    /// The client's own number.
    pub id: u16,
    /// The memory.
    pub memory: OwnedFd,
    /// Doorbells, each with the number of the peer that is told by it.
    pub bells: Vec<(u16, OwnedFd)>,
}

/// Is a client: takes what [`greet`] sends, with this many doorbells. Waits as long as the socket does.
///
/// # Errors
///
/// [`Error::Protocol`], [`Error::System`].
pub fn attach(server: impl AsFd, bells: usize) -> Result<Attached, Error> {
    match receive(&server)?.0 {
        VERSION => {}
        REFUSED => return Err(Error::Protocol("it has a client already, or is about to end")),
        _ => return Err(Error::Protocol("it speaks another version")),
    }
    let id = receive(&server)?.0;
    let id = u16::try_from(id).map_err(|_| Error::Protocol("it gives out no peer's number"))?;
    let (MEMORY, Some(memory)) = receive(&server)? else {
        return Err(Error::Protocol("it sends no memory"));
    };
    let bell = |_| match receive(&server)? {
        (peer, Some(bell)) => {
            Ok((u16::try_from(peer).map_err(|_| Error::Protocol("it names no peer"))?, bell))
        }
        _ => Err(Error::Protocol("it sends no doorbell")),
    };
    let bells = (0..bells).map(bell).collect::<Result<_, _>>()?;
    Ok(Attached { id, memory, bells })
}

/// One message: a number, and the descriptor beside it.
///
/// # Errors
///
/// [`Error::Protocol`], [`Error::System`].
pub fn receive(server: impl AsFd) -> Result<(i64, Option<OwnedFd>), Error> {
    let mut bytes = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        server,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL,
    )
    .map_err(Error::system("nothing can be received"))?;
    if received.bytes != bytes.len() {
        return Err(Error::Protocol("it ended half-way"));
    }
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((i64::from_le_bytes(bytes), fd))
}
