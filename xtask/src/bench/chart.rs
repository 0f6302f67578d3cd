// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bars in panels: each ends at the median, and the line across its end goes from quarter to quarter.

use std::fmt::Write;
use std::path::PathBuf;

use super::number;
use crate::failure::{Context, Failure};
use crate::project;

/// What is drawn together, on one scale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) name: String,
    /// A quarter is below the first, a half below the second, three quarters below the third.
    pub(super) at: [f64; 3],
    pub(super) color: Color,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    Ours,
    Others,
    /// What nobody can be better than.
    Floor,
}

/// Writes them into a file of the target folder, and says where that is.
pub(super) fn write(name: &str, panels: &[Panel]) -> Result<PathBuf, Failure> {
    let chart = project::target().join("bench").join(format!("{name}.svg"));
    std::fs::create_dir_all(chart.parent().unwrap_or(&chart)).context(chart.display())?;
    std::fs::write(&chart, draw(panels)).context(chart.display())?;
    Ok(chart)
}

const WIDTH: f64 = 960.0;
/// Where bars begin and how long the longest is.
const LEFT: f64 = 260.0;
const LONGEST: f64 = 600.0;
const BAR: f64 = 16.0;
const TITLE: f64 = 34.0;

/// An SVG document.
fn draw(panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut y = 12.0;
    for one in panels {
        y = panel(&mut body, y, one);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Draws one from `y` on; the result is where the next begins.
fn panel(body: &mut String, mut y: f64, Panel { title, bars }: &Panel) -> f64 {
    let longest = bars.iter().map(|bar| bar.at[2]).fold(f64::MIN_POSITIVE, f64::max);
    let x = |time: f64| LEFT + LONGEST * time / longest;
    text(body, 12.0, y + 16.0, "font-weight=\"bold\"", title);
    y += TITLE;
    for Bar { name, at: [p25, median, p75], color } in bars {
        let color = match color {
            Color::Ours => "#2f6f9f",
            Color::Floor => "#9aa5ad",
            Color::Others => "#c98d3f",
        };
        let middle = y + BAR / 2.0;
        text(body, LEFT - 8.0, middle + 4.0, "text-anchor=\"end\"", name);
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{color}\"/>\n\
             <path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"black\"/>",
            x(*median) - LEFT,
            BAR - 4.0,
            x(*p25),
            x(*p75),
        );
        text(body, x(p75.max(*median)) + 6.0, middle + 4.0, "", &number(*median));
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
    fn every_bar_has_its_name_and_its_length() {
        let bar = |name: &str, at| Bar { name: name.into(), at, color: Color::Ours };
        let panels = [
            Panel {
                title: "g".into(),
                bars: vec![bar("tenon", [1.0, 2.0, 3.0]), bar("a<b", [2.0, 4.0, 6.0])],
            },
            Panel { title: "h".into(), bars: Vec::new() },
        ];
        let svg = draw(&panels);
        // The background, and one for each.
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(svg.contains(">a&lt;b</text>"), "{svg}");
        // Four of six: two thirds of the longest.
        assert!(svg.contains("width=\"400.0\""), "{svg}");
    }
}
