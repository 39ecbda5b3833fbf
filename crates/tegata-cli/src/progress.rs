//! Progress bars for long work.
//!
//! A bar is drawn on the terminal and nowhere else: when standard error is a file or a pipe,
//! it's silent, so that logs and scripts see none of it.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on the terminal, or nothing. It disappears when dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

/// Starts a bar for `len` pieces of work; `what` names them, e.g. "entries audited".
#[must_use]
pub fn bar(len: u64, what: &str) -> Bar {
    let bar = ProgressBar::with_draw_target(Some(len), target());
    let template = "{msg} {wide_bar} {human_pos}/{human_len} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    Bar(bar)
}

/// Starts a spinner for work whose length isn't known; `what` says what is being waited for.
#[must_use]
pub fn spinner(what: &str) -> Bar {
    let bar = ProgressBar::with_draw_target(None, target());
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    Bar(bar)
}

impl Bar {
    /// Counts `pieces` more as done.
    pub fn add(&self, pieces: u64) {
        self.0.inc(pieces);
    }

    /// Prints a line above the bar (on standard error; dropped when there's no terminal).
    pub fn line(&self, text: &str) {
        self.0.println(text);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}
