// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console and the lifecycle (CON, LIFE).

use super::{fault, op, status};
use crate::faults::{Fault, Line};
use std::thread;
use std::time::Duration;
use tenon_host::{Action, LifecycleAction, Memory};
use tenon_rings::Site;

/// Its faults.
pub(super) const FAULTS: &[Fault] = &[
    fault(
        "one-byte-more",
        "CON-2",
        "CONSOLE_WRITE says one byte more than was accepted",
        Line::Store(|access, value| access.store_value(value, op::CONSOLE_WRITE, value + 1)),
    ),
    fault(
        "payload-cut",
        "CON-3",
        "a payload above the limit is cut to the limit",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 2 && op::CONSOLE_WRITE.contains(&access.op()) => {
                value.min(65_536)
            }
            _ => value,
        }),
    ),
    fault(
        "read-of-nothing",
        "CON-4",
        "a read of no bytes waits for one",
        Line::Load(|access, value| match access.site {
            Site::SubmissionBody if access.index % 8 == 2 && op::CONSOLE_READ.contains(&access.op()) => {
                value.max(1)
            }
            _ => value,
        }),
    ),
    fault(
        "second-read",
        "CON-4",
        "a second read answers OK, with nothing",
        Line::Store(|access, value| access.store_status(value, op::CONSOLE_READ, status::EXISTS, status::OK)),
    ),
    fault(
        "input-in-words",
        "CON-5",
        "input is written in words of eight bytes",
        Line::Write(|memory, offset, data| {
            let mut words = data.to_vec();
            words.resize(data.len().next_multiple_of(8), 0);
            memory.write(0, offset, &words)
        }),
    ),
    fault(
        "input-late",
        "CON-5",
        "input is written after the completion",
        Line::Write(|memory, offset, data| {
            let data = data.to_vec();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                memory.write(0, offset, &data)
            });
            true
        }),
    ),
    fault(
        "no-exit-in-the-lane",
        "LIFE-1",
        "the emergency lane does not take EXIT",
        Line::Load(|access, value| {
            let lane = access.site == Site::SubmissionTake && access.words() == 8;
            let exit = op::EXIT.contains(&(value as u16));
            if lane && exit { value | 0x7000 } else { value }
        }),
    ),
    fault(
        "exit-code-cut",
        "LIFE-2",
        "only seven bits of an exit code arrive",
        Line::Act(|_, action| match action {
            Action::Lifecycle(LifecycleAction::Exit { code }) => {
                Some(Action::Lifecycle(LifecycleAction::Exit { code: code & 0x7f }))
            }
            _ => Some(action),
        }),
    ),
    fault(
        "restart-as-exit",
        "LIFE-3",
        "RESTART ends the domain for good",
        Line::Act(|_, action| match action {
            Action::Lifecycle(LifecycleAction::Restart) => {
                Some(Action::Lifecycle(LifecycleAction::Exit { code: 0 }))
            }
            _ => Some(action),
        }),
    ),
    fault(
        "crash-cut",
        "LIFE-4",
        "the host keeps 47 bytes of a crash record's text",
        Line::Act(|_, action| match action {
            Action::Lifecycle(LifecycleAction::Crash(mut record)) => {
                record.text.truncate(47);
                Some(Action::Lifecycle(LifecycleAction::Crash(record)))
            }
            _ => Some(action),
        }),
    ),
    fault(
        "first-crash-kept",
        "LIFE-4",
        "the host keeps the first crash record, not the last",
        Line::Act(|domain, action| {
            let later = matches!(action, Action::Lifecycle(LifecycleAction::Crash(_)))
                && domain.memory().past().mark(true);
            (!later).then_some(action)
        }),
    ),
];
