// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may stand in each page of the disk, and what stands there.

use crate::pattern::{PAGE, PAGES, fill, page_of};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What a page may hold: one of these versions of it.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Everything older is a loss, or a ghost.
    floor: u64,
    /// What was submitted since.
    newer: BTreeSet<u64>,
    /// The newest that was completed.
    completed: u64,
}

/// All pages of a disk, as its guest knows them.
pub(crate) struct Pages {
    known: Vec<Known>,
    /// From this version on, nobody knows which were submitted.
    from: u64,
}

impl Pages {
    /// A disk of zeros.
    pub(crate) fn new() -> Self {
        Self { known: vec![Known::default(); PAGES], from: u64::MAX }
    }

    fn at(&mut self, page: usize) -> &mut Known {
        &mut self.known[page]
    }

    pub(crate) fn submitted(&mut self, version: u64) {
        self.at(page_of(version)).newer.insert(version);
    }

    /// From this version on, each may have been submitted.
    pub(crate) fn submitted_from(&mut self, version: u64) {
        self.from = version;
    }

    pub(crate) fn completed(&mut self, version: u64) {
        self.at(page_of(version)).completed = version;
    }

    /// The newest version of each page that was completed.
    pub(crate) fn all_completed(&self) -> Vec<u64> {
        self.known.iter().map(|known| known.completed).collect()
    }

    /// A version is durable, so nothing older may come back; whether that is news.
    pub(crate) fn durable(&mut self, version: u64) -> bool {
        let known = self.at(page_of(version));
        let is_news = version > known.floor;
        if is_news {
            known.floor = version;
            known.newer = known.newer.split_off(&(version + 1));
        }
        is_news
    }

    /// What stands in a page, which is one of what may stand there. From now on it is that alone. The result
    /// is whether a write that was completed is lost.
    pub(crate) fn stands(&mut self, page: usize, bytes: &[u8]) -> Result<bool, String> {
        let from = self.from;
        let known = self.at(page);
        let version = version(page, bytes).ok_or_else(|| format!("page {page} is of no single write"))?;
        let is_newer = known.newer.contains(&version) || version >= from && version > known.floor;
        if version != known.floor && !is_newer {
            return Err(format!(
                "page {page} holds version {version}: durable is {}, and since then there were {:?}",
                known.floor, known.newer
            ));
        }
        let is_lost = version < known.completed;
        *known = Known { floor: version, newer: BTreeSet::new(), completed: version };
        Ok(is_lost)
    }

    /// What stands in a file that nobody uses; how many writes are lost.
    pub(crate) fn stand(&mut self, file: &File) -> Result<u64, String> {
        let mut lost = 0;
        for page in 0..PAGES {
            let mut bytes = vec![0; PAGE];
            file.read_exact_at(&mut bytes, (page * PAGE) as u64).map_err(|why| why.to_string())?;
            lost += u64::from(self.stands(page, &bytes)?);
        }
        Ok(lost)
    }
}

/// The version of what stands in a page; `None`: it is of no single one.
fn version(page: usize, bytes: &[u8]) -> Option<u64> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Some(0);
    }
    let version = u64::from_le_bytes(*bytes.first_chunk()?) >> 10;
    let mut whole = [0; PAGE];
    fill(version, &mut whole);
    (whole == bytes && page_of(version) == page).then_some(version)
}
