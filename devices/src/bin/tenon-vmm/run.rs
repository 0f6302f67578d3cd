// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest from its boot to its end.

use crate::network::{self, Helper};
use crate::options::{DiskOption, Options};
use crate::tell;
use std::io::{ErrorKind, Read as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tenon_devices::block::{self, Access, Change, Disk, KeptHere, KeptInFile, Latch, Method};
use tenon_devices::net;
use tenon_host::Devices;
use tenon_host::device::Attached;
use tenon_host::kvm::{Handle, Outcome, Vmm, VmmConfig};
use tenon_host::metrics::{Server, text};
use tenon_rings::Mapping;

/// A guest has no end unless it is told one.
const LIMIT: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How long to wait for the disks and interfaces of a guest that boots anew: its last I/O may still be under
/// way.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// The machine that runs, for threads that outlive it.
type Current = Arc<Mutex<Option<Running>>>;

struct Running {
    handle: Handle,
    disks: Vec<(u32, block::Control)>,
    nets: Vec<(u32, net::Control)>,
}

/// Boots the guest, again and again if it asks for that: its exit code.
pub(crate) fn run(options: &Options) -> Result<u8, String> {
    let image = std::fs::read(&options.image).map_err(|why| format!("{}: {why}", options.image.display()))?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => drawn()?,
    };
    let end = Instant::now() + options.limit.map_or(LIMIT, Duration::from_secs);
    // They outlive the back ends of a boot: what failed is not forgotten when the guest boots anew (BLK-7).
    let latches: Vec<_> = options.disks.iter().map(latch).collect();
    let current = Current::default();
    let _server = serve(options, &current)?;
    let mut listens = false;
    for boot in 0u64.. {
        let (vmm, helpers) = machine(options, &latches, (seed, boot), end, &current)?;
        if !std::mem::replace(&mut listens, true) {
            listen(Arc::clone(&current));
        }
        let handle = vmm.handle();
        let outcome = vmm.run(&image, &options.words.join(" ")).map_err(|why| why.to_string())?;
        if let Some(record) = handle.crash_record() {
            eprintln!("tenon-vmm: {}", tell::crash(&record));
        }
        // The back ends go with the machine, and give back what they hold.
        current.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop((handle, helpers));
        if outcome != Outcome::Restart {
            let (code, said) = tell::outcome(&outcome);
            if let Some(said) = said {
                eprintln!("tenon-vmm: {said}");
            }
            return Ok(code);
        }
    }
    Ok(1)
}

/// A seed from the system.
fn drawn() -> Result<u64, String> {
    let mut bytes = [0; 8];
    let drawn = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    drawn.map_err(|why| format!("/dev/urandom: {why}; pass --seed"))?;
    Ok(u64::from_le_bytes(bytes))
}

/// The machine of one boot, with its devices.
fn machine(
    options: &Options,
    latches: &[Arc<dyn Latch>],
    (seed, boot): (u64, u64),
    end: Instant,
    current: &Current,
) -> Result<(Vmm, Vec<Helper>), String> {
    let config = VmmConfig {
        memory: options.memory,
        vcpus: options.vcpus,
        seed: seed.wrapping_add(boot),
        limit: end.saturating_duration_since(Instant::now()),
        device_limits: Some(Devices::default()),
        ..VmmConfig::default()
    };
    let vmm = Vmm::new(config).map_err(|why| why.to_string())?;
    let handle = vmm.handle();
    let patience = if boot == 0 { Duration::ZERO } else { PATIENCE };
    let (mut disks, mut nets, mut helpers) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (disk, latch)) in (0..).zip(options.disks.iter().zip(latches)) {
        let (attached, control) = start_disk(disk, latch, [seed, at], patience)?;
        let device = add(&handle, attached, "--disk")?;
        control.tell_by(told(&handle, device));
        disks.push((device, control));
    }
    for (at, net) in (0..).zip(&options.nets) {
        let (attached, control, helper) = patiently(patience, || network::start(net, address(seed, at)))?;
        let device = add(&handle, attached, "--net")?;
        control.link().tell_by(told(&handle, device));
        nets.push((device, control));
        helpers.extend(helper);
    }
    let running = Running { handle, disks, nets };
    *current.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    Ok((vmm, helpers))
}

