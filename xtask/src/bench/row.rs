// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows of a bench: as the programs print them, as a table, as JSON.

use serde_json::json;

use super::chart::{Bar, Color, Panel};
use crate::failure::Failure;

/// The reference of a row whose value is no measure but a number that has to be.
const EXACTLY: &str = "exactly";

/// One line of the result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// A comparison.
    Row(Row),
    /// What was not measured, and why.
    Skip {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ours: f64,
    pub(crate) unit: String,
    pub(crate) reference: String,
    pub(crate) reference_value: f64,
    /// The largest ratio that is allowed.
    pub(crate) most: Option<f64>,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.reference_value
    }

    fn is_over(&self) -> bool {
        // One less than there has to be is as wrong as one more.
        if self.reference == EXACTLY {
            return self.ours != self.reference_value;
        }
        // A ratio that is no number is no proof either.
        self.most.is_some_and(|most| self.ratio().is_nan() || self.ratio() > most)
    }
}

impl Line {
    /// A line of a program's output.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let strange = || Failure::Environment(format!("a bench printed a strange line: {line}"));
        let number = |text: &str| text.parse::<f64>().map_err(|_| strange());
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["row", name, ours, unit, reference, value, most] => Ok(Self::Row(Row {
                name: (*name).to_owned(),
                ours: number(ours)?,
                unit: (*unit).to_owned(),
                reference: (*reference).to_owned(),
                reference_value: number(value)?,
                most: if most.is_empty() { None } else { Some(number(most)?) },
            })),
            ["skip", name, reason] => {
                Ok(Self::Skip { name: (*name).to_owned(), reason: (*reason).to_owned() })
            }
            _ => Err(strange()),
        }
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Row(row) => json!({
                "name": row.name,
                "ours": row.ours,
                "unit": row.unit,
                "reference": row.reference,
                "reference_value": row.reference_value,
                "ratio": row.ratio(),
            })
            .to_string(),
            Self::Skip { name, reason } => json!({ "name": name, "skipped": reason }).to_string(),
        }
    }

    /// The two values of a row, as bars.
    pub(super) fn panel(&self) -> Option<Panel> {
        let Self::Row(Row { name, ours, unit, reference, reference_value, .. }) = self else { return None };
        let bar = |name: &str, value: f64, color| Bar { name: name.to_owned(), at: [value; 3], color };
        let bars = vec![bar("tenon", *ours, Color::Ours), bar(reference, *reference_value, Color::Others)];
        Some(Panel { title: format!("{name}, {unit}"), bars })
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn verdict(&self) -> Option<String> {
        match self {
            Self::Row(row) if row.is_over() => Some(format!(
                "over: {}: {:.3} of {}, at most {:.2}",
                row.name,
                row.ratio(),
                row.reference,
                row.most.unwrap_or_default()
            )),
            _ => None,
        }
    }
}

/// All lines as a table.
pub(crate) fn table(lines: &[Line]) -> String {
    let mut cells =
        vec![["name", "ours", "unit", "reference", "value", "ratio", "most", ""].map(str::to_owned)];
    let mut skipped = String::new();
    for line in lines {
        match line {
            Line::Row(row) => cells.push([
                row.name.clone(),
                value(row.ours),
                row.unit.clone(),
                row.reference.clone(),
                value(row.reference_value),
                format!("{:.3}", row.ratio()),
                row.most.map_or_else(String::new, |most| format!("{most:.2}")),
                if row.is_over() { "over" } else { "" }.to_owned(),
            ]),
            Line::Skip { name, reason } => skipped.push_str(&format!("skipped: {name}: {reason}\n")),
        }
    }
    let widths: [usize; 8] = std::array::from_fn(|column| {
        cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in &cells {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Numbers to the right, words to the left.
            if matches!(column, 1 | 4 | 5 | 6) {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + &skipped
}

/// A count as it is, a time with two digits, and what is for each of many with those that say something.
fn value(number: f64) -> String {
    match number {
        _ if number.fract() == 0.0 => format!("{number}"),
        _ if number < 0.1 => format!("{number:.5}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: &str = "row\ta call\t12.5\tus\tbare out\t10\t1.1";
    const UNDER: &str = "row\tan exit\t1\texits\texactly\t1\t1";
    const FREE: &str = "row\tslow\t30\tus\tbare out\t10\t";
    const SKIP: &str = "skip\tevents\tno KVM";

    fn lines() -> Vec<Line> {
        [OVER, UNDER, FREE, SKIP].map(|line| Line::parse(line).expect(line)).into()
    }

    #[test]
    fn only_a_row_over_its_limit_is_marked() {
        let verdicts: Vec<_> = lines().iter().map(Line::verdict).collect();
        assert_eq!(verdicts[0].as_deref(), Some("over: a call: 1.250 of bare out, at most 1.10"));
        assert_eq!(verdicts[1..], [None, None, None]);
        let less = Line::parse("row\tan exit\t0.98\texits\texactly\t1\t1").expect("a row");
        assert!(less.verdict().is_some(), "fewer than there have to be");
        let nothing = Line::parse("row\tx\t0\tus\ty\t0\t1").expect("a row");
        assert!(nothing.verdict().is_some(), "a ratio that is no number is over");
    }

    #[test]
    fn the_table_names_all() {
        let text = table(&lines());
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 5);
        assert!(rows[1].starts_with("a call") && rows[1].ends_with("1.250  1.10  over"), "{text}");
        assert!(rows[2].starts_with("an exit") && rows[2].ends_with("1.000  1.00"), "{text}");
        assert_eq!(rows[4], "skipped: events: no KVM");
    }

    #[test]
    fn json_has_the_promised_keys() {
        let objects: Vec<serde_json::Value> =
            lines().iter().map(|line| serde_json::from_str(&line.json()).expect("JSON")).collect();
        let keys = ["name", "ours", "ratio", "reference", "reference_value", "unit"];
        for object in &objects[..3] {
            assert!(keys.iter().all(|key| object.get(key).is_some()), "{object}");
            assert_eq!(object.as_object().map(serde_json::Map::len), Some(keys.len()));
        }
        assert_eq!(objects[0]["ratio"], 1.25);
        assert_eq!(objects[3]["skipped"], "no KVM");
    }

    #[test]
    fn a_row_has_two_bars() {
        let panels: Vec<_> = lines().iter().filter_map(Line::panel).collect();
        assert_eq!(panels.len(), 3);
        assert_eq!(panels[0].title, "a call, us");
        let bars: Vec<_> = panels[0].bars.iter().map(|bar| (bar.name.as_str(), bar.at[1])).collect();
        assert_eq!(bars, [("tenon", 12.5), ("bare out", 10.0)]);
    }

    #[test]
    fn a_strange_line_is_named() {
        for line in ["", "row\tx", "row\tx\tmany\tus\ty\t1\t", "skip\tx"] {
            assert!(matches!(Line::parse(line), Err(Failure::Environment(_))), "{line}");
        }
    }
}
