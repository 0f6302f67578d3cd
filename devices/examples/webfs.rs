// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots the unikernel `webfs`, which serves the files of a disk by HTTP.
//!
//! `webfs --disk IMAGE --net passt`: IMAGE holds a FAT volume, as `mkfs.vfat` and `mcopy` make it. The
//! address to open is printed on stdout when it can be opened, and what the guest says on stderr.

use clap::Parser;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;
use tenon_devices::block::{Access, Disk, Method};
use tenon_devices::net::{Interface, Stream, Tap};
use tenon_guest_images::{Arch, image};
use tenon_host::device::Attached;
use tenon_host::kvm::{Outcome, Vmm, VmmConfig};

const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x77, 0x65, 0x62];
/// Longest packets of passt, which are cheaper than many short ones.
const PASST_MTU: u32 = 65_520;
const MEMORY: usize = 64 << 20;
/// A server has no end.
const LIMIT: Duration = Duration::from_secs(10 * 365 * 86_400);

#[derive(Parser)]
#[command(about = "Serves the files of a FAT volume by HTTP, from a unikernel on KVM")]
struct Wish {
    /// The image of a disk with a FAT volume, made by `mkfs.vfat` and `mcopy`
    #[arg(long, value_name = "IMAGE")]
    disk: PathBuf,
    /// How its frames go out: `passt` (no root needed), `tap=NAME`, or `stream=PATH`
    #[arg(long, value_name = "WAY")]
    net: String,
    /// With passt: the port of 127.0.0.1 where the files are
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The guest's address with the bits of its network; without it the guest asks by DHCP
    #[arg(long, value_name = "ADDRESS/BITS")]
    ip: Option<String>,
    /// The guest's way out, with --ip
    #[arg(long, value_name = "ADDRESS", requires = "ip")]
    gateway: Option<String>,
}

/// passt, connected by a socket that has no name: nobody else can reach it, and nothing has to be deleted.
fn passt(port: u16) -> Result<(Stream, Child), String> {
    let told = |what: &str| format!("--net passt: {what}");
    let (ours, its) = UnixStream::pair().map_err(|why| told(&why.to_string()))?;
    let mut command = Command::new("passt");
    let forward = format!("127.0.0.1/{port}:80");
    command.args(["--foreground", "--quiet", "--stderr", "-4", "-t", &forward, "-u", "none", "--fd"]);
    // It alone of this process's descriptors goes to the program.
    rustix::io::fcntl_setfd(its.as_fd(), rustix::io::FdFlags::empty())
        .map_err(|why| told(&why.to_string()))?;
    command.arg(its.as_raw_fd().to_string());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|why| {
            match why.kind() {
                std::io::ErrorKind::NotFound => {
                    told("there is no program passt (on Debian: apt-get install passt)")
                }
                _ => told(&why.to_string()),
            }
        })?;
    drop(its);
    // What it says is said on; the pipe is not left to fill up.
    let stderr = child.stderr.take().ok_or_else(|| told("no stderr"))?;
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // It would like to write to the system's log, which not every system has.
            if !line.contains("syslog") {
                eprintln!("passt: {line}");
            }
        }
    });
    Ok((Stream::over(ours).map_err(|why| told(&why.to_string()))?, child))
}

/// What ends with this program.
struct Ended(Option<Child>);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The guest's interface, and the URL where that is not the guest's own address.
fn net(wish: &Wish) -> Result<(Attached<tenon_rings::Mapping>, Ended, Option<String>), String> {
    let say = |why: tenon_devices::Error| format!("--net {}: {why}", wish.net);
    let (way, value) = wish.net.split_once('=').unwrap_or((&wish.net, ""));
    let (started, ended, url) = match (way, value) {
        ("passt", "") => {
            let (stream, child) = passt(wish.port)?;
            let url = format!("http://127.0.0.1:{}/", wish.port);
            let interface = Interface::new(stream, MAC).with_mtu(PASST_MTU).map_err(say)?;
            (interface.start(), Some(child), Some(url))
        }
        ("tap", name) if !name.is_empty() => {
            (Interface::new(Tap::open(name).map_err(say)?, MAC).start(), None, None)
        }
        ("stream", path) if !path.is_empty() => {
            (Interface::new(Stream::connect(path.as_ref()).map_err(say)?, MAC).start(), None, None)
        }
        _ => return Err(format!("--net {}: it is none of passt, tap=NAME, stream=PATH", wish.net)),
    };
    let (device, queues, _) = started.map_err(say)?;
    Ok((Attached::new(device, queues), Ended(ended), url))
}

/// Passes on what the guest says, and says where the files are when it has an address.
fn console(url: Option<String>) -> impl FnMut(&[u8]) -> Vec<u8> + Send {
    let mut line = Vec::new();
    move |bytes: &[u8]| {
        for &byte in bytes {
            line.push(byte);
            if byte == b'\n' {
                let said = String::from_utf8_lossy(&line).into_owned();
                eprint!("{said}");
                if let Some(its) = said.strip_prefix("webfs: ").filter(|rest| rest.starts_with("http://")) {
                    println!("{}", url.as_deref().unwrap_or(its.trim_end()));
                    let _ = std::io::stdout().flush();
                }
                line.clear();
            }
        }
        Vec::new()
    }
}

fn run(wish: &Wish) -> Result<Outcome, String> {
    let access = Access { read_only: true, ..Access::default() };
    let disk = Disk::raw(&wish.disk, access, Method::Auto).map_err(|why| format!("--disk {why}"))?;
    let (device, queues, _) = disk.start().map_err(|why| format!("--disk {why}"))?;
    let disk = Attached::new(device, queues);
    let arch = if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 };
    let webfs = image("webfs", arch)?;
    let (net, _passt, url) = net(wish)?;
    let mut line = String::from("mode=native serial=burst");
    for (key, value) in [("ip", &wish.ip), ("gw", &wish.gateway)] {
        if let Some(value) = value {
            line += &format!(" {key}={value}");
        }
    }
    let config = VmmConfig {
        memory: MEMORY,
        limit: LIMIT,
        console: Box::new(console(url)),
        serial: Box::new(std::io::stderr()),
        devices: vec![disk, net],
        ..VmmConfig::default()
    };
    let vmm = Vmm::new(config).map_err(|why| why.to_string())?;
    vmm.run(&webfs, &line).map_err(|why| why.to_string())
}

fn main() -> ExitCode {
    match run(&Wish::parse()) {
        Ok(Outcome::Exit(0)) => ExitCode::SUCCESS,
        Ok(outcome) => {
            eprintln!("the guest has ended: {outcome}");
            ExitCode::from(1)
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
