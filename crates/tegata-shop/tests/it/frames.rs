//! The order form's frames: on an origin of their own that serves nothing else.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use tegata_shop::pages::{self, frames};
use tower::ServiceExt as _;

use crate::goods::GOODS;
use crate::looks::{get, sample_shop};
use crate::town::{Open, RUNTIME, Town};

/// Status, policy and text of what a server for both origins answers.
fn ask(open: &Open, host: &str, path: &str) -> (StatusCode, String, String) {
    let shop = tegata_pages::dress(pages::router(&open.shop));
    let name = "forms.shop.localhost".to_owned();
    let router = frames::beside(shop, frames::router(&open.shop), name);
    let request = Request::get(path)
        .header(header::HOST, host)
        .body(Body::empty())
        .unwrap();
    RUNTIME.block_on(async {
        let answer = router.oneshot(request).await.unwrap();
        let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY);
        let policy = policy
            .map_or("", |policy| policy.to_str().unwrap())
            .to_owned();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, policy, String::from_utf8(bytes.to_vec()).unwrap())
    })
}

#[test]
fn the_frames_stand_on_their_own_origin_and_nowhere_else() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let (status, policy, form) = ask(&open, "forms.shop.localhost:7402", "/form/order?lang=en");
    assert_eq!(status, StatusCode::OK);
    assert!(
        policy.contains("frame-ancestors http://shop.localhost:7402"),
        "{policy}"
    );
    assert!(policy.contains("connect-src 'none'"), "{policy}");
    for field in ["name", "postal_code", "address", "phone", "note"] {
        assert!(
            form.contains(&format!("data-field=\"{field}\"")),
            "{field} in {form}"
        );
    }
    assert!(!form.contains("data-field=\"mail\"") && !form.contains("data-card="));
    assert!(
        !form.contains(" name=\"name\""),
        "nothing that a form could send in clear"
    );
    for path in ["/", "/cart", "/owner", "/v1/record", "/goods/cup"] {
        assert_eq!(
            ask(&open, "forms.shop.localhost", path).0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    for host in ["shop.localhost:7402", "localhost:7402", "127.0.0.1:7402"] {
        assert_eq!(
            ask(&open, host, "/form/order").0,
            StatusCode::NOT_FOUND,
            "{host}"
        );
        assert_eq!(ask(&open, host, "/").0, StatusCode::OK, "{host}");
    }
}

#[test]
fn the_checkout_reaches_the_frames_and_the_service_and_nobody_else() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let request = ureq::get(format!("{}/checkout", open.address)).header("cookie", "cart=tea.2");
    let mut answer = request.call().unwrap();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("connect-src 'self' http://sealing.localhost:7403;"),
        "{policy}"
    );
    assert!(
        policy.contains("frame-src http://forms.shop.localhost:7412"),
        "{policy}"
    );
    assert!(
        policy.contains("script-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let html = answer.body_mut().read_to_string().unwrap();
    assert!(
        html.contains("data-lines=\"[[&quot;tea&quot;,2]]\""),
        "{html}"
    );
    assert!(html.contains("src=\"/order-page.js\""), "{html}");
    let (_, empty) = get(&open, "/checkout", "");
    assert!(
        !empty.contains("iframe") && empty.contains("Your cart is empty"),
        "{empty}"
    );
    let (_, refused) = get(&open, "/checkout", "cart=ghost.1");
    assert!(
        !refused.contains("iframe") && refused.contains("product_unknown"),
        "{refused}"
    );
}

#[test]
fn pictures_are_served_as_what_they_are_and_can_run_nothing() {
    let (_town, open) = sample_shop();
    let catalogue = open.shop.catalogue();
    let picture = catalogue.goods.pictures().next().unwrap();
    let address = format!("{}/pictures/{}", open.address, picture.name());
    let mut answer = ureq::get(address).call().unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/svg+xml");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").contains("sandbox"));
    assert!(header("cache-control").contains("immutable"));
    assert_eq!(answer.body_mut().read_to_vec().unwrap(), picture.bytes);
    for path in [
        "/pictures/nothing.png",
        "/pictures/..%2Fkeys.cbor",
        "/pictures/catalogue.toml",
    ] {
        assert_eq!(get(&open, path, "").0, 404, "{path}");
    }
}

#[test]
fn the_cart_works_without_a_script() {
    let (_town, open) = sample_shop();
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0);
    let agent: ureq::Agent = config.build().into();
    let press = |path: &str, cookie: &str, body: &str| {
        let form = "application/x-www-form-urlencoded";
        let request = agent
            .post(format!("{}{path}", open.address))
            .content_type(form);
        let request = request.header("origin", &open.address);
        let answer = request.header("cookie", cookie).send(body).unwrap();
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        (header("location"), header("set-cookie"))
    };
    let (place, cookie) = press("/cart/add", "", "product=cup-moon&count=1");
    assert_eq!(place, "/cart");
    assert!(cookie.starts_with("cart=cup-moon.1; Path=/;"), "{cookie}");
    assert!(cookie.contains("SameSite=Lax; HttpOnly"), "{cookie}");
    let (_, cookie) = press("/cart/add", "cart=cup-moon.1", "product=sencha-uji&count=2");
    assert!(
        cookie.starts_with("cart=cup-moon.1_sencha-uji.2;"),
        "{cookie}"
    );
    let (place, cookie) = press("/cart/set", "cart=cup-moon.1", "product=cup-moon&count=9");
    assert!(
        place == "/cart?note=most" && cookie.starts_with("cart=cup-moon.4;"),
        "{cookie}"
    );
    let (_, cookie) = press("/cart/set", "cart=cup-moon.1", "product=cup-moon&count=0");
    assert!(cookie.starts_with("cart=; Path=/; Max-Age=0"), "{cookie}");
    for body in ["product=cup-moon&count=many", "product=<b>&count=1"] {
        assert_eq!(
            press("/cart/add", "", body),
            ("/cart".into(), String::new()),
            "{body}"
        );
    }
}
