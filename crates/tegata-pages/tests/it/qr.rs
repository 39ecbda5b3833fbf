//! QR codes, read back by another reader from each kind of picture.

use tegata_pages::qr::{Code, Error, png, svg, terminal};

/// A picture with 4 pixels per module, as a camera program would get it.
fn read(side: usize, dark: impl Fn(usize, usize) -> bool) -> String {
    let pixel = |x: usize, y: usize| if dark(x / 4, y / 4) { 0 } else { 255 };
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(side * 4, side * 4, pixel);
    let grids = picture.detect_grids();
    assert_eq!(grids.len(), 1, "exactly one QR code is seen");
    grids[0].decode().unwrap().1
}

const TEXT: &str = "TEGATA:6BF5 AQ%SD-*8+.$/Z";

#[test]
fn the_terminal_picture_is_read_back_with_its_quiet_zone() {
    for text in [
        TEXT.to_owned(),
        TEXT.repeat(20),
        "手形 and lower case".to_owned(),
    ] {
        let lines: Vec<Vec<char>> = terminal(&text)
            .unwrap()
            .lines()
            .map(|line| line.chars().collect())
            .collect();
        let side = lines[0].len();
        assert_eq!(lines.len(), side.div_ceil(2));
        assert!(
            lines[..2].iter().flatten().all(|c| *c == '█'),
            "four light lines on top"
        );
        assert!(
            lines
                .iter()
                .all(|line| line[..4].iter().all(|c| *c == '█' || *c == '▀'))
        );
        let dark = |x: usize, y: usize| match lines[y / 2][x] {
            '█' => false,
            '▀' => !y.is_multiple_of(2),
            '▄' => y.is_multiple_of(2),
            _ => true,
        };
        assert_eq!(read(side, dark), text);
    }
}

#[test]
fn the_png_is_read_back() {
    let text = TEXT.repeat(12);
    let file = png(&text).unwrap();
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(&file))
        .read_info()
        .unwrap();
    let mut bits = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bits).unwrap();
    assert_eq!(info.width, info.height);
    let side = usize::try_from(info.width).unwrap() / 8;
    assert_eq!(
        read(side, |x, y| bits[y * 8 * info.line_size + x] == 0),
        text
    );
    assert!(
        file.len() < 8_000,
        "a ticket's picture stays small: {}",
        file.len()
    );
}

#[test]
fn the_svg_is_read_back() {
    let markup = svg(TEXT).unwrap().into_string();
    let side: usize = markup
        .split("viewBox=\"0 0 ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let mut dark = vec![vec![false; side]; side];
    let path = markup
        .split(" d=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    for run in path.split('M').filter(|run| !run.is_empty()) {
        let (x, rest) = run.split_once(' ').unwrap();
        let (y, rest) = rest.split_once('h').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let width: usize = rest.split('v').next().unwrap().parse().unwrap();
        dark[y][x..x + width].fill(true);
    }
    assert_eq!(read(side, |x, y| dark[y][x]), TEXT);
}

#[test]
fn alphanumeric_text_takes_the_room_that_the_standard_says_and_not_a_character_more() {
    // ISO/IEC 18004, table 7: version 16 at level M holds 656 alphanumeric characters.
    let fits = "A".repeat(656);
    assert_eq!(Code::at_most(&fits, 16).unwrap().version(), 16);
    let refused = Code::at_most(&(fits.clone() + "A"), 16).unwrap_err();
    assert_eq!(
        refused,
        Error::TooLong {
            length: 657,
            version: 16
        }
    );
    assert_eq!(Code::new(&(fits + "A")).unwrap().version(), 17);
    // Lower case isn't in the alphabet: bytes, of which version 16 holds 450.
    assert!(Code::at_most(&"a".repeat(451), 16).is_err());
    assert_eq!(Code::at_most(&"a".repeat(450), 16).unwrap().version(), 16);
    assert!(matches!(
        Code::new(&"a".repeat(3000)),
        Err(Error::TooLong { version: 40, .. })
    ));
}

#[test]
fn the_largest_presentation_fits_into_version_16_as_base45() {
    // Three characters for two bytes: 437 bytes make 656 characters.
    let characters = 437 / 2 * 3 + 2;
    assert_eq!(
        Code::at_most(&"%".repeat(characters), 16)
            .unwrap()
            .version(),
        16
    );
}
