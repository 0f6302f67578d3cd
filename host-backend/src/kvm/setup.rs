// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that build a machine: a signal that comes meanwhile must not make them fail.
#![allow(unsafe_code, reason = "holds signals back while a request is tried again")]

use std::mem::MaybeUninit;

use super::Error;

/// A request is tried so often after the first time. Signals are held back meanwhile, so that one more time
/// is enough for a kernel that looks at them alone.
const TRIES: u32 = 16;

/// Makes a request, again if a signal interrupts it: KVM answers EINTR where it had to wait, even for a
/// signal whose handler restarts calls.
pub(crate) fn request<T>(
    what: &'static str,
    mut make: impl FnMut() -> Result<T, kvm_ioctls::Error>,
) -> Result<T, Error> {
    let mut result = make();
    if is_interrupted(&result) && !tenon_rings::planted!("interrupted-set-up-fails") {
        let _held = Held::all();
        for _ in 0..TRIES {
            result = make();
            if !is_interrupted(&result) {
                break;
            }
        }
    }
    result.map_err(Error::kvm(what))
}

fn is_interrupted<T>(result: &Result<T, kvm_ioctls::Error>) -> bool {
    result.as_ref().is_err_and(|why| why.errno() == libc::EINTR)
}

/// The calling thread's signals, held back; they come when this is dropped.
struct Held(libc::sigset_t);

impl Held {
    fn all() -> Option<Self> {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: the first set is filled before it is read, and the second is filled in by a call that
        // succeeds.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            let held = libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            (held == 0).then(|| Self(before.assume_init()))
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the mask that the calling thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test counts")]
mod tests {
    use super::*;

    fn interrupted(times: u32) -> (Result<u32, Error>, u32) {
        let mut made = 0;
        let result = request("a test", || {
            made += 1;
            if made <= times { Err(kvm_ioctls::Error::new(libc::EINTR)) } else { Ok(7) }
        });
        (result, made)
    }

    #[test]
    fn an_interrupted_request_is_made_again_but_not_for_ever() {
        for times in [0, 1, 2, TRIES] {
            let (result, made) = interrupted(times);
            assert!(matches!(result, Ok(7)), "{result:?}");
            assert_eq!(made, times + 1);
        }
        let (result, made) = interrupted(u32::MAX);
        assert!(matches!(result, Err(Error::System { what: "a test", .. })), "{result:?}");
        assert_eq!(made, TRIES + 1);
    }

    #[test]
    fn any_other_answer_counts_at_once() {
        let mut made = 0;
        let result: Result<(), _> = request("a test", || {
            made += 1;
            Err(kvm_ioctls::Error::new(libc::ENOSPC))
        });
        assert!(result.is_err());
        assert_eq!(made, 1);
    }

    #[test]
    fn signals_are_let_through_again() {
        let mask = || {
            let mut set = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: with no new mask this fills in the one that counts.
            unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr());
                libc::sigismember(set.as_ptr(), libc::SIGUSR1)
            }
        };
        assert_eq!(mask(), 0);
        let mut seen = Vec::new();
        let result = request("a test", || {
            seen.push(mask());
            if seen.len() < 3 { Err(kvm_ioctls::Error::new(libc::EINTR)) } else { Ok(()) }
        });
        assert!(result.is_ok());
        assert_eq!(seen, [0, 1, 1]);
        assert_eq!(mask(), 0);
    }
}
