//! Orders as no honest page sends them: each is refused with its code, and nothing is taken, charged
//! or used up.

use std::fs;

use tegata_party::client::order::OrderError;
use tegata_protocol::{
    Unverified, Verified,
    order::{CartToken, ORDER_LIMIT, OrderForm, SealedOrder},
    refusal::Code,
};

use super::street::{PRODUCT, Party, STOCK, Street, envelope, filled, now, seal, until};

const ONE: [(&str, u32); 1] = [(PRODUCT, 1)];

fn plain(form: &OrderForm) -> Vec<u8> {
    form.to_bytes().to_vec()
}

/// Refused so, and nothing else has happened.
fn refused(shop: &Party, order: &[u8], status: u16, code: &str) {
    let before = shop.books();
    assert_eq!(shop.send(order), Err((status, code.to_owned())));
    assert_eq!(shop.books(), before, "{code}");
}

#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn odd_orders_change_nothing() {
    let street = Street::new("");
    let shop = street.open_shop("Hanamizuki Books", "stock = 20");
    let other = street.open_shop("Corner Cafe", "");
    assert_eq!(shop.books(), (0, STOCK));
    sizes_and_shapes(&street, &shop);
    carts(&street, &shop);
    keys_and_tokens(&street, &shop, &other);
    assert_eq!(shop.books(), (0, STOCK));
    replays(&street, &shop);
    assert_eq!(shop.books(), (1, STOCK - 1));
    assert_eq!(other.books(), (0, STOCK));
}

fn sizes_and_shapes(street: &Street, shop: &Party) {
    let (token, key) = street.fetched(shop);
    refused(shop, &vec![0; ORDER_LIMIT + 1], 413, "order_too_large");
    let large = seal(&token, &key, &vec![7; ORDER_LIMIT]);
    refused(shop, &large, 413, "order_too_large");
    // Arrays in arrays, maps without an end, a length that nothing stands behind.
    for bomb in [0x81, 0x9f, 0xbf, 0xd8] {
        let bomb = vec![bomb; ORDER_LIMIT - 2000];
        refused(shop, &bomb, 400, "form_unreadable");
        refused(shop, &seal(&token, &key, &bomb), 400, "form_unreadable");
    }
    refused(shop, b"", 400, "form_unreadable");
    refused(
        shop,
        &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
        400,
        "form_unreadable",
    );
    let good = seal(&token, &key, &plain(&filled(&ONE)));
    for length in [1, 100, good.len() / 2, good.len() - 1] {
        refused(shop, &good[..length], 400, "form_unreadable");
    }
    let mut longer = good.clone();
    longer.push(0);
    refused(shop, &longer, 400, "form_unreadable");
    let cut = SealedOrder::parse(&good).unwrap().sealed;
    refused(
        shop,
        &envelope(&token, &key, cut[..cut.len() - 1].to_vec()),
        400,
        "order_unopenable",
    );
    for place in [0, 1120, cut.len() - 1] {
        let mut changed = cut.clone();
        changed[place] ^= 1;
        refused(
            shop,
            &envelope(&token, &key, changed),
            400,
            "order_unopenable",
        );
    }
}

fn carts(street: &Street, shop: &Party) {
    let many = vec![(PRODUCT, 1); 501];
    refused_token(street, shop, &many, Code::OrderTooLarge);
    refused_token(street, shop, &[("no-such-thing", 1)], Code::ProductUnknown);
    refused_token(street, shop, &[(PRODUCT, 41)], Code::OutOfStock);
    let (token, key) = street.fetched(shop);
    let many = seal(&token, &key, &plain(&filled(&many)));
    refused(shop, &many, 413, "order_too_large");
    for lines in [&[("no-such-thing", 1)][..], &[(PRODUCT, 2)], &[]] {
        let changed = seal(&token, &key, &plain(&filled(lines)));
        refused(shop, &changed, 409, "cart_changed");
    }
    let mut form = filled(&ONE);
    form.fields.remove(0);
    refused(
        shop,
        &seal(&token, &key, &plain(&form)),
        400,
        "form_incomplete",
    );
    goods_change(street, shop);
}

/// The catalogue changes while somebody fills the form in.
fn goods_change(street: &Street, shop: &Party) {
    let file = shop.folder.join("catalogue.toml");
    let goods = fs::read_to_string(&file).unwrap();
    let (token, key) = street.fetched(shop);
    let order = seal(&token, &key, &plain(&filled(&ONE)));
    let becomes = |text: &str, shown: &str| {
        fs::write(&file, text).unwrap();
        until("the catalogue to be read", || {
            let page = street.get(shop, &format!("/goods/{PRODUCT}?lang=en"));
            page.contains(shown).then_some(())
        });
    };
    becomes(&goods.replacen("price = 1980", "price = 2980", 1), "2,980");
    refused(shop, &order, 409, "cart_changed");
    becomes(&goods.replacen(PRODUCT, "notebook-red", 1), "404");
    assert_eq!(shop.send(&order), Err((409, "product_unknown".to_owned())));
    becomes(&goods, "1,980");
}

fn refused_token(street: &Street, shop: &Party, lines: &[(&str, u32)], code: Code) {
    match street.token(shop, lines) {
        Err(OrderError::Refused { refusal, .. }) => assert_eq!(refusal.code, code),
        other => panic!("{code:?}: {other:?}"),
    }
}

fn keys_and_tokens(street: &Street, shop: &Party, other: &Party) {
    let (token, key) = street.fetched(shop);
    let (foreign_token, foreign_key) = street.fetched(other);
    let form = plain(&filled(&ONE));
    refused(
        shop,
        &seal(&token, &foreign_key, &form),
        400,
        "order_key_unknown",
    );
    refused(
        shop,
        &seal(&foreign_token, &foreign_key, &form),
        400,
        "token_invalid",
    );
    refused(
        shop,
        &seal(&foreign_token, &key, &form),
        400,
        "token_invalid",
    );
    let expired = signed(
        shop,
        CartToken {
            expires: now().before(1),
            ..(*token).clone()
        },
    );
    refused(shop, &seal(&expired, &key, &form), 400, "token_expired");
    // A token for less, or for another cart, that somebody else signed.
    let cheap = signed(
        other,
        CartToken {
            total: None,
            ..(*token).clone()
        },
    );
    refused(shop, &seal(&cheap, &key, &form), 400, "token_invalid");
}

/// Signed with the shop's own key.
fn signed(shop: &Party, token: CartToken) -> Verified<CartToken> {
    let (_, keys) = shop.vault();
    let token = Unverified::<CartToken>::parse(keys.signing().sign(&token)).unwrap();
    token.verify(&keys.signing().verifying_key()).unwrap()
}

fn replays(street: &Street, shop: &Party) {
    let (token, key) = street.fetched(shop);
    let form = plain(&filled(&ONE));
    let order = seal(&token, &key, &form);
    let receipt = shop.send(&order).unwrap();
    assert_eq!(shop.send(&order).unwrap(), receipt);
    refused(shop, &seal(&token, &key, &form), 409, "order_differs");
    let again = street.token(shop, &ONE).unwrap();
    refused(shop, &seal(&again, &key, &form), 409, "order_key_used");
    let sealed = SealedOrder::parse(&order).unwrap().sealed;
    let (next, fresh) = street.fetched(shop);
    refused(
        shop,
        &envelope(&next, &fresh, sealed),
        400,
        "order_unopenable",
    );
}
