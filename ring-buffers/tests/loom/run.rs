// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running a model, and expecting one to fail. What is printed is read by `cargo xtask mutate-orderings`.

use std::cell::Cell;
use std::panic::{UnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use tenon_rings::Site;

thread_local! {
    /// Whether this thread's panics are expected: loom runs all threads of a model on the one that started
    /// it.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
    /// What the weakened site is weakened to.
    static WEAKER: Cell<Ordering> = const { Cell::new(Ordering::Relaxed) };
}

/// A site's ordering in the model that runs on this thread.
pub(crate) fn ordering(site: Site, weak: Option<Site>) -> Ordering {
    if weak == Some(site) { WEAKER.get() } else { site.ordering() }
}

/// Runs a model.
pub(crate) fn holds(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(AtomicU64::new(0));
    loom::model(counted(&runs, model));
    println!("holds {name} {}", runs.load(Ordering::Relaxed));
}

/// Runs a model with `site` weakened, which has to fail, without the noise.
pub(crate) fn fails(name: &str, site: Site, model: impl Fn() + Send + Sync + UnwindSafe + Copy + 'static) {
    assert!(!site.weaker().is_empty(), "{site:?} cannot be weakened");
    for &weaker in site.weaker() {
        WEAKER.set(weaker);
        let runs = fails_once(model);
        println!("fails {name} {site:?} {weaker:?} {runs}");
    }
    WEAKER.set(Ordering::Relaxed);
}

/// The number of runs until one failed.
fn fails_once(model: impl Fn() + Send + Sync + UnwindSafe + 'static) -> u64 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                loud(panic);
            }
        }));
    });
    let runs = Arc::new(AtomicU64::new(0));
    let model = counted(&runs, model);
    EXPECTED.set(true);
    let result = catch_unwind(|| loom::model(model));
    EXPECTED.set(false);
    let Err(payload) = result else { panic!("no run failed: the site is not witnessed here") };
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
    // What the models say of a breach, and loom of a thread that sleeps for ever and of two that use one body
    // at once; anything else is a mistake of the model.
    let breach =
        ["stale", "was lost", "deadlock", "Causality violation"].iter().any(|word| text.contains(word));
    assert!(breach, "it failed for another reason: {text}");
    runs.load(Ordering::Relaxed)
}

/// A model that counts its runs.
fn counted<F: Fn() + Send + Sync + 'static>(
    runs: &Arc<AtomicU64>,
    model: F,
) -> impl Fn() + Send + Sync + use<F> {
    let runs = Arc::clone(runs);
    move || {
        runs.fetch_add(1, Ordering::Relaxed);
        model();
    }
}
