// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a request gets.

use crate::connection::{Out, Phase};
use crate::head::{Error, Of, Writer};
use crate::listing::Listing;
use crate::media;
use crate::range::Part;
use crate::request::{Bad, NAME, Request, components, decode};
use crate::volume::{Fault, Found, Volume};
use core::fmt;
use hadris_fs::Extent;
use hadris_storage::sync::BlockDevice;

impl From<Bad> for Error {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::Request => Self::BadRequest,
            Bad::TooLarge => Self::HeadTooLarge,
            Bad::Body => Self::BodyTooLarge,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound => Self::NotFound,
            Fault::Disk => Self::Disk,
        }
    }
}

/// Writes the head of a response into the empty `out`, and says what comes behind it. An error: the head does
/// not fit, which no request that is short enough leads to.
pub(crate) fn reply<'m, D: BlockDevice, const N: usize>(
    request: &Request<'_>,
    volume: &mut Volume<'m, D, N>,
    out: &mut Out<'_>,
) -> Result<(Phase<'m>, bool), fmt::Error> {
    let mut is_kept = request.is_kept;
    let mut writer = Writer { out, is_head: request.is_head, is_kept };
    if request.is_foreign {
        writer.error(Error::NotAllowed)?;
        return Ok((Phase::Request, is_kept));
    }
    let found = match volume.find(request.path) {
        Ok(found) => found,
        Err(fault) => {
            writer.error(fault.into())?;
            return Ok((Phase::Request, is_kept));
        }
    };
    let (folder, len, modified) = match found {
        Found::Folder(_) if !request.path.ends_with('/') => {
            writer.moved(components(request.path).last().unwrap_or_default())?;
            return Ok((Phase::Request, is_kept));
        }
        Found::Folder(folder) => {
            // Without chunks only the end of the connection ends a page.
            is_kept &= request.is_chunked;
            writer.is_kept = is_kept;
            writer.listing(request.is_chunked)?;
            if request.is_head {
                return Ok((Phase::Request, is_kept));
            }
            let listing = Listing::begin(folder, request.path, request.is_chunked, writer.out)?;
            return Ok((Phase::Listing(listing), is_kept));
        }
        Found::File { folder, len, modified } => (folder, len, modified),
    };
    let mut buffer = [0; NAME];
    let name = components(request.path).last().and_then(|sent| decode(sent, &mut buffer));
    let kind = media::of(name.unwrap_or_default());
    let part = request.range.of(len);
    let (at, end) = match part {
        Part::All => (0, len),
        Part::Some(from, to) => (from, to),
        Part::None => (0, 0),
    };
    if request.is_head || at == end {
        writer.file(&Of { kind, part, len, modified })?;
        return Ok((Phase::Request, is_kept));
    }
    match volume.open(folder, request.path) {
        Ok(file) => {
            writer.file(&Of { kind, part, len, modified })?;
            let body = Body { file, at, end, places: [Extent::new(0, 0); PLACES], known: 0, have: 0..0 };
            Ok((Phase::File(body), is_kept))
        }
        Err(fault) => {
            writer.error(fault.into())?;
            Ok((Phase::Request, is_kept))
        }
    }
}

/// Pieces of a file that are looked up at once.
const PLACES: usize = 16;

/// A file on its way.
pub(crate) struct Body<'m> {
    pub(crate) file: hadris_fat::embedded::File<'m>,
    /// The first byte that was not read yet, and the end of what is wanted.
    at: u64,
    end: u64,
    places: [Extent; PLACES],
    known: usize,
    /// What the connection's buffer still holds for the client.
    pub(crate) have: core::ops::Range<usize>,
}

impl Body<'_> {
    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.end && self.have.is_empty()
    }

    /// Where on the disk the next bytes are, and how many: at most `most`.
    pub(crate) fn next<D: BlockDevice, const N: usize>(
        &mut self,
        volume: &mut Volume<'_, D, N>,
        most: usize,
    ) -> Result<(u64, usize), Fault> {
        let mut place = self.place();
        if place.is_none() {
            self.known = volume.places(&self.file, self.at, &mut self.places)?;
            place = self.place();
        }
        // A file whose chain is shorter than its size.
        let (offset, left) = place.ok_or(Fault::Disk)?;
        let len = left.min(self.end.saturating_sub(self.at)).min(most as u64);
        Ok((offset, len as usize))
    }

    fn place(&self) -> Option<(u64, u64)> {
        self.places.iter().take(self.known).find_map(|piece| {
            let into = self.at.checked_sub(piece.file_offset()).filter(|&into| into < piece.len())?;
            Some((piece.offset().checked_add(into)?, piece.len() - into))
        })
    }

    /// The buffer holds so many more bytes of the file.
    pub(crate) fn arrived(&mut self, len: usize) {
        self.at += len as u64;
        self.have = 0..len;
    }
}
