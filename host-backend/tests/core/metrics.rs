// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was counted, as Prometheus and whoever reads a file see it.

use crate::tools::{Guest, PAYLOAD, config};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;
use tenon_abi::Op;
use tenon_host::Counted;
use tenon_host::metrics::{Server, json, text, write_json};

/// A guest that made 17 calls, raised 5 events and wrote 60 bytes in two of the calls.
fn counted() -> Counted {
    let mut guest = Guest::open(config(1));
    guest.bind(0);
    guest.ok(0, Op::EVENT_BIND, [3, 0, 0]);
    for _ in 0..5 {
        guest.ok(0, Op::EVENT_SIGNAL, [3]);
    }
    for len in [40, 20] {
        guest.ok(0, Op::CONSOLE_WRITE, [PAYLOAD, len]);
    }
    for value in 0..9 {
        guest.ok(0, Op::NOP, [value]);
    }
    *guest.domain.counted()
}

#[test]
fn n_calls_events_and_bytes_are_found_in_the_text_and_in_the_file() {
    let counted = counted();
    let text = text(&counted);
    for line in ["tenon_calls_total 17", "tenon_events_total 5", "tenon_console_out_bytes_total 60"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    assert!(text.contains(&format!("tenon_meter_info{{epoch=\"{:#x}\"}} 1", counted.epoch())));
    let folder = std::env::temp_dir().join(format!("tenon-metrics-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    let path = folder.join("metrics.json");
    for _ in 0..2 {
        write_json(&path, &counted).expect("the folder can be written");
        let found = fs::read_to_string(&path).expect("it was written");
        assert_eq!(found, json(&counted));
        let value: serde_json::Value = serde_json::from_str(&found).expect("it is JSON");
        assert_eq!((&value["calls"], &value["events"]), (&17.into(), &5.into()));
        assert_eq!(value["console_out_bytes"], 60);
        assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1, "nothing is left beside it");
    }
    fs::remove_dir_all(&folder).expect("it is this test's own");
    assert!(write_json(&folder.join("none").join("metrics.json"), &counted).is_err());
}

/// What the checker of Debian's package `prometheus` says of a text, and whether it accepts it. `None`: it is
/// not installed.
fn promtool(text: &str) -> Option<(bool, String)> {
    let command = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = command else {
        println!("skipped: promtool is not installed");
        return None;
    };
    let mut input = promtool.stdin.take().expect("it was piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = promtool.wait_with_output().expect("it was started");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn promtool_accepts_the_text() {
    let text = text(&counted());
    if let Some(found) = promtool(&text) {
        assert_eq!(found, (true, String::new()));
    }
}

/// What it accepts means something: it says what is wrong with texts that are nearly ours.
#[test]
fn promtool_refuses_a_broken_text() {
    let sound = text(&counted());
    let without = |start: &str| {
        let kept = sound.lines().filter(|line| !line.starts_with(start));
        kept.map(|line| format!("{line}\n")).collect::<String>()
    };
    let broken = [
        without("# HELP tenon_calls_total"),
        sound.replace("tenon_calls_total 17", "tenon_calls_total seventeen"),
        sound.replace("tenon_calls_total", "tenon_calls"),
    ];
    for text in broken {
        assert_ne!(text, sound);
        if let Some((accepts, said)) = promtool(&text) {
            assert!(!accepts && !said.is_empty(), "{text}");
        }
    }
}

fn ask(server: &Server, request: &[u8]) -> String {
    let mut client = TcpStream::connect(server.address()).expect("it listens");
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
    // One that is sent away may find that here.
    let _ = client.write_all(request);
    let mut answer = String::new();
    // One that is sent away may find that by a reset.
    let _ = client.read_to_string(&mut answer);
    answer
}

fn server() -> Server {
    let counted = counted();
    let own = Server::address_of("0").expect("any port");
    Server::start(own, move || text(&counted)).expect("this computer has a port")
}

#[test]
fn the_server_answers_what_it_is_for_and_refuses_the_rest() {
    let server = server();
    assert!(server.address().ip().is_loopback(), "a port alone is this computer's own");
    let answer = ask(&server, b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("\ntenon_calls_total 17\n"), "{body}");
    assert!(ask(&server, b"GET /metrics?x=1 HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(ask(&server, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert!(ask(&server, b"POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    assert!(ask(&server, b"\r\n\r\n").starts_with("HTTP/1.1 405 "));
    assert_eq!(ask(&server, &[b'x'; 5000]), "", "a request without an end");
    for (text, address) in [("9100", "127.0.0.1:9100"), ("0.0.0.0:80", "0.0.0.0:80"), ("[::1]:9", "[::1]:9")]
    {
        assert_eq!(Server::address_of(text).expect("it is one").to_string(), address);
    }
    for text in ["", "x", ":9100", "70000", "127.0.0.1", "localhost:80:80"] {
        assert_eq!(Server::address_of(text), None, "{text}");
    }
}

#[test]
fn slow_clients_hold_no_more_than_their_places_and_the_address_is_taken_once() {
    let server = server();
    let again = Server::start(server.address(), String::new).map(|_| ());
    assert_eq!(again.expect_err("it is in use").kind(), std::io::ErrorKind::AddrInUse);
    // More than there are places for, and none of them says anything.
    let slow: Vec<_> = (0..20).filter_map(|_| TcpStream::connect(server.address()).ok()).collect();
    assert!(slow.len() > 8);
    // They are sent away after a while, however long they stay, and then there is room.
    let found = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        ask(&server, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 ")
    });
    assert!(found, "silent clients keep others out");
    drop(slow);
    drop(server);
}
