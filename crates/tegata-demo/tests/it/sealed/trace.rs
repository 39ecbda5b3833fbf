//! Looks for words in bytes, however they may be written there.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};

/// The first word that stands in some of these bytes, and how it's written there.
pub(super) fn found(haystacks: &[Vec<u8>], words: &[&str]) -> Option<(String, &'static str)> {
    let mut needles: Vec<(&str, &'static str, Vec<u8>)> = Vec::new();
    for word in words {
        needles.extend(
            ways(word)
                .into_iter()
                .map(|(way, bytes)| (*word, way, bytes)),
        );
    }
    // By their first two bytes: captures are megabytes, needles hundreds.
    let mut starts = vec![Vec::new(); 1 << 16];
    for (number, (_, _, bytes)) in needles.iter().enumerate() {
        starts[usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))].push(number);
    }
    for bytes in haystacks {
        for at in 0..bytes.len().saturating_sub(1) {
            let start = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            for number in &starts[start] {
                let (word, way, needle) = &needles[*number];
                if bytes[at..].starts_with(needle) {
                    return Some(((*word).to_owned(), way));
                }
            }
        }
    }
    None
}

/// How a word may be written.
fn ways(word: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = word.as_bytes();
    let lower = hex(bytes);
    let mut ways = vec![
        ("as it is", bytes.to_vec()),
        ("in small letters", word.to_lowercase().into_bytes()),
        ("in capitals", word.to_uppercase().into_bytes()),
        ("in hexadecimal", lower.clone().into_bytes()),
        ("in hexadecimal", lower.to_uppercase().into_bytes()),
        ("percent-encoded", percent(bytes, true).into_bytes()),
        ("percent-encoded", percent(bytes, false).into_bytes()),
        (
            "percent-encoded",
            percent(bytes, false).to_lowercase().into_bytes(),
        ),
        (
            "as form data",
            percent(bytes, false).replace("%20", "+").into_bytes(),
        ),
        (
            "in UTF-16",
            word.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        (
            "in UTF-16",
            word.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ),
        ("escaped for JSON", json(word).into_bytes()),
        (
            "backwards",
            word.chars().rev().collect::<String>().into_bytes(),
        ),
    ];
    for before in 0..3 {
        ways.push(("in base64", base64(bytes, before, false)));
        ways.push(("in base64", base64(bytes, before, true)));
    }
    ways
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(bytes: &[u8], every: bool) -> String {
    let one = |byte: &u8| match byte.is_ascii_alphanumeric() && !every {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn json(word: &str) -> String {
    let one = |unit: u16| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
        _ => format!("\\u{unit:04x}"),
    };
    word.encode_utf16().map(one).collect()
}

/// The characters that `word` alone decides when `before` bytes of something else stand before it.
fn base64(word: &[u8], before: usize, url: bool) -> Vec<u8> {
    let bytes = [&vec![0; before][..], word].concat();
    let text = match url {
        true => BASE64_URL_SAFE_NO_PAD.encode(&bytes),
        false => BASE64_STANDARD_NO_PAD.encode(&bytes),
    };
    let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    text.as_bytes()[first..last].to_vec()
}

#[test]
fn a_word_is_found_however_it_is_written() {
    for word in ["Hanako Yamada", "二度鳴らして", "4000 0000 0000 0002"] {
        for (way, bytes) in ways(word) {
            let noise = [&b"nothing \x00\xff"[..], &bytes, b" more"].concat();
            assert!(found(&[noise], &[word]).is_some(), "{word} {way}");
        }
        for before in 0..3 {
            let bytes = [&vec![7; before][..], word.as_bytes(), b"and more"].concat();
            let text = BASE64_STANDARD_NO_PAD.encode(bytes).into_bytes();
            assert_eq!(found(&[text], &[word]).unwrap().1, "in base64");
        }
    }
    assert_eq!(found(&[b"Hanak Yamada".to_vec()], &["Hanako"]), None);
}
