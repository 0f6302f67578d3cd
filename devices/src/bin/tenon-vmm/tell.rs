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
    let mut rows = |kind: &str, name: &str, help: &str, values: Vec<(u32, u64)>| {
        // A string takes what it is given.
        let _ = writeln!(text, "# HELP tenon_{name} {help}\n# TYPE tenon_{name} {kind}");
        for (device, value) in values {
            let _ = writeln!(text, "tenon_{name}{{device=\"{device}\"}} {value}");
        }
    };
    if !nets.is_empty() {
        let mut count = |name: &str, help: &str, what: fn(&net::Counts) -> u64| {
            let of_each = nets.iter().map(|(device, control)| (*device, what(&control.counts())));
            rows("counter", name, help, of_each.collect());
        };
        count("net_sent_total", "Frames that the guest sent.", |counts| counts.sent);
        count("net_received_total", "Frames that the guest was given.", |counts| counts.received);
        let dropped = "Frames of the guest's that went nowhere.";
        count("net_sent_dropped_total", dropped, |counts| counts.sent_dropped);
        let dropped = "Frames for the guest that went nowhere.";
        count("net_received_dropped_total", dropped, |counts| counts.received_dropped);
        count("net_bad_total", "Records of the guest's that are no frames.", |counts| counts.bad);
    }
    if !disks.is_empty() {
        let counts: Vec<_> =
            disks.iter().map(|(device, control)| (*device, control.counts().rows())).collect();
        for (at, (name, help, _)) in block::Counts::default().rows().into_iter().enumerate() {
            let of_each = counts.iter().filter_map(|(device, rows)| Some((*device, rows.get(at)?.2)));
            // What is so now may fall.
            match name {
                "in_flight" | "closing" => rows("gauge", &format!("disk_{name}"), help, of_each.collect()),
                _ => rows("counter", &format!("disk_{name}_total"), help, of_each.collect()),
            }
        }
        let failed = disks.iter().map(|(device, control)| (*device, u64::from(control.has_failed())));
        rows("gauge", "disk_failed", "Whether a write-back has failed.", failed.collect());
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
    fn each_disk_is_named_with_all_that_it_has_counted() {
        let disk = || block::Disk::in_memory(block::Memory::zeroed(4096)).unwrap();
        let (_, _one, first) = disk().start::<tenon_rings::Mapping>().unwrap();
        let (_, _two, second) = disk().start::<tenon_rings::Mapping>().unwrap();
        let text = devices(&[(0, first), (7, second)], &[]);
        for (name, help, _) in block::Counts::default().rows() {
            assert!(text.contains(help), "{name}: {text}");
        }
        for line in [
            "# TYPE tenon_disk_closing gauge",
            "tenon_disk_closing{device=\"7\"} 0",
            "tenon_disk_in_flight{device=\"0\"} 0",
            "# TYPE tenon_disk_io_errors_total counter",
            "tenon_disk_io_errors_total{device=\"7\"} 0",
            "# TYPE tenon_disk_failed gauge",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_crash_writes_no_controls_to_the_terminal() {
        let record = CrashRecord { vcpu: 1, code: 0x2a, text: b"out of\x1b[2J\n\xff\"".to_vec() };
        let told = crash(&record);
        assert_eq!(told, r#"the guest has crashed: vCPU 1, code 0x2a, "out of\x1b[2J\n\xff\"""#);
    }
}
