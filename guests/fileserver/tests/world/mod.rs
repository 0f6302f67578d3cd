// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server and its clients on one loopback interface, with a clock that the test moves.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::HashMap;

use hadris_fat::FatOptions;
use hadris_fat::sync::{FatFs, format};
use hadris_fs::sync::Volume as Mounted;
use hadris_fs::{MountOptions, OpenOptions};
use hadris_storage::{BlockSize, MemDevice};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use tenon_guest_fileserver::{CLIENT, MountToken, RECEIVE, Refused, SEND, Server, Transfers, Volume, socket};

pub(crate) const CLIENTS: usize = 20;
/// Bytes of a read.
const PIECE: usize = 32 << 10;

/// Reads that take some looks, and may fail.
pub(crate) struct Reads {
    image: &'static [u8],
    buffers: Vec<Vec<u8>>,
    running: HashMap<usize, (usize, usize, u32)>,
    /// Looks that a read takes.
    pub(crate) slowness: u32,
    /// Reads that end well before one fails.
    pub(crate) good: usize,
    /// Most reads that ran at once.
    pub(crate) most: usize,
    /// A read was begun into a buffer that was being read into.
    pub(crate) is_overrun: bool,
}

impl Transfers for Reads {
    fn size(&self) -> usize {
        PIECE
    }

    fn begin(&mut self, number: usize, offset: u64, len: usize) -> Result<(), Refused> {
        assert!(len <= PIECE && len > 0);
        self.is_overrun |= self.running.insert(number, (offset as usize, len, self.slowness)).is_some();
        self.most = self.most.max(self.running.len());
        Ok(())
    }

    fn end(&mut self, number: usize) -> Option<Result<(), Refused>> {
        let (offset, len, looks) = self.running.get_mut(&number).expect("a read that was begun");
        if *looks > 0 {
            *looks -= 1;
            return None;
        }
        let from = *offset..*offset + *len;
        self.running.remove(&number);
        if self.good == 0 {
            return Some(Err(Refused::Failed));
        }
        self.good -= 1;
        self.buffers[number][..from.len()].copy_from_slice(&self.image[from]);
        Some(Ok(()))
    }

    fn copy(&self, number: usize, at: usize, to: &mut [u8]) {
        to.copy_from_slice(&self.buffers[number][at..at + to.len()]);
    }
}

pub(crate) type Disk = MemDevice<&'static [u8]>;

pub(crate) struct World {
    pub(crate) server: Server<'static, 'static, Disk, Reads, CLIENTS>,
    interface: Interface,
    device: Loopback,
    pub(crate) sockets: SocketSet<'static>,
    handles: [SocketHandle; CLIENTS],
    pub(crate) now: Instant,
    port: u16,
}

fn memory(len: usize) -> &'static mut [u8] {
    vec![0; len].leak()
}

impl World {
    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self::try_new(image).expect("a volume")
    }

    /// `None`: there is no volume in this image.
    pub(crate) fn try_new(image: Vec<u8>) -> Option<Self> {
        let image: &'static [u8] = image.leak();
        let disk = MemDevice::new(image, BlockSize::new(512).unwrap());
        let token = Box::leak(Box::new(MountToken::new()));
        let volume = Volume::mount(disk, token).ok()?;
        let buffers = vec![vec![0; PIECE]; CLIENTS];
        let (running, good) = (HashMap::new(), usize::MAX);
        let reads = Reads { image, buffers, running, slowness: 2, good, most: 0, is_overrun: false };
        let server = Server::new(volume, reads, memory(CLIENTS * CLIENT));
        let mut device = Loopback::new(Medium::Ip);
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
        interface.update_ip_addrs(|all| all.push(IpCidr::new(IpAddress::v4(127, 0, 0, 1), 8)).unwrap());
        let mut sockets = SocketSet::new(Vec::new());
        let handles = std::array::from_fn(|_| {
            let made = socket(memory(RECEIVE), memory(SEND));
            sockets.add(made)
        });
        let mut world = Self { server, interface, device, sockets, handles, now: Instant::ZERO, port: 49152 };
        world.step();
        Some(world)
    }

    /// One round; the clock goes on by a millisecond.
    pub(crate) fn step(&mut self) {
        self.now += Duration::from_millis(1);
        self.interface.poll(self.now, &mut self.device, &mut self.sockets);
        self.server.poll(&mut self.sockets, &self.handles, self.now);
        self.interface.poll(self.now, &mut self.device, &mut self.sockets);
    }

    pub(crate) fn connect(&mut self) -> SocketHandle {
        let made = socket(memory(SEND), memory(RECEIVE));
        let handle = self.sockets.add(made);
        self.port += 1;
        let to = (IpAddress::v4(127, 0, 0, 1), 80);
        let socket = self.sockets.get_mut::<Socket>(handle);
        socket.connect(self.interface.context(), to, self.port).unwrap();
        for _ in 0..10 {
            self.step();
        }
        handle
    }

    pub(crate) fn client(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn send(&mut self, handle: SocketHandle, request: &[u8]) {
        assert_eq!(self.client(handle).send_slice(request), Ok(request.len()));
    }

    /// What arrived until now.
    pub(crate) fn take(&mut self, handle: SocketHandle) -> Vec<u8> {
        let mut bytes = vec![0; SEND];
        let len = self.client(handle).recv_slice(&mut bytes).unwrap_or(0);
        bytes.truncate(len);
        bytes
    }

    /// Goes on until all clients got the end of their connections, and hands out what each got.
    pub(crate) fn finish(&mut self, handles: &[SocketHandle]) -> Vec<Vec<u8>> {
        let mut got = vec![Vec::new(); handles.len()];
        for _ in 0..200_000 {
            self.step();
            let mut is_over = true;
            for (bytes, &handle) in got.iter_mut().zip(handles) {
                bytes.extend(self.take(handle));
                let socket = self.client(handle);
                if !socket.may_recv() {
                    socket.close();
                }
                is_over &= matches!(socket.state(), State::Closed | State::TimeWait);
            }
            if is_over {
                return got;
            }
        }
        panic!("clients wait for ever");
    }

    /// One request on a connection of its own, and all that comes back.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Response {
        let handle = self.connect();
        self.send(handle, request);
        let got = self.finish(&[handle]).remove(0);
        self.sockets.remove(handle);
        Response::read(&got)
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").as_bytes())
    }

    pub(crate) fn range(&mut self, path: &str, range: &str) -> Response {
        let line = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nRange: {range}\r\n\r\n");
        self.ask(line.as_bytes())
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Behind the body.
    pub(crate) rest: Vec<u8>,
}

