// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shim on an environment: what shim cases are written with.
#![allow(unsafe_code, reason = "a platform is an unsafe trait, and pages come as addresses")]

use crate::case::Fail;
use crate::env::Env;
use crate::{kit, raw};
use tenon_abi::{Granule, Rights};
use tenon_guest::{Conduit, Error, Found, Pages, Platform, Session, Vcpu, Wish};

/// An environment as the shim's platform.
#[derive(Clone, Copy)]
pub struct SuitePlatform {
    env: &'static dyn Env,
}

impl Conduit for SuitePlatform {
    fn kick(&self, queue: u32) {
        self.env.kick(queue);
    }

    fn bind(&self, frame: u32) {
        self.env.bind(frame);
    }
}

// SAFETY: `Env::enter` masks interrupts on this CPU, cases do not migrate, and the environment's doorbells
// are those of the host that wrote the record.
unsafe impl Platform for SuitePlatform {
    type Conduit = Self;

    fn conduit(&self) -> &Self {
        self
    }

    fn enter(&self) -> usize {
        self.env.enter()
    }

    fn leave(&self, token: usize) {
        self.env.leave(token);
    }

    fn relax(&self) {
        self.env.relax();
    }

    fn patience(&self) -> u32 {
        self.env.patience()
    }
}

impl SuitePlatform {
    /// The platform of an environment.
    #[must_use]
    pub const fn new(env: &'static dyn Env) -> Self {
        Self { env }
    }

    /// Opens a session with this wish.
    ///
    /// # Errors
    ///
    /// [`Fail::Failed`] when the host refuses.
    pub fn open(&self, wish: Wish) -> Result<Session<'_, Self>, Fail> {
        let found = Found::at(self.env.window()).map_err(|error| failed("no record", error))?;
        Session::open(self, found, &mut self.scratch()?, wish).map_err(|error| failed("no session", error))
    }

    /// Opens a session with everything that is offered and binds vCPU 0.
    ///
    /// # Errors
    ///
    /// [`Fail::Failed`] when the host refuses.
    pub fn attach(&self) -> Result<(Session<'_, Self>, Vcpu<'_, Self>), Fail> {
        let session = self.open(Wish::default())?;
        let vcpu = self.bind(&session, 0)?;
        Ok((session, vcpu))
    }

    /// Binds a vCPU with the usual sizes.
    ///
    /// # Errors
    ///
    /// [`Fail::Failed`] when the host refuses.
    pub fn bind<'p>(&'p self, session: &Session<'p, Self>, vcpu: u32) -> Result<Vcpu<'p, Self>, Fail> {
        let mut pages = self.areas(session.granule())?;
        let vcpu = session.bind(vcpu, &mut pages, [256, 256]).map_err(|error| failed("no vCPU", error))?;
        self.share(&vcpu)?;
        Ok(vcpu)
    }

    /// In a closed domain: shares what [`Self::pages`] then hands out for payload.
    ///
    /// # Errors
    ///
    /// [`Fail::Failed`] when the host refuses.
    pub fn share<P: Platform>(&self, vcpu: &Vcpu<'_, P>) -> Result<(), Fail> {
        kit::share_by(self.env, |mapping, at| {
            // SAFETY: as in `pages`.
            let pages = unsafe { Pages::new(mapping.base(), mapping.byte_len(), at) };
            let mut rest = Some(pages.map_err(|_| Fail::Error("unusable pages"))?);
            while let Some(pages) = rest {
                let moving = vcpu.sharing().share(pages, Rights::all());
                let moving = moving.map_err(|(error, _)| failed("SHARE for the kit", error))?;
                (_, rest) = moving.wait().map_err(|(error, _)| failed("SHARE for the kit", error))?;
            }
            Ok(())
        })
    }

    /// A frame for control requests, aligned to any granule.
    ///
    /// # Errors
    ///
    /// As [`Self::pages`].
    pub fn scratch(&self) -> Result<Pages, Fail> {
        self.pages(raw::REQUEST_LEN, Granule::K64)
    }

    /// Pages for the two areas of a vCPU of depth 64 with two rings of 256: each is below 8 KiB.
    ///
    /// # Errors
    ///
    /// As [`Self::pages`].
    pub fn areas(&self, granule: Granule) -> Result<Pages, Fail> {
        self.pages(2 << granule.shift().max(13), granule)
    }

    /// Pages of the environment's.
    ///
    /// # Errors
    ///
    /// [`Fail::Error`] when there are none left.
    pub fn pages(&self, len: usize, granule: Granule) -> Result<Pages, Fail> {
        let (mapping, offset) = raw::pages(self.env, len, 1 << granule.shift())?;
        // SAFETY: the environment owns the pages until `Env::clean`, which comes after the case; no reference
        // to them exists.
        unsafe { Pages::new(mapping.base(), mapping.byte_len(), offset) }
            .map_err(|_| Fail::Error("unusable pages"))
    }
}

/// Memory of the guest's own, for the arena of a device: in a closed domain it is shared with nobody.
///
/// # Errors
///
/// [`Fail::Error`] when there is none left.
pub fn own_pages(env: &dyn Env, len: usize) -> Result<Pages, Fail> {
    let (mapping, offset) = env.pages(len, 1 << 16).ok_or(Fail::Error("no pages left"))?;
    // SAFETY: as in `SuitePlatform::pages`.
    unsafe { Pages::new(mapping.base(), mapping.byte_len(), offset) }
        .map_err(|_| Fail::Error("unusable pages"))
}

/// A shim error as a failure.
#[must_use]
pub fn failed(what: &'static str, error: Error) -> Fail {
    match error {
        Error::Refused(status) => Fail::Failed(what, u64::from(status.0), 1),
        Error::Pending => Fail::Failed("not answered", 0, 0),
        Error::Corrupt(corrupt) => Fail::Failed(
            "the host broke the protocol",
            u64::from(corrupt.reason.0),
            u64::from(corrupt.position),
        ),
        _ => Fail::Failed(what, 0, 0),
    }
}
