//! The specification's pages and the code say the same.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tegata_protocol::{
    order::{HandOut, program},
    refusal::{Code, Retry},
};

use crate::{
    cbor_tree::{Node, from_hex, to_hex},
    cddl::Rules,
    kinds::{KINDS, Kind},
    samples::{self, Sample},
};

pub(crate) fn spec(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec")
        .join(path)
}

fn page(name: &str) -> String {
    let path = spec(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn page_names() -> Vec<String> {
    let entries = fs::read_dir(spec("")).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|n| n.ends_with(".md")).collect();
    names.sort();
    names
}

/// The rules of all pages.
pub(crate) fn rules() -> Rules {
    let pages: Vec<_> = page_names().iter().map(|name| page(name)).collect();
    Rules::of_pages(pages.iter().map(String::as_str))
}

/// What a signed thing says, with its fields' names, if it is what the pages say.
pub(crate) fn explain(rules: &Rules, kind: &Kind, payload: &[u8]) -> Result<Value, String> {
    let mut payload = Node::read(payload)?;
    rules.check("payload", &payload)?;
    let body = payload.at(&[2]).clone();
    if !kind.message {
        return rules.check(kind.name, &body);
    }
    let mut said = rules.check("message", &body)?;
    said["body"] = rules.check(kind.name, payload.at(&[2, 7]))?;
    Ok(said)
}

/// Every encoding has the fields that its page lists, and every field on a page occurs.
#[test]
fn pages_describe_what_is_encoded() {
    let rules = rules();
    for sample in samples::all() {
        let Sample {
            kind, note, signed, ..
        } = &sample;
        assert!(rules.has(kind), "no rule {kind} on any page");
        let cose = Node::read(signed.as_bytes()).unwrap();
        assert_eq!(rules.check("cose-sign1", &cose).err(), None, "{kind}");
        let said = explain(&rules, Kind::named(kind), &signed.payload().unwrap());
        assert_eq!(said.err(), None, "{kind} ({note})");
    }
    let details = samples::details().to_bytes();
    assert!(
        rules
            .check("salted-details", &Node::read(&details).unwrap())
            .is_ok()
    );
    for (rule, bytes) in unsigned() {
        let said = rules.check(rule, &Node::read(&bytes).unwrap());
        assert_eq!(said.err(), None, "{rule}");
    }
    assert_eq!(rules.unseen(), Vec::<String>::new());
}

/// What travels without a signature of its own, by its name on the pages.
fn unsigned() -> Vec<(&'static str, Vec<u8>)> {
    let card = [(0, "4111111111111111"), (1, "12/28"), (2, "SEKI HANAKO")];
    let card = card.map(|(key, text)| (Node::Uint(key), Node::Text(text.into())));
    let hand_out = HandOut {
        key: samples::sample("order-key").signed,
        program: program().to_owned(),
    };
    vec![
        (
            "sealed-order",
            samples::sealed_order(Some(b"card")).to_bytes(),
        ),
        ("order-form", samples::order_form().to_bytes().to_vec()),
        (
            "cart-lines",
            tegata_protocol::cbor::encode(&samples::cart_lines()),
        ),
        ("hand-out", tegata_protocol::cbor::encode(&hand_out)),
        ("card", Node::Map(card.to_vec()).bytes()),
    ]
}

/// A page that lists a field too many, or calls a limit wrongly, is noticed.
#[test]
fn pages_that_err_are_noticed() {
    let sample = samples::sample("capture");
    let payload = Node::read(&sample.signed.payload().unwrap()).unwrap();
    let mut longer = payload.clone();
    longer.at(&[2, 7]).insert(3, Node::Uint(0));
    let mut lacking = payload.clone();
    lacking.at(&[2, 7]).remove(2);
    for wrong in [longer, lacking] {
        assert!(explain(&rules(), Kind::named("capture"), &wrong.bytes()).is_err());
    }
}

/// The table of types says what the code says.
#[test]
fn the_table_of_types_is_the_codes() {
    let page = page("README.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let label: u16 = cells.get(1)?.parse().ok()?;
        let name = cells[2].strip_prefix('[')?.split(']').next()?.to_owned();
        Some((name, label, cells[3].to_owned(), cells[6].to_owned()))
    });
    let mut said: Vec<_> = rows.collect();
    let order: Vec<_> = said.iter().map(|row| row.1).collect();
    assert!(order.is_sorted(), "the table isn't in order");
    let code = |k: &Kind| {
        (
            k.name.to_owned(),
            k.label,
            k.version.to_string(),
            k.limit.to_string(),
        )
    };
    let mut known: Vec<_> = KINDS.iter().map(code).collect();
    said.sort();
    known.sort();
    assert_eq!(said, known);
}

