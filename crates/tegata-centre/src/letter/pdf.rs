//! The letter's English page as PDF: A4, set in the standard fonts that every reader has.
//!
//! Lengths are tenths of a point, `y` counts down from the top of the page. The address stands
//! where window envelopes of the long formats show it, and small ticks tell where to fold.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use tegata_pages::qr;

use super::widths::{Font, win_ansi};
use super::words::{Words, english};
use super::{Letter, LetterError, groups};

/// A4.
const WIDTH: i32 = 5953;
const HEIGHT: i32 = 8419;
const LEFT: i32 = mm(25);
const RIGHT: i32 = WIDTH - mm(22);
/// Nothing is printed below this.
const BOTTOM: i32 = HEIGHT - mm(12);

const INK: [u8; 3] = [0x22, 0x25, 0x2b];
const QUIET: [u8; 3] = [0x5a, 0x5e, 0x66];
const ACCENT: [u8; 3] = [0x2b, 0x4a, 0x80];
const WASH: [u8; 3] = [0xee, 0xf2, 0xf8];
const ALERT: [u8; 3] = [0xa5, 0x28, 0x1d];
const WHITE: [u8; 3] = [0xff; 3];

/// How a text is set.
#[derive(Clone, Copy)]
struct Style {
    font: Font,
    size: i32,
    colour: [u8; 3],
}

const BODY: Style = Style {
    font: Font::Plain,
    size: 102,
    colour: INK,
};
const SMALL: Style = Style {
    font: Font::Plain,
    size: 80,
    colour: QUIET,
};
const ADDRESS: Style = Style {
    font: Font::Plain,
    size: 110,
    colour: INK,
};
const NAME: Style = Style {
    font: Font::Bold,
    size: 160,
    colour: ACCENT,
};
const TITLE: Style = Style {
    font: Font::Bold,
    size: 145,
    colour: INK,
};
const HEADING: Style = Style {
    font: Font::Bold,
    size: 110,
    colour: INK,
};
const STRONG: Style = Style {
    font: Font::Bold,
    size: 102,
    colour: INK,
};
const COUNT: Style = Style {
    font: Font::Bold,
    size: 102,
    colour: ACCENT,
};
const LARGE: Style = Style {
    font: Font::Mono,
    size: 170,
    colour: INK,
};
const HEX: Style = Style {
    font: Font::Mono,
    size: 90,
    colour: INK,
};

/// Makes the letter's English page as a PDF file, the same bytes for the same letter.
///
/// # Errors
/// [`LetterError`]; a name in Japanese, for one, needs the HTML letter.
pub fn pdf(letter: &Letter) -> Result<Vec<u8>, LetterError> {
    let words = english(letter);
    let mut sheet = Sheet {
        content: Content::new(),
        y: 0,
    };
    sheet.fold_marks();
    sheet.head(letter)?;
    sheet.y = mm(95);
    sheet.line(TITLE, words.subject, "the subject")?;
    sheet.y += mm(7);
    sheet.line(BODY, words.greeting, "the greeting")?;
    sheet.y += BODY.leading();
    sheet.paragraph(BODY, Column::from(LEFT), words.opening, "the opening")?;
    sheet.slip(letter, &words)?;
    sheet.steps(&words)?;
    sheet.compare(letter, &words)?;
    sheet.warning(&words)?;
    sheet.y += mm(3);
    sheet.paragraph(BODY, Column::from(LEFT), words.closing, "the closing")?;
    sheet.line(BODY, &letter.centre_name, "the centre's name")?;
    if sheet.y > BOTTOM {
        return Err(LetterError::TooLong { part: "the letter" });
    }
    Ok(file(letter, &sheet.content.finish()))
}

/// Where lines begin, and how long they may be.
#[derive(Clone, Copy)]
struct Column {
    x: i32,
    width: i32,
}

impl Column {
    /// From `x` to the right margin.
    const fn from(x: i32) -> Self {
        Self {
            x,
            width: RIGHT - x,
        }
    }
}

/// A page being filled from the top.
struct Sheet {
    content: Content,
    /// Baseline of the next line.
    y: i32,
}

/// The parts of the letter.
impl Sheet {
    fn fold_marks(&mut self) {
        for fold in [mm(105), mm(210)] {
            self.rectangle([mm(4), fold, mm(4), 5], QUIET);
        }
    }

