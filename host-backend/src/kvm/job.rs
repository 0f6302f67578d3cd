// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the machine's threads tell those that work for them.

/// What is left to the worker.
pub(super) enum Job {
    /// Serve a queue whose budget ran out.
    Serve(u32),
    /// The machine has ended.
    Quit,
}

/// What the console's thread is told.
pub(super) enum Said {
    /// The domain has output.
    Output,
    /// The machine has ended: what is left is the last.
    Last,
}
