// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of one crate, and which of them needs which.

use std::collections::BTreeMap;

use super::circle::Edges;
use super::uses::{File, Import};
use crate::project::Source;

/// Imports lead to imports: so many times at most.
const HOPS: usize = 8;

/// One crate's files by their modules; the crate's root has no name.
pub(super) struct Crate {
    modules: BTreeMap<Vec<String>, usize>,
    names: Vec<Vec<String>>,
    files: Vec<File>,
    paths: Vec<String>,
}

impl Crate {
    /// Reads every file below a folder that is no test's; what cannot be read is a breach.
    pub(super) fn read(folder: &str, sources: &[Source]) -> (Self, Vec<String>) {
        let mut krate =
            Self { modules: BTreeMap::new(), names: Vec::new(), files: Vec::new(), paths: Vec::new() };
        let mut problems = Vec::new();
        for source in sources {
            let Some(inside) = source.path.strip_prefix(folder).and_then(|name| name.strip_suffix(".rs"))
            else {
                continue;
            };
            let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
            if module.iter().any(|step| step == "tests") || inside == "main" {
                continue;
            }
            if module.last().is_some_and(|step| step == "mod") || inside == "lib" {
                module.pop();
            }
            match File::read(&source.text) {
                Ok(file) => {
                    krate.modules.insert(module.clone(), krate.files.len());
                    krate.names.push(module);
                    krate.files.push(file);
                    krate.paths.push(source.path.clone());
                }
                Err(error) => problems.push(format!("{}: {error}", source.path)),
            }
        }
        (krate, problems)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Which file needs which.
    pub(super) fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for from in 0..self.files.len() {
            for (to, _) in self.needs(from) {
                edges.entry(from).or_default().insert(to);
            }
        }
        edges
    }

    /// A circle as a line, with one name for each of its steps.
    pub(super) fn describe(&self, circle: &[usize]) -> String {
        let path = |file: usize| self.paths.get(file).map_or("", String::as_str);
        let mut line = format!("circle of files: {}", circle.first().map_or("", |first| path(*first)));
        for (at, from) in circle.iter().enumerate() {
            let to = circle.get((at + 1) % circle.len()).copied().unwrap_or_default();
            let by = self.needs(*from).into_iter().find(|(target, _)| *target == to);
            line += &format!(" -> {} ({})", path(to), by.map_or_else(String::new, |(_, name)| name));
        }
        line
    }

    /// The files that a file needs, each with the path by which it names them.
    fn needs(&self, from: usize) -> Vec<(usize, String)> {
        let (Some(file), Some(here)) = (self.files.get(from), self.names.get(from)) else {
            return Vec::new();
        };
        let imports = file.imported().filter(|import| !import.is_re_export).map(|import| import.path);
        // A name alone is a value or a type, and never the module that is called the same.
        let is_module =
            |path: &[String]| path.len() == 1 && self.modules.contains_key(&[here.as_slice(), path].concat());
        let used = file.used().filter(|path| !is_module(path));
        let mut needs: Vec<(usize, String)> = Vec::new();
        for path in imports.chain(used) {
            if let Some(to) = self.find(from, here, &path, 0)
                && to != from
            {
                needs.push((to, path.join("::")));
            }
        }
        needs
    }

    /// The file that defines what a path means in a module.
    fn find(&self, at: usize, here: &[String], path: &[String], hops: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        if hops > HOPS {
            return None;
        }
        let mut module = here.to_vec();
        match first.as_str() {
            "crate" => return self.walk(Vec::new(), rest, hops),
            "self" => return self.walk(module, rest, hops),
            "super" => {
                module.pop();
                let mut rest = rest;
                while let Some((step, after)) = rest.split_first()
                    && step == "super"
                {
                    module.pop();
                    rest = after;
                }
                return self.walk(module, rest, hops);
            }
            _ => {}
        }
        module.push(first.clone());
        if self.modules.contains_key(&module) {
            return self.walk(module, rest, hops);
        }
        let file = self.files.get(at)?;
        if file.defines.contains(first) {
            return None;
        }
        let import = file.imported().find(|import| import.name.as_ref() == Some(first))?;
        self.find(at, here, &[import.path.as_slice(), rest].concat(), hops + 1)
    }

    /// Goes down from a module as far as there are files, and on through what the last one imports.
    fn walk(&self, mut module: Vec<String>, mut rest: &[String], hops: usize) -> Option<usize> {
        while let Some((step, after)) = rest.split_first() {
            module.push(step.clone());
            if !self.modules.contains_key(&module) {
                module.pop();
                break;
            }
            rest = after;
        }
        let at = *self.modules.get(&module)?;
        let Some(name) = rest.first() else { return Some(at) };
        let file = self.files.get(at)?;
        if file.defines.contains(name) {
            return Some(at);
        }
        let through = |import: Import| {
            let path = match &import.name {
                Some(known) if known == name => [import.path.as_slice(), rest.get(1..)?].concat(),
                None if self.has(at, &module, &import.path, name) => [import.path.as_slice(), rest].concat(),
                _ => return None,
            };
            self.find(at, &module, &path, hops + 1)
        };
        file.imported().find_map(through).or(Some(at))
    }

    /// Whether the module of a path has a name of its own.
    fn has(&self, at: usize, here: &[String], path: &[String], name: &str) -> bool {
        let found = self.find(at, here, path, HOPS);
        let file = found.and_then(|file| self.files.get(file));
        file.is_some_and(|file| {
            file.defines.contains(name)
                || file.imports.iter().any(|import| import.name.as_deref() == Some(name))
        })
    }
}