    fn head(&mut self, letter: &Letter) -> Result<(), LetterError> {
        self.y = mm(25);
        self.line(NAME, &letter.centre_name, "the centre's name")?;
        let mut lines: Vec<&str> = letter.centre_address.iter().map(String::as_str).collect();
        lines.push(&letter.web);
        if lines.len() > 5 {
            return Err(LetterError::TooLong {
                part: "the centre's address",
            });
        }
        for (above, text) in lines.iter().rev().enumerate() {
            let y = self.y - SMALL.leading() * int(above);
            self.right(SMALL, y, text, "the centre's address")?;
        }
        self.rectangle([LEFT, mm(28), RIGHT - LEFT, mm(1) / 2], ACCENT);
        if letter.addressee.len() > 6 {
            return Err(LetterError::TooLong {
                part: "the addressee",
            });
        }
        self.y = mm(51);
        for text in &letter.addressee {
            self.line(ADDRESS, text, "the addressee")?;
            self.y += ADDRESS.leading();
        }
        self.right(BODY, mm(83), &letter.date, "the date")
    }

    /// What is used to join, set apart from all else.
    fn slip(&mut self, letter: &Letter, words: &Words) -> Result<(), LetterError> {
        let top = self.y;
        let height = mm(52);
        self.rounded([LEFT, top, RIGHT - LEFT, height], WASH);
        let side = mm(42);
        let left = RIGHT - side - mm(4);
        self.qr(&letter.code()?, [left, top + mm(3)], side);
        let caption = bytes(words.scan, "the QR code's caption")?;
        let inset = (side - SMALL.font.width(&caption, SMALL.size)) / 2;
        self.show(SMALL, left + inset, top + mm(49), &caption);

        let code = groups(&letter.activation_code).join(" ");
        let rows = [
            (words.number, LARGE, letter.number.as_str(), "the number"),
            (words.code, LARGE, code.as_str(), "the activation code"),
            (
                words.expires,
                HEADING,
                letter.expires.as_str(),
                "the last day",
            ),
        ];
        let x = LEFT + mm(6);
        self.y = top + mm(9);
        for (label, style, text, part) in rows {
            self.show(SMALL, x, self.y, &bytes(label, part)?);
            let text = bytes(text, part)?;
            fits(style, &text, left - x - mm(2), part)?;
            self.show(style, x, self.y + mm(6), &text);
            self.y += mm(15);
        }
        self.y = top + height + mm(9);
        Ok(())
    }

    fn steps(&mut self, words: &Words) -> Result<(), LetterError> {
        self.line(HEADING, words.steps_title, "the steps")?;
        self.y += mm(6);
        for (before, step) in words.steps.iter().enumerate() {
            let count = bytes(&format!("{}.", before + 1), "the steps")?;
            self.show(COUNT, LEFT, self.y, &count);
            self.paragraph(BODY, Column::from(LEFT + mm(6)), step, "the steps")?;
            self.y += mm(1);
        }
        Ok(())
    }

    /// What the programs show and people compare: the root key beside the terms.
    fn compare(&mut self, letter: &Letter, words: &Words) -> Result<(), LetterError> {
        self.y += mm(3);
        let (top, middle) = (self.y, LEFT + (RIGHT - LEFT + mm(4)) / 2);
        let left = Column {
            x: LEFT,
            width: middle - LEFT - mm(4),
        };
        let right = Column {
            x: middle,
            width: RIGHT - middle,
        };
        self.paragraph(SMALL, left, words.root, "the fingerprint")?;
        self.y += mm(1);
        self.grouped(left, &letter.root_fingerprint, "the fingerprint")?;
        let below = core::mem::replace(&mut self.y, top);
        self.paragraph(SMALL, right, words.terms, "the terms")?;
        self.y += mm(1);
        self.paragraph(STRONG, right, &letter.terms_title, "the terms' title")?;
        self.grouped(right, &letter.terms_digest, "the terms' digest")?;
        self.paragraph(SMALL, right, words.terms_note, "the terms")?;
        self.y = self.y.max(below);
        Ok(())
    }

    fn warning(&mut self, words: &Words) -> Result<(), LetterError> {
        self.y += mm(4);
        let top = self.y - BODY.size;
        self.paragraph(
            BODY,
            Column::from(LEFT + mm(4)),
            &words.warning,
            "the warning",
        )?;
        let height = self.y - top - BODY.leading() + mm(1);
        self.rectangle([LEFT, top, mm(1) * 4 / 5, height], ALERT);
        Ok(())
    }
}

