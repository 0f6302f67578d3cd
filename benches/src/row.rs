// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the programs print: one row a line, its fields separated by tabs.

use std::fmt;

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Its value.
    pub ours: f64,
    /// The unit of both values.
    pub unit: &'static str,
    /// What it is compared with.
    pub reference: &'static str,
    /// That one's value.
    pub reference_value: f64,
    /// The largest ratio of the two that is allowed, if any is not.
    pub most: Option<f64>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, ours, unit, reference, reference_value, most } = self;
        write!(f, "row\t{name}\t{ours}\t{unit}\t{reference}\t{reference_value}\t")?;
        most.map_or(Ok(()), |most| write!(f, "{most}"))
    }
}

/// A row that was not measured, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// What was not measured.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skip\t{}\t{}", self.name, self.reason)
    }
}

/// The value in the middle; `None` of nothing.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    below(values, 2)
}

/// The value that a tenth is below; `None` of nothing.
#[must_use]
pub fn tenth(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    below(values, 10)
}

fn below(values: impl IntoIterator<Item = f64>, part: usize) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / part).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([1.0, 9.0, 9.0, 9.0]), Some(9.0));
        assert_eq!(tenth((0..20).rev().map(f64::from)), Some(2.0));
    }

    #[test]
    fn rows_are_lines() {
        let row = Row {
            name: "a call".into(),
            ours: 1.5,
            unit: "us",
            reference: "bare",
            reference_value: 1.0,
            most: None,
        };
        assert_eq!(row.to_string(), "row\ta call\t1.5\tus\tbare\t1\t");
        assert_eq!(Row { most: Some(1.1), ..row }.to_string(), "row\ta call\t1.5\tus\tbare\t1\t1.1");
        let skip = Skip { name: "a call".into(), reason: "no KVM".into() };
        assert_eq!(skip.to_string(), "skip\ta call\tno KVM");
    }
}
