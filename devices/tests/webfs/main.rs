// SPDX-License-Identifier: MIT OR Apache-2.0
//! The example `webfs` as its user has it: a volume made by `mkfs.vfat` and `mcopy`, and `curl` and a browser
//! that ask for its files. What a machine lacks is skipped by name.
#![cfg(target_arch = "x86_64")]

mod checks;
mod net;
mod run;
mod volume;

use checks::Client;
use net::Namespace;
use run::{Served, skip};
use volume::Volume;

const PASST_PORT: u16 = 8099;
const PROGRAMS: [&str; 3] = ["mkfs.vfat", "mcopy", "curl"];

/// A user of the system without a name server, a route, or any right: passt carries the frames.
#[test]
fn by_passt() {
    const NAME: &str = "webfs.by_passt";
    if skip(NAME, &[&PROGRAMS[..], &["passt"]].concat()) {
        return;
    }
    // Root has a network of the test's own, where nothing but the test is; others have the system's loopback.
    let namespace = match Namespace::new("passt") {
        Ok(namespace) => namespace,
        Err(why) => return println!("skipped: {NAME}: {why}"),
    };
    if let Some(namespace) = &namespace {
        // passt refuses a network without a way out.
        namespace.way_out();
    } else if !net::has_way_out() {
        return println!("skipped: {NAME}: passt refuses a network without a default route");
    }
    let volume = Volume::make();
    let port = PASST_PORT.to_string();
    let served = Served::start(&volume, namespace.as_ref(), &["--net", "passt", "--port", &port]);
    let url = served.url();
    assert_eq!(url, format!("http://127.0.0.1:{PASST_PORT}/"));
    all(&Client { namespace: namespace.as_ref(), url: &url }, &volume, &served);
}

/// Root, with a TAP interface in a network of the test's own.
#[test]
fn by_tap() {
    const NAME: &str = "webfs.by_tap";
    if skip(NAME, &[&PROGRAMS[..], &["ip"]].concat()) {
        return;
    }
    let namespace = match Namespace::new("tap") {
        Ok(Some(namespace)) => namespace,
        Ok(None) => return println!("skipped: {NAME}: only root makes a network of its own"),
        Err(why) => return println!("skipped: {NAME}: {why}"),
    };
    if let Err(why) = namespace.tap("tap0", "10.99.0.1/24") {
        return println!("skipped: {NAME}: {why}");
    }
    let volume = Volume::make();
    let args = ["--net", "tap=tap0", "--ip", "10.99.0.2/24", "--gateway", "10.99.0.1"];
    let served = Served::start(&volume, Some(&namespace), &args);
    let url = served.url();
    assert_eq!(url, "http://10.99.0.2/");
    all(&Client { namespace: Some(&namespace), url: &url }, &volume, &served);
}

fn all(client: &Client<'_>, volume: &Volume, served: &Served) {
    client.whole_files(volume);
    client.ranges(volume);
    client.other_statuses();
    client.one_connection(volume);
    client.many_at_once(volume);
    client.torn(volume);
    client.listing();
    client.browser();
    served.rests();
}
