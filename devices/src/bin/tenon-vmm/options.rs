// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use tenon_host::metrics::Server;

/// Boots a guest on KVM, with disks and network interfaces.
///
/// The guest's console and serial port go to standard output, and standard input to its console. The exit
/// code is the guest's (255 for a larger one), 1 for a guest that did not end by itself, or 2 for a wrong
/// option or something that this system lacks. In a path, a comma is written twice.
#[derive(Debug, Parser)]
#[command(name = "tenon-vmm", version)]
pub(crate) struct Options {
    /// vCPUs.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) vcpus: u32,
    /// Memory in bytes, or with K, M or G behind the number.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub(crate) memory: usize,
    /// A disk: a raw file or a block device, or with `qcow2` an image of QEMU's. `ro`: it is only read, and
    /// may be shared. `direct`: around the page cache. `latch`: a file that is there from when a write-back
    /// of the disk has failed; until somebody has seen to the disk and deleted it, nothing becomes durable.
    /// May be given several times.
    #[arg(long = "disk", value_name = "FILE[,ro][,direct][,qcow2][,latch=PATH]", value_parser = disk)]
    pub(crate) disks: Vec<DiskOption>,
    /// A network interface: by the program passt (which needs no root), a TAP interface, a socket as QEMU's
    /// `-netdev stream` and passt speak it, or two as QEMU's `-netdev dgram`. May be given several times.
    #[arg(
        long = "net",
        value_name = "passt|tap=NAME|stream=PATH|dgram=PATH,local=PATH[,mac=MAC][,mtu=N]",
        value_parser = net
    )]
    pub(crate) nets: Vec<NetOption>,
    /// Serve Prometheus text at /metrics of this address, or of this port of 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) metrics: Option<SocketAddr>,
    /// Where the seeds of sessions and the addresses of interfaces are drawn from, hexadecimal. Without it
    /// each run has another one.
    #[arg(long, value_name = "HEX", value_parser = |text: &str| u64::from_str_radix(text, 16))]
    pub(crate) seed: Option<u64>,
    /// End the run after this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) limit: Option<u64>,
    /// An ELF image with a PVH entry (on Arm: an Image).
    pub(crate) image: PathBuf,
    /// Words of the guest's command line; behind `--` they may begin with a dash.
    #[arg(value_name = "WORD")]
    pub(crate) words: Vec<String>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskOption {
    pub(crate) path: PathBuf,
    pub(crate) read_only: bool,
    pub(crate) direct: bool,
    pub(crate) qcow2: bool,
    /// What keeps it that a write-back has failed, over runs of this program.
    pub(crate) latch: Option<PathBuf>,
}

/// What carries an interface's frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Passt,
    Tap(String),
    Stream(PathBuf),
    Datagram { there: PathBuf, here: PathBuf },
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetOption {
    pub(crate) way: Way,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) mtu: Option<u32>,
}

/// Parts between commas; two commas are one that belongs to its part.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if next == ',' && rest.next_if_eq(&',').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(next);
        }
    }
    parts
}

fn disk(text: &str) -> Result<DiskOption, String> {
    let mut parts = parts(text).into_iter();
    let path = parts.next().filter(|path| !path.is_empty()).ok_or("a disk needs a file")?;
    let path = path.into();
    let mut disk = DiskOption { path, read_only: false, direct: false, qcow2: false, latch: None };
    for part in parts {
        if let Some(path) = part.strip_prefix("latch=").filter(|path| !path.is_empty()) {
            disk.latch = Some(path.into());
            continue;
        }
        match part.as_str() {
            "ro" => disk.read_only = true,
            "direct" => disk.direct = true,
            "qcow2" if cfg!(feature = "qcow2") => disk.qcow2 = true,
            "qcow2" => return Err("this program was built without qcow2".into()),
            _ => {
                return Err(format!(
                    "`{part}` is none of ro, direct, qcow2, latch=PATH; a comma of a path is written twice"
                ));
            }
        }
    }
    Ok(disk)
}

