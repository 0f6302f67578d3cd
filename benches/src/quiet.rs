// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads that stay where they are, and whether somebody took their processor.
//!
//! On a machine with other work a median alone is off by a factor of two to ten. What counts is a sample
//! during which no thread that takes part was switched away against its will, with each on a processor of its
//! own.
#![allow(unsafe_code, reason = "asks the system about threads")]

use std::{fs, mem};

/// Where a thread belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Who raises, rings and waits.
    Host,
    /// Who runs the vCPU.
    Guest,
}

/// Keeps the calling thread on its processor.
pub fn sit(place: Seat) {
    seat(thread(), place);
}

/// Keeps a thread of this process on its processor. Where there is only one, nothing happens.
pub fn seat(thread: i32, place: Seat) {
    let cpus = allowed();
    let (Some(&first), Some(&last)) = (cpus.first(), cpus.last()) else { return };
    if first == last {
        return;
    }
    let cpu = if place == Seat::Host { first } else { last };
    // SAFETY: the set is plain data, zero is its empty value, and the number came out of such a set.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(thread, mem::size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// The thread of this process that has this name.
#[must_use]
pub fn named(name: &str) -> Option<i32> {
    let mut threads = fs::read_dir("/proc/self/task").ok()?.filter_map(Result::ok);
    let found = threads.find(|thread| {
        fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    })?;
    found.file_name().to_str()?.parse().ok()
}

/// The processors that this process may use.
fn allowed() -> Vec<usize> {
    // The first thread's, because others sit already. SAFETY: the set is plain data that the call fills.
    let set = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        let process = libc::getpid();
        libc::sched_getaffinity(process, mem::size_of::<libc::cpu_set_t>(), &raw mut set);
        set
    };
    // SAFETY: the numbers are below the set's size.
    (0..usize::try_from(libc::CPU_SETSIZE).unwrap_or(0))
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
        .collect()
}

/// The calling thread's number.
#[must_use]
pub fn thread() -> i32 {
    // SAFETY: asks for a number.
    unsafe { libc::gettid() }
}

/// How often a thread of this process was switched away against its will; zero of one that has ended.
#[must_use]
pub fn switches(thread: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_found_by_its_name() {
        let named_one = std::thread::Builder::new().name("a-vcpu".into());
        let found =
            named_one.spawn(|| (named("a-vcpu"), thread())).expect("a thread").join().expect("it ends");
        assert_eq!(found.0, Some(found.1));
        assert_eq!(named("nobody's"), None);
    }
}
