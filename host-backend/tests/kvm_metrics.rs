// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program of the ready machine tells what it counted: on an address while it runs, and in a file.
#![cfg(all(feature = "kvm", target_os = "linux", target_arch = "x86_64"))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tenon_host::kvm::{Vmm, VmmConfig};

/// The example `vmm`, which cargo builds before it runs all tests; the reason where there is none.
fn program(test: &str) -> Option<Command> {
    let reason = match Vmm::new(VmmConfig::default()) {
        Err(why) => why.to_string(),
        Ok(_) => {
            let test = std::env::current_exe().expect("a test knows where it is");
            let built = test.ancestors().nth(2).expect("a folder").join("examples").join("vmm");
            if built.exists() {
                let mut command = Command::new(built);
                command.stdin(Stdio::null());
                return Some(command);
            }
            "the example vmm is not built: cargo build --example vmm".to_owned()
        }
    };
    println!("skipped: {test}: {reason}");
    None
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tenon-{name}-{}.json", std::process::id()))
}

fn one_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// `hello` writes one line by one call; its session takes two control requests, and the second call ends it.
#[test]
fn what_hello_does_is_found_in_the_file() {
    let Some(mut vmm) = program("what_hello_does_is_found_in_the_file") else { return };
    let path = file("hello");
    let output = vmm.arg("--metrics-json").arg(&path).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = std::fs::read_to_string(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it is this test's own");
    let found: serde_json::Value = serde_json::from_str(&found).expect("it is JSON");
    assert_eq!(found["console_out_bytes"], output.stdout.len(), "{found}");
    assert_eq!((&found["calls"], &found["controls"], &found["events"]), (&2.into(), &2.into(), &0.into()));
}

/// It is asked while it runs, as Prometheus does.
#[test]
fn a_running_machine_is_asked() {
    let Some(mut vmm) = program("a_running_machine_is_asked") else { return };
    // What reads its output takes nothing: a guest that says more than fits waits for it.
    let mut vmm = vmm.args(["--metrics", "0"]).stderr(Stdio::piped()).stdout(Stdio::piped());
    let image = file("image");
    std::fs::write(&image, tenon_guest_images::CONFORMANCE.bytes).expect("a file");
    vmm = vmm.arg(&image).args(["seed=1", "serial=burst"]);
    let mut child = vmm.spawn().expect("it starts");
    let mut line = String::new();
    let told = BufReader::new(child.stderr.take().expect("it was piped")).read_line(&mut line);
    told.expect("it says where");
    let address = line.trim().strip_prefix("metrics: http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
    let mut found = String::new();
    // The guest has done something after a while, and the server lives as long as the machine.
    for _ in 0..300 {
        let Ok(mut client) = TcpStream::connect(&address) else { break };
        client.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("it reads");
        found.clear();
        client.read_to_string(&mut found).expect("it answers");
        if found.contains("\ntenon_controls_total ") && !found.contains("\ntenon_controls_total 0\n") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    std::fs::remove_file(&image).expect("it is this test's own");
    assert!(found.starts_with("HTTP/1.1 200 OK\r\n"), "{found}");
    assert!(!found.contains("\ntenon_controls_total 0\n"), "the guest did nothing:\n{found}");
}

#[test]
fn an_address_in_use_and_words_that_are_no_address_are_one_line_and_exit_2() {
    let Some(mut vmm) = program("an_address_in_use") else { return };
    let taken = TcpListener::bind("127.0.0.1:0").expect("this computer has a port");
    let port = taken.local_addr().expect("it listens").port().to_string();
    let output = vmm.args(["--metrics", &port]).output().expect("it starts");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "nothing runs");
    let line = one_line(&output);
    assert!(line.contains(&format!("127.0.0.1:{port}")) && line.contains("in use"), "{line}");
    for words in [&["--metrics", "nowhere"][..], &["--metrics"], &["--metrics-json"], &["--metric", "1"]] {
        let Some(mut vmm) = program("words_that_are_no_address") else { return };
        let output = vmm.args(words).output().expect("it starts");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words:?}");
        one_line(&output);
    }
}
