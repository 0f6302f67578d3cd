// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least that a server of metrics can be: HTTP/1.1, one answer a connection, and a bound for everything
//! that a client decides. It does not touch the machine: it asks for a text.

use super::CONTENT_TYPE;
use std::borrow::ToOwned;
use std::format;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Clients at once; whoever comes beyond is sent away.
const CLIENTS: usize = 8;
/// A client has this long for its request and its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest request.
const REQUEST: usize = 4096;

/// Answers `GET /metrics` until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Where to listen, by what a user says: `ADDRESS:PORT`, or a port alone, which is one of this computer's
    /// own (127.0.0.1).
    #[must_use]
    pub fn address_of(text: &str) -> Option<SocketAddr> {
        let own = |port: &str| Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?));
        text.parse().ok().or_else(|| own(text))
    }

    /// Listens, and answers with what `text` says at that moment. Each answer is made on a thread of its own.
    ///
    /// # Errors
    ///
    /// That the address is in use, or is not one of this computer's.
    pub fn start(address: SocketAddr, text: impl Fn() -> String + Send + Sync + 'static) -> io::Result<Self> {
        Self::on(TcpListener::bind(address)?, text)
    }

    /// As [`Server::start`], on a socket that listens already: one that a process before this one listened
    /// on, for example, so that whoever asks meanwhile waits.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn on(listener: TcpListener, text: impl Fn() -> String + Send + Sync + 'static) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let closed = Arc::new(AtomicBool::new(false));
        let (ends, text) = (Arc::clone(&closed), Arc::new(text));
        let accept = move || {
            let clients = Arc::new(AtomicUsize::new(0));
            for client in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                let Ok(client) = client else {
                    // Out of files, for one: others give theirs back.
                    thread::sleep(Duration::from_millis(10));
                    continue;
                };
                let place = Place::take(&clients);
                let text = Arc::clone(&text);
                let Some(place) = place else { continue };
                let answer = move || {
                    // A client that does not hear the answer is nobody's fault here.
                    let _ = answer(client, &*text);
                    drop(place);
                };
                // Without a thread the client is sent away.
                let _ = thread::Builder::new().name("metrics-client".to_owned()).spawn(answer);
            }
        };
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(accept)?;
        Ok(Self { address, closed, thread: Some(thread) })
    }

    /// Where it listens: with the port that it got where it asked for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes it. An address that stands for all of them is reached by its own.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let woken = TcpStream::connect_timeout(&address, PATIENCE);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// One of the places for clients, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |count: usize| (count < CLIENTS).then(|| count.saturating_add(1));
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reads a request and answers it.
fn answer(mut client: TcpStream, text: &dyn Fn() -> String) -> io::Result<()> {
    let end = Instant::now().checked_add(PATIENCE).ok_or(io::ErrorKind::TimedOut)?;
    let mut request = [0; REQUEST];
    let mut len = 0usize;
    let head = loop {
        let so_far = request.get(..len).unwrap_or_default();
        if so_far.windows(4).any(|window| window == b"\r\n\r\n") {
            break so_far;
        }
        client.set_read_timeout(Some(left(end)?))?;
        let room = request.get_mut(len..).filter(|room| !room.is_empty());
        let more = client.read(room.ok_or(io::ErrorKind::InvalidData)?)?;
        if more == 0 {
            return Ok(());
        }
        len = len.saturating_add(more);
    };
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(path)) if path.split(|&byte| byte == b'?').next() == Some(b"/metrics") => {
            ("200 OK", text())
        }
        (Some(b"GET"), Some(_)) => ("404 Not Found", "the metrics are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "ask with GET\n".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut rest = answer.as_bytes();
    while !rest.is_empty() {
        client.set_write_timeout(Some(left(end)?))?;
        let written = client.write(rest)?;
        rest = rest.get(written..).filter(|_| written > 0).ok_or(io::ErrorKind::WriteZero)?;
    }
    Ok(())
}

/// What is left of a client's time.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
