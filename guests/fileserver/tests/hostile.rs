// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes that are no request, and volumes that are none.

mod world;

use proptest::prelude::*;
use world::{FatKind, Response, World, volume};

fn some_request() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "GET ",
        "HEAD ",
        "/",
        "..",
        "%",
        "%2f",
        "%00",
        "a",
        "sub",
        "?",
        "\r\n",
        "\r\n\r\n",
        " HTTP/1.1",
        " HTTP/1.0",
        "Host: t",
        "Range: bytes=",
        "-",
        "0",
        "99999999999999999999",
        "Connection: close",
        "Content-Length: ",
        "http://",
        "\0",
        "\u{ff}",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_bytes_leave_the_server_as_it_was(requests in prop::collection::vec(some_request(), 1..6)) {
        let mut world = World::new(volume(FatKind::Fat12, 1, &[("a", b"A"), ("sub/b", b"B")]));
        for request in requests {
            let client = world.connect();
            world.send(client, &request[..request.len().min(4000)]);
            world.client(client).close();
            let got = world.finish(&[client]).remove(0);
            if !got.is_empty() {
                prop_assert!(got.starts_with(b"HTTP/1.1 "));
            }
            world.sockets.remove(client);
        }
        prop_assert_eq!(world.get("/sub/b").body, b"B");
    }

    #[test]
    fn a_damaged_volume_gets_answers(
        damage in prop::collection::vec((0_usize..65_536, any::<u8>()), 1..60),
        path in prop::sample::select(vec!["/", "/a", "/sub/", "/sub/b"]),
    ) {
        let mut image = volume(FatKind::Fat12, 1, &[("a", &[7; 9000]), ("sub/b", b"B")]);
        for (at, byte) in damage {
            image[at] = byte;
        }
        // A volume that is not mounted is the embedder's to report.
        if let Some(mut world) = World::try_new(image) {
            let client = world.connect();
            let line = format!("GET {path} HTTP/1.0\r\n\r\n");
            world.send(client, line.as_bytes());
            let got = world.finish(&[client]).remove(0);
            if !got.is_empty() {
                prop_assert!([200, 301, 404, 500].contains(&Response::read(&got).status));
            }
        }
    }
}
