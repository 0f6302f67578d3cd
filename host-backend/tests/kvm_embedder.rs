// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an embedder may rely on: callbacks that call back, that panic, that block.
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]

mod kvm_tools;

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use kvm_tools::{FLOOD, Lateness, SPIN, Text, check_in_time, image, vmm};
use tenon_guest_images::{CONFORMANCE, HELLO};
use tenon_host::kvm::{Console, CpuError, Handle, Outcome, VmmConfig};

const LIMIT: Duration = Duration::from_secs(20);

/// A machine whose callbacks are quiet unless the test says otherwise.
fn config() -> VmmConfig {
    VmmConfig {
        limit: LIMIT,
        serial: Box::new(std::io::sink()),
        console: Box::new(|_| Vec::new()),
        ..VmmConfig::default()
    }
}

/// Every entry of a handle works from within the console and from within the serial port's sink.
#[test]
fn callbacks_may_call_their_handle() {
    let name = "callbacks_may_call_their_handle";
    let slot: Arc<Mutex<Option<Handle>>> = Arc::default();
    let called = Arc::new(AtomicU32::new(0));
    let call = {
        let (slot, called) = (Arc::clone(&slot), Arc::clone(&called));
        move |bytes: &[u8]| {
            let handle = slot.lock().unwrap().clone().unwrap();
            // Nobody reads it, so that there is no room at some time.
            assert!(handle.input(bytes) <= bytes.len());
            assert_eq!(handle.raise(4000), Err(tenon_host::Error::NotBound(4000)));
            assert_eq!(handle.crash_record(), None);
            called.fetch_add(1, Ordering::SeqCst);
        }
    };
    struct Sink<F>(F);
    impl<F: FnMut(&[u8])> Write for Sink<F> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            (self.0)(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let console = call.clone();
    let console: Console = Box::new(move |bytes| {
        console(bytes);
        Vec::new()
    });
    let Some(vmm) = vmm(name, VmmConfig { console, ..config() }) else { return };
    *slot.lock().unwrap() = Some(vmm.handle());
    assert_eq!(vmm.run(HELLO.bytes, "").unwrap(), Outcome::Exit(0));
    let by_console = called.swap(0, Ordering::SeqCst);
    assert!(by_console > 0, "the console was not called");

    let serial = Box::new(Sink(call));
    let vmm =
        kvm_tools::vmm(name, VmmConfig { serial, limit: Duration::from_millis(300), ..config() }).unwrap();
    *slot.lock().unwrap() = Some(vmm.handle());
    assert_eq!(vmm.run(&image(FLOOD), "").unwrap(), Outcome::TimedOut);
    assert!(called.load(Ordering::SeqCst) > 0, "the sink was not called");
}

/// A handle ends a run from within a callback.
#[test]
fn a_callback_may_end_the_run() {
    let slot: Arc<Mutex<Option<Handle>>> = Arc::default();
    let mine = Arc::clone(&slot);
    let console: Console = Box::new(move |_| {
        mine.lock().unwrap().as_ref().unwrap().end();
        Vec::new()
    });
    let Some(vmm) = vmm("a_callback_may_end_the_run", VmmConfig { console, ..config() }) else { return };
    *slot.lock().unwrap() = Some(vmm.handle());
    let outcome = vmm.run(CONFORMANCE.bytes, "seed=1 filter=console").unwrap();
    assert_eq!(outcome, Outcome::Ended);
}

/// Whatever a callback runs on, its panic is the run's end, whatever the guest has said meanwhile.
#[test]
fn a_panic_in_a_callback_is_the_end_of_the_run() {
    let name = "a_panic_in_a_callback_is_the_end_of_the_run";
    for (image, line) in [(HELLO.bytes, ""), (CONFORMANCE.bytes, "seed=1 filter=console")] {
        for hot_queues in [vec![], vec![0]] {
            let mut calls = 0;
            let console: Console = Box::new(move |_| {
                calls += 1;
                assert!(calls != 1, "the console fails once");
                Vec::new()
            });
            let Some(vmm) = vmm(name, VmmConfig { hot_queues, console, ..config() }) else { return };
            let start = Instant::now();
            let outcome = vmm.run(image, line).unwrap();
            let Outcome::Failed { vcpu: None, why: CpuError::Panicked { who: "console", message } } = outcome
            else {
                panic!("{outcome:?}");
            };
            assert_eq!(message, "the console fails once");
            assert!(start.elapsed() < LIMIT, "at once, and not at the limit");
        }
    }
    struct Fails;
    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            panic!("the sink fails")
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let Some(vmm) = vmm(name, VmmConfig { serial: Box::new(Fails), ..config() }) else { return };
    let outcome = vmm.run(&image(FLOOD), "").unwrap();
    assert!(
        matches!(outcome, Outcome::Failed { vcpu: None, why: CpuError::Panicked { who: "serial", .. } }),
        "{outcome:?}"
    );
}

/// Blocks for as long as the test runs.
fn blocked() -> (mpsc::Sender<()>, impl FnMut() + Send + 'static) {
    let (release, wait) = mpsc::channel();
    (release, move || _ = wait.recv())
}

/// Neither a sink nor a console that blocks holds the limit.
#[test]
fn a_callback_that_blocks_does_not_hold_the_limit() {
    const SHORT: Duration = Duration::from_millis(1500);
    let name = "a_callback_that_blocks_does_not_hold_the_limit";
    struct Blocks<F>(F);
    impl<F: FnMut()> Write for Blocks<F> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            (self.0)();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lateness = Lateness::watch();
    let (_release, block) = blocked();
    let serial = Box::new(Blocks(block));
    let Some(vmm) = vmm(name, VmmConfig { limit: SHORT, serial, ..config() }) else { return };
    let start = Instant::now();
    assert_eq!(vmm.run(&image(FLOOD), "").unwrap(), Outcome::TimedOut);
    check_in_time("a serial sink that blocks", start, SHORT, &lateness);

    let (_release, mut block) = blocked();
    let console: Console = Box::new(move |_| {
        block();
        Vec::new()
    });
    let vmm = kvm_tools::vmm(name, VmmConfig { limit: SHORT, console, ..config() }).unwrap();
    let start = Instant::now();
    let outcome = vmm.run(CONFORMANCE.bytes, "seed=1 filter=console").unwrap();
    assert!(matches!(outcome, Outcome::TimedOut | Outcome::Left(_)), "{outcome:?}");
    check_in_time("a console that blocks", start, SHORT, &lateness);
}

/// What a guest has written before its end arrives, however slow the sink is.
#[test]
fn a_slow_sink_gets_all_that_a_guest_wrote_before_its_end() {
    struct Slow(Text);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            std::thread::sleep(Duration::from_millis(900));
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let text = Text::default();
    let mut slow = Slow(text.clone());
    let console: Console = Box::new(move |bytes| {
        slow.write_all(bytes).unwrap();
        Vec::new()
    });
    let name = "a_slow_sink_gets_all_that_a_guest_wrote_before_its_end";
    let Some(vmm) = vmm(name, VmmConfig { console, ..config() }) else { return };
    assert_eq!(vmm.run(HELLO.bytes, "").unwrap(), Outcome::Exit(0));
    assert!(text.get().contains('\n'), "{:?}", text.get());
}

/// A guest that spins ends at the limit, and the handle of a run that is over is of use.
#[test]
fn a_handle_outlives_its_run() {
    let limit = Duration::from_millis(100);
    let Some(vmm) = vmm("a_handle_outlives_its_run", VmmConfig { limit, ..config() }) else { return };
    let handle = vmm.handle();
    assert_eq!(vmm.run(&image(SPIN), "").unwrap(), Outcome::TimedOut);
    assert!(handle.raise(1).is_err());
    assert_eq!((handle.input(b"late"), handle.crash_record()), (4, None));
    handle.end();
}

#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}
