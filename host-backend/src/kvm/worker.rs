// SPDX-License-Identifier: MIT OR Apache-2.0
//! The threads that do what a vCPU's thread must not wait for: serving what a budget left over, serving hot
//! queues, talking to the console.

use std::io::ErrorKind;
use std::string::ToString;
use std::sync::mpsc::Receiver;

use vmm_sys_util::eventfd::EventFd;

use super::CpuError;
use super::attachment::{Attachment, Console};
use super::job::{Job, Said};

/// Works until the machine has ended.
pub(super) fn work(attachment: &Attachment, jobs: &Receiver<Job>) -> Result<(), CpuError> {
    while let Ok(Job::Serve(queue)) = jobs.recv() {
        attachment.serve(queue);
    }
    Ok(())
}

/// Serves a hot queue until the machine has ended.
pub(super) fn serve_hot(attachment: &Attachment, queue: u32, bell: &EventFd) -> Result<(), CpuError> {
    loop {
        match bell.read() {
            _ if attachment.control().is_ending() => return Ok(()),
            Ok(_) => attachment.serve(queue),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(CpuError::Run(why.to_string())),
        }
    }
}

/// Hands output to the console and its answer to the guest, until the machine has ended. No lock is held
/// while the console runs.
pub(super) fn talk(
    attachment: &Attachment,
    said: &Receiver<Said>,
    mut console: Console,
) -> Result<(), CpuError> {
    loop {
        let more = matches!(said.recv(), Ok(Said::Output));
        let output = attachment.with(|state| state.domain.take_output());
        if !output.is_empty() {
            let input = console(&output);
            if !input.is_empty() {
                attachment.with(|state| state.domain.input(&input));
            }
        }
        if !more {
            return Ok(());
        }
    }
}
