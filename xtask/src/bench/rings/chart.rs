// SPDX-License-Identifier: MIT OR Apache-2.0
//! All variants as bars, a panel for each group: the bar ends at the median, the line across its end goes
//! from quarter to quarter.

use std::fmt::Write;

use super::line::{Figure, Line};
use super::{groups, number};

const WIDTH: f64 = 960.0;
/// Where bars begin and how long the longest is.
const LEFT: f64 = 260.0;
const LONGEST: f64 = 600.0;
const BAR: f64 = 16.0;
const TITLE: f64 = 34.0;

/// An SVG document.
pub(super) fn draw(lines: &[Line]) -> String {
    let mut body = String::new();
    let mut y = 12.0;
    for group in groups(lines) {
        let figures: Vec<&Figure> = lines
            .iter()
            .filter_map(Line::figure)
            .filter(|figure| figure.group == group && figure.times[1].is_finite())
            .collect();
        y = panel(&mut body, y, group, &figures);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Draws one group from `y` on; the result is where the next begins.
fn panel(body: &mut String, mut y: f64, group: &str, figures: &[&Figure]) -> f64 {
    let longest = figures.iter().map(|figure| figure.times[2]).fold(f64::MIN_POSITIVE, f64::max);
    let x = |time: f64| LEFT + LONGEST * time / longest;
    text(body, 12.0, y + 16.0, "font-weight=\"bold\"", &format!("{group}: ns for an operation"));
    y += TITLE;
    for figure in figures {
        let [p25, median, p75] = figure.times;
        let color = match figure.name.as_str() {
            name if name.starts_with("tenon") => "#2f6f9f",
            name if name.starts_with("unchecked") || name.contains("line") => "#9aa5ad",
            _ => "#c98d3f",
        };
        let middle = y + BAR / 2.0;
        text(body, LEFT - 8.0, middle + 4.0, "text-anchor=\"end\"", &figure.name);
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{color}\"/>\n\
             <path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"black\"/>",
            x(median) - LEFT,
            BAR - 4.0,
            x(p25),
            x(p75),
        );
        text(body, x(p75.max(median)) + 6.0, middle + 4.0, "", &number(median));
        y += BAR;
    }
    y + 10.0
}

fn text(body: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_a_bar_and_its_name() {
        let lines =
            ["figure\tg\ttenon\t1\t2\t3\t9\t9", "figure\tg\ta<b\t2\t4\t6\t9\t9", "figure\th\tx\t\t\t\t0\t9"]
                .map(|line| Line::parse(line).expect(line));
        let svg = draw(&lines);
        // The background, and one for each that has a time.
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(svg.contains(">a&lt;b</text>"), "{svg}");
        // Four of six: two thirds of the longest.
        assert!(svg.contains("width=\"400.0\""), "{svg}");
    }
}
