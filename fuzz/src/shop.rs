//! What a shop's owner writes, and what its customers fill in.

use std::path::Path;

use tegata_centre::credit::Card;
use tegata_centre::sealed::Application;
use tegata_cli::config::Error;
use tegata_protocol::order::{CartLine, OrderForm};
use tegata_protocol::{Digest, Time};
use tegata_shop::catalogue::picture::{Kind, Picture};
use tegata_shop::catalogue::{Catalogue, read};
use tegata_shop::orders::cart::{self, Cart};

/// The sample's folder, whose pictures a catalogue may name.
const SAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/tegata-shop/samples/hanamizuki"
);

/// A catalogue's text: one that is read can be sold from; a mistake stands at a line of the file.
pub fn catalogue(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    match read::parse(&Path::new(SAMPLE).join("catalogue.toml"), text) {
        Ok(catalogue) => check_catalogue(&catalogue),
        Err(Error::Mistake { mistake }) => {
            assert!((1..=text.matches('\n').count() + 1).contains(&mistake.line));
            assert!(mistake.column >= 1);
        }
        Err(other) => panic!("no mistake in a text, but {other}"),
    }
}

fn check_catalogue(catalogue: &Catalogue) {
    for offer in catalogue.offers() {
        assert_eq!(offer.price.currency(), catalogue.currency);
        assert!(offer.quota > 0 && offer.sales_until <= offer.valid.until());
        assert!(offer.on_sale(offer.sales_until) == false);
        let day = catalogue.day_of(offer.valid.from());
        if let Some(start) = catalogue.start_of(day) {
            assert_eq!(catalogue.day_of(start), day);
        }
    }
    let mut cart = Cart::default();
    for product in &catalogue.goods.products {
        if cart.try_put(&product.id, product.most_per_order).is_err() {
            break;
        }
    }
    if let Ok(priced) = cart::price(catalogue, &cart.to_lines()) {
        assert_eq!(priced.lines.len(), cart.lines().count());
    }
    let unknown = CartLine {
        product: "?".into(),
        quantity: 1,
    };
    assert!(cart::price(catalogue, &[unknown]).is_err());
}

/// A picture of goods. One that is taken is of the kind that its bytes say; and of what could run or
/// fetch something, a reader of XML that isn't the shop's finds nothing in it.
pub fn goods_picture(bytes: &[u8]) {
    let Ok(picture) = Picture::new(bytes.to_vec()) else {
        return;
    };
    assert_eq!(picture.bytes, bytes);
    assert!((1..=8192).contains(&picture.width) && (1..=8192).contains(&picture.height));
    let begins: &[u8] = match picture.kind {
        Kind::Png => b"\x89PNG",
        Kind::Jpeg => b"\xff\xd8\xff",
        Kind::Webp => b"RIFF",
        Kind::Svg => return check_svg(bytes),
    };
    assert!(bytes.starts_with(begins));
}

/// As a browser would read it, up to the first mistake: there browsers stop too.
fn check_svg(bytes: &[u8]) {
    use quick_xml::events::Event;

    let text = core::str::from_utf8(bytes).expect("an SVG is text");
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => {
                let name = tag.name().into_inner();
                let local = name.rsplit(':').next().unwrap_or(name).to_ascii_lowercase();
                assert!(local != "script" && local != "foreignobject", "{name}");
                for attribute in tag.attributes().flatten() {
                    let key = attribute.key.into_inner().to_ascii_lowercase();
                    let value = attribute
                        .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                        .unwrap_or_default()
                        .to_ascii_lowercase();
                    assert!(!key.starts_with("on"), "{key}");
                    let link = key == "href" || key.ends_with(":href");
                    assert!(
                        !link
                            || value.trim().starts_with('#')
                            || value.trim().starts_with("data:image/"),
                        "{key}={value}"
                    );
                }
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// What somebody filled into a sealed form, once it's opened: an application, a card of a bank.
pub fn order_answers(bytes: &[u8]) {
    const NOW: Time = Time::from_secs(1_795_000_000);
    if let Ok(form) = OrderForm::parse(bytes)
        && let Ok((role, details)) = Application::of_form(&form).read()
    {
        assert_eq!(details.check(), Ok(()), "{role:?}");
    }
    if let Ok(card) = Card::read(bytes, NOW) {
        let again = Card::read(&tegata_protocol::cbor::encode(&card), NOW);
        assert!(
            again == Ok(card),
            "a card that is another when it's read again"
        );
    }
}

/// A shop's guide to paying by card, which a page carries as a script.
pub fn guide(bytes: &[u8]) {
    let named = Digest::of(bytes);
    if let Ok(text) = tegata_wallet::page::fitting_guide(bytes, named) {
        assert_eq!(text.as_bytes(), bytes);
        assert!(!text.to_ascii_lowercase().contains("</script"));
    }
    assert!(tegata_wallet::page::fitting_guide(bytes, Digest::of(b"another")).is_err());
}
