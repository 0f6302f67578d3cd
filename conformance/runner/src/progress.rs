// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress on standard error, where a person looks at it.

use crate::judge::Judge;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A line for each host that is being played. Nothing is drawn where standard error is no terminal.
#[derive(Default)]
pub struct Screen {
    bars: MultiProgress,
}

impl Screen {
    /// Begins a host with so many cases.
    #[must_use]
    pub fn progress(&self, host: &str, cases: usize) -> Progress {
        let bar = self.bars.add(ProgressBar::new(cases as u64));
        if let Ok(style) = ProgressStyle::with_template("{prefix} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(host.to_owned());
        Progress { bar }
    }
}

/// One host's progress.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows how far the judge is.
    pub fn show(&self, judge: &Judge) {
        self.bar.set_position(judge.results().len() as u64);
        self.bar.set_message(judge.running().map_or("", |case| case.name));
    }

    /// Removes it from the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
