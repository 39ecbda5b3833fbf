//! The progress line of a build. Pure: it is told what happened and how long it has taken, and
//! answers with what to write.

use std::collections::BTreeSet;
use std::time::Duration;

/// Where nobody watches (a log, a pipe) a line comes this often.
const PLAIN_EVERY: Duration = Duration::from_secs(20);
/// The widest line; narrower than any terminal in use, as a wrapped line couldn't be redrawn.
const WIDTH: usize = 78;
const BAR: usize = 24;

/// How many packages are done, out of how many, and which is at work.
#[derive(Debug)]
pub(crate) struct Tally {
    total: usize,
    done: BTreeSet<String>,
    doing: String,
}

impl Tally {
    /// Nothing done yet, out of `total`.
    pub(crate) fn new(total: usize) -> Self {
        Self {
            total,
            done: BTreeSet::new(),
            doing: String::new(),
        }
    }

    /// A package has one more thing built; only its first counts.
    pub(crate) fn built(&mut self, package: String) {
        self.done.insert(package);
    }

    /// What cargo says it is doing.
    pub(crate) fn doing(&mut self, what: String) {
        self.doing = what;
    }

    /// The line as it stands.
    fn line(&self, elapsed: Duration) -> String {
        // A wrong estimate of the total must not look like more than everything.
        let total = self.total.max(self.done.len()).max(1);
        let full = BAR * self.done.len() / total;
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR - full));
        let text = format!(
            "[{bar}] {}/{total} {} {}",
            self.done.len(),
            clock(elapsed),
            self.doing
        );
        text.chars()
            .take(WIDTH)
            .collect::<String>()
            .trim_end()
            .to_owned()
    }
}

/// Minutes and seconds.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// Where the line is shown.
#[derive(Debug)]
pub(crate) enum Screen {
    /// A terminal: the line is drawn over itself.
    Terminal,
    /// Anything else: a new line now and then, the last one at this time.
    Plain(Duration),
}

impl Screen {
    /// The kind of screen that standard error is.
    pub(crate) fn new(is_terminal: bool) -> Self {
        if is_terminal {
            Self::Terminal
        } else {
            Self::Plain(Duration::ZERO)
        }
    }

    /// What to write now, if anything.
    pub(crate) fn show(&mut self, tally: &Tally, elapsed: Duration) -> Option<String> {
        match self {
            Self::Terminal => Some(format!("\r\u{1b}[2K{}", tally.line(elapsed))),
            Self::Plain(last) if elapsed.saturating_sub(*last) >= PLAIN_EVERY => {
                *last = elapsed;
                Some(format!("{}\n", tally.line(elapsed)))
            }
            Self::Plain(_) => None,
        }
    }

    /// What to write so that other text can follow: on a terminal the line goes away.
    pub(crate) fn clear(&self) -> &'static str {
        match self {
            Self::Terminal => "\r\u{1b}[2K",
            Self::Plain(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half() -> Tally {
        let mut tally = Tally::new(4);
        tally.built("a".into());
        tally.built("b".into());
        tally.built("b".into());
        tally.doing("Compiling serde v1.0.0".into());
        tally
    }

    #[test]
    fn a_line_tells_share_time_and_work() {
        let line = half().line(Duration::from_secs(83));
        assert_eq!(
            line,
            "[############............] 2/4 1:23 Compiling serde v1.0.0"
        );
    }

    #[test]
    fn a_line_never_wraps_and_never_passes_the_total() {
        let mut tally = Tally::new(0);
        assert_eq!(
            tally.line(Duration::ZERO),
            "[........................] 0/1 0:00"
        );
        tally.built("a".into());
        tally.built("b".into());
        tally.doing("Compiling ".to_owned() + &"é".repeat(200));
        let line = tally.line(Duration::ZERO);
        assert!(
            line.starts_with("[########################] 2/2 "),
            "{line}"
        );
        assert_eq!(line.chars().count(), WIDTH);
    }

    #[test]
    fn a_terminal_is_redrawn_each_time_and_cleared() {
        let mut screen = Screen::new(true);
        for _ in 0..2 {
            let shown = screen.show(&half(), Duration::ZERO).unwrap();
            assert!(shown.starts_with("\r\u{1b}[2K[") && !shown.contains('\n'));
        }
        assert_eq!(screen.clear(), "\r\u{1b}[2K");
    }

    #[test]
    fn elsewhere_a_line_comes_every_twenty_seconds() {
        let mut screen = Screen::new(false);
        let mut at = |seconds| screen.show(&half(), Duration::from_secs(seconds)).is_some();
        let shown: Vec<u64> = (0..60).filter(|s| at(*s)).collect();
        assert_eq!(shown, [20, 40]);
        assert_eq!(screen.clear(), "");
    }
}
