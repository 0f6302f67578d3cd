// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long vCPUs wait for a processor, as the kernel counts it for their threads (VCPU-11).

use std::boxed::Box;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use std::vec::Vec;

/// What the kernel says of the calling thread: nanoseconds on a processor, nanoseconds of waiting for one,
/// and how often it was given one. A kernel without CONFIG_SCHED_INFO has no such file.
const OWN: &str = "/proc/thread-self/schedstat";

/// A count is not read again before this time: guests make more calls than the kernel switches threads.
const FRESH: Duration = Duration::from_micros(500);

/// The run delay of each vCPU's thread, for [`crate::Services::stolen`].
///
/// ```no_run
/// # use tenon_host::Services;
/// # use tenon_host::kvm::RunDelays;
/// let mut services = Services::ready();
/// let delays = RunDelays::new(4);
/// services.stolen = delays.as_ref().map(RunDelays::source);
/// // On the thread of vCPU 2, before it runs:
/// delays.inspect(|delays| delays.watch(2));
/// ```
#[derive(Clone, Debug)]
pub struct RunDelays(Arc<[OnceLock<File>]>);

impl RunDelays {
    /// For so many vCPUs; `None` where the kernel does not count.
    #[must_use]
    pub fn new(vcpus: u32) -> Option<Self> {
        waited(&File::open(OWN).ok()?)?;
        Some(Self::empty(vcpus))
    }

    fn empty(vcpus: u32) -> Self {
        Self((0..vcpus).map(|_| OnceLock::new()).collect())
    }

    /// The calling thread runs this vCPU, from now on and for good.
    pub fn watch(&self, vcpu: u32) {
        if let Ok(file) = File::open(OWN) {
            self.watch_file(vcpu, file);
        }
    }

    fn watch_file(&self, vcpu: u32, file: File) {
        if let Some(slot) = usize::try_from(vcpu).ok().and_then(|vcpu| self.0.get(vcpu)) {
            // The first thread counts.
            let _ = slot.set(file);
        }
    }

    /// What a domain asks. A vCPU that no thread runs yet has waited for nothing.
    #[must_use]
    pub fn source(&self) -> Box<dyn FnMut(u32) -> Option<u64> + Send> {
        let files = Arc::clone(&self.0);
        let mut known: Vec<(Option<Instant>, u64)> = files.iter().map(|_| (None, 0)).collect();
        Box::new(move |vcpu| {
            let index = usize::try_from(vcpu).ok()?;
            let (read, count) = known.get_mut(index)?;
            let now = Instant::now();
            if read.is_none_or(|read| now.saturating_duration_since(read) >= FRESH)
                && let Some(file) = files.get(index)?.get()
            {
                (*read, *count) = (Some(now), waited(file)?);
            }
            Some(*count)
        })
    }
}

/// The second number.
fn waited(file: &File) -> Option<u64> {
    let mut text = [0; 96];
    let len = file.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(text.get(..len)?).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_second_number_is_the_count_and_each_vcpu_has_its_own() {
        let delays = RunDelays::empty(3);
        let mut source = delays.source();
        assert_eq!((source(0), source(2), source(3)), (Some(0), Some(0), None));
        let mut file = vmm_sys_util::tempfile::TempFile::new().unwrap().into_file();
        file.write_all(b"123 4567 89\n").unwrap();
        delays.watch_file(2, file.try_clone().unwrap());
        // A vCPU's thread does not change.
        delays.watch_file(2, File::open("/dev/null").unwrap());
        assert_eq!((source(0), source(2)), (Some(0), Some(4567)));
        file.write_all_at(b"124 5000 90\n", 0).unwrap();
        let began = Instant::now();
        while source(2) != Some(5000) {
            assert!(began.elapsed() < Duration::from_secs(60), "an old count");
            std::thread::sleep(FRESH);
        }
    }

    #[test]
    fn what_is_no_count_is_none() {
        for text in ["", "12", "12 x 3", "12 -3 4", "1 18446744073709551616 1"] {
            let mut file = vmm_sys_util::tempfile::TempFile::new().unwrap().into_file();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(waited(&file), None, "{text:?}");
        }
    }

    /// With a kernel that counts.
    #[test]
    fn a_thread_is_told_of_itself() {
        let Some(delays) = RunDelays::new(1) else {
            return println!("skipped: a_thread_is_told_of_itself: the kernel has no {OWN}");
        };
        delays.watch(0);
        assert!(delays.source()(0).is_some());
    }
}
