// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process with signals of its own: blocked, ignored, coming all the time. One test, as signals belong to
//! the whole process.
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "signals")]

mod kvm_tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kvm_tools::{HALT, Lateness, SPIN, check_in_time, image, vmm};
use tenon_host::kvm::{Outcome, Vmm, VmmConfig};

const LIMIT: Duration = Duration::from_millis(300);

fn config() -> VmmConfig {
    VmmConfig {
        limit: LIMIT,
        serial: Box::new(std::io::sink()),
        console: Box::new(|_| Vec::new()),
        ..VmmConfig::default()
    }
}

/// Runs guests that spin and that sleep to their limit. `between` runs between making the machine and running
/// it.
fn ends_at_its_limit(what: &str, between: fn()) -> Option<()> {
    let lateness = Lateness::watch();
    for (code, guest) in [(SPIN, "spins"), (HALT, "sleeps")] {
        let vmm = vmm("a_process_may_do_with_its_signals_what_it_likes", config())?;
        between();
        let start = Instant::now();
        assert_eq!(vmm.run(&image(code), "").unwrap(), Outcome::TimedOut, "{what}, {guest}");
        check_in_time(&format!("{what}, {guest}"), start, LIMIT, &lateness);
    }
    Some(())
}

fn all_signals() -> libc::sigset_t {
    // SAFETY: the set is filled before it is read.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        all
    }
}

fn set_handler(handler: libc::sighandler_t) {
    // SAFETY: an embedder's right; both values are no functions.
    unsafe { libc::signal(libc::SIGRTMIN(), handler) };
}

extern "C" fn ignore(_: libc::c_int) {}

/// Makes machines while a signal comes as often as another thread can send it.
fn machines_are_made_in_a_storm() {
    let quit = Arc::new(AtomicBool::new(false));
    // SAFETY: a handler that does nothing, and this thread's own handle.
    let builder = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (action.sa_sigaction, action.sa_flags) = (ignore as *const () as usize, libc::SA_RESTART);
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        libc::pthread_self()
    };
    for pause in [1000, 200, 50] {
        quit.store(false, Ordering::SeqCst);
        let until = Arc::clone(&quit);
        let storm = thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                // SAFETY: the thread outlives this one, which it joins.
                unsafe { libc::pthread_kill(builder, libc::SIGUSR1) };
                thread::sleep(Duration::from_micros(pause));
            }
        });
        let start = Instant::now();
        let (mut made, mut refused) = (0, Vec::new());
        while made < 40 && start.elapsed() < Duration::from_secs(5) {
            match Vmm::new(VmmConfig { vcpus: 3, ..config() }) {
                Ok(_) => made += 1,
                Err(why) => refused.push(why.to_string()),
            }
        }
        quit.store(true, Ordering::SeqCst);
        storm.join().unwrap();
        assert!(refused.is_empty(), "one signal each {pause} us: made {made}, refused {refused:?}");
        assert!(made > 0);
    }
}

#[test]
fn a_process_may_do_with_its_signals_what_it_likes() {
    if ends_at_its_limit("nothing special", || ()).is_none() {
        return;
    }
    // SAFETY: an embedder's right.
    let ignored = || set_handler(libc::SIG_IGN);
    ends_at_its_limit("the signal is ignored", ignored);
    ends_at_its_limit("the signal has its default action", || set_handler(libc::SIG_DFL));
    machines_are_made_in_a_storm();
    let blocked = || {
        let all = all_signals();
        // SAFETY: as services do that take their signals by signalfd or sigwait; this thread ends with the
        // test.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut()) };
    };
    blocked();
    ends_at_its_limit("all signals are blocked", || ());
}

#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
