// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is held against what.

use super::sample::{Figure, Spread};

/// Names of Tenon's own variants begin so.
pub const OURS: &str = "tenon";

/// One line of the table.
pub struct Comparison {
    /// What is compared.
    pub name: String,
    /// The group of Tenon's variants, and how their names begin. The fastest counts.
    pub ours: (String, &'static str),
    /// The group of what they are held against, and how the names of these begin. The fastest counts.
    pub theirs: (String, &'static str),
    /// The largest ratio that is allowed; `None`: it is only shown.
    pub most: Option<f64>,
}

/// What came out.
pub struct Result<'a> {
    /// Tenon's variant.
    pub ours: &'a Figure,
    /// What it was held against.
    pub theirs: &'a Figure,
    /// The ratio of the two.
    pub ratio: Spread,
}

impl Comparison {
    /// Tenon's fastest variant against what is fastest beside it: both chosen by the ratios, which do not
    /// change with the distance of the processors.
    #[must_use]
    pub fn of<'a>(&self, figures: &'a [Figure]) -> Option<Result<'a>> {
        let named = |(group, prefix): &(String, &str)| {
            let (group, prefix) = (group.clone(), (*prefix).to_owned());
            figures.iter().filter(move |figure| figure.group == group && figure.name.starts_with(&prefix))
        };
        let against = |ours: &'a Figure| {
            let mut worst: Option<Result<'a>> = None;
            for theirs in named(&self.theirs) {
                // One that could not be measured may have been the fastest.
                let ratio = ours.ratio(theirs)?;
                if worst.as_ref().is_none_or(|worst| ratio.median > worst.ratio.median) {
                    worst = Some(Result { ours, theirs, ratio });
                }
            }
            worst
        };
        named(&self.ours).filter_map(against).min_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &'static str, time: f64) -> Figure {
        Figure { group: "g".into(), name, rounds: vec![Some(time); 20], taken: 20 }
    }

    #[test]
    fn the_fastest_of_each_side_are_compared() {
        let figures =
            [figure("tenon a", 3.0), figure("tenon b", 2.0), figure("peer a", 4.0), figure("peer b", 8.0)];
        let comparison = Comparison {
            name: "x".into(),
            ours: ("g".into(), OURS),
            theirs: ("g".into(), "peer"),
            most: None,
        };
        let result = comparison.of(&figures).expect("a result");
        assert_eq!((result.ours.name, result.theirs.name, result.ratio.median), ("tenon b", "peer a", 0.5));
        let mut figures = figures.to_vec();
        figures[3].rounds.fill(None);
        assert!(comparison.of(&figures).is_none(), "peer b may have been the faster one");
    }
}
