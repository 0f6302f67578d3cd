// SPDX-License-Identifier: MIT OR Apache-2.0
//! All connections.

use crate::connection::{Connection, OUT};
use crate::transfers::Transfers;
use crate::volume::Volume;
use hadris_storage::sync::BlockDevice;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::{Duration, Instant};

/// Where HTTP listens.
pub(crate) const PORT: u16 = 80;
/// Bytes that a connection takes in: the longest head of a request.
pub const RECEIVE: usize = 4096;
/// Bytes that a connection has on their way at most.
pub const SEND: usize = 65536;
/// How long a client may do nothing.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of [`Server::new`]'s memory for each client.
pub const CLIENT: usize = OUT;

/// A connection's socket, over its buffers.
#[must_use]
pub fn socket<'s>(receive: &'s mut [u8], send: &'s mut [u8]) -> Socket<'s> {
    let mut socket = Socket::new(SocketBuffer::new(receive), SocketBuffer::new(send));
    // What was sent and is not acknowledged for so long was sent to nobody.
    socket.set_timeout(Some(PATIENCE));
    // A response ends with a piece that is smaller than a packet, and nothing comes to push it.
    socket.set_nagle_enabled(false);
    socket
}

/// A server of `N` clients at once. More are refused until one of them ends.
pub struct Server<'m, 'b, D, T, const N: usize> {
    volume: Volume<'m, D, N>,
    transfers: T,
    connections: [Connection<'m, 'b>; N],
}

impl<'m, 'b, D: BlockDevice, T: Transfers, const N: usize> Server<'m, 'b, D, T, N> {
    /// Serves what is on this volume. Each client has [`CLIENT`] bytes of `memory`; one that has less of them
    /// gets no answers.
    #[must_use]
    pub fn new(volume: Volume<'m, D, N>, transfers: T, memory: &'b mut [u8]) -> Self {
        let mut pieces = memory.chunks_mut(CLIENT);
        let connections = core::array::from_fn(|_| Connection::new(pieces.next().unwrap_or_default()));
        Self { volume, transfers, connections }
    }

    /// Does what can be done now; whether there was something, so that there may be packets to send.
    pub fn poll(&mut self, sockets: &mut SocketSet<'_>, handles: &[SocketHandle; N], now: Instant) -> bool {
        let mut moved = false;
        for (number, (connection, handle)) in self.connections.iter_mut().zip(handles).enumerate() {
            let socket = sockets.get_mut::<Socket<'_>>(*handle);
            moved |= connection.poll(number, socket, &mut self.volume, &mut self.transfers, now);
        }
        moved
    }

    /// When to poll again if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.connections.iter().filter_map(Connection::deadline).min()
    }

    /// What reads file data.
    pub const fn transfers(&mut self) -> &mut T {
        &mut self.transfers
    }
}
