// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network interfaces as the command line names them.

use crate::options::{NetOption, Way};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use tenon_devices::Error;
use tenon_devices::net::{Control, Datagram, Interface, Port, Stream, Tap};
use tenon_host::device::Attached;
use tenon_rings::Mapping;

/// Longest packets of passt, which are cheaper than many short ones.
const PASST_MTU: u32 = 65_520;

/// A program that ends with this one.
#[derive(Debug)]
pub(crate) struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An interface that runs: what the guest is given, what controls it, and the program that it needs.
pub(crate) type Started = (Attached<Mapping>, Control, Option<Helper>);

/// Starts what the command line names; `mac` is the interface's address if it names none.
pub(crate) fn start(net: &NetOption, mac: [u8; 6]) -> Result<Started, String> {
    let say = |error: Error| format!("--net: {error}");
    let mac = net.mac.unwrap_or(mac);
    match &net.way {
        Way::Passt => {
            let (stream, helper) = passt()?;
            over(stream, mac, net.mtu.unwrap_or(PASST_MTU)).map(|(device, control)| (device, control, helper))
        }
        Way::Tap(name) => {
            let tap = Tap::open(name).map_err(|error| {
                format!(
                    "--net: {error}; an administrator makes one by: ip tuntap add {name} mode tap user USER"
                )
            })?;
            plain(over(tap, mac, net.mtu.unwrap_or(1500)))
        }
        Way::Stream(path) => {
            let stream = Stream::connect(path)
                .map_err(|error| format!("--net: {error}; is passt or QEMU listening there?"))?;
            plain(over(stream, mac, net.mtu.unwrap_or(1500)))
        }
        Way::Datagram { there, here } => {
            let port = Datagram::connect(here, there).map_err(say)?;
            plain(over(port, mac, net.mtu.unwrap_or(1500)))
        }
    }
}

fn plain(started: Result<(Attached<Mapping>, Control), String>) -> Result<Started, String> {
    started.map(|(device, control)| (device, control, None))
}

fn over(port: impl Port + 'static, mac: [u8; 6], mtu: u32) -> Result<(Attached<Mapping>, Control), String> {
    let started = Interface::new(port, mac).with_mtu(mtu).and_then(Interface::start);
    let (device, queues, control) = started.map_err(|error| format!("--net: {error}"))?;
    Ok((Attached::new(device, queues), control))
}

/// passt, by a socket that has no name: nobody else can reach it, and it ends when the socket is closed.
fn passt() -> Result<(Stream, Option<Helper>), String> {
    let told = |why: &dyn std::fmt::Display| format!("--net passt: {why}");
    let (ours, its) = UnixStream::pair().map_err(|why| told(&why))?;
    // It alone of this process's descriptors goes to the program.
    rustix::io::fcntl_setfd(its.as_fd(), rustix::io::FdFlags::empty()).map_err(|why| told(&why))?;
    let mut command = Command::new("passt");
    command.args(["--foreground", "--quiet", "--stderr", "--fd"]).arg(its.as_raw_fd().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|why| match why.kind() {
        ErrorKind::NotFound => told(&"there is no program passt; on Debian: apt-get install passt"),
        _ => told(&why),
    })?;
    drop(its);
    let mut helper = Helper(child);
    if let Some(stderr) = helper.0.stderr.take() {
        // What it says is said on; the pipe is not left to fill up.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("passt: {}", line.escape_debug());
            }
        });
    }
    Ok((Stream::over(ours).map_err(|why| told(&why))?, Some(helper)))
}
