// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the program `rings` prints.

use serde_json::json;

use crate::failure::Failure;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// A variant.
    Figure(Figure),
    /// A comparison.
    Row(Row),
    /// What was not measured, and why.
    Skip(String, String),
}

/// What came out of one variant. Quarters: below one, below two, below three.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) times: [f64; 3],
    pub(super) kept: u64,
    pub(super) taken: u64,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) variant: String,
    pub(super) ours: [f64; 3],
    pub(super) unit: String,
    pub(super) reference: String,
    pub(super) theirs: [f64; 3],
    pub(super) ratio: [f64; 3],
    pub(super) most: Option<f64>,
}

impl Row {
    pub(super) fn is_over(&self) -> bool {
        // A ratio that is no number is no proof either.
        self.most.is_some_and(|most| self.ratio[1].is_nan() || self.ratio[1] > most)
    }
}

impl Line {
    pub(super) fn parse(line: &str) -> Result<Self, Failure> {
        let strange = || Failure::Environment(format!("a bench printed a strange line: {line}"));
        let float =
            |text: &str| if text.is_empty() { Ok(f64::NAN) } else { text.parse().map_err(|_| strange()) };
        let three = |a: &str, b: &str, c: &str| -> Result<[f64; 3], Failure> {
            Ok([float(a)?, float(b)?, float(c)?])
        };
        let count = |text: &str| text.parse().map_err(|_| strange());
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["figure", group, name, a, b, c, kept, taken] => Ok(Self::Figure(Figure {
                group: (*group).to_owned(),
                name: (*name).to_owned(),
                times: three(a, b, c)?,
                kept: count(kept)?,
                taken: count(taken)?,
            })),
            ["row", name, variant, a, b, c, unit, reference, d, e, f, g, h, i, most] => Ok(Self::Row(Row {
                name: (*name).to_owned(),
                variant: (*variant).to_owned(),
                ours: three(a, b, c)?,
                unit: (*unit).to_owned(),
                reference: (*reference).to_owned(),
                theirs: three(d, e, f)?,
                ratio: three(g, h, i)?,
                most: if most.is_empty() { None } else { Some(float(most)?) },
            })),
            ["skip", name, reason] => Ok(Self::Skip((*name).to_owned(), (*reason).to_owned())),
            _ => Err(strange()),
        }
    }

    pub(super) fn figure(&self) -> Option<&Figure> {
        if let Self::Figure(figure) = self { Some(figure) } else { None }
    }

    pub(super) fn row(&self) -> Option<&Row> {
        if let Self::Row(row) = self { Some(row) } else { None }
    }

    pub(super) fn skip(&self) -> Option<(&str, &str)> {
        if let Self::Skip(name, reason) = self { Some((name, reason)) } else { None }
    }

    /// One JSON object. Of a spread: what a quarter is below, and what a quarter is above.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Figure(Figure { group, name, times: [p25, median, p75], kept, taken }) => json!({
                "name": format!("{group}: {name}"),
                "ours": median,
                "unit": "ns",
                "spread": [p25, p75],
                "kept": kept,
                "taken": taken,
            }),
            Self::Row(row) => json!({
                "name": row.name,
                "variant": row.variant,
                "ours": row.ours[1],
                "unit": row.unit,
                "reference": row.reference,
                "reference_value": row.theirs[1],
                "ratio": row.ratio[1],
                "most": row.most,
                "spread": [row.ours[0], row.ours[2]],
                "reference_spread": [row.theirs[0], row.theirs[2]],
                "ratio_spread": [row.ratio[0], row.ratio[2]],
            }),
            Self::Skip(name, reason) => json!({ "name": name, "skipped": reason }),
        }
        .to_string()
    }

    /// What is wrong with it, if anything is.
    pub(super) fn verdict(&self) -> Option<String> {
        let row = self.row().filter(|row| row.is_over())?;
        let Row { name, reference, ratio: [_, ratio, _], most, .. } = row;
        Some(format!("over: {name}: {ratio:.3} of {reference}, at most {:.3}", most.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "row\tqueue\ttenon\t1\t2\t3\tns\tvirtio\t10\t20\t30\t0.09\t0.1\t0.11\t0.05";

    #[test]
    fn a_row_is_read_and_judged() {
        let line = Line::parse(ROW).expect("a row");
        assert_eq!(line.verdict().as_deref(), Some("over: queue: 0.100 of virtio, at most 0.050"));
        let object: serde_json::Value = serde_json::from_str(&line.json()).expect("JSON");
        assert_eq!((object["ours"].as_f64(), object["ratio"].as_f64()), (Some(2.0), Some(0.1)));
        assert_eq!(object["spread"], json!([1.0, 3.0]));
        let free = ROW.replace("0.05", "");
        assert_eq!(Line::parse(&free).expect("a row").verdict(), None);
    }

    #[test]
    fn a_strange_line_is_named() {
        for line in ["", "row\tx", "figure\tg\tn\tmany\t2\t3\t1\t1", "skip\tx"] {
            assert!(matches!(Line::parse(line), Err(Failure::Environment(_))), "{line}");
        }
    }
}
