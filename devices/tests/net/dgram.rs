// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagram sockets as ports.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use tenon_devices::net::{Datagram, Port as _};

const FRAME: [u8; 60] = [7; 60];

#[test]
fn one_datagram_is_one_frame_both_ways() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let mut port = Datagram::over(ours).unwrap();
    assert_eq!(port.send(&FRAME), Ok(true));
    let mut came = [0; 100];
    assert_eq!(theirs.recv(&mut came).unwrap(), 60);
    assert_eq!(came[..60], FRAME);
    let mut frame = [0; 64];
    assert_eq!(port.receive(&mut frame), Ok(None));
    theirs.send(&[1; 64]).unwrap();
    assert_eq!((port.receive(&mut frame), frame), (Ok(Some(64)), [1; 64]));
}

#[test]
fn what_is_no_frame_or_too_long_is_left_out() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let mut port = Datagram::over(ours).unwrap();
    for len in [0, 13, 65, 65_551, 14] {
        theirs.send(&vec![3; len]).unwrap();
    }
    let mut frame = [0; 64];
    assert_eq!(port.receive(&mut frame), Ok(Some(14)));
    assert_eq!(port.receive(&mut frame), Ok(None));
}

#[test]
fn a_full_socket_takes_no_more_until_it_is_read() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let mut port = Datagram::over(ours).unwrap();
    let taken = (0..100_000).take_while(|_| port.send(&FRAME) == Ok(true)).count();
    assert!(taken > 0 && port.send(&FRAME) == Ok(false), "{taken} frames");
    theirs.set_nonblocking(true).unwrap();
    let mut came = [0; 100];
    for _ in 0..taken {
        assert_eq!(theirs.recv(&mut came).unwrap(), 60);
    }
    assert!(theirs.recv(&mut came).is_err());
    assert_eq!(port.send(&FRAME), Ok(true));
}

#[test]
fn a_successor_at_the_same_path_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    assert!(Datagram::connect(&here, &there).is_err());
    assert!(!here.exists());
    let first = UnixDatagram::bind(&there).unwrap();
    let mut port = Datagram::connect(&here, &there).unwrap();
    assert_eq!(std::fs::metadata(&here).unwrap().permissions().mode() & 0o777 & !0o600, 0);
    drop(first);
    std::fs::remove_file(&there).unwrap();
    assert_eq!(port.send(&FRAME), Ok(true));
    let second = UnixDatagram::bind(&there).unwrap();
    second.set_nonblocking(true).unwrap();
    // The first of them finds that it has to connect again.
    assert_eq!([port.send(&FRAME), port.send(&FRAME)], [Ok(true), Ok(true)]);
    assert_eq!(second.recv(&mut [0; 100]).unwrap(), 60);
    second.send_to(&FRAME, &here).unwrap();
    assert_eq!(port.receive(&mut [0; 100]), Ok(Some(60)));
}

#[test]
fn strangers_are_not_heard_and_what_is_not_ours_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let _peer = UnixDatagram::bind(&there).unwrap();
    std::fs::write(&here, "somebody's").unwrap();
    assert!(Datagram::connect(&here, &there).is_err());
    assert!(here.exists());
    std::fs::remove_file(&here).unwrap();
    let port = Datagram::connect(&here, &there).unwrap();
    let stranger = UnixDatagram::unbound().unwrap();
    assert!(stranger.send_to(&FRAME, &here).is_err());
    std::fs::remove_file(&here).unwrap();
    std::fs::write(&here, "another's").unwrap();
    drop(port);
    assert!(here.exists());
}
