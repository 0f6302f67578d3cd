// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cases that end the machine: how a report announces that, and what the host has to keep of it.

use crate::hosts::Crash;
use crate::verdict::Verdict;
use std::fmt;
use tenon_conformance::case::Ends;

/// Whether the host holds the crash record that the case has left (LIFE-4).
pub(super) fn kept(ends: Ends, held: Option<&Option<Crash>>) -> (Verdict, String) {
    let Ends::ExitAfterCrash(_, left) = ends else { return (Verdict::Pass, String::new()) };
    let Some(held) = held else {
        return (Verdict::Warn, "this host does not say which crash record it holds".to_owned());
    };
    let Some(held) = held else { return (Verdict::Fail, "the host holds no crash record".to_owned()) };
    if held.code != left.code {
        let detail = format!("the crash record's code is {:#x}, it was {:#x}", held.code, left.code);
        return (Verdict::Fail, detail);
    }
    if held.text.len() != left.text.len() {
        let detail = format!("the crash record has {} bytes, it had {}", held.text.len(), left.text.len());
        return (Verdict::Fail, detail);
    }
    match held.text.iter().zip(left.text).position(|(held, left)| held != left) {
        Some(at) => (Verdict::Fail, format!("the crash record's text differs from byte {at} on")),
        None => (Verdict::Pass, String::new()),
    }
}

/// The end of a case in the words of the report protocol.
pub(super) struct Words(pub(super) Ends);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ends::Exit(code) | Ends::ExitAfterCrash(code, _) => write!(f, "exit={code}"),
            Ends::Restart => f.write_str("restart"),
        }
    }
}
