// SPDX-License-Identifier: MIT OR Apache-2.0
//! The committed corpus, replayed by stable Rust: every input that once reached something new.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// How long all inputs of a test may take: they need a hundredth of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Feeds the core in a thread, so that a loop without an end fails, and says at which input.
fn feed(inputs: impl Iterator<Item = (String, Vec<u8>)> + Send + 'static) {
    let (done, news) = mpsc::channel();
    let run = std::thread::spawn(move || {
        for (name, data) in inputs {
            // It stands in the output if this one fails.
            println!("{name}");
            let _ = done.send(Some(name));
            tenon_fuzz::core(&data);
        }
        let _ = done.send(None);
    });
    let until = std::time::Instant::now() + PATIENCE;
    let mut last = String::new();
    loop {
        match news.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
            Ok(Some(name)) => last = name,
            Ok(None) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{last}: the core does not come back"),
        }
    }
    run.join().expect("the core breaks no rule");
}

#[test]
fn the_core_survives_its_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/core");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the corpus is part of the project")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    assert!(files.len() >= 50, "{} has only {} inputs", folder.display(), files.len());
    feed(files.into_iter().map(|file| (file.display().to_string(), std::fs::read(&file).expect("a file"))));
}

#[test]
fn a_life_without_bytes_is_a_life() {
    tenon_fuzz::core(&[]);
}

/// A cheap stand-in for a fuzzer: the same inputs on every machine.
#[test]
fn the_core_survives_noise() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    feed((0..400).map(move |n| {
        let data = (0..1024).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        });
        (format!("noise {n}"), data.collect())
    }));
}
