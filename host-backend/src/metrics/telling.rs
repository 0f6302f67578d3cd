// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program that tells its counts while it runs: `--metrics` and `--metrics-json`.

use super::{Server, text, write_json};
use crate::counted::Counted;
use std::borrow::ToOwned;
use std::format;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the file is written.
const EACH: Duration = Duration::from_secs(1);

/// Where a program tells its counts.
#[derive(Debug, Default)]
pub struct Places {
    /// Prometheus text is served here.
    pub listener: Option<TcpListener>,
    /// This file is written at the start, each second, and at the end.
    pub json: Option<PathBuf>,
}

/// What counts there are; `None`: not now.
type Ask = dyn Fn() -> Option<Counted> + Send + Sync;

/// Tells counts until it is finished or dropped.
pub struct Telling {
    server: Option<Server>,
    json: Option<PathBuf>,
    /// Dropped, it ends the writer.
    writer: Option<(Sender<()>, JoinHandle<()>)>,
    ask: Arc<Ask>,
}

impl Telling {
    /// Begins to tell: the file is written once before this returns.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or there is no thread.
    pub fn start(
        places: Places,
        counted: impl Fn() -> Option<Counted> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let ask: Arc<Ask> = Arc::new(counted);
        let asked = Arc::clone(&ask);
        let told = move || asked().map(|counted| text(&counted)).unwrap_or_default();
        let server = places.listener.map(|listener| Server::on(listener, told)).transpose()?;
        let writer = places.json.clone().map(|path| writer(path, &ask)).transpose()?;
        Ok(Self { server, json: places.json, writer, ask })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(Server::address)
    }

    /// Writes the file for the last time.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.stop();
        self.json.as_deref().map_or(Ok(()), |path| write(path, &*self.ask))
    }

    fn stop(&mut self) {
        self.server = None;
        if let Some((over, thread)) = self.writer.take() {
            drop(over);
            let _ = thread.join();
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Telling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telling")
            .field("server", &self.server)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// Writes the file now, and then each second on a thread of its own.
fn writer(path: PathBuf, ask: &Arc<Ask>) -> io::Result<(Sender<()>, JoinHandle<()>)> {
    write(&path, &**ask)?;
    let (over, ended) = channel();
    let ask: Arc<Ask> = Arc::clone(ask);
    let each = move || {
        while ended.recv_timeout(EACH) == Err(RecvTimeoutError::Timeout) {
            if let Err(error) = write(&path, &*ask) {
                tracing::warn!(%error, "the counts");
            }
        }
    };
    Ok((over, thread::Builder::new().name("metrics-file".to_owned()).spawn(each)?))
}

/// Writes the file, if there is anything to tell.
fn write(path: &Path, ask: &Ask) -> io::Result<()> {
    let Some(counted) = ask() else { return Ok(()) };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    write_json(path, &counted).map_err(named)
}