/// The table of refusals, as the page must have it.
fn refusal_table() -> String {
    let mut table = "| code | word | retry | text |\n| --- | --- | --- | --- |\n".to_owned();
    for code in Code::ALL {
        let retry = match code.retry() {
            Retry::Mend => "mend",
            Retry::Later => "later",
        };
        let (number, word, text) = (code.number(), code.word(), code.text());
        table += &format!("| {number} | {word} | {retry} | {text} |\n");
    }
    table
}

#[test]
fn the_page_of_refusals_is_the_codes() {
    assert!(
        page("refusals.md").contains(&refusal_table()),
        "regenerate with regenerate_vectors"
    );
}

/// Puts the table where the old one stood.
pub(crate) fn regenerate_refusals() {
    let old = page("refusals.md");
    let start = old.find("| code | word").unwrap();
    let rest = &old[start..];
    let end = rest.find("\n\n").map_or(rest.len(), |n| n + 1);
    let new = [&old[..start], &refusal_table(), &rest[end..]].concat();
    fs::write(spec("refusals.md"), new).unwrap();
}

/// The annotated example is the sample, byte for byte.
#[test]
fn the_annotated_example_is_real() {
    let page = page("encoding.md");
    let block = page
        .split("```hex\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let code: String = block
        .lines()
        .map(|line| line.split('#').next().unwrap())
        .collect();
    let shown: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let head = samples::sample("chain-head");
    assert_eq!(to_hex(&from_hex(&shown)), to_hex(head.signed.as_bytes()));
}

/// Every link from page to page leads to a page, and to a heading of it.
#[test]
fn links_lead_somewhere() {
    for name in page_names() {
        let text = page(&name);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { name.as_str() } else { file };
            assert!(spec(target).exists(), "{name}: {link}");
            if !heading.is_empty() {
                let headings = page(target);
                let found = headings
                    .lines()
                    .filter(|l| l.starts_with('#'))
                    .any(|l| anchor(l) == heading);
                assert!(found, "{name}: no heading for {link}");
            }
        }
    }
}

fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || " -".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}

/// The head in the example, named.
#[test]
fn explaining_names_the_fields() {
    let head = samples::sample("chain-head");
    let said = explain(
        &rules(),
        Kind::named("chain-head"),
        &head.signed.payload().unwrap(),
    );
    assert_eq!(said.unwrap()["sequence"], json!(1234));
}

/// Wherever a page names a refusal by number and word, the two belong together.
#[test]
fn refusals_are_cited_by_their_own_words() {
    let mut cited = 0;
    for name in page_names() {
        let text = page(&name).replace(['|', ',', '.', ':', ';', '(', ')'], " ");
        let words: Vec<_> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            let is_word = pair[1].chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let code = Code::ALL
                .iter()
                .find(|code| code.number().to_string() == pair[0]);
            let word = Code::ALL.iter().find(|code| code.word() == pair[1]);
            if pair[0].len() == 3 && pair[0].bytes().all(|b| b.is_ascii_digit()) && is_word {
                let meant = code.is_some() || word.is_some_and(|w| w.word().contains('_'));
                let same = code.map(|c| c.word()) == word.map(|w| w.word());
                assert!(
                    !meant || word.is_none() || same,
                    "{name}: {} {}",
                    pair[0],
                    pair[1]
                );
                cited += usize::from(meant && word.is_some());
            }
        }
    }
    assert!(cited > 80, "only {cited}");
}

/// Whatever the page of attacks calls a proof is a test that exists.
#[test]
fn every_test_that_the_page_of_attacks_names_exists() {
    let page = fs::read_to_string(spec("../docs/attacks.md")).unwrap();
    let mut cited = 0;
    for citation in page.split('`').skip(1).step_by(2) {
        let parts: Vec<_> = citation.split(": ").collect();
        let [owner, file, test] = parts[..] else {
            continue;
        };
        let places = ["tests/it/", "tests/", ""];
        let texts = places.map(|place| spec(&format!("../crates/tegata-{owner}/{place}{file}")));
        let text = texts.iter().find_map(|path| fs::read_to_string(path).ok());
        let text = text.unwrap_or_else(|| panic!("no such file: {citation}"));
        assert!(
            text.contains(&format!("fn {test}(")),
            "no such test: {citation}"
        );
        cited += 1;
    }
    assert!(cited > 50, "only {cited}");
}
