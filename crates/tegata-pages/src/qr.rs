//! QR codes as pictures: SVG for pages, PNG for files, text for terminals.
//!
//! Always error correction level M and a quiet zone of four modules, dark on light. Text that
//! keeps to the 45 characters of QR's alphanumeric mode (digits, capitals, ` $%*+-./:`) takes
//! far less room than other text; base45 is made for it.

use maud::{Markup, html};
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode, Version};

const QUIET: usize = 4;
const PIXELS_PER_MODULE: usize = 8;

/// Why there's no QR code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The text is too long.
    #[error("{length} bytes don't fit into a QR code of version {version} or smaller")]
    TooLong {
        /// Bytes of the text.
        length: usize,
        /// The largest version that was wanted.
        version: i16,
    },
    /// The picture couldn't be written.
    #[error("the QR code couldn't be written as PNG: {what}")]
    Picture {
        /// Why not.
        what: String,
    },
}

/// A QR code, ready to be drawn.
#[derive(Clone)]
pub struct Code {
    /// Modules line by line, dark ones true, without the quiet zone.
    dark: Vec<bool>,
    width: usize,
    version: i16,
}

/// Dark modules side by side in one line: what a printer draws as one rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Modules left of it, the quiet zone counted.
    pub x: usize,
    /// Modules above it, the quiet zone counted.
    pub y: usize,
    /// Modules in it.
    pub length: usize,
}

/// A square picture as an SVG element.
///
/// # Errors
/// [`Error::TooLong`] if the text doesn't fit into any QR code.
pub fn svg(text: &str) -> Result<Markup, Error> {
    Code::new(text).map(|code| code.svg("QR code"))
}

/// A square picture as a PNG file.
///
/// # Errors
/// [`Error::TooLong`] if the text doesn't fit into any QR code.
pub fn png(text: &str) -> Result<Vec<u8>, Error> {
    Code::new(text)?.png()
}

/// A picture in half-block characters, for terminals with light text on a dark ground.
///
/// # Errors
/// [`Error::TooLong`] if the text doesn't fit into any QR code.
pub fn terminal(text: &str) -> Result<String, Error> {
    Code::new(text).map(|code| code.terminal())
}

impl Code {
    /// The smallest QR code that holds the text.
    ///
    /// # Errors
    /// [`Error::TooLong`] if the text doesn't fit into any.
    pub fn new(text: &str) -> Result<Self, Error> {
        Self::at_most(text, 40)
    }

    /// The smallest QR code that holds the text, if that's no larger than `version` (1 to 40;
    /// each is four modules wider than the one before, 1 has 21).
    ///
    /// # Errors
    /// [`Error::TooLong`] if the text needs a larger one.
    pub fn at_most(text: &str, version: i16) -> Result<Self, Error> {
        let too_long = || Error::TooLong {
            length: text.len(),
            version,
        };
        let code = QrCode::with_error_correction_level(text, EcLevel::M)
            .map_err(|_error: QrError| too_long())?;
        let needed = match code.version() {
            Version::Normal(needed) | Version::Micro(needed) => needed,
        };
        if needed > version {
            return Err(too_long());
        }
        let dark = code
            .to_colors()
            .into_iter()
            .map(|color| color == Color::Dark)
            .collect();
        Ok(Self {
            dark,
            width: code.width(),
            version: needed,
        })
    }

    /// Its version, 1 to 40.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.version
    }

    /// Modules per side, with the quiet zone.
    #[must_use]
    pub const fn side(&self) -> usize {
        self.width + 2 * QUIET
    }

    /// Whether the module at these coordinates, counted with the quiet zone, is dark.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => self.dark.get(y * self.width + x).copied().unwrap_or(false),
            _ => false,
        }
    }

    /// A picture as an SVG element; `label` tells those who don't see it what it is. It stays
    /// dark on white on dark pages too: many readers know no other.
    #[must_use]
    pub fn svg(&self, label: &str) -> Markup {
        let side = self.side();
        html! {
            svg.qr xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(label)
                viewBox={ "0 0 " (side) " " (side) } shape-rendering="crispEdges" {
                rect width=(side) height=(side) fill="#fff" {}
                path fill="#000" d=(self.path()) {}
            }
        }
    }

    /// One path for all dark modules, a rectangle per run.
    fn path(&self) -> String {
        let mut path = String::new();
        for Run { x, y, length } in self.runs() {
            path.push_str(&format!("M{x} {y}h{length}v1h-{length}z"));
        }
        path
    }

    /// The dark modules as horizontal runs, for those who draw it themselves.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for y in 0..self.side() {
            let mut x = 0;
            while x < self.side() {
                let length = (x..self.side()).take_while(|x| self.is_dark(*x, y)).count();
                if length > 0 {
                    runs.push(Run { x, y, length });
                }
                x += length.max(1);
            }
        }
        runs
    }

    /// A picture as a PNG file, eight pixels per module.
    ///
    /// # Errors
    /// [`Error::Picture`] if the encoder fails.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let picture = |error: png::EncodingError| Error::Picture {
            what: error.to_string(),
        };
        let pixels = self.side() * PIXELS_PER_MODULE;
        let size = u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size, size);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header().map_err(picture)?;
        writer.write_image_data(&self.bits()).map_err(picture)?;
        writer.finish().map_err(picture)?;
        Ok(file)
    }

    /// One bit per pixel, light ones set. A module is eight pixels wide: a byte.
    fn bits(&self) -> Vec<u8> {
        let mut bits = Vec::with_capacity(self.side() * self.side() * PIXELS_PER_MODULE);
        for y in 0..self.side() {
            let line = (0..self.side()).map(|x| if self.is_dark(x, y) { 0x00 } else { 0xff });
            let line: Vec<u8> = line.collect();
            for _ in 0..PIXELS_PER_MODULE {
                bits.extend_from_slice(&line);
            }
        }
        bits
    }

    /// A picture in half-block characters: two modules above each other per character, light
    /// ones drawn. Right for terminals with light text on a dark ground.
    #[must_use]
    pub fn terminal(&self) -> String {
        let mut text = String::new();
        for y in (0..self.side()).step_by(2) {
            for x in 0..self.side() {
                // Below the last line there's nothing more to draw.
                let below_light = y + 1 < self.side() && !self.is_dark(x, y + 1);
                text.push(match (!self.is_dark(x, y), below_light) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push('\n');
        }
        text
    }

    /// As [`Self::terminal`], with the colours said outright, so that it's dark on white on
    /// every terminal that knows colours.
    #[must_use]
    pub fn terminal_coloured(&self) -> String {
        let lines = self.terminal();
        lines
            .lines()
            .map(|line| format!("\x1b[38;5;231;48;5;16m{line}\x1b[0m\n"))
            .collect()
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
