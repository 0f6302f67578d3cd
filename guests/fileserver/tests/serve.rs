// SPDX-License-Identifier: MIT OR Apache-2.0
//! What clients of the server get.

mod world;

use smoltcp::socket::tcp::State;
use smoltcp::time::Duration;
use tenon_guest_fileserver::PATIENCE;
use world::{CLIENTS, FatKind, Response, World, noise, volume};

fn small() -> World {
    let files: [(&str, &[u8]); 4] = [
        ("hello.txt", b"hello"),
        ("empty", b""),
        ("sub/a long name, \u{e4}nd more.html", b"<p>x"),
        ("sub/deeper/EIGHT.3", b"8.3"),
    ];
    World::new(volume(FatKind::Fat12, 1, &files))
}

#[test]
fn files_of_each_kind_of_volume() {
    for (kind, mib) in [(FatKind::Fat12, 3), (FatKind::Fat16, 20), (FatKind::Fat32, 40)] {
        let (one, two) = (noise(700_001, 1), noise(700_000, 2));
        let name = "some folder/with (a) long name.bin";
        let mut world = World::new(volume(kind, mib, &[("one.bin", &one), (name, &two)]));
        let got = world.get("/one.bin");
        assert_eq!((got.status, got.header("content-length")), (200, "700001"), "{kind:?}");
        assert!(got.body == one, "{kind:?}: not the bytes of the file");
        let got = world.get("/SOME%20folder//with%20(a)%20long%20name.bin?x=1");
        assert_eq!(got.status, 200, "{kind:?}: {}", got.body.len());
        assert!(got.body == two, "{kind:?}: not the bytes of the file in a folder");
    }
}

#[test]
fn ranges() {
    let bytes = noise(100_000, 3);
    let mut world = World::new(volume(FatKind::Fat16, 20, &[("a", &bytes), ("b", &bytes)]));
    for (range, from, to) in
        [("0-0", 0, 1), ("511-513", 511, 514), ("33333-", 33_333, 100_000), ("-1", 99_999, 100_000)]
    {
        let got = world.range("/a", &format!("bytes={range}"));
        assert_eq!(got.status, 206, "{range}");
        assert_eq!(got.header("content-range"), format!("bytes {from}-{}/100000", to - 1));
        assert!(got.body == bytes[from..to], "{range}: other bytes");
    }
    let got = world.range("/a", "bytes=100000-");
    assert_eq!((got.status, got.header("content-range")), (416, "bytes */100000"));
    let got = world.range("/a", "bytes=0-1,5-6");
    assert!(got.status == 200 && got.body == bytes);
}

