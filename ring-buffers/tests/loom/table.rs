// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's table of orderings says what the code and the models say.

use crate::WITNESSES;
use std::sync::atomic::Ordering;
use tenon_rings::Site;
use tenon_rings::order::Operation;

const README: &str = include_str!("../../README.md");

/// What the table says of a site: what it does, its ordering, and what sees it.
fn row(site: Site) -> [String; 3] {
    let start = format!("| `{site:?}` |");
    let rows: Vec<&str> = README.lines().filter(|line| line.starts_with(&start)).collect();
    assert_eq!(rows.len(), 1, "{site:?} has {} rows", rows.len());
    let cells: Vec<&str> = rows[0].split('|').map(str::trim).collect();
    assert_eq!(cells.len(), 7, "{site:?}: a row has five cells");
    assert!(!cells[4].is_empty(), "{site:?}: nothing breaks?");
    [cells[2], cells[3], cells[5]].map(str::to_owned)
}

#[test]
fn each_site_stands_there_once_with_its_ordering() {
    for &site in Site::ALL {
        let operation = match (site.operation(), site.ordering()) {
            (Operation::Fence, Ordering::SeqCst | Ordering::Acquire | Ordering::Release) => "fence",
            (Operation::Store, Ordering::Release | Ordering::Relaxed) => "store",
            (Operation::Load, Ordering::Acquire | Ordering::Relaxed) => "load",
            (Operation::Access, Ordering::Relaxed) => "load, store",
            (
                Operation::Update,
                Ordering::AcqRel | Ordering::Release | Ordering::Acquire | Ordering::Relaxed,
            ) => "update",
            // An access is never SeqCst: loom would weaken it without a word. Other pairs are less than they
            // say, or mean nothing.
            pair => panic!("{site:?}: {pair:?}"),
        };
        let [does, ordering, _] = row(site);
        assert_eq!((does.as_str(), ordering), (operation, format!("{:?}", site.ordering())), "{site:?}");
    }
    let rows = README.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 6);
    assert_eq!(rows.count(), Site::ALL.len(), "a row of a site that does not exist");
}

#[test]
fn each_witness_is_named() {
    for &site in Site::ALL {
        let [_, _, seen] = row(site);
        let models: Vec<String> = WITNESSES
            .iter()
            .filter(|(_, sites)| sites.contains(&site))
            .map(|(model, _)| format!("`{model}`"))
            .collect();
        if site.ordering() == Ordering::Relaxed {
            assert!(seen == "nothing to see" && models.is_empty(), "{site:?}: {seen}");
        } else {
            assert!(!models.is_empty(), "{site:?}: no model needs it");
            assert_eq!(seen, models.join(", "), "{site:?}");
        }
    }
}
