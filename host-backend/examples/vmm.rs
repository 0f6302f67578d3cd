// SPDX-License-Identifier: MIT OR Apache-2.0
//! A VMM from the ready machine: boots `hello`, or the PVH image named on the command line.
//!
//! `vmm [--metrics ADDRESS] [--metrics-json FILE] [IMAGE [WORD...]]`: ADDRESS serves Prometheus text at
//! `/metrics` while the machine runs (a port alone: 127.0.0.1); FILE is written each second and at the end.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use tenon_guest_images::HELLO;
use tenon_host::kvm::{Outcome, Vmm, VmmConfig};
use tenon_host::metrics::{Places, Server, Telling};

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

/// Where counts are told, if anywhere. It is asked for before the machine runs.
fn places(wish: &Wish) -> Result<Places, String> {
    let listen = |address| TcpListener::bind(address).map_err(|why| format!("--metrics {address}: {why}"));
    Ok(Places { listener: wish.metrics.map(listen).transpose()?, json: wish.json.clone() })
}

fn run() -> Result<Outcome, String> {
    let wish = wish()?;
    let image = wish.image.as_ref().map_or_else(|| Ok(HELLO.bytes.to_vec()), std::fs::read);
    let image = image.map_err(|why| why.to_string())?;
    let vmm = Vmm::new(VmmConfig::default()).map_err(|why| why.to_string())?;
    let handle = vmm.handle();
    let telling = Telling::start(places(&wish)?, move || handle.counted());
    let telling = telling.map_err(|why| format!("--metrics-json {why}"))?;
    if let Some(address) = telling.address() {
        eprintln!("metrics: http://{address}/metrics");
    }
    let outcome = vmm.run(&image, &wish.words.join(" ")).map_err(|why| why.to_string())?;
    telling.finish().map_err(|why| format!("--metrics-json {why}"))?;
    Ok(outcome)
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
