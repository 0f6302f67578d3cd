// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's table of orderings says what the code and the models say.

use crate::WITNESSES;
use std::sync::atomic::Ordering;
use tenon_rings::Site;

const README: &str = include_str!("../../README.md");

/// What the table says of a site: its ordering and what sees it.
fn row(site: Site) -> (String, String) {
    let start = format!("| `{site:?}` |");
    let rows: Vec<&str> = README.lines().filter(|line| line.starts_with(&start)).collect();
    assert_eq!(rows.len(), 1, "{site:?} has {} rows", rows.len());
    let cells: Vec<&str> = rows[0].split('|').map(str::trim).collect();
    assert_eq!(cells.len(), 6, "{site:?}: a row has four cells");
    assert!(!cells[3].is_empty(), "{site:?}: nothing breaks?");
    (cells[2].to_owned(), cells[4].to_owned())
}

#[test]
fn each_site_stands_there_once_with_its_ordering() {
    for &site in Site::ALL {
        let fence = format!("{site:?}").ends_with("Fence");
        let expected = match site.ordering() {
            Ordering::SeqCst if fence => "full fence".to_owned(),
            // An access is never SeqCst: loom would weaken it without a word.
            ordering @ (Ordering::Relaxed | Ordering::Acquire | Ordering::Release) if !fence => {
                format!("{ordering:?}")
            }
            ordering => panic!("{site:?}: {ordering:?}"),
        };
        assert_eq!(row(site).0, expected, "{site:?}");
    }
    let rows = README.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 5);
    assert_eq!(rows.count(), Site::ALL.len(), "a row of a site that does not exist");
}

#[test]
fn each_witness_is_named() {
    for &site in Site::ALL {
        let seen = row(site).1;
        let models: Vec<String> = WITNESSES
            .iter()
            .filter(|(_, sites)| sites.contains(&site))
            .map(|(model, _)| format!("`{model}`"))
            .collect();
        if site.ordering() == Ordering::Relaxed {
            assert!(seen == "nothing to see" && models.is_empty(), "{site:?}: {seen}");
        } else if models.is_empty() {
            assert!(seen.starts_with("no model: "), "{site:?}: {seen}");
        } else {
            assert_eq!(seen, models.join(", "), "{site:?}");
        }
    }
}
