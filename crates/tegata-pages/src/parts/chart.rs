//! A plain bar chart: one horizontal bar per line, its value beside it as text.

use maud::{Markup, html};

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar<'a> {
    /// What it stands for.
    pub label: &'a str,
    /// How long it is.
    pub value: u64,
    /// The value as it's to be read, e.g. "¥1,200".
    pub shown: &'a str,
}

/// The widest bar, in the drawing's own units.
const WIDEST: u64 = 1000;

/// Bars below each other with their caption. They're drawn in proportion to the longest one;
/// one that isn't zero is always seen.
#[must_use]
pub fn bar_chart(caption: &str, bars: &[Bar<'_>]) -> Markup {
    let longest = bars.iter().map(|bar| bar.value).max().unwrap_or(0);
    html! {
        figure.chart {
            figcaption { (caption) }
            dl {
                @for bar in bars {
                    div {
                        dt { (bar.label) }
                        dd {
                            svg viewBox={ "0 0 " (WIDEST) " 10" } preserveAspectRatio="none"
                                aria-hidden="true" focusable="false" {
                                rect.track width=(WIDEST) height="10" {}
                                rect.bar width=(width(bar.value, longest)) height="10" {}
                            }
                            span.value { (bar.shown) }
                        }
                    }
                }
            }
        }
    }
}

fn width(value: u64, longest: u64) -> u64 {
    if value == 0 || longest == 0 {
        return 0;
    }
    let width = u128::from(value) * u128::from(WIDEST) / u128::from(longest);
    u64::try_from(width).unwrap_or(WIDEST).clamp(4, WIDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_the_smallest_is_still_seen() {
        assert_eq!(width(50, 100), 500);
        assert_eq!(width(u64::MAX, u64::MAX), 1000);
        assert_eq!(width(1, u64::MAX), 4);
        assert_eq!(width(0, 100), 0);
        assert_eq!(width(0, 0), 0);
    }
}