impl Response {
    /// The first response in these bytes. Its body is as long as it says, or less where the bytes end.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self::of(bytes, false)
    }

    pub(crate) fn of(bytes: &[u8], is_head: bool) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Response::new(&mut headers);
        let len = parsed.parse(bytes).expect("a response");
        assert!(len.is_complete(), "no response: {:?}", String::from_utf8_lossy(bytes));
        let len = len.unwrap();
        let status = parsed.code.unwrap();
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let headers: HashMap<_, _> =
            parsed.headers.iter().map(|one| (one.name.to_lowercase(), text(one.value))).collect();
        let mut rest = &bytes[len..];
        let mut body = Vec::new();
        if is_head {
        } else if headers.contains_key("transfer-encoding") {
            loop {
                let (at, size) = httparse::parse_chunk_size(rest).unwrap().unwrap();
                body.extend(&rest[at..at + size as usize]);
                assert_eq!(&rest[at + size as usize..][..2], b"\r\n");
                rest = &rest[at + size as usize + 2..];
                if size == 0 {
                    break;
                }
            }
        } else {
            let said = headers.get("content-length").map_or(rest.len(), |len| len.parse().unwrap());
            let len = said.min(rest.len());
            body.extend(&rest[..len]);
            rest = &rest[len..];
        }
        Self { status, headers, body, rest: rest.to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Bytes that are unlike in each place.
pub(crate) fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend((seed >> 16).to_le_bytes().iter().take(6));
    }
    bytes.truncate(len);
    bytes
}

pub(crate) use hadris_fat::FatKind;

/// A volume of this kind and size with these files. They are written in turns, a piece each, so that they lie
/// in many pieces.
pub(crate) fn volume(kind: FatKind, mib: usize, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut disk = MemDevice::new(vec![0; mib << 20], BlockSize::new(512).unwrap());
    let options = FatOptions::new().with_kind(kind);
    let options = if kind == FatKind::Fat32 { options.with_cluster_size(512) } else { options };
    format(&mut disk, &options).unwrap();
    let volume = Mounted::new(FatFs::mount(disk, MountOptions::new()).unwrap());
    let mut open: Vec<_> = files
        .iter()
        .map(|(path, bytes)| {
            if let Some((folder, _)) = path.rsplit_once('/') {
                volume.create_dir_all(format!("/{folder}")).unwrap();
            }
            let path = format!("/{path}");
            (volume.open(&path, OpenOptions::new().write().create()).unwrap(), *bytes)
        })
        .collect();
    while open.iter().any(|(_, rest)| !rest.is_empty()) {
        for (file, rest) in &mut open {
            let (now, later) = rest.split_at(rest.len().min(20_000));
            assert_eq!(file.write(now).unwrap(), now.len());
            *rest = later;
        }
    }
    for (file, _) in open {
        file.close().unwrap();
    }
    let disk = volume.into_inner().expect("nothing is open").unmount().unwrap();
    disk.into_inner()
}