/// Setting text and drawing.
impl Sheet {
    /// One line at the left margin; `y` stays.
    fn line(&mut self, style: Style, text: &str, part: &'static str) -> Result<(), LetterError> {
        let text = bytes(text, part)?;
        fits(style, &text, RIGHT - LEFT, part)?;
        self.show(style, LEFT, self.y, &text);
        Ok(())
    }

    /// One line that ends at the right margin.
    fn right(
        &mut self,
        style: Style,
        y: i32,
        text: &str,
        part: &'static str,
    ) -> Result<(), LetterError> {
        let text = bytes(text, part)?;
        fits(style, &text, (RIGHT - LEFT) / 2, part)?;
        self.show(style, RIGHT - style.font.width(&text, style.size), y, &text);
        Ok(())
    }

    /// As many lines as it takes; `y` goes below them.
    fn paragraph(
        &mut self,
        style: Style,
        column: Column,
        text: &str,
        part: &'static str,
    ) -> Result<(), LetterError> {
        for line in wrapped(style, &bytes(text, part)?, column.width) {
            self.show(style, column.x, self.y, &line);
            self.y += style.leading();
        }
        Ok(())
    }

    /// Hexadecimal digits in groups of four, eight groups to a line.
    fn grouped(
        &mut self,
        column: Column,
        hex: &str,
        part: &'static str,
    ) -> Result<(), LetterError> {
        for line in groups(hex).chunks(8) {
            let line = bytes(&line.join(" "), part)?;
            fits(HEX, &line, column.width, part)?;
            self.show(HEX, column.x, self.y, &line);
            self.y += HEX.leading();
        }
        Ok(())
    }

    fn show(&mut self, style: Style, x: i32, y: i32, text: &[u8]) {
        self.fill(style.colour);
        let name = style.font.name();
        self.content.begin_text().set_font(name, pt(style.size));
        self.content
            .next_line(pt(x), pt(HEIGHT - y))
            .show(Str(text))
            .end_text();
    }

    fn qr(&mut self, code: &qr::Code, [left, top]: [i32; 2], side: i32) {
        self.rectangle([left, top, side, side], WHITE);
        self.fill(INK);
        let modules = int(code.side());
        // Every edge is rounded by itself, so that neighbours meet without a gap.
        let at = |module: usize| side * int(module) / modules;
        for run in code.runs() {
            let (x, y) = (at(run.x), at(run.y));
            let (end, below) = (at(run.x + run.length), at(run.y + 1));
            self.path([left + x, top + y, end - x, below - y]);
        }
        self.content.fill_nonzero();
    }

    fn rectangle(&mut self, area: [i32; 4], colour: [u8; 3]) {
        self.fill(colour);
        self.path(area);
        self.content.fill_nonzero();
    }

    fn path(&mut self, [x, y, width, height]: [i32; 4]) {
        let y = HEIGHT - y - height;
        self.content.rect(pt(x), pt(y), pt(width), pt(height));
    }

    fn rounded(&mut self, [x, y, width, height]: [i32; 4], colour: [u8; 3]) {
        let (left, right) = (x, x + width);
        let (top, bottom) = (HEIGHT - y, HEIGHT - y - height);
        let radius = mm(5) / 2;
        // A circle's quarter as a Bézier curve: its handles are 0.55 of the radius long.
        let rest = radius * 45 / 100;
        self.fill(colour);
        let c = &mut self.content;
        let corner = |c: &mut Content, p: [i32; 6]| {
            let [x1, y1, x2, y2, x3, y3] = p.map(pt);
            c.cubic_to(x1, y1, x2, y2, x3, y3);
        };
        c.move_to(pt(left + radius), pt(top))
            .line_to(pt(right - radius), pt(top));
        corner(
            c,
            [right - rest, top, right, top - rest, right, top - radius],
        );
        c.line_to(pt(right), pt(bottom + radius));
        corner(
            c,
            [
                right,
                bottom + rest,
                right - rest,
                bottom,
                right - radius,
                bottom,
            ],
        );
        c.line_to(pt(left + radius), pt(bottom));
        corner(
            c,
            [
                left + rest,
                bottom,
                left,
                bottom + rest,
                left,
                bottom + radius,
            ],
        );
        c.line_to(pt(left), pt(top - radius));
        corner(c, [left, top - rest, left + rest, top, left + radius, top]);
        c.close_path().fill_nonzero();
    }

