// SPDX-License-Identifier: MIT OR Apache-2.0
//! The committed corpus, replayed by stable Rust: every input that once reached something new.

use std::path::Path;

#[test]
fn the_core_survives_its_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/core");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the corpus is part of the project")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    assert!(files.len() >= 50, "{} has only {} inputs", folder.display(), files.len());
    for file in files {
        let data = std::fs::read(&file).expect("it can be read");
        // libFuzzer names its inputs by hash: the name stands in the output if this one fails.
        println!("{}", file.display());
        tenon_fuzz::core(&data);
    }
}

#[test]
fn a_life_without_bytes_is_a_life() {
    tenon_fuzz::core(&[]);
}

/// A cheap stand-in for a fuzzer: the same inputs on every machine.
#[test]
fn the_core_survives_noise() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..400 {
        let data: Vec<u8> = (0..1024)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        tenon_fuzz::core(&data);
    }
}
