//! The letter's QR code from a picture: a scan or a photo of the letter, as PNG or JPEG.
//!
//! The picture comes from its owner's own camera or scanner, and yet it's foreign bytes to a process that
//! will hold keys: it's measured before it's decoded, by decoders written in safe Rust.

use png::{BitDepth, ColorType, Transformations};
use rqrr::PreparedImage;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The most bytes of a picture.
pub const MOST_BYTES: usize = 32 << 20;
/// The most pixels; a phone's camera has some twelve million.
pub const MOST_PIXELS: usize = 64_000_000;
/// A picture whose longer side has more pixels is tried at this size first: codes in large photos are
/// found sooner, and more surely, when they are made small.
const SIDE: usize = 1600;

/// Why no line is read from a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Too many bytes or pixels.
    #[error("the picture is too large: at most {} MiB and {} million pixels", MOST_BYTES >> 20, MOST_PIXELS / 1_000_000)]
    TooLarge,
    /// It can't be decoded.
    #[error("the picture can't be read: {0}")]
    Damaged(String),
    /// No code was found.
    #[error(
        "there's no QR code to be read in the picture: take it straight from above, whole and sharp"
    )]
    NoCode,
}

/// Whether these bytes are a picture of a kind that is read here.
#[must_use]
pub fn is_picture(bytes: &[u8]) -> bool {
    is_png(bytes) || is_jpeg(bytes)
}

/// The text in the picture's QR code.
///
/// # Errors
/// [`PictureError`].
pub fn text(bytes: &[u8]) -> Result<String, PictureError> {
    text_within(bytes, MOST_PIXELS)
}

/// The text in the QR code of a picture that has no more than so many pixels, [`MOST_PIXELS`] at most.
///
/// # Errors
/// [`PictureError`].
pub fn text_within(bytes: &[u8], most_pixels: usize) -> Result<String, PictureError> {
    if bytes.len() > MOST_BYTES {
        return Err(PictureError::TooLarge);
    }
    let most = most_pixels.min(MOST_PIXELS);
    let grey = match is_png(bytes) {
        true => from_png(bytes, most)?,
        false => from_jpeg(bytes, most)?,
    };
    let step = grey.width.max(grey.height).div_ceil(SIDE).max(1);
    let mut steps = vec![step, 1];
    steps.dedup();
    // As it is, for photos in uneven light; then in black and white, for noisy scans.
    let found = steps.iter().find_map(|step| grey.code(*step));
    let sharp = || {
        steps
            .iter()
            .find_map(|step| grey.black_and_white().code(*step))
    };
    found.or_else(sharp).ok_or(PictureError::NoCode)
}

fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xd8\xff")
}

