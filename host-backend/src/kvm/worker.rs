// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that does what a vCPU's thread must not wait for.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use super::attachment::Attachment;

/// How long a vCPU may take to leave the guest before its stop is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is left to the worker.
pub(super) enum Job {
    /// Serve a queue whose budget ran out, or whose doorbell came as an eventfd.
    Serve(u32),
    /// Wait until a vCPU has parked, and say so.
    Stopping(u32),
    /// The machine has ended.
    Quit,
}

/// Works until the machine has ended.
pub(super) fn work(attachment: &Arc<Attachment>, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Serve(queue) => attachment.serve(queue),
            Job::Stopping(vcpu) => {
                let start = Instant::now();
                while !attachment.control().is_parked(vcpu) && start.elapsed() < PATIENCE {
                    thread::sleep(Duration::from_micros(50));
                }
                if attachment.control().is_parked(vcpu) {
                    attachment.stopped(vcpu);
                } else {
                    tracing::warn!(vcpu, "does not leave the guest");
                }
            }
            Job::Quit => break,
        }
    }
}
