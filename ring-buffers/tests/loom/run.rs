// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running a model, and expecting one to fail. What is printed is read by `cargo xtask mutate-orderings`.

use std::cell::Cell;
use std::fs;
use std::panic::{UnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::UNIX_EPOCH;
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
    tell(&format!("holds {name} {}\n", runs.load(Ordering::Relaxed)));
}

/// Runs a model with `site` weakened, which has to fail, without the noise.
pub(crate) fn fails(name: &str, site: Site, model: impl Fn() + Send + Sync + UnwindSafe + Copy + 'static) {
    assert!(!site.weaker().is_empty(), "{site:?} cannot be weakened");
    let mut lines = String::new();
    for &weaker in site.weaker() {
        WEAKER.set(weaker);
        let runs = fails_once(model);
        lines += &format!("fails {name} {site:?} {weaker:?} {runs}\n");
    }
    WEAKER.set(Ordering::Relaxed);
    tell(&lines);
}

/// The size of a model: the first where it has to be quick, the second where `TENON_MODELS` is `full`.
pub(crate) fn size(quick: u64, full: u64) -> u64 {
    if is_full() { full } else { quick }
}

fn is_full() -> bool {
    std::env::var_os("TENON_MODELS").is_some_and(|size| size == "full")
}

/// The result of a test that did not fail: printed, and kept for `cargo xtask mutate-orderings`, which has no
/// need to run this test again as long as it is the same program.
fn tell(lines: &str) {
    print!("{lines}");
    let (Some(folder), current) = (evidence(), std::thread::current()) else { return };
    // The harness names a thread after its test; without threads there is nothing to tell tests apart by.
    let Some(test) = current.name().filter(|name| name.contains("::")) else { return };
    // What cannot be kept is run again.
    let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(test), lines));
}

/// A folder for what this very program finds, with models of this size and without a planted fault.
fn evidence() -> Option<PathBuf> {
    if std::env::var_os("TENON_FAULT").is_some() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let built = fs::metadata(&program).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let size = if is_full() { "full" } else { "quick" };
    let name = format!("{}-{}-{size}", program.file_name()?.to_str()?, built.as_nanos());
    Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("loom").join(name))
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
