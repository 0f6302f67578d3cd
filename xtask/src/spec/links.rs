// SPDX-License-Identifier: MIT OR Apache-2.0
//! Relative links between the project's texts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::project::Source;

/// Links of all Markdown files that lead nowhere.
pub(crate) fn check(sources: &[Source], root: &Path) -> Vec<String> {
    let texts: Vec<&Source> = sources.iter().filter(|source| source.extension() == "md").collect();
    let anchors: BTreeMap<&str, BTreeSet<String>> =
        texts.iter().map(|source| (source.path.as_str(), headings(&source.text))).collect();
    let mut problems = Vec::new();
    for source in texts {
        for (event, place) in parser(&source.text).into_offset_iter() {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else {
                continue;
            };
            if let Some(why) = broken(&source.path, &dest_url, root, &anchors) {
                problems.push(format!(
                    "{}:{}: link {dest_url}: {why}",
                    source.path,
                    source.line_of(place.start)
                ));
            }
        }
    }
    problems
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// Why a link leads nowhere, if it does.
fn broken(from: &str, link: &str, root: &Path, anchors: &BTreeMap<&str, BTreeSet<String>>) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        from.to_owned()
    } else {
        match resolve(Path::new(from), path) {
            Some(target) => target,
            None => return Some("leaves the project".to_owned()),
        }
    };
    if !root.join(&target).exists() {
        return Some("no such file".to_owned());
    }
    // Only texts of ours have headings that can be checked.
    let known = anchors.get(target.as_str())?;
    (!fragment.is_empty() && !known.contains(fragment)).then(|| format!("no heading #{fragment}"))
}

/// The path from the root that `link` means in the file `from`.
fn resolve(from: &Path, link: &str) -> Option<String> {
    let mut target = match link.strip_prefix('/') {
        Some(_) => PathBuf::new(),
        None => from.parent()?.to_owned(),
    };
    for part in Path::new(link.trim_start_matches('/')).components() {
        match part {
            Component::Normal(name) => target.push(name),
            Component::ParentDir if target.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(target.to_str()?.to_owned())
}

/// The anchors of a text's headings, as the common renderers name them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in parser(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let twins = (1..).map(|number| format!("{slug}-{number}"));
                let free = std::iter::once(slug.clone()).chain(twins).find(|name| !anchors.contains(name));
                anchors.extend(free);
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    anchors
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn problems(text: &str) -> Vec<String> {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join("docs")).expect("a folder");
        for file in ["README.md", "docs/abi.md", "docs/data.bin"] {
            std::fs::write(root.path().join(file), "x").expect("a file");
        }
        let sources =
            [source("README.md", "# One `two`, three\n# Twin\n# Twin\n"), source("docs/abi.md", text)];
        check(&sources, root.path())
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "# Here\n[a](../README.md) [b](#here) [c](../README.md#one-two-three) [d](data.bin)\n\
                    [e](https://example.org/x) [f](../README.md#twin-1) ![g](./data.bin) [h](../docs) `[no](link)`\n";
        assert_eq!(problems(text), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_one(&problems("\n[a](gone.md)\n"), "docs/abi.md:2: link gone.md: no such file");
        assert_one(&problems("[a](../../elsewhere.md)\n"), "leaves the project");
        assert_one(&problems("[a](../README.md#four)\n"), "no heading #four");
        assert_one(&problems("[a](#there)\n"), "no heading #there");
        assert_one(&problems("| a |\n| --- |\n| [x](gone.md) |\n"), "no such file");
    }
}
