// SPDX-License-Identifier: MIT OR Apache-2.0
//! One client at a time, from its first byte to its last.

use crate::head::{Error, Writer};
use crate::listing::Listing;
use crate::reply::{Body, reply};
use crate::request::parse;
use crate::server::{PATIENCE, PORT, RECEIVE};
use crate::text::Text;
use crate::transfers::{Refused, Transfers};
use crate::volume::Volume;
use hadris_storage::sync::BlockDevice;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Instant;

/// Bytes of a head, or of a piece of a page. Any entry of a folder fits: a name of 255 characters takes up to
/// 2,295 bytes as a link, and up to 1,530 as text.
pub(crate) const OUT: usize = 8192;
pub(crate) type Out<'b> = Text<'b>;

/// What a client gets next, behind what is in its `Out`.
#[allow(clippy::large_enum_variant, reason = "most clients get files, and there is no heap")]
pub(crate) enum Phase<'m> {
    /// Whatever it asks for.
    Request,
    Listing(Listing),
    File(Body<'m>),
    /// Nothing.
    End,
}

pub(crate) struct Connection<'m, 'b> {
    phase: Phase<'m>,
    out: Out<'b>,
    is_kept: bool,
    /// The length of the read that runs.
    reading: Option<usize>,
    /// When the client last got or asked for something.
    since: Instant,
    is_served: bool,
}

impl<'m, 'b> Connection<'m, 'b> {
    /// `out`: [`OUT`] bytes.
    pub(crate) const fn new(out: &'b mut [u8]) -> Self {
        let since = Instant::ZERO;
        let phase = Phase::Request;
        Self { phase, out: Text::new(out), is_kept: false, reading: None, since, is_served: false }
    }

    /// When a client that does nothing is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.is_served.then(|| self.since + PATIENCE)
    }

    /// Does what can be done now; whether there was something.
    pub(crate) fn poll<D: BlockDevice, T: Transfers, const N: usize>(
        &mut self,
        number: usize,
        socket: &mut Socket<'_>,
        volume: &mut Volume<'m, D, N>,
        transfers: &mut T,
        now: Instant,
    ) -> bool {
        if !socket.is_open() {
            return self.listen(number, socket, volume, transfers);
        }
        // A client that is still on its way can be told nothing, and has not ended either.
        if !socket.is_active() || socket.state() == State::SynReceived {
            return false;
        }
        if !self.is_served {
            (self.is_served, self.since) = (true, now);
        }
        let mut moved = false;
        while self.step(number, socket, volume, transfers) {
            (moved, self.since) = (true, now);
        }
        // What a read brings is waited for as long as it takes: the disk is not the client's fault.
        if self.reading.is_none() && now >= self.since + PATIENCE {
            socket.abort();
            moved = true;
        }
        moved
    }

    /// The client is gone: waits for the next one, once the disk leaves the buffer alone.
    fn listen<D: BlockDevice, T: Transfers, const N: usize>(
        &mut self,
        number: usize,
        socket: &mut Socket<'_>,
        volume: &mut Volume<'m, D, N>,
        transfers: &mut T,
    ) -> bool {
        if self.reading.is_some() && transfers.end(number).is_none() {
            return false;
        }
        if let Phase::File(body) = core::mem::replace(&mut self.phase, Phase::Request) {
            volume.close(body.file);
        }
        self.out.clear();
        (self.reading, self.is_served) = (None, false);
        socket.listen(PORT).is_ok()
    }

    /// One step; whether more may follow.
    fn step<D: BlockDevice, T: Transfers, const N: usize>(
        &mut self,
        number: usize,
        socket: &mut Socket<'_>,
        volume: &mut Volume<'m, D, N>,
        transfers: &mut T,
    ) -> bool {
        if !self.out.rest().is_empty() {
            let sent = socket.send_slice(self.out.rest()).unwrap_or(0);
            self.out.advance(sent);
            return sent > 0;
        }
        match &mut self.phase {
            Phase::Request => self.request(socket, volume),
            Phase::Listing(listing) => {
                match listing.next(volume, &mut self.out) {
                    Ok(Some(more)) => self.phase = Phase::Listing(more),
                    Ok(None) => self.after(),
                    // The page has begun, and only a torn connection says that it does not end.
                    Err(_) => socket.abort(),
                }
                socket.is_active()
            }
            Phase::File(body) if body.is_over() => {
                if let Phase::File(body) = core::mem::replace(&mut self.phase, Phase::End) {
                    volume.close(body.file);
                }
                self.after();
                true
            }
            Phase::File(body) if !body.have.is_empty() => {
                let have = &mut body.have;
                let sent = socket.send(|room| {
                    let len = room.len().min(have.len());
                    transfers.copy(number, have.start, room.get_mut(..len).unwrap_or_default());
                    (len, len)
                });
                have.start += sent.unwrap_or(0);
                sent.is_ok_and(|sent| sent > 0)
            }
            Phase::File(body) => {
                let begun = match self.reading {
                    Some(len) => match transfers.end(number) {
                        None => return false,
                        Some(Ok(())) => {
                            self.reading = None;
                            body.arrived(len);
                            return true;
                        }
                        Some(Err(refused)) => {
                            self.reading = None;
                            Err(refused)
                        }
                    },
                    None => match body.next(volume, transfers.size()) {
                        Ok((offset, len)) => transfers.begin(number, offset, len).map(|()| len),
                        Err(_) => Err(Refused::Failed),
                    },
                };
                match begun {
                    Ok(len) => self.reading = Some(len),
                    Err(Refused::Busy) => return false,
                    // The client was told a length: only a torn connection says that it will not come.
                    Err(Refused::Failed) => socket.abort(),
                }
                socket.is_active()
            }
            Phase::End => {
                if socket.may_send() {
                    socket.close();
                }
                false
            }
        }
    }

    /// What follows a response.
    fn after(&mut self) {
        self.phase = if self.is_kept { Phase::Request } else { Phase::End };
    }

    fn request<D: BlockDevice, const N: usize>(
        &mut self,
        socket: &mut Socket<'_>,
        volume: &mut Volume<'m, D, N>,
    ) -> bool {
        let mut bytes = [0; RECEIVE];
        let len = socket.peek_slice(&mut bytes).unwrap_or(0);
        let bytes = bytes.get(..len).unwrap_or_default();
        if len == 0 {
            if !socket.may_recv() {
                self.phase = Phase::End;
                return true;
            }
            return false;
        }
        let parsed = match parse(bytes) {
            // A client that ended in the middle of its request.
            Ok(None) if len < RECEIVE && socket.may_recv() => return false,
            Ok(None) if len < RECEIVE => Err(Error::BadRequest),
            Ok(None) => Err(Error::HeadTooLarge),
            Ok(Some(parsed)) => Ok(parsed),
            Err(bad) => Err(bad.into()),
        };
        let (taken, replied) = match parsed {
            Ok((request, taken)) => (taken, reply(&request, volume, &mut self.out)),
            Err(error) => {
                let mut writer = Writer { out: &mut self.out, is_head: false, is_kept: false };
                (len, writer.error(error).map(|()| (Phase::End, false)))
            }
        };
        // The bytes may lie in two pieces of the socket's ring.
        let mut left = taken;
        while left > 0 {
            left -= match socket.recv(|bytes| (left.min(bytes.len()), left.min(bytes.len()))) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
        }
        match replied {
            Ok((phase, is_kept)) => {
                self.is_kept = is_kept;
                self.phase = phase;
                if matches!(self.phase, Phase::Request) {
                    self.after();
                }
            }
            Err(_) => socket.abort(),
        }
        true
    }
}