fn add(handle: &Handle, attached: Attached<Mapping>, option: &str) -> Result<u32, String> {
    handle.add_device(attached).map_err(|why| format!("{option}: {why}"))
}

/// What keeps it that a write-back of a disk has failed.
fn latch(disk: &DiskOption) -> Arc<dyn Latch> {
    match &disk.latch {
        Some(path) => Arc::new(KeptInFile::new(path)),
        None => Arc::new(KeptHere::default()),
    }
}

fn start_disk(
    disk: &DiskOption,
    latch: &Arc<dyn Latch>,
    identity: [u64; 2],
    patience: Duration,
) -> Result<(Attached<Mapping>, block::Control), String> {
    let access = Access { read_only: disk.read_only, direct: disk.direct, patience };
    let opened = match disk.qcow2 {
        #[cfg(feature = "qcow2")]
        true => Disk::qcow2(&disk.path, access),
        _ => Disk::raw(&disk.path, access, Method::Auto),
    };
    let started = opened.and_then(|disk| disk.with_identity(identity).with_latch(Arc::clone(latch)).start());
    let (device, queues, control) = started.map_err(|why| format!("--disk: {why}"))?;
    Ok((Attached::new(device, queues), control))
}

/// Tells the guest of what a back end has found.
fn told(handle: &Handle, device: u32) -> impl Fn(Change) + Send + Sync + 'static {
    let handle = handle.clone();
    move |change| {
        let done = match change {
            Change::Own(own) => handle.change_device(device, own),
            Change::Removed => handle.remove_device(device),
        };
        // A device that is gone has nobody to be told.
        let _ = done;
    }
}

/// An address of this host's own making (its second bit says so), another one for each guest and interface.
fn address(seed: u64, at: u8) -> [u8; 6] {
    // Near seeds are far from each other: the multiplier is that of a generator of random numbers.
    let [a, b, c, d, ..] = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    [0x02, a, b, c, d, at]
}

/// Tries until it works or patience ends.
fn patiently<T>(patience: Duration, mut attempt: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let end = Instant::now() + patience;
    loop {
        match attempt() {
            Err(_) if Instant::now() < end => thread::sleep(LOOK),
            result => return result,
        }
    }
}

/// Gives standard input to the guest's console, for as long as this program runs.
fn listen(current: Current) {
    thread::spawn(move || {
        let (mut stdin, mut bytes) = (std::io::stdin().lock(), [0; 4096]);
        loop {
            let mut rest = match stdin.read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => bytes.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            while !rest.is_empty() {
                let handle = handle_of(&current);
                let taken = handle.map_or(0, |handle| handle.input(rest));
                rest = rest.get(taken..).unwrap_or_default();
                if taken == 0 {
                    // The guest has not read what it has.
                    thread::sleep(LOOK);
                }
            }
        }
    });
}

fn handle_of(current: &Current) -> Option<Handle> {
    let current = current.lock().unwrap_or_else(PoisonError::into_inner);
    current.as_ref().map(|running| running.handle.clone())
}

/// The server of metrics, if one is wanted.
fn serve(options: &Options, current: &Current) -> Result<Option<Server>, String> {
    let Some(address) = options.metrics else { return Ok(None) };
    let current = Arc::clone(current);
    let counted = move || {
        let current = current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = current.as_ref() else { return String::new() };
        let mut all = running.handle.counted().map(|counted| text(&counted)).unwrap_or_default();
        all += &tell::devices(&running.disks, &running.nets);
        all
    };
    let server = Server::start(address, counted).map_err(|why| format!("--metrics {address}: {why}"))?;
    eprintln!("metrics: http://{}/metrics", server.address());
    Ok(Some(server))
}
