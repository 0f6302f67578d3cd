// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said of a guest beside its console.

use std::fmt::Write as _;
use tenon_devices::{block, net};
use tenon_host::CrashRecord;
use tenon_host::kvm::Outcome;

/// The exit code, and what is said of a guest that did not end well.
pub(crate) fn outcome(outcome: &Outcome) -> (u8, Option<String>) {
    match outcome {
        Outcome::Exit(0) | Outcome::Left(0) => (0, None),
        Outcome::Exit(code) | Outcome::Left(code) => {
            (u8::try_from(*code).unwrap_or(u8::MAX), Some(format!("the guest ended with code {code}")))
        }
        other => (1, Some(format!("the guest did not end by itself: {other}"))),
    }
}

/// A guest's crash record in one line. Its text is the guest's: nothing of it reaches a terminal as it is.
pub(crate) fn crash(record: &CrashRecord) -> String {
    let CrashRecord { vcpu, code, text } = record;
    format!("the guest has crashed: vCPU {vcpu}, code {code:#x}, \"{}\"", text.escape_ascii())
}

/// What was counted of disks and interfaces, as Prometheus text.
pub(crate) fn devices(disks: &[(u32, block::Control)], nets: &[(u32, net::Control)]) -> String {
    let mut text = String::new();
    let mut rows = |name: &str, help: &str, values: Vec<(u32, u64)>| {
        // A string takes what it is given.
        let _ = writeln!(text, "# HELP tenon_{name} {help}\n# TYPE tenon_{name} counter");
        for (device, value) in values {
            let _ = writeln!(text, "tenon_{name}{{device=\"{device}\"}} {value}");
        }
    };
    if !nets.is_empty() {
        let of = |what: fn(&net::Counts) -> u64| {
            nets.iter().map(|(device, control)| (*device, what(&control.counts()))).collect()
        };
        rows("net_sent_total", "Frames that the guest sent.", of(|counts| counts.sent));
        rows("net_received_total", "Frames that the guest was given.", of(|counts| counts.received));
        let dropped = "Frames of the guest's that went nowhere.";
        rows("net_sent_dropped_total", dropped, of(|counts| counts.sent_dropped));
        let dropped = "Frames for the guest that went nowhere.";
        rows("net_received_dropped_total", dropped, of(|counts| counts.received_dropped));
        rows("net_bad_total", "Records of the guest's that are no frames.", of(|counts| counts.bad));
    }
    if !disks.is_empty() {
        let failed =
            disks.iter().map(|(device, control)| (*device, u64::from(control.has_failed()))).collect();
        rows("disk_failed", "Whether a write-back has failed.", failed);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_code_is_the_exit_code() {
        assert_eq!(outcome(&Outcome::Exit(0)), (0, None));
        assert_eq!(outcome(&Outcome::Exit(3)), (3, Some("the guest ended with code 3".into())));
        assert_eq!(outcome(&Outcome::Exit(256)).0, 255);
        assert_eq!(outcome(&Outcome::TimedOut).0, 1);
    }

    #[test]
    fn a_crash_writes_no_controls_to_the_terminal() {
        let record = CrashRecord { vcpu: 1, code: 0x2a, text: b"out of\x1b[2J\n\xff\"".to_vec() };
        let told = crash(&record);
        assert_eq!(told, r#"the guest has crashed: vCPU 1, code 0x2a, "out of\x1b[2J\n\xff\"""#);
    }
}
