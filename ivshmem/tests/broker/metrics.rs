// SPDX-License-Identifier: MIT OR Apache-2.0
//! What workers count is told on an address that outlives them, and in a file.

use crate::tools::{Running, SHAPE, call, exit, path};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tenon_ivshmem::memory::map;

/// Asks once, as Prometheus does.
fn ask(address: &str) -> String {
    let mut client = TcpStream::connect(address).expect("the address outlives each worker");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
    client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("it reads");
    let mut found = String::new();
    // A worker that is killed while it answers has said nothing.
    let _ = client.read_to_string(&mut found);
    found
}

/// Asks until the answer is like this.
fn ask_until(address: &str, fits: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let found = ask(address);
        if fits(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{found}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn epoch(found: &str) -> Option<&str> {
    found.lines().find_map(|line| line.strip_prefix("tenon_meter_info{epoch="))
}

#[test]
fn a_broker_tells_what_each_of_its_workers_counts() {
    let file = path("counts");
    let named = file.to_str().expect("text");
    let mut broker = Running::new("metrics", &["--once", "--metrics", "0", "--metrics-json", named]);
    let mut lines = broker.before.iter();
    let address = lines.find_map(|line| line.strip_prefix("metrics: http://")?.strip_suffix("/metrics"));
    let address = address.unwrap_or_else(|| panic!("{:?}", broker.before)).to_owned();
    let (_client, attached) = broker.attach();
    let memory = map(&attached.memory, SHAPE).expect("its shape");
    assert_eq!(call(memory, 5), Ok(5));
    let found = ask_until(&address, |found| found.contains("\ntenon_calls_total 1\n"));
    assert!(found.starts_with("HTTP/1.1 200 OK\r\n"), "{found}");
    // The next worker answers at the same address; what it counts has another epoch (MET-4).
    let before = epoch(&found).expect("an epoch").to_owned();
    let worker = broker.workers().pop().expect("it serves");
    assert!(Command::new("kill").args(["-9", &worker]).status().expect("kill runs").success());
    ask_until(&address, |found| epoch(found).is_some_and(|epoch| epoch != before));
    assert_eq!(call(memory, 6), Ok(6));
    assert!(exit(memory, 3).is_err(), "nobody ends this process");
    while broker.next_line().is_some() {}
    let found = fs::read_to_string(&file).expect("it was written at the end");
    fs::remove_file(&file).expect("it is this test's own");
    assert!(found.contains("\"calls\":2,"), "NOP and EXIT: {found}");
}

fn run(options: &[&str], script: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenon-ivshmem"));
    command.args(["run", "--memory", "2097152", "--vcpus", "2", "--messages", "8"]).args(options);
    command.args(["--", "sh", "-c", script, "{socket}"]).stdin(Stdio::null()).output().expect("it is built")
}

/// A VMM that ends without its guest's word: the file is written all the same.
#[test]
fn run_tells_too() {
    let file = path("run-counts");
    let output = run(&["--metrics", "0", "--metrics-json", file.to_str().expect("text")], "exit 4");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.lines().any(|line| line.starts_with("metrics: http://127.0.0.1:")), "{said}");
    let found = fs::read_to_string(&file).expect("it was written at the end");
    fs::remove_file(&file).expect("it is this test's own");
    assert!(found.starts_with("{\"epoch\":") && found.contains("\"calls\":0,"), "{found}");
}

#[test]
fn where_nothing_can_be_told_nothing_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("this computer has a port");
    let port = taken.local_addr().expect("it listens").port().to_string();
    for (option, value, why) in
        [("--metrics", port.as_str(), "in use"), ("--metrics-json", "/nowhere/counts", "/nowhere/counts")]
    {
        let output = run(&[option, value], "echo ran");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.lines().count() == 1 && said.contains(option) && said.contains(why), "{said}");
    }
    assert!(!Path::new("/nowhere").exists());
    assert!(String::from_utf8_lossy(&run(&["--metrics", "no"], "").stderr).contains("is no address or port"));
}
