// SPDX-License-Identifier: MIT OR Apache-2.0
//! A VMM from the ready machine: boots `hello`, or the PVH image named on the command line.
//!
//! `vmm [--metrics ADDRESS] [--metrics-json FILE] [IMAGE [WORD...]]`: ADDRESS serves Prometheus text at
//! `/metrics` while the machine runs (a port alone: 127.0.0.1); FILE is written each second and at the end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tenon_guest_images::HELLO;
use tenon_host::kvm::{Handle, Outcome, Vmm, VmmConfig};
use tenon_host::metrics::{Server, text, write_json};

/// How often the file is written.
const EACH: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Wish {
    metrics: Option<std::net::SocketAddr>,
    json: Option<PathBuf>,
    image: Option<String>,
    words: Vec<String>,
}

fn wish() -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--metrics" => {
                let address = words.next().ok_or("--metrics needs an address or a port")?;
                let parsed = Server::address_of(&address);
                wish.metrics =
                    Some(parsed.ok_or_else(|| format!("--metrics: `{address}` is no address or port"))?);
            }
            "--metrics-json" => wish.json = Some(words.next().ok_or("--metrics-json needs a file")?.into()),
            option if option.starts_with("--") => return Err(format!("there is no option `{option}`")),
            _ => {
                wish.image = Some(word);
                wish.words = words.collect();
                break;
            }
        }
    }
    Ok(wish)
}

/// The server of metrics, if one is wanted. It is asked for before the machine runs.
fn serve(wish: &Wish, handle: &Handle) -> Result<Option<Server>, String> {
    let Some(address) = wish.metrics else { return Ok(None) };
    let handle = handle.clone();
    let counted = move || handle.counted().map(|counted| text(&counted)).unwrap_or_default();
    let server = Server::start(address, counted).map_err(|why| format!("--metrics {address}: {why}"))?;
    eprintln!("metrics: http://{}/metrics", server.address());
    Ok(Some(server))
}

fn write(wish: &Wish, handle: &Handle) -> Result<(), String> {
    let (Some(path), Some(counted)) = (&wish.json, handle.counted()) else { return Ok(()) };
    write_json(path, &counted).map_err(|why| format!("--metrics-json {}: {why}", path.display()))
}

fn run() -> Result<Outcome, String> {
    let wish = wish()?;
    let image = wish.image.as_ref().map_or_else(|| Ok(HELLO.bytes.to_vec()), std::fs::read);
    let image = image.map_err(|why| why.to_string())?;
    let vmm = Vmm::new(VmmConfig::default()).map_err(|why| why.to_string())?;
    let handle = vmm.handle();
    let _server = serve(&wish, &handle)?;
    write(&wish, &handle)?;
    let line = wish.words.join(" ");
    let (over, ended) = channel::<()>();
    let (wish, handle) = (&wish, &handle);
    thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(EACH) == Err(RecvTimeoutError::Timeout) {
                if let Err(why) = write(wish, handle) {
                    eprintln!("{why}");
                }
            }
        });
        let outcome = vmm.run(&image, &line).map_err(|why| why.to_string());
        drop(over);
        outcome
    })
    .and_then(|outcome| write(wish, handle).map(|()| outcome))
}

fn main() -> ExitCode {
    match run() {
        Ok(Outcome::Exit(0)) => ExitCode::SUCCESS,
        Ok(outcome) => {
            eprintln!("the guest ended badly: {outcome:?}");
            ExitCode::from(1)
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