#[test]
fn statuses() {
    let mut world = small();
    let paths = [
        ("/hello.txt", 200),
        ("/HELLO.TXT", 200),
        ("/empty", 200),
        ("/sub", 301),
        ("/sub/", 200),
        ("/sub/deeper/eight.3", 200),
        ("/none", 404),
        ("/none/none", 404),
        ("/hello.txt/", 404),
        ("/hello.txt/x", 404),
        ("/sub/../hello.txt", 404),
        ("/%2e%2e/hello.txt", 404),
        ("/sub%2fdeeper", 404),
        ("/%ff", 404),
        ("//evil.example/", 404),
    ];
    for (path, status) in paths {
        assert_eq!(world.get(path).status, status, "{path}");
    }
    assert_eq!(world.get("//sub").header("location"), "./sub/");
    assert_eq!(world.get("/sub/a%20long%20name,%20%C3%84nd%20more.html").body, b"<p>x");
    let got = world.ask(b"POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert_eq!((got.status, got.header("allow")), (405, "GET, HEAD"));
    assert_eq!(world.ask(b"PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n").status, 413);
    assert_eq!(world.ask(b"\x16\x03\x01 nothing\r\n\r\n").status, 400);
    assert_eq!(world.ask(&[b'x'; 4096]).status, 431);
    let head = world.connect();
    world.send(head, b"HEAD /hello.txt HTTP/1.0\r\n\r\n");
    let got = world.finish(&[head]).remove(0);
    let got = Response::of(&got, true);
    assert_eq!((got.status, got.header("content-length"), got.rest.len()), (200, "5", 0));
}

#[test]
fn one_connection_for_several_requests() {
    let mut world = small();
    let client = world.connect();
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
    // All at once, and each answered in its turn.
    let all = [one("/hello.txt"), one("/none"), one("/"), one("/empty"), one("/hello.txt")].concat();
    world.send(client, all.as_bytes());
    let mut got = Vec::new();
    for _ in 0..100 {
        world.step();
        got.extend(world.take(client));
    }
    let mut rest = got;
    for status in [200, 404, 200, 200, 200] {
        let got = Response::read(&rest);
        assert_eq!((got.status, got.header("connection")), (status, "keep-alive"));
        rest = got.rest;
    }
    assert!(rest.is_empty());
    // Cut at each place.
    for byte in one("/hello.txt").bytes() {
        world.send(client, &[byte]);
        world.step();
    }
    world.client(client).close();
    let got = world.finish(&[client]).remove(0);
    assert_eq!(Response::read(&got).body, b"hello");
}

#[test]
fn many_clients_at_once() {
    let files: Vec<Vec<u8>> = (0..4).map(|seed| noise(300_000 + seed, seed as u64)).collect();
    let names: Vec<String> = (0..4).map(|number| format!("file {number}.bin")).collect();
    let all: Vec<(&str, &[u8])> =
        names.iter().zip(&files).map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let mut world = World::new(volume(FatKind::Fat16, 20, &all));
    let clients: Vec<_> = (0..CLIENTS).map(|_| world.connect()).collect();
    for (number, &client) in clients.iter().enumerate() {
        let line = format!("GET /file%20{}.bin HTTP/1.0\r\n\r\n", number % 4);
        world.send(client, line.as_bytes());
    }
    for (number, got) in world.finish(&clients).iter().enumerate() {
        let got = Response::read(got);
        assert!(got.status == 200 && got.body == files[number % 4], "client {number}");
    }
    assert_eq!(world.server.transfers().most, CLIENTS, "reads run at the same time");
    assert!(!world.server.transfers().is_overrun);
}

#[test]
fn a_torn_connection_costs_nobody_else_anything() {
    let bytes = noise(2_000_000, 9);
    let mut world = World::new(volume(FatKind::Fat16, 20, &[("a", &bytes)]));
    world.server.transfers().slowness = 7;
    // More than there are connections, one behind the other.
    for torn in 0..3 * CLIENTS {
        let client = world.connect();
        world.send(client, b"GET /a HTTP/1.0\r\n\r\n");
        for _ in 0..torn % 23 {
            world.step();
            world.take(client);
        }
        world.client(client).abort();
        world.step();
        world.sockets.remove(client);
    }
    assert!(world.get("/a").body == bytes);
    assert!(!world.server.transfers().is_overrun, "a buffer belongs to its read until that ended");
}

#[test]
fn a_disk_that_fails_ends_the_connection_before_the_length_that_was_told() {
    let bytes = noise(500_000, 4);
    let mut world = World::new(volume(FatKind::Fat16, 20, &[("a", &bytes)]));
    world.server.transfers().good = 3;
    let got = world.get("/a");
    assert_eq!(got.header("content-length"), "500000");
    assert!(got.body.len() < bytes.len() && got.body == bytes[..got.body.len()]);
    world.server.transfers().good = usize::MAX;
    assert!(world.get("/a").body == bytes, "and the next client gets it all");
}

#[test]
fn a_folder_is_a_page_whose_links_lead_to_its_files() {
    let names: Vec<String> = (0..300)
        .map(|number| format!("{number} \u{3a9}b&'x' {}\u{20ac}%41.txt", "long ".repeat(number % 40)))
        .collect();
    let all: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let mut image = volume(FatKind::Fat32, 40, &all);
    // No FAT driver writes such a name: an omega becomes the beginning of a tag.
    for at in 0..image.len() - 1 {
        if image[at..at + 2] == [0xa9, 0x03] {
            image[at..at + 2].copy_from_slice(&[b'<', 0]);
        }
    }
    let mut world = World::new(image);
    let page = world.get("/");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</body></html>\n"));
    assert!(!text.contains("<b>"), "names are no markup");
    let links: Vec<&str> =
        text.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), names.len());
    for (link, name) in links.iter().zip(&names).step_by(17) {
        assert_eq!(world.get(&format!("/{link}")).body, name.as_bytes(), "{link}");
    }
    // Without chunks the end of the connection ends the page.
    let old = world.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(old.header("connection"), "close");
    assert_eq!(String::from_utf8(old.body).unwrap(), text);
}

#[test]
fn who_says_nothing_makes_room() {
    let mut world = small();
    let silent: Vec<_> = (0..CLIENTS).map(|_| world.connect()).collect();
    for &client in &silent[..CLIENTS / 2] {
        world.send(client, b"GET / HT");
    }
    let end = world.server.deadline().unwrap();
    assert!(end > world.now + PATIENCE - Duration::from_secs(1) && end <= world.now + PATIENCE);
    world.now += PATIENCE;
    for _ in 0..10 {
        world.step();
    }
    for client in silent {
        assert_eq!(world.client(client).state(), State::Closed);
    }
    assert_eq!(world.get("/hello.txt").body, b"hello");
}

#[test]
fn a_file_whose_chain_is_a_circle_ends() {
    let bytes = noise(100_000, 5);
    let mut image = volume(FatKind::Fat16, 20, &[("a", &bytes)]);
    // The FAT is behind the reserved sectors; the file's first cluster is 2 or 3. Each entry names itself.
    let fat = 512 * usize::from(u16::from_le_bytes([image[14], image[15]]));
    for cluster in 2_u16..12 {
        image[fat + 2 * usize::from(cluster)..][..2].copy_from_slice(&cluster.to_le_bytes());
    }
    let mut world = World::new(image);
    let got = world.get("/a");
    assert!(got.status == 200 || got.status == 500, "{}", got.status);
    assert_eq!(world.get("/none").status, 404, "the server goes on");
}

#[test]
fn a_folder_that_cannot_be_read_ends_the_connection() {
    let mut image = volume(FatKind::Fat16, 20, &[("d/a", b"x"), ("b", b"B")]);
    // A folder begins with an entry for itself.
    let at = (0..image.len()).step_by(32).find(|&at| image[at..].starts_with(b".          \x10")).unwrap();
    image[at] = b'x';
    let mut world = World::new(image);
    for version in ["1.0", "1.1"] {
        let client = world.connect();
        world.send(client, format!("GET /d/ HTTP/{version}\r\nHost: t\r\n\r\n").as_bytes());
        let got = world.finish(&[client]).remove(0);
        assert!(!got.ends_with(b"</html>\n") && !got.ends_with(b"0\r\n\r\n"), "the page is not whole");
    }
    assert_eq!(world.get("/b").body, b"B", "the server goes on");
}
