//! How wide the PDF's standard fonts set a text. Every reader has these fonts and these widths.

/// The three of the fourteen standard fonts that the letter uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    /// Helvetica.
    Plain,
    /// Helvetica-Bold.
    Bold,
    /// Courier-Bold, for what is compared or typed character by character.
    Mono,
}

/// Widths of the characters from space to tilde, in thousandths of the font size.
#[rustfmt::skip]
const PLAIN: [i32; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
#[rustfmt::skip]
const BOLD: [i32; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611,
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556,
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611,
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];
/// Every character of Courier.
const MONO: i32 = 600;
/// Accented letters and signs beyond ASCII: none that matters is wider than most capitals.
const BEYOND: i32 = 722;

impl Font {
    /// The width of a text in WinAnsi encoding, in the unit of `size`, rounded up.
    pub(super) fn width(self, text: &[u8], size: i32) -> i32 {
        let thousandths: i32 = text.iter().map(|byte| self.glyph(*byte)).sum();
        (thousandths * size).div_euclid(1000) + 1
    }

    fn glyph(self, byte: u8) -> i32 {
        let table = match self {
            Self::Plain => &PLAIN,
            Self::Bold => &BOLD,
            Self::Mono => return MONO,
        };
        let place = usize::from(byte).checked_sub(usize::from(b' '));
        place
            .and_then(|at| table.get(at))
            .copied()
            .unwrap_or(BEYOND)
    }
}

/// The byte of a character in WinAnsi encoding; `None` when the standard fonts lack it.
pub(super) fn win_ansi(c: char) -> Option<u8> {
    match c {
        ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(c)).ok(),
        '€' => Some(0x80),
        '…' => Some(0x85),
        'Š' => Some(0x8a),
        'Œ' => Some(0x8c),
        'Ž' => Some(0x8e),
        '‘' => Some(0x91),
        '’' => Some(0x92),
        '“' => Some(0x93),
        '”' => Some(0x94),
        '–' => Some(0x96),
        '—' => Some(0x97),
        'š' => Some(0x9a),
        'œ' => Some(0x9c),
        'ž' => Some(0x9e),
        'Ÿ' => Some(0x9f),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_standard_fonts() {
        assert_eq!(
            Font::Plain.width(b"Hello", 1000),
            722 + 556 + 222 + 222 + 556 + 1
        );
        assert_eq!(Font::Bold.width(b"~", 1000), 584 + 1);
        assert_eq!(Font::Mono.width(b"7Q4M", 100), 240 + 1);
        assert_eq!(Font::Plain.width(&[0xfc], 1000), BEYOND + 1);
    }

    #[test]
    fn letters_of_western_europe_print_and_japanese_ones_dont() {
        assert_eq!(win_ansi('ü'), Some(0xfc));
        assert_eq!(win_ansi('€'), Some(0x80));
        for lacking in ['手', 'ウ', '\n', '\u{85}', 'ł'] {
            assert_eq!(win_ansi(lacking), None, "{lacking:?}");
        }
    }
}
