// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file of a broker's socket: who can reach it, and what it takes the place of.

use crate::tools::{Running, command, path};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tenon_ivshmem::socket::Socket;

fn refused(socket: &Path) -> String {
    let Output { status, stderr, .. } = command(socket).output().expect("the broker is built");
    let why = String::from_utf8(stderr).expect("text");
    assert_eq!((status.code(), why.lines().count()), (Some(2), 1), "{why}");
    why
}

#[test]
fn what_is_no_dead_socket_stays() {
    let file = path("precious");
    fs::write(&file, "precious").expect("the file is the test's own");
    assert!(refused(&file).contains("no socket: it is not replaced"));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "precious");
    let link = path("link");
    symlink(&file, &link).expect("the link is the test's own");
    assert!(refused(&link).contains("no socket"));
    assert_eq!(fs::read_link(&link).expect("it is there"), file);
    // Nor does a link to a dead socket: it may be anybody's.
    let (dead, other) = (path("dead"), path("dead-link"));
    drop(UnixListener::bind(&dead).expect("a socket"));
    symlink(&dead, &other).expect("the link is the test's own");
    assert!(refused(&other).contains("no socket"));
    assert!(fs::symlink_metadata(&dead).is_ok() && fs::symlink_metadata(&other).is_ok());
    let folder = path("folder");
    fs::create_dir(&folder).expect("the folder is the test's own");
    assert!(refused(&folder).contains("no socket"));
    // A socket that somebody serves, of whatever kind.
    let (stream, datagram) = (path("served"), path("datagram"));
    let _served = (UnixListener::bind(&stream), UnixDatagram::bind(&datagram).expect("a socket"));
    for socket in [&stream, &datagram] {
        assert!(refused(socket).contains("in use"));
        assert!(fs::symlink_metadata(socket).is_ok_and(|found| found.file_type().is_socket()));
    }
    for left in [file, link, dead, other, stream, datagram] {
        fs::remove_file(left).expect("it is there");
    }
    fs::remove_dir(folder).expect("it is there");
}

#[test]
fn a_dead_socket_makes_way_and_a_file_in_its_place_stays_at_the_end() {
    let file = path("replaced");
    drop(UnixListener::bind(&file).expect("a socket"));
    let socket = Socket::new(&file).expect("nobody serves it");
    assert!(UnixStream::connect(&file).is_ok() && socket.accept().is_some());
    // Somebody has put another file there meanwhile.
    fs::remove_file(&file).expect("it is there");
    fs::write(&file, "precious").expect("the file is the test's own");
    drop(socket);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "precious");
    fs::remove_file(&file).expect("it is there");
}

#[test]
fn nobody_else_can_reach_it_at_any_time() {
    // No mode is set behind the binding: neither is there a time before that. Without a mask, as others would
    // have it.
    let file = path("mode");
    let script = format!(
        "umask 0; exec {} broker --socket {} </dev/null",
        env!("CARGO_BIN_EXE_tenon-ivshmem"),
        file.display()
    );
    let watched = |file: &Path| fs::symlink_metadata(file).map(|found| found.permissions().mode() & 0o777);
    let mut child = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).spawn().expect("a shell");
    let mut modes = Vec::new();
    while child.try_wait().expect("it runs").is_none() {
        modes.extend(watched(&file));
    }
    modes.dedup();
    assert!(modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
    let socket = Socket::new(&file).expect("a socket");
    assert_eq!(watched(&file).ok(), Some(0o600));
    drop(socket);
    // What is in a folder of its own is hidden by that, and both go.
    let socket = Socket::private().expect("a socket");
    let place = socket.path().parent().expect("a folder").to_owned();
    let found = fs::metadata(&place).expect("a folder");
    assert_eq!((found.mode() & 0o777, watched(socket.path()).ok()), (0o700, Some(0o600)));
    drop(socket);
    assert!(!place.exists());
}

#[test]
fn who_waits_when_the_broker_ends_is_told_so() {
    let file = path("waits");
    let socket = Socket::new(&file).expect("a socket");
    let mut waiting = UnixStream::connect(&file).expect("it listens");
    drop(socket);
    let mut word = [0; 8];
    waiting.read_exact(&mut word).expect("a word");
    assert!(i64::from_le_bytes(word) != 0, "it is no version");
}

#[test]
fn a_second_qemu_ends_with_an_error() {
    let broker = Running::new("second", &[]);
    let (_first, _) = broker.attach();
    let output = Command::new("timeout")
        .args([
            "60",
            "qemu-system-x86_64",
            "-M",
            "q35",
            "-accel",
            "tcg",
            "-nodefaults",
            "-display",
            "none",
            "-S",
        ])
        .args(["-device", "ivshmem-doorbell,vectors=16,chardev=t", "-chardev"])
        .arg(format!("socket,path={},id=t", broker.socket.display()))
        .stdin(Stdio::null())
        .output()
        .expect("a program");
    if output.status.code() == Some(127) {
        println!("skipped: a_second_qemu_ends_with_an_error: there is no qemu-system-x86_64");
        return;
    }
    let why = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "124: it never ended; {why}");
    assert!(why.contains("server sent version"), "{why}");
}
