// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any other hypervisor, by its command line (`--command`): its standard output is the serial port of the
//! machine (REP-8).

mod template;

use super::folder::Folder;
use super::process::{self, Whose};
use super::{Host, Image, Machine, seed};
use std::path::PathBuf;
use std::process::Command as Process;
use template::{Template, Values};
use tenon_guest_images::{Arch, PARAMETERS_MAX, place_of_parameters};

/// What the image's file is called in its folder.
const FILE: &str = "tenon-conformance.elf";

/// A hypervisor's command, and the image that it boots.
pub struct Command {
    template: Template,
    keeper: PathBuf,
    folder: Folder,
    image: Vec<u8>,
    arch: Arch,
    /// Where the image takes its parameters from, if the command does not pass them.
    place: Option<usize>,
}

impl Command {
    /// A hypervisor by its command line: words as a shell splits them, but without a shell. `{image}` becomes
    /// the path of the image's file, `{params}` the boot command line, `{seed}` the seed in hexadecimal,
    /// `{arch}` the image's architecture; a doubled brace is a brace. Where there is no `{params}`, the boot
    /// command line is written into the image's file (REP-9).
    ///
    /// # Errors
    ///
    /// Why that is no such command line, in one line.
    pub fn new(template: &str, image: Option<&Image>, arch: Arch) -> Result<Self, String> {
        let keeper = std::env::current_exe()
            .map_err(|error| format!("the executable does not know itself: {error}"))?;
        Self::of(keeper, template, image, arch)
    }

    /// As [`Self::new`], with the executable of the runner.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn of(keeper: PathBuf, template: &str, image: Option<&Image>, arch: Arch) -> Result<Self, String> {
        let template = Template::parse(template)?;
        let own = || tenon_guest_images::image("conformance", arch);
        let image = image.map_or_else(own, |image| Ok(image.to_vec()))?;
        let place = if template.passes_parameters() {
            None
        } else {
            let why = "the command has no {params}, and the image no place for them";
            Some(place_of_parameters(&image).ok_or(why)?)
        };
        let folder = Folder::new("command")?;
        folder.put(FILE, &image)?;
        Ok(Self { template, keeper, folder, image, arch, place })
    }
}

impl Host for Command {
    fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String> {
        if let Some(line) = self.place.and_then(|at| self.image.get_mut(at..)?.get_mut(..PARAMETERS_MAX)) {
            if command_line.len() >= line.len() {
                return Err("the boot command line is longer than its place in the image".to_owned());
            }
            line.fill(0);
            line.iter_mut().zip(command_line.bytes()).for_each(|(place, byte)| *place = byte);
            self.folder.put(FILE, &self.image)?;
        }
        let image = self.folder.path().join(FILE);
        let image = image.to_str().ok_or("the image's path is not UTF-8")?;
        let seed = format!("{:x}", seed(command_line));
        let values = Values { image, params: command_line, seed: &seed, arch: self.arch.name() };
        let mut process = Process::new(&self.keeper);
        process.arg("--keep").arg(self.folder.path()).arg("--").args(self.template.words(&values));
        process::start(process, Whose::Other)
    }
}
