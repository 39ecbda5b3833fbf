//! The letter as a picture: its QR code, upright, turned, noisy, small and large.

use qrcode::{Color, QrCode};
use tegata_party::picture::{self, PictureError};

const LINE: &str =
    "tegata:join?centre=http%3A%2F%2F127.0.0.1%3A7400&root=0123&number=M-1&code=4567";

/// A grey picture of the code on paper: `scale` pixels a module, turned by so many quarters.
fn code(scale: usize, quarters: usize) -> (usize, Vec<u8>) {
    let code = QrCode::new(LINE).unwrap();
    let (modules, quiet) = (code.width(), 6);
    let side = (modules + 2 * quiet) * scale;
    let dark = |x: usize, y: usize| {
        let (x, y) = (x / scale, y / scale);
        let inside = |v: usize| (quiet..quiet + modules).contains(&v);
        inside(x) && inside(y) && code[(x - quiet, y - quiet)] == Color::Dark
    };
    let mut pixels = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let (x, y) = match quarters {
                1 => (y, side - 1 - x),
                2 => (side - 1 - x, side - 1 - y),
                3 => (side - 1 - y, x),
                _ => (x, y),
            };
            // Paper isn't white, ink not black, and a camera makes specks.
            let speck = u8::try_from((x * 7919 + y * 104_729) % 40).unwrap();
            pixels.push(if dark(x, y) { 20 + speck } else { 245 - speck });
        }
    }
    (side, pixels)
}

fn png(side: usize, pixels: &[u8]) -> Vec<u8> {
    let (mut bytes, side) = (Vec::new(), u32::try_from(side).unwrap());
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    drop(writer);
    bytes
}

/// A JPEG's entropy-coded bits.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u8,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, length: u32) {
        for place in (0..length).rev() {
            self.held = self.held << 1 | u8::try_from(value >> place & 1).unwrap();
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.held);
                if self.held == 0xff {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    /// A block's brightness, as its difference from the block before; nothing else is in the block.
    fn block(&mut self, difference: i32) {
        let size = i32::BITS - difference.unsigned_abs().leading_zeros();
        let coded = if difference < 0 {
            (1 << size) - 1 - difference.unsigned_abs()
        } else {
            difference.unsigned_abs()
        };
        self.put(size, 4);
        self.put(coded, size);
        self.put(0, 1);
    }
}

/// A baseline JPEG of the code: each module is one block of eight by eight pixels.
fn jpeg() -> Vec<u8> {
    let code = QrCode::new(LINE).unwrap();
    let (modules, quiet) = (code.width(), 4);
    let side = modules + 2 * quiet;
    let (mut bits, mut before) = (Bits::default(), 0);
    for y in 0..side {
        for x in 0..side {
            let inside = |v: usize| (quiet..quiet + modules).contains(&v);
            let dark = inside(x) && inside(y) && code[(x - quiet, y - quiet)] == Color::Dark;
            let brightness = if dark { -100 } else { 100 };
            bits.block(brightness - before);
            before = brightness;
        }
    }
    bits.put(0x7f, 7);
    let mut bytes = vec![0xff, 0xd8];
    let mut segment = |kind: u8, contents: &[u8]| {
        let length = u16::try_from(contents.len() + 2).unwrap();
        bytes.extend([0xff, kind]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(contents);
    };
    // Quantisation by eight: a block's first coefficient is eight times its brightness.
    segment(0xdb, &[&[0][..], &[8; 64]].concat());
    let [high, low] = u16::try_from(side * 8).unwrap().to_be_bytes();
    segment(0xc0, &[8, high, low, high, low, 1, 1, 0x11, 0]);
    // Twelve sizes of differences, four bits each; and one code that ends a block.
    let sizes: Vec<u8> = (0..12).collect();
    let four_bits = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    segment(0xc4, &[&[0][..], &four_bits, &sizes].concat());
    segment(0xc4, &[&[0x10, 1][..], &[0; 15], &[0]].concat());
    segment(0xda, &[1, 1, 0, 0, 63, 0]);
    bytes.extend(bits.bytes);
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn the_code_is_read_from_a_jpeg() {
    let whole = jpeg();
    assert!(picture::is_picture(&whole));
    assert_eq!(picture::text(&whole).unwrap(), LINE);
    let cut = picture::text(&whole[..whole.len() / 2]);
    assert!(cut.is_err(), "half a letter is none: {cut:?}");
}

#[test]
fn the_code_is_read_at_every_size_and_turn() {
    for scale in [3, 8, 40] {
        // The largest takes long: it shows that large photos are made small first.
        for quarters in 0..if scale == 40 { 1 } else { 4 } {
            let (side, pixels) = code(scale, quarters);
            let read = picture::text(&png(side, &pixels));
            let read = read.unwrap_or_else(|e| panic!("{scale} pixels, {quarters} quarters: {e}"));
            assert_eq!(read, LINE);
        }
    }
}

#[test]
fn what_is_no_letter_says_so() {
    let (side, pixels) = code(8, 0);
    let whole = png(side, &pixels);
    let cut = picture::text(&whole[..whole.len() / 2]).unwrap_err();
    assert!(matches!(cut, PictureError::Damaged(_)), "{cut}");
    let blank = picture::text(&png(64, &[200; 64 * 64])).unwrap_err();
    assert!(matches!(blank, PictureError::NoCode), "{blank}");
    let jpeg = picture::text(b"\xff\xd8\xff\xe0rest").unwrap_err();
    assert!(matches!(jpeg, PictureError::Damaged(_)), "{jpeg}");
    let large = picture::text(&vec![0x89; picture::MOST_BYTES + 1]).unwrap_err();
    assert!(matches!(large, PictureError::TooLarge), "{large}");
    assert!(!picture::is_picture(b"%PDF-1.7") && picture::is_picture(&whole));
}

/// A few bytes may say that a picture has four thousand million pixels: no room is made for them.
#[test]
fn a_picture_that_says_it_is_huge_is_refused_before_room_is_made() {
    let mut bytes = png(8, &[0; 64]);
    bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = picture::text(&bytes).unwrap_err();
    assert!(matches!(error, PictureError::TooLarge), "{error}");
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}
