//! Pictures of goods: PNG, JPEG, WebP or SVG from the shop's folder, read with the catalogue.
//!
//! A picture is recognised by its bytes, never by its name, and kept in memory as it was checked, so that
//! nothing else can come to be served under its address. Its address holds its digest, so browsers
//! may keep it for ever. An SVG could hold a script: one that does is refused, and all are served
//! under a policy that lets none run.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use tegata_protocol::Digest;

/// The most bytes of a picture.
pub const LIMIT: usize = 1024 * 1024;

/// What a picture is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Portable network graphics.
    Png,
    /// A photograph.
    Jpeg,
    /// Either, smaller.
    Webp,
    /// Drawn by strokes.
    Svg,
}

impl Kind {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Svg => "image/svg+xml",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Svg => "svg",
        }
    }
}

/// A picture.
#[derive(PartialEq, Eq)]
pub struct Picture {
    /// What it is.
    pub kind: Kind,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    name: String,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}, {}×{})", self.name, self.width, self.height)
    }
}

impl Picture {
    /// Looks at a picture's bytes.
    ///
    /// # Errors
    /// What is wrong with them, for the catalogue's owner.
    pub fn new(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() > LIMIT {
            return Err(format!(
                "the picture has {} bytes; expected at most 1 MiB",
                bytes.len()
            ));
        }
        let (kind, size) = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => (Kind::Png, png(&bytes)),
            [0xFF, 0xD8, 0xFF, ..] => (Kind::Jpeg, jpeg(&bytes)),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => (Kind::Webp, webp(&bytes)),
            _ => (Kind::Svg, svg(&bytes)?),
        };
        let size = size.filter(|(w, h)| (1..=8192).contains(w) && (1..=8192).contains(h));
        let (width, height) = size.ok_or("the picture's width and height can't be found")?;
        let digest = Digest::of(&bytes).to_string();
        let stem = digest.get(..24).unwrap_or_default();
        Ok(Self {
            kind,
            width,
            height,
            name: format!("{stem}.{}", kind.extension()),
            bytes,
        })
    }

    /// Its name below `/pictures/`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn big(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let cut = bytes.get(at..at.checked_add(count)?)?;
    Some(cut.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

fn little(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let cut = bytes.get(at..at.checked_add(count)?)?;
    Some(
        cut.iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
    )
}

/// The header chunk is always the first.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    (bytes.get(12..16)? == b"IHDR").then_some(())?;
    Some((big(bytes, 16, 4)?, big(bytes, 20, 4)?))
}

/// Walks over the segments to the frame's header.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let marker = bytes.get(at..at + 2)?;
        let &[0xFF, code] = marker else { return None };
        match code {
            0xFF => at += 1,
            // Huffman tables, arithmetic conditioning and JPG stand among the frames' codes.
            0xC0..=0xCF if !matches!(code, 0xC4 | 0xC8 | 0xCC) => {
                return Some((big(bytes, at + 7, 2)?, big(bytes, at + 5, 2)?));
            }
            0xD8 | 0x01 | 0xD0..=0xD7 => at += 2,
            _ => at += 2 + usize::try_from(big(bytes, at + 2, 2)?).ok()?,
        }
    }
}

fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8 " => Some((
            little(bytes, 26, 2)? & 0x3FFF,
            little(bytes, 28, 2)? & 0x3FFF,
        )),
        b"VP8L" => {
            let bits = little(bytes, 21, 4)?;
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b"VP8X" => Some((little(bytes, 24, 3)? + 1, little(bytes, 27, 3)? + 1)),
        _ => None,
    }
}

/// What could run or fetch something, or hide it.
const FORBIDDEN: [&str; 7] = [
    "<script",
    "<foreignobject",
    "javascript:",
    "<!entity",
    "href=\"http",
    "href='http",
    "@import",
];

fn svg(bytes: &[u8]) -> Result<Option<(u32, u32)>, String> {
    let other = "the file is neither PNG, JPEG, WebP nor SVG";
    let text = std::str::from_utf8(bytes).map_err(|_e| other)?;
    let start = text.find("<svg").ok_or(other)?;
    let lower = text.to_ascii_lowercase();
    let written = FORBIDDEN.iter().find(|word| lower.contains(*word));
    let found = match written {
        Some(word) => Some((*word).to_owned()),
        None => hidden(text).map_err(|_not_xml| other)?,
    };
    if let Some(found) = found {
        return Err(format!(
            "the picture holds {found:?}: a picture may neither run nor fetch anything"
        ));
    }
    let head = text.get(start..).and_then(|rest| rest.split('>').next());
    Ok(head.and_then(svg_size))
}

