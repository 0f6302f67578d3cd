// SPDX-License-Identifier: MIT OR Apache-2.0
//! What workers tell of their counts: on an address that outlives each of them, and in a file.

use crate::Error;
use crate::broker::Places;
use crate::protocol::{LISTENER, receive};
use clap::Args;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tenon_host::Counted;
use tenon_host::metrics::{self, Server, Telling};

/// Where counts are wanted.
#[derive(Debug, Args)]
pub(crate) struct Wish {
    /// Serve Prometheus text at /metrics of this address, or of this port of 127.0.0.1. The counts of a
    /// worker that is killed are lost: those of the next one have another epoch.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    metrics: Option<SocketAddr>,
    /// Write the counts to this file as JSON, each second and at the end.
    #[arg(long, value_name = "FILE")]
    metrics_json: Option<PathBuf>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    Server::address_of(text).ok_or_else(|| format!("`{text}` is no address or port"))
}

impl Wish {
    /// Listens, and looks whether the file can be written, before anything runs.
    pub(crate) fn places(self) -> Result<Places, Error> {
        let listen = |address| {
            let bound = TcpListener::bind(address);
            bound.map_err(|error| Error::Metrics(format!("--metrics {address}"), error))
        };
        let listener = self.metrics.map(listen).transpose()?.map(Arc::new);
        if let Some(path) = &self.metrics_json {
            // The file is replaced by one from the same folder: a test file that has no name says as much.
            let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            let tried = tempfile::tempfile_in(folder);
            tried.map_err(|error| Error::Metrics(format!("--metrics-json {}", path.display()), error))?;
        }
        Ok(Places { listener, json: self.metrics_json })
    }
}

/// What a worker has counted, where its other threads find it.
#[derive(Debug)]
pub(crate) struct Told {
    latest: Arc<Mutex<Option<Counted>>>,
    telling: Telling,
}

impl Told {
    /// Begins to tell; with a socket to listen on, where the broker sends one before everything else.
    pub(crate) fn start(broker: impl AsFd, listens: bool, json: Option<PathBuf>) -> Result<Self, Error> {
        let listener = if listens {
            let (LISTENER, Some(listener)) = receive(broker)? else {
                return Err(Error::Protocol("it sends no socket for metrics"));
            };
            Some(TcpListener::from(listener))
        } else {
            None
        };
        let latest = Arc::new(Mutex::new(None));
        let asked = Arc::clone(&latest);
        let counted = move || *asked.lock().unwrap_or_else(PoisonError::into_inner);
        let telling = Telling::start(metrics::Places { listener, json }, counted);
        Ok(Self { latest, telling: telling.map_err(Error::system("--metrics-json"))? })
    }

    /// Tells this from now on.
    pub(crate) fn now(&self, counted: &Counted) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(*counted);
    }

    /// Tells it for the last time.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.telling.finish().map_err(Error::system("--metrics-json"))
    }
}
