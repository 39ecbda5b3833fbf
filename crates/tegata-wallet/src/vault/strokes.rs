//! Strokes drawn by hand, mixed into the seed (M5).
//!
//! A strokes file is text, one point per line: `x y t`, whole numbers, `t` in milliseconds since
//! the first. Empty lines and lines beginning with `#` are skipped.

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// Fewest points.
pub const FEWEST_POINTS: usize = 64;
/// Most points that a file may have.
pub const MOST_POINTS: usize = 1_000_000;

/// Strokes, of which only a digest is kept.
///
/// They add to the system's randomness and never take its place, so nothing estimates here how
/// unforeseeable they are; that they move is all that is asked.
#[derive(Debug)]
pub struct Strokes {
    digest: [u8; 32],
    points: usize,
}

impl Strokes {
    /// Reads a strokes file.
    ///
    /// # Errors
    /// [`StrokesError`] with the line, or the number of points that are missing.
    pub fn parse(text: &str) -> Result<Self, StrokesError> {
        let mut hash = Sha256::new_with_prefix(b"tegata strokes v1");
        let mut before: Option<Point> = None;
        let mut points = 0;
        for (index, line) in text.lines().enumerate() {
            let Some(point) = parse_line(index + 1, line)? else {
                continue;
            };
            check_order(index + 1, before, point)?;
            if before.is_none_or(|b| (b.x, b.y) != (point.x, point.y)) {
                points += 1;
            }
            if points > MOST_POINTS {
                return Err(StrokesError::TooMany);
            }
            hash.update(point.bytes());
            before = Some(point);
        }
        if points < FEWEST_POINTS {
            return Err(StrokesError::TooFew { points });
        }
        Ok(Self {
            digest: hash.finalize().into(),
            points,
        })
    }

    /// How many points they have; a pen that rests counts once.
    pub fn points(&self) -> usize {
        self.points
    }

    pub(super) fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl Drop for Strokes {
    fn drop(&mut self) {
        self.digest.zeroize();
    }
}

#[derive(Clone, Copy)]
struct Point {
    x: i32,
    y: i32,
    t: u32,
}

impl Point {
    fn bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.x.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.y.to_be_bytes());
        bytes[8..].copy_from_slice(&self.t.to_be_bytes());
        bytes
    }
}

fn parse_line(line: usize, text: &str) -> Result<Option<Point>, StrokesError> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [x, y, t] = fields[..] else {
        return Err(StrokesError::Line { line });
    };
    match (x.parse(), y.parse(), t.parse()) {
        (Ok(x), Ok(y), Ok(t)) => Ok(Some(Point { x, y, t })),
        _ => Err(StrokesError::Line { line }),
    }
}

fn check_order(line: usize, before: Option<Point>, point: Point) -> Result<(), StrokesError> {
    match before {
        Some(before) if point.t < before.t => Err(StrokesError::Backwards { line }),
        Some(_) | None => Ok(()),
    }
}

/// What is wrong with a strokes file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StrokesError {
    /// Too little was drawn.
    #[error(
        "the strokes have {points} points, {FEWEST_POINTS} are the least; draw a little longer"
    )]
    TooFew {
        /// Points found.
        points: usize,
    },
    /// More than anybody draws.
    #[error("the strokes have more than {MOST_POINTS} points; take a shorter file")]
    TooMany,
    /// A line isn't a point.
    #[error("strokes, line {line}: expected three whole numbers, x y t")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// Time runs backwards.
    #[error("strokes, line {line}: t is earlier than on the line before")]
    Backwards {
        /// Its number, from 1.
        line: usize,
    },
}
