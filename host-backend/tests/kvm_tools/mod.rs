// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tests of the KVM machine share: text that a machine wrote, skipping by name, images of a few
//! instructions, and how late this computer is.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tenon_host::kvm::{Error, Vmm, VmmConfig};

/// A sink that can be read.
#[derive(Clone, Default)]
pub(crate) struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Text {
    pub(crate) fn get(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// `None`, and a line that says why, where KVM cannot be used here.
pub(crate) fn usable<T>(test: &str, made: Result<T, Error>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(why @ (Error::NoDevice | Error::NoPermission | Error::Missing(_))) => {
            println!("skipped: {test}: {why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// A ready machine.
pub(crate) fn vmm(test: &str, config: VmmConfig) -> Option<Vmm> {
    usable(test, Vmm::new(config))
}

/// Where [`image`] begins.
pub(crate) const START: u32 = 0x10_0000;

/// A PVH image of these 32-bit instructions.
pub(crate) fn image(code: &[u8]) -> Vec<u8> {
    const CODE: u64 = 0x1000;
    let note: Vec<u8> = [4_u32, 4, 18].iter().flat_map(|word| word.to_le_bytes()).chain(*b"Xen\0").collect();
    let note = [note, START.to_le_bytes().to_vec()].concat();
    let note_at = CODE + code.len().next_multiple_of(16) as u64;
    let header = |kind: u32, at: u64, address: u64, len: usize| {
        let mut bytes: Vec<u8> = [kind, 7].iter().flat_map(|word| word.to_le_bytes()).collect();
        let words = [at, address, address, len as u64, len as u64, 4];
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    };
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2_u16, 62].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(1_u32.to_le_bytes());
    file.extend([u64::from(START), 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 2, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(header(1, CODE, START.into(), code.len()));
    file.extend(header(4, note_at, 0, note.len()));
    file.resize(CODE as usize, 0);
    file.extend(code);
    file.resize(note_at as usize, 0);
    file.extend(note);
    file
}

/// Loops for ever.
pub(crate) const SPIN: &[u8] = &[0xeb, 0xfe];
/// Halts for ever: cli; hlt; jmp to the hlt.
pub(crate) const HALT: &[u8] = &[0xfa, 0xf4, 0xeb, 0xfd];
/// Writes to the serial port for ever, 4 KiB at once: mov esi, 0x100000; mov ecx, 0x1000; mov dx, 0x3f8; rep
/// outsb; jmp to the beginning.
pub(crate) const FLOOD: &[u8] = b"\xbe\x00\x00\x10\x00\xb9\x00\x10\x00\x00\x66\xba\xf8\x03\xf3\x6e\xeb\xee";

/// Measures beside a test how slow this computer is, so that no verdict hangs on others' load: how late it
/// wakes a thread, and how much longer than at best it takes for a fixed piece of work.
pub(crate) struct Lateness {
    /// In microseconds: the worst nap and the worst piece of work since somebody asked, and the best ever.
    late: Arc<[AtomicU64; 3]>,
    quit: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Lateness {
    pub(crate) fn watch() -> Self {
        let late = Arc::new([AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(u64::MAX)]);
        let quit = Arc::new(AtomicBool::new(false));
        let (to, until) = (Arc::clone(&late), Arc::clone(&quit));
        let thread = thread::spawn(move || {
            const NAP: Duration = Duration::from_millis(10);
            let [nap, work, best] = &*to;
            let micros = |since: Instant| since.elapsed().as_micros().max(1) as u64;
            while !until.load(Ordering::Relaxed) {
                let start = Instant::now();
                thread::sleep(NAP);
                nap.fetch_max(micros(start).saturating_sub(NAP.as_micros() as u64), Ordering::Relaxed);
                let start = Instant::now();
                let mut random = Random(1);
                (0..300_000).for_each(|_| _ = std::hint::black_box(random.word()));
                work.fetch_max(micros(start), Ordering::Relaxed);
                best.fetch_min(micros(start), Ordering::Relaxed);
            }
        });
        Self { late, quit, thread: Some(thread) }
    }

    /// The worst since the last time: how late a thread woke, and how many times slower than at best it
    /// worked.
    pub(crate) fn worst(&self) -> (Duration, f64) {
        let [nap, work, best] = &*self.late;
        let nap = Duration::from_micros(nap.swap(0, Ordering::Relaxed));
        let slower = work.swap(0, Ordering::Relaxed) as f64 / best.load(Ordering::Relaxed).max(1) as f64;
        (nap, slower.clamp(1.0, 30.0))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A run that ends at its limit comes back at most so long after it: half a second, and what this computer
/// was late anyway.
pub(crate) fn check_in_time(what: &str, start: Instant, limit: Duration, lateness: &Lateness) {
    check_took(what, start.elapsed(), limit, lateness);
}

/// The same, of a run that took so long.
pub(crate) fn check_took(what: &str, took: Duration, limit: Duration, lateness: &Lateness) {
    let (late, slower) = lateness.worst();
    // Several threads have to wake in turn, and some of them to do something.
    let allowed = limit + (Duration::from_millis(500) + late * 4).mul_f64(slower);
    assert!(
        took <= allowed,
        "{what}: came back after {took:?} of a limit of {limit:?}; this computer was {late:?} late and worked \
         {slower:.1} times as slowly as it can"
    );
}

/// Waits for what must come. It is counted in naps and not on the clock, which goes on when this computer
/// does not.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_micros(100));
    }
    panic!("{what}");
}

/// Where random tests begin: from the environment, or new each time.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("TENON_SEED").ok();
    given.map_or_else(
        || {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(1, |t| t.as_nanos() as u64)
        },
        |seed| u64::from_str_radix(&seed, 16).expect("TENON_SEED is a hexadecimal number"),
    )
}

/// Random words from a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }
}
