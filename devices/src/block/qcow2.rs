// SPDX-License-Identifier: MIT OR Apache-2.0
//! A disk in a qcow2 image, by the crate `imago`.
//!
//! Every file of the chain is opened, and locked, here: the image for its disk alone, what it stands on for
//! all that only read it.

use super::buffers::Buffers;
use super::medium::{Fault, Medium};
use super::open::{Access, open_locked, whole_blocks};
use super::shape::Shape;
use crate::Error;
use imago::file::File as ImageFile;
use imago::format::gate::ImplicitOpenGate;
use imago::qcow2::Qcow2 as Image;
use imago::{FormatAccess, FormatDriverBuilder, Storage, StorageOpenOptions};
use std::fmt::{Debug, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Images that one stands on at most.
const MAX_CHAIN: usize = 64;
/// Most bytes of a ZERO or a DISCARD: an image's tables change one by one.
const MAX_RANGE: u32 = 16 << 20;

/// A qcow2 image with all that it stands on.
pub(crate) struct Qcow2 {
    /// Discarding changes the image's tables in a way that nothing else may see: alone.
    image: RwLock<FormatAccess<ImageFile>>,
    read_only: bool,
}

impl Qcow2 {
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, Error> {
        if access.direct {
            return Err(Error::BadOption("a qcow2 image goes through the page cache"));
        }
        let file = open_locked(path, access)?;
        let options = StorageOpenOptions::new().filename(path).write(!access.read_only);
        let name = path.to_owned();
        let format =
            |why: io::Error| Error::Format { path: name.clone(), format: "qcow2", why: why.to_string() };
        let storage = ImageFile::from_open_file(file, options).map_err(&format)?;
        let mut found = None;
        let above = vec![canonical(path)];
        let gate = Gate { image: path, above, own: None, last: None, access, found: &mut found };
        let builder = Image::<ImageFile>::builder(storage).write(!access.read_only);
        match builder.open(gate) {
            Ok(image) => {
                let image = RwLock::new(FormatAccess::new(image));
                Ok(Self { image, read_only: access.read_only })
            }
            Err(error) => Err(found.unwrap_or_else(|| format(error))),
        }
    }

    fn read_lock(&self) -> RwLockReadGuard<'_, FormatAccess<ImageFile>> {
        self.image.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), Fault> {
        let zeros = [0; 65_536];
        let (mut at, end) = (offset, offset.saturating_add(len));
        while at < end {
            let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let zeros = zeros.get(..most).unwrap_or(&zeros);
            self.read_lock().write(zeros, at)?;
            at = at.saturating_add(u64::try_from(zeros.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, FormatAccess<ImageFile>> {
        self.image.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Opens what an image stands on.
struct Gate<'a> {
    /// The image that the embedder named.
    image: &'a Path,
    /// What is open above, in the chain.
    above: Vec<PathBuf>,
    /// The file of this level itself, until it is opened.
    own: Option<PathBuf>,
    /// What was opened last: an image whose format had to be found out.
    last: Option<PathBuf>,
    access: Access,
    /// What the embedder is to be told in place of the crate's own words.
    found: &'a mut Option<Error>,
}

impl Gate<'_> {
    fn check(&mut self, backing: &Path) -> io::Result<()> {
        let loops = self.above.iter().any(|above| above == backing) || self.above.len() >= MAX_CHAIN;
        if !loops || tenon_rings::planted!("qcow2-loop-not-seen") {
            return Ok(());
        }
        let (path, backing) = (self.image.to_owned(), backing.to_owned());
        *self.found = Some(Error::BackingLoop { path, backing });
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl ImplicitOpenGate<ImageFile> for Gate<'_> {
    fn open_format<F: FormatDriverBuilder<ImageFile>>(
        &mut self,
        builder: F,
    ) -> io::Result<FormatAccess<ImageFile>> {
        let own = builder.get_image_path().map(|path| canonical(&path));
        let mut above = self.above.clone();
        match own.clone().or_else(|| self.last.take()) {
            Some(path) => {
                self.check(&path)?;
                above.push(path);
            }
            // Without a name it still counts for the length of the chain.
            None => above.push(PathBuf::new()),
        }
        let (image, access, found) = (self.image, self.access, &mut *self.found);
        Ok(FormatAccess::new(builder.open(Gate { image, above, own, last: None, access, found })?))
    }

    fn open_storage(&mut self, options: StorageOpenOptions) -> io::Result<ImageFile> {
        let Some(path) = options.get_filename().map(Path::to_owned) else {
            return ImageFile::open(options);
        };
        let named = canonical(&path);
        if self.own.take().as_ref() != Some(&named) {
            self.check(&named)?;
        }
        self.last = Some(named);
        let access = Access { read_only: !options.get_writable(), ..self.access };
        match open_locked(&path, access) {
            Ok(file) => ImageFile::from_open_file(file, options),
            Err(error) => {
                let text = error.to_string();
                *self.found = Some(match error {
                    Error::Missing(backing) => Error::BackingMissing { path: self.image.to_owned(), backing },
                    error => error,
                });
                Err(io::Error::other(text))
            }
        }
    }
}

impl Medium for Qcow2 {
    fn shape(&self) -> Shape {
        let bytes = self.read_lock().size();
        Shape {
            physical: 4096,
            optimal: 65_536,
            max_discard: MAX_RANGE,
            discard_align: 65_536,
            max_zero: MAX_RANGE,
            read_only: self.read_only,
            ..Shape::of(whole_blocks(bytes, 512))
        }
    }

    fn read(&self, offset: u64, into: &Buffers) -> Result<(), Fault> {
        // The crate takes slices, which memory of a guest can never be.
        let mut bytes = vec![0; into.len()];
        self.read_lock().read(&mut bytes, offset)?;
        if into.put(0, &bytes) { Ok(()) } else { Err(Fault::Io) }
    }

    fn write(&self, offset: u64, from: &Buffers) -> Result<(), Fault> {
        let mut bytes = vec![0; from.len()];
        if !from.get(0, &mut bytes) {
            return Err(Fault::Io);
        }
        Ok(self.read_lock().write(&bytes, offset)?)
    }

    fn flush(&self) -> Result<(), Fault> {
        let image = self.read_lock();
        image.flush()?;
        Ok(image.sync()?)
    }

    fn discard(&self, offset: u64, len: u64) -> Result<(), Fault> {
        match self.write_lock().discard_to_any(offset, len) {
            // An image that cannot keeps what it has.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            result => Ok(result?),
        }
    }

    fn zero(&self, offset: u64, len: u64, may_unmap: bool) -> Result<(), Fault> {
        let result = if may_unmap {
            self.write_lock().discard_to_zero(offset, len)
        } else {
            self.read_lock().write_zeroes(offset, len)
        };
        match result {
            // Images of version 2 have no clusters that are zero by themselves.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.write_zeros(offset, len),
            result => Ok(result?),
        }
    }
}

impl Debug for Qcow2 {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Qcow2").finish_non_exhaustive()
    }
}