fn net(text: &str) -> Result<NetOption, String> {
    let mut parts = parts(text).into_iter();
    let first = parts.next().unwrap_or_default();
    let way = match first.split_once('=').unwrap_or((&first, "")) {
        ("passt", "") => Way::Passt,
        ("tap", name) if !name.is_empty() => Way::Tap(name.into()),
        ("stream", path) if !path.is_empty() => Way::Stream(path.into()),
        ("dgram", path) if !path.is_empty() => Way::Datagram { there: path.into(), here: PathBuf::new() },
        _ => return Err(format!("`{first}` is none of passt, tap=NAME, stream=PATH, dgram=PATH")),
    };
    let mut net = NetOption { way, mac: None, mtu: None };
    for part in parts {
        match (part.split_once('=').unwrap_or((&part, "")), &mut net.way) {
            (("local", path), Way::Datagram { here, .. }) if !path.is_empty() => *here = path.into(),
            (("mac", value), _) => net.mac = Some(mac(value)?),
            (("mtu", value), _) => {
                net.mtu = Some(value.parse().map_err(|_| format!("`{value}` is no MTU"))?);
            }
            _ => return Err(format!("`{part}` is none of mac=MAC, mtu=N, and with dgram local=PATH")),
        }
    }
    match &net.way {
        Way::Datagram { here, .. } if here.as_os_str().is_empty() => {
            Err("dgram needs local=PATH, where the other side sends to".into())
        }
        _ => Ok(net),
    }
}

/// An address of one interface, not of a group.
fn mac(text: &str) -> Result<[u8; 6], String> {
    let wrong = || format!("`{text}` is no address of an interface, such as 02:00:00:00:00:01");
    let mut bytes = text.split(':').map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()));
    let mut mac = [0; 6];
    for byte in &mut mac {
        *byte = bytes.next().flatten().flatten().ok_or_else(wrong)?;
    }
    let [first, ..] = mac;
    if bytes.next().is_some() || first & 1 != 0 || mac == [0; 6] { Err(wrong()) } else { Ok(mac) }
}

fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no size: a number, and K, M or G if it is not in bytes");
    let (number, shift) = match text.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let number: usize = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    Server::address_of(text).ok_or_else(|| format!("`{text}` is no address or port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(words: &[&str]) -> Result<Options, String> {
        Options::try_parse_from(["tenon-vmm"].iter().chain(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_comma_written_twice_belongs_to_the_path() {
        let plain = disk("a").unwrap();
        let read_only = DiskOption { path: "a,b,".into(), read_only: true, ..plain.clone() };
        assert_eq!(disk("a,,b,,,ro"), Ok(read_only));
        assert_eq!(disk("a,,ro"), Ok(DiskOption { path: "a,ro".into(), ..plain.clone() }));
        assert_eq!(disk("a,latch=b,,c"), Ok(DiskOption { latch: Some("b,c".into()), ..plain }));
        assert!(disk("a,latch=").is_err());
        assert!(disk("a,b").is_err_and(|why| why.contains("written twice")));
        assert!(disk(",ro").is_err());
        let stream = Way::Stream("/tmp/a,b".into());
        assert_eq!(
            net("stream=/tmp/a,,b,mtu=9000"),
            Ok(NetOption { way: stream, mac: None, mtu: Some(9000) })
        );
    }

    #[test]
    fn interfaces_are_told_apart() {
        let mac = Some([2, 0, 0, 0, 0, 0xab]);
        assert_eq!(net("passt,mac=02:00:00:00:00:ab"), Ok(NetOption { way: Way::Passt, mac, mtu: None }));
        assert_eq!(net("tap=t0"), Ok(NetOption { way: Way::Tap("t0".into()), mac: None, mtu: None }));
        let way = Way::Datagram { there: "a".into(), here: "b".into() };
        assert_eq!(net("dgram=a,local=b"), Ok(NetOption { way, mac: None, mtu: None }));
        for wrong in [
            "",
            "tap",
            "tap=",
            "passt=x",
            "bridge",
            "dgram=a",
            "tap=t,local=b",
            "passt,mac=1:2:3:4:5:6",
            "passt,mac=03:00:00:00:00:00",
            "passt,mac=00:00:00:00:00:00",
            "passt,mac=02:00:00:00:00:00:00",
            "passt,mac=+2:00:00:00:00:00:00",
            "passt,mtu=x",
        ] {
            assert!(net(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([size("4096"), size("64M"), size("2g")], [Ok(4096), Ok(64 << 20), Ok(2 << 30)]);
        for wrong in ["", "M", "1T", "-1", "99999999999999999999", "18446744073709551615G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_behind_the_image_are_the_guests() {
        let options = whole(&["--disk", "d,ro", "--net", "tap=a", "image", "quick", "--", "--deep"]).unwrap();
        assert_eq!(options.words, ["quick", "--deep"]);
        assert_eq!((options.disks.len(), options.nets.len()), (1, 1));
        assert!(whole(&[]).is_err() && whole(&["--vcpus", "0", "image"]).is_err());
    }
}
