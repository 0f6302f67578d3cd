// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench rings`: Tenon's rings beside other crates and beside the floors, as a table, as JSON,
//! as a chart.

mod line;

use std::process::{ExitCode, Stdio};

use super::chart::{self, Bar, Color, Panel};
use super::{Options, build, number};
use crate::Outcome;
use crate::failure::{Context, Failure};
use line::{Figure, Line};

/// Measures and shows.
pub(super) fn run(options: &Options) -> Outcome {
    let lines = measure()?;
    let chart = chart::write("rings", &panels(&lines))?;
    if options.json {
        lines.iter().for_each(|line| println!("{}", line.json()));
    } else {
        show(&lines);
        println!("chart: {}", chart.display());
    }
    let over: Vec<String> = lines.iter().filter_map(Line::verdict).collect();
    if options.check && !over.is_empty() {
        return Err(Failure::Verdict(over));
    }
    if options.json {
        over.iter().for_each(|line| eprintln!("{line}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn measure() -> Result<Vec<Line>, Failure> {
    let program = build("rings")?;
    let output = std::process::Command::new(program)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the program `rings`")?;
    if !output.status.success() {
        return Err(Failure::Verdict(vec!["bench: a ring lost or changed a message".to_owned()]));
    }
    String::from_utf8_lossy(&output.stdout).lines().map(Line::parse).collect()
}

/// Every variant, group by group, and the comparisons below.
fn show(lines: &[Line]) {
    let mut figures = vec![["variant", "p25", "median", "p75", "kept"].map(str::to_owned)];
    for group in groups(lines) {
        figures.push([group.to_owned(), String::new(), String::new(), String::new(), String::new()]);
        for figure in lines.iter().filter_map(Line::figure).filter(|figure| figure.group == group) {
            let [p25, median, p75] = figure.times.map(number);
            figures.push([
                format!("  {}", figure.name),
                p25,
                median,
                p75,
                format!("{}/{}", figure.kept, figure.taken),
            ]);
        }
    }
    print!("{}", aligned(&figures));
    println!(
        "\nns for an operation; kept: samples during which no thread was switched away, of those taken\n"
    );
    let head = ["measure", "ours", "ns", "reference", "ns", "ratio", "p25", "p75", "most", ""];
    let mut rows = vec![head.map(str::to_owned)];
    for row in lines.iter().filter_map(Line::row) {
        let [p25, median, p75] = row.ratio.map(|ratio| format!("{ratio:.3}"));
        rows.push([
            row.name.clone(),
            row.variant.clone(),
            number(row.ours[1]),
            row.reference.clone(),
            number(row.theirs[1]),
            median,
            p25,
            p75,
            row.most.map_or_else(String::new, |most| format!("{most:.3}")),
            if row.is_over() { "over" } else { "" }.to_owned(),
        ]);
    }
    print!("{}", aligned(&rows));
    println!(
        "\nratio: the median of the ratios of each round, because the processors may be near or far from each other"
    );
    for (name, reason) in lines.iter().filter_map(Line::skip) {
        println!("skipped: {name}: {reason}");
    }
    if let Some(warning) = rejected(lines) {
        println!("{warning}");
    }
}

/// Says so where the filter left little.
fn rejected(lines: &[Line]) -> Option<String> {
    let sum = |count: fn(&Figure) -> u64| lines.iter().filter_map(Line::figure).map(count).sum::<u64>();
    let (kept, taken) = (sum(|figure| figure.kept), sum(|figure| figure.taken));
    (2 * kept < taken).then(|| format!("only {kept} of {taken} samples counted: others use the processors"))
}

/// Groups in the order in which they come first.
fn groups(lines: &[Line]) -> Vec<&str> {
    let mut groups: Vec<&str> = Vec::new();
    for figure in lines.iter().filter_map(Line::figure) {
        if !groups.contains(&figure.group.as_str()) {
            groups.push(&figure.group);
        }
    }
    groups
}

/// Every variant that has a time, group by group.
fn panels(lines: &[Line]) -> Vec<Panel> {
    let bar = |figure: &Figure| {
        let color = match figure.name.as_str() {
            name if name.starts_with("tenon") => Color::Ours,
            name if name.starts_with("unchecked") || name.contains("line") => Color::Floor,
            _ => Color::Others,
        };
        Bar { name: figure.name.clone(), at: figure.times, color }
    };
    let panel = |group: &str| Panel {
        title: format!("{group}: ns for an operation"),
        bars: lines
            .iter()
            .filter_map(Line::figure)
            .filter(|figure| figure.group == group && figure.times[1].is_finite())
            .map(bar)
            .collect(),
    };
    groups(lines).into_iter().map(panel).collect()
}

/// Columns: words to the left, numbers to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().skip(1).map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let is_number = |column: usize| {
        rows.iter().skip(1).all(|row| row[column].chars().all(|c| c.is_ascii_digit() || "./-".contains(c)))
    };
    let numbers: [bool; N] = std::array::from_fn(is_number);
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter().zip(widths).zip(numbers).zip(&rows[0]).map(|(((cell, width), right), head)| {
                let width = width.max(head.chars().count());
                if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_without_a_time_has_no_bar() {
        let lines = ["figure\tg\ttenon\t1\t2\t3\t9\t9", "figure\tg\tx\t\t\t\t0\t9"]
            .map(|line| Line::parse(line).expect(line));
        let [panel] = panels(&lines).try_into().expect("one group");
        assert_eq!(panel.bars, [Bar { name: "tenon".into(), at: [1.0, 2.0, 3.0], color: Color::Ours }]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["name", "ns"], ["a", "1.00"], ["longer", "100"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "name      ns\na       1.00\nlonger   100\n");
    }

    #[test]
    fn a_filter_that_rejects_most_is_named() {
        let line = |kept| Line::parse(&format!("figure\tg\tn\t1\t2\t3\t{kept}\t20")).expect("a figure");
        assert_eq!(rejected(&[line(10)]), None);
        assert!(rejected(&[line(9)]).is_some_and(|text| text.contains("only 9 of 20")));
    }
}