/// A picture as brightness, a byte a pixel.
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Grey {
    /// From pixels of so many bytes each: grey, grey with opacity, RGB, RGB with opacity.
    fn new(width: usize, height: usize, bytes: &[u8], each: usize) -> Result<Self, PictureError> {
        let pixels: Vec<u8> = bytes.chunks_exact(each.max(1)).map(brightness).collect();
        if pixels.len() != width.saturating_mul(height) || pixels.is_empty() {
            return Err(damaged("its size isn't what it says"));
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Every pixel black or white, by the threshold that parts the two best (Otsu's method: the greatest
    /// variance between the two classes).
    fn black_and_white(&self) -> Self {
        let mut counts = [0_u64; 256];
        for pixel in &self.pixels {
            counts[usize::from(*pixel)] += 1;
        }
        let all: u64 = counts.iter().sum();
        let weighed = |(value, count): (usize, &u64)| u64::try_from(value).unwrap_or(0) * count;
        let sum: u64 = counts.iter().enumerate().map(weighed).sum();
        let (mut dark, mut dark_sum, mut best, mut threshold) = (0_u64, 0_u64, 0_u128, 128_u8);
        for value in 0..=254_u8 {
            let count = counts[usize::from(value)];
            dark += count;
            dark_sum += u64::from(value) * count;
            let light = all - dark;
            if dark == 0 || light == 0 {
                continue;
            }
            let (dark_mean, light_mean) = (dark_sum * 256 / dark, (sum - dark_sum) * 256 / light);
            let apart = u128::from(light_mean.abs_diff(dark_mean));
            let between = apart * apart * u128::from(dark) * u128::from(light);
            if between > best {
                (best, threshold) = (between, value);
            }
        }
        let part = |pixel: &u8| if *pixel > threshold { 255 } else { 0 };
        Self {
            width: self.width,
            height: self.height,
            pixels: self.pixels.iter().map(part).collect(),
        }
    }

    /// The first code that can be decoded, looked for in every `step`th pixel's neighbourhood.
    fn code(&self, step: usize) -> Option<String> {
        let (width, height) = (self.width / step, self.height / step);
        let at =
            |x: usize, y: usize| self.mean(x.saturating_mul(step), y.saturating_mul(step), step);
        let mut image = PreparedImage::prepare_from_greyscale(width, height, at);
        let grids = image.detect_grids();
        grids
            .into_iter()
            .find_map(|grid| grid.decode().ok())
            .map(|(_, text)| text)
    }

    fn mean(&self, left: usize, top: usize, step: usize) -> u8 {
        let rows = (top..top.saturating_add(step)).filter_map(|y| {
            let start = y.checked_mul(self.width)?.checked_add(left)?;
            self.pixels.get(start..start.checked_add(step)?)
        });
        let (mut sum, mut count) = (0_usize, 0_usize);
        for row in rows {
            sum = sum.saturating_add(row.iter().map(|p| usize::from(*p)).sum::<usize>());
            count = count.saturating_add(row.len());
        }
        u8::try_from(sum.checked_div(count).unwrap_or(255)).unwrap_or(255)
    }
}

/// Brightness as the eye has it (ITU-R BT.601), in whole numbers; what can be seen through is white, as
/// the paper under it.
fn brightness(pixel: &[u8]) -> u8 {
    let over_white = |grey: u16, opacity: u8| {
        let opacity = u16::from(opacity);
        (grey * opacity + 255 * (255 - opacity)) / 255
    };
    let luma = |r: u8, g: u8, b: u8| {
        let sum = u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114;
        u16::try_from(sum / 1000).unwrap_or(255)
    };
    let grey = match pixel {
        [grey] => u16::from(*grey),
        [grey, opacity] => over_white(u16::from(*grey), *opacity),
        [r, g, b] => luma(*r, *g, *b),
        [r, g, b, opacity] => over_white(luma(*r, *g, *b), *opacity),
        _ => 255,
    };
    u8::try_from(grey).unwrap_or(255)
}

fn from_png(bytes: &[u8], most: usize) -> Result<Grey, PictureError> {
    let limits = png::Limits {
        bytes: most.saturating_mul(4),
    };
    let mut decoder = png::Decoder::new_with_limits(std::io::Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| damaged(&e))?;
    let (width, height) = reader.info().size();
    let (width, height) = (count(width)?, count(height)?);
    let room = sized((width, height), most, reader.output_buffer_size())?;
    let mut pixels = vec![0; room];
    let frame = reader.next_frame(&mut pixels).map_err(|e| damaged(&e))?;
    pixels.truncate(frame.buffer_size());
    let each = match frame.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err(damaged("its colours aren't expanded")),
    };
    if frame.bit_depth != BitDepth::Eight {
        return Err(damaged("its colours have another depth"));
    }
    Grey::new(width, height, &pixels, each)
}

fn from_jpeg(bytes: &[u8], most: usize) -> Result<Grey, PictureError> {
    let side = 1 << 16;
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::Luma)
        .set_max_width(side)
        .set_max_height(side);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|e| damaged(&format!("{e:?}")))?;
    let (width, height) = decoder
        .dimensions()
        .ok_or_else(|| damaged("it has no size"))?;
    sized((width, height), most, decoder.output_buffer_size())?;
    let pixels = decoder.decode().map_err(|e| damaged(&format!("{e:?}")))?;
    Grey::new(width, height, &pixels, 1)
}

fn count(side: u32) -> Result<usize, PictureError> {
    usize::try_from(side).map_err(|_e| PictureError::TooLarge)
}

/// The room that a picture needs, if it may have it.
fn sized(
    (width, height): (usize, usize),
    most: usize,
    room: Option<usize>,
) -> Result<usize, PictureError> {
    match width.checked_mul(height) {
        Some(pixels) if pixels <= most => room.ok_or(PictureError::TooLarge),
        Some(_) | None => Err(PictureError::TooLarge),
    }
}

fn damaged(why: &(impl ToString + ?Sized)) -> PictureError {
    PictureError::Damaged(why.to_string())
}