    fn fill(&mut self, colour: [u8; 3]) {
        let [r, g, b] = colour.map(shade);
        self.content.set_fill_rgb(r, g, b);
    }
}

impl Style {
    /// From one baseline to the next.
    const fn leading(self) -> i32 {
        self.size * 14 / 10
    }
}

impl Font {
    const ALL: [Self; 3] = [Self::Plain, Self::Bold, Self::Mono];

    /// Its name in this file.
    const fn name(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"F1"),
            Self::Bold => Name(b"F2"),
            Self::Mono => Name(b"F3"),
        }
    }

    /// Its name in every reader.
    const fn standard_name(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"Helvetica"),
            Self::Bold => Name(b"Helvetica-Bold"),
            Self::Mono => Name(b"Courier-Bold"),
        }
    }
}

/// The file around the page.
fn file(letter: &Letter, content: &[u8]) -> Vec<u8> {
    let [catalog, pages, page, contents, info] = [1, 2, 3, 4, 5].map(Ref::new);
    let fonts = [Ref::new(6), Ref::new(7), Ref::new(8)];
    let mut pdf = Pdf::new();
    let title = format!("{}: {}", letter.centre_name, letter.number);
    pdf.document_info(info)
        .title(TextStr(&title))
        .author(TextStr(&letter.centre_name));
    let mut root = pdf.catalog(catalog);
    root.pages(pages).lang(TextStr("en"));
    root.viewer_preferences().display_doc_title(true);
    root.finish();
    pdf.pages(pages).kids([page]).count(1);
    let mut only = pdf.page(page);
    only.media_box(Rect::new(pt(0), pt(0), pt(WIDTH), pt(HEIGHT)));
    only.parent(pages).contents(contents);
    let mut resources = only.resources();
    let mut named = resources.fonts();
    for (font, id) in Font::ALL.into_iter().zip(fonts) {
        named.pair(font.name(), id);
    }
    named.finish();
    resources.finish();
    only.finish();
    for (font, id) in Font::ALL.into_iter().zip(fonts) {
        let mut written = pdf.type1_font(id);
        written
            .base_font(font.standard_name())
            .encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.stream(contents, content);
    pdf.finish()
}

/// A text in the fonts' encoding.
fn bytes(text: &str, part: &'static str) -> Result<Vec<u8>, LetterError> {
    let byte = |character| win_ansi(character).ok_or(LetterError::Character { character, part });
    text.chars().map(byte).collect()
}

fn fits(style: Style, text: &[u8], width: i32, part: &'static str) -> Result<(), LetterError> {
    if style.font.width(text, style.size) > width {
        return Err(LetterError::TooLong { part });
    }
    Ok(())
}

/// Breaks a text into lines at its blanks, and inside a word only if that fills a line alone.
fn wrapped(style: Style, text: &[u8], width: i32) -> Vec<Vec<u8>> {
    let fits = |line: &[u8]| style.font.width(line, style.size) <= width;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    for word in text.split(|b| *b == b' ').filter(|w| !w.is_empty()) {
        let longer = if line.is_empty() {
            word.to_vec()
        } else {
            [&line, word].join(&b' ')
        };
        if fits(&longer) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(core::mem::take(&mut line));
        }
        for byte in word {
            line.push(*byte);
            if !fits(&line) {
                line.pop();
                lines.push(core::mem::replace(&mut line, vec![*byte]));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Millimetres in tenths of a point.
const fn mm(length: i32) -> i32 {
    length * 7200 / 254
}

/// A small count, to calculate with.
fn int(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The format counts in fractions of a point; here alone they are made.
#[expect(clippy::disallowed_types, reason = "a length on paper, not money")]
fn pt(tenths: i32) -> f32 {
    f32::from(i16::try_from(tenths).unwrap_or(i16::MAX)) / 10.0
}

/// A part of a colour, 0 to 1.
#[expect(clippy::disallowed_types, reason = "a colour on paper, not money")]
fn shade(part: u8) -> f32 {
    f32::from(part) / 255.0
}
