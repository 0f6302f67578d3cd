// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running a model, and expecting one to fail.

use std::cell::Cell;
use std::panic::{UnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread's panics are expected: loom runs all threads of a model on the one that started it.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a model.
pub(crate) fn holds(model: impl Fn() + Send + Sync + 'static) {
    loom::model(model);
}

/// Runs a model that has to fail, without the noise.
pub(crate) fn fails(model: impl Fn() + Send + Sync + UnwindSafe + 'static) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                loud(panic);
            }
        }));
    });
    EXPECTED.set(true);
    let result = catch_unwind(|| loom::model(model));
    EXPECTED.set(false);
    let Err(payload) = result else { panic!("no run failed: the site is not witnessed here") };
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
    // What the models say of a breach, and loom of a thread that sleeps for ever; anything else is a mistake of the model.
    let breach = ["stale", "was lost", "deadlock"].iter().any(|word| text.contains(word));
    assert!(breach, "it failed for another reason: {text}");
}