/// What runs or fetches something and is written so that only a reader of XML sees it: under a prefix, by
/// references to characters, as an attribute that a document type adds.
fn hidden(text: &str) -> Result<Option<String>, quick_xml::Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    loop {
        let found = match reader.read_event()? {
            Event::Start(tag) | Event::Empty(tag) => hidden_in(&tag)?,
            Event::DocType(kind) => kind.contains('[').then(|| "<!DOCTYPE".to_owned()),
            Event::PI(_) => Some("<?".to_owned()),
            Event::Eof => return Ok(None),
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::GeneralRef(_) => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
}

fn hidden_in(tag: &BytesStart<'_>) -> Result<Option<String>, quick_xml::Error> {
    let element = local(tag.name().into_inner());
    if matches!(element.as_str(), "script" | "foreignobject") {
        return Ok(Some(format!("<{element}")));
    }
    for attribute in tag.attributes() {
        let attribute = attribute?;
        let name = local(attribute.key.into_inner());
        let value = attribute.normalized_value(XmlVersion::Explicit1_0)?;
        // Browsers pass over blanks in an address.
        let value: String = value.split_ascii_whitespace().collect();
        let value = value.to_ascii_lowercase();
        let inside = value.starts_with('#') || value.starts_with("data:image/");
        if name.starts_with("on") || value.contains("javascript:") || name == "href" && !inside {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A name without its prefix, in small letters.
fn local(name: &str) -> String {
    let local = name.rsplit(':').next().unwrap_or(name);
    local.to_ascii_lowercase()
}

/// Width and height, or what the view box says.
fn svg_size(head: &str) -> Option<(u32, u32)> {
    let attribute = |name: &str| {
        let rest = head.split(&format!(" {name}=\"")).nth(1)?;
        rest.split('"').next()
    };
    let pixels = |name| attribute(name)?.trim_end_matches("px").parse::<u32>().ok();
    if let (Some(width), Some(height)) = (pixels("width"), pixels("height")) {
        return Some((width, height));
    }
    let mut numbers = attribute("viewBox")?.split([' ', ',']).skip(2);
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: &[u8]) -> Result<(Kind, u32, u32), String> {
        Picture::new(bytes.to_vec()).map(|p| (p.kind, p.width, p.height))
    }

    #[test]
    fn pictures_are_told_by_their_bytes() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x40\0\0\0\xf0\x08\x06\0\0\0";
        assert_eq!(size(png), Ok((Kind::Png, 320, 240)));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\xf0\x01\x40\x03";
        assert_eq!(size(jpeg), Ok((Kind::Jpeg, 320, 240)));
        let webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x3f\x01\0\xef\0\0";
        assert_eq!(size(webp), Ok((Kind::Webp, 320, 240)));
        let lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x3f\xc1\x3b\0";
        assert_eq!(size(lossless), Ok((Kind::Webp, 320, 240)));
        let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240"><path/></svg>"#;
        assert_eq!(size(svg), Ok((Kind::Svg, 320, 240)));
        let svg = br#"<svg width="20px" height="10"></svg>"#;
        assert_eq!(size(svg), Ok((Kind::Svg, 20, 10)));
    }

    #[test]
    fn what_isnt_a_harmless_picture_is_refused() {
        for bad in [
            &b""[..],
            b"<html></html>",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xe0\0\x04ab",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\xf0",
            b"<svg width=\"9\" height=\"9\"><SCRIPT>1</SCRIPT></svg>",
            b"<svg width=\"9\" height=\"9\"><image href=\"http://a/b.png\"/></svg>",
            b"<svg></svg>",
        ] {
            assert!(size(bad).is_err(), "{}", bad.escape_ascii());
        }
        for hidden in [
            "<s:script xmlns:s='http://www.w3.org/2000/svg'>1</s:script>",
            "<s:foreignObject xmlns:s='http://www.w3.org/2000/svg'/>",
            "<g onload='1'/>",
            "<a href='&#106;avascript:1'/>",
            "<a href='java&#10;script:1'/>",
            "<animate attributeName='href' to='&#106;avascript:1'/>",
            "<image href = 'http://a/b.png'/>",
            "<image href='//a/b.png'/>",
            "<image xlink:href='other.png'/>",
            "<?xml-stylesheet href='a.css'?>",
            "<path></g>",
            "<path a='1' a='2'/>",
        ] {
            let svg = format!("<svg width=\"9\" height=\"9\">{hidden}</svg>");
            assert!(size(svg.as_bytes()).is_err(), "{hidden}");
        }
        let given =
            "<!DOCTYPE svg [<!ATTLIST svg onload CDATA '1'>]><svg width=\"9\" height=\"9\"/>";
        assert!(size(given.as_bytes()).is_err());
        assert!(size(&vec![b' '; LIMIT + 1]).unwrap_err().contains("1 MiB"));
    }
}
