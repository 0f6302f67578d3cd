// SPDX-License-Identifier: MIT OR Apache-2.0
//! The threads that do what a vCPU's thread must not wait for: serving what a budget left over, serving hot
//! queues, giving memory back, talking to the console.

use std::io::ErrorKind;
use std::string::ToString;
use std::sync::mpsc::Receiver;

use vmm_sys_util::eventfd::EventFd;

use super::CpuError;
use super::attachment::{Attachment, Console};
use super::job::{Ask, Job, Said};
use super::life::Life;
use crate::action::MemoryAction;

/// Works until the machine has ended.
pub(super) fn work(attachment: &Attachment, jobs: &Receiver<Job>) -> Result<(), CpuError> {
    loop {
        match jobs.recv() {
            Ok(Job::Serve(queue)) => attachment.serve(queue),
            Ok(Job::Ring(queue)) => attachment.with(|state| state.domain.ring(queue)),
            Ok(Job::Home(end)) => attachment.take_home(end),
            // A back end that does not end leaves this thread behind.
            Ok(Job::Quit) | Err(_) => {
                attachment.drop_back_ends();
                return Ok(());
            }
        }
    }
}

/// Does what is asked until the machine has ended. No lock of the machine's is held while it does.
pub(super) fn give_back(attachment: &Attachment, asked: &Receiver<Ask>) -> Result<(), CpuError> {
    while let Ok(Ask::Do(action, epoch)) = asked.recv() {
        let (job, done) = match action {
            MemoryAction::Give { job, .. } if tenon_rings::planted!("gives-nothing-back") => (job, true),
            MemoryAction::Take { job, .. } if tenon_rings::planted!("takes-what-was-there") => (job, true),
            MemoryAction::Give { job, offset, len }
            | MemoryAction::Take { job, offset, len }
            | MemoryAction::Hint { job, offset, len } => {
                (job, attachment.discards().discard(epoch, offset, len))
            }
            // Who restricts the host does so under the lock: see `Attachment`.
            MemoryAction::Share { job, .. } | MemoryAction::Unshare { job, .. } => (job, false),
        };
        if job != 0 {
            attachment.with(|state| state.domain.memory_done(job, done));
        }
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

/// Hands output to the console and its answer to the guest, and what the guest says of its life to whoever
/// is told of it, until the machine has ended. No lock is held while these run.
pub(super) fn talk(
    attachment: &Attachment,
    said: &Receiver<Said>,
    (mut console, mut life): (Console, Option<Life>),
) -> Result<(), CpuError> {
    loop {
        let said = said.recv();
        let more = matches!(said, Ok(Said::Output | Said::Life(_)));
        if let (Ok(Said::Life(told)), Some(life)) = (said, &mut life) {
            life(told);
        }
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
