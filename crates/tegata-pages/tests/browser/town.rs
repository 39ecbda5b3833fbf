//! A shop, its forms' origin and a sealing service on one port, told apart by host name. The test
//! decides how keys are made and what goes wrong.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_pages::order::{self, Checkout, Erase, FieldKind, Form, FormField, Forms, Pins};
use tegata_pages::{Language, Page, Role, dress};
use tegata_protocol::order::{
    Binding, CartLine, CartToken, HandOut, KeyScope, KeySource, Maker, OpeningHalf, OrderForm,
    OrderId, OrderKey, OrderKeyId, OrderReceipt, Scheme, SealedOrder, cart_digest, program,
};
use tegata_protocol::{
    Amount, Currency, Digest, PartyNumber, Role as PartyRole, SigningKey, Suite, Time, Unverified,
    cbor,
};
use tower::ServiceExt as _;

/// What somebody does between shop and browser, or what doesn't go as it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Attack {
    #[default]
    None,
    /// The service hands out a key of its own.
    KeySubstituted,
    /// The service hands out another shop's genuine key.
    OtherShop,
    /// One byte of the program differs.
    ProgramAltered,
    /// A key of the weaker suite, though the browser has the better.
    Downgrade,
    /// A key from last week.
    KeyExpired,
    /// The page's token is an hour old.
    TokenExpired,
    /// The page shows another cart than the shop signed.
    CartChanged,
    /// The service is away.
    ServiceAway,
    /// No key is left.
    StockEmpty,
    /// The shop doesn't answer the first order.
    ShopAway,
    /// The receipt is another order's.
    WrongReceipt,
    /// A key that the service made, which the shop doesn't allow.
    ServiceMade,
    /// A key for another scheme than the token's.
    OtherScheme,
    /// A fallback key that holds for longer than a day.
    LongFallback,
    /// The shop raises its price while the form is being filled in.
    PriceChanged,
    /// An order under this number was taken before.
    OrderDiffers,
    /// A hand-out of arrays within arrays within arrays.
    NestingBomb,
    /// A hand-out that claims to be gigabytes long.
    LengthBomb,
}

/// How the town is set up.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scheme: Scheme,
    pub(crate) suite: Suite,
    pub(crate) compact: bool,
    pub(crate) maker: Maker,
    pub(crate) attack: Attack,
    pub(crate) erase: Erase,
    pub(crate) lines: Vec<(String, u32)>,
    pub(crate) card: bool,
    /// Another program, which the shop was brought to sign for.
    pub(crate) program: Option<&'static str>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            scheme: Scheme::DEFAULT,
            suite: Suite::Standard,
            compact: false,
            maker: Maker::Recipient,
            attack: Attack::None,
            erase: Erase::Both,
            lines: vec![("tea".to_owned(), 2), ("cup".to_owned(), 1)],
            card: false,
            program: None,
        }
    }
}

/// An order that arrived and opened.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) form: OrderForm,
}

pub(crate) struct Town {
    pub(crate) address: SocketAddr,
    pub(crate) orders: Mutex<Vec<Arrived>>,
    pub(crate) plan: Mutex<Plan>,
    handed: Mutex<HashMap<OrderKeyId, ([u8; 32], OrderKey)>>,
    /// Every request that reached this port, by host and address.
    pub(crate) seen: Mutex<Vec<String>>,
    asked: Mutex<u32>,
    pub(crate) sent: Mutex<u32>,
}

pub(crate) fn shop() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub(crate) fn service() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

pub(crate) fn shop_number() -> PartyNumber {
    PartyNumber::new(PartyRole::Shop, 7).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the browser has a real clock too"
)]
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time::from_secs(since.unwrap().as_secs())
}

impl Town {
    /// Starts a town on a free port; it lives as long as the test's process.
    pub(crate) fn start(plan: Plan) -> Arc<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let town = Arc::new(Self {
            address,
            orders: Mutex::default(),
            plan: Mutex::new(plan),
            handed: Mutex::default(),
            seen: Mutex::default(),
            asked: Mutex::default(),
            sent: Mutex::default(),
        });
        let router = router(&town);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        town
    }

    pub(crate) fn origin(&self, host: &str) -> String {
        format!("http://{host}.localhost:{}", self.address.port())
    }

    pub(crate) fn page(&self) -> String {
        format!("{}/checkout", self.origin("shop"))
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan.lock().unwrap().clone()
    }

    /// The one order that arrived.
    pub(crate) fn order(&self) -> Arrived {
        let mut orders = self.orders.lock().unwrap();
        assert_eq!(orders.len(), 1, "{orders:?}");
        orders.remove(0)
    }

    pub(crate) fn arrived(&self) -> usize {
        self.orders.lock().unwrap().len()
    }

    fn cart(lines: &[(String, u32)]) -> Digest {
        let lines: Vec<CartLine> = lines
            .iter()
            .map(|(product, quantity)| CartLine {
                product: product.clone(),
                quantity: *quantity,
            })
            .collect();
        cart_digest(&lines)
    }

    fn token(&self, stale: bool) -> Vec<u8> {
        let plan = self.plan();
        let mut lines = plan.lines.clone();
        if plan.attack == Attack::CartChanged {
            lines[0].1 += 1;
        }
        let raised = plan.attack == Attack::PriceChanged && *self.sent.lock().unwrap() > 0;
        let price = if raised { 3_300 } else { 3_200 };
        let token = CartToken {
            recipient: shop_number(),
            order: OrderId::random(&mut UnwrapErr(SysRng)),
            cart: Self::cart(&lines),
            total: Some(Amount::new(price, Currency::JPY).unwrap()),
            scheme: plan.scheme,
            maker: plan.maker,
            compact: plan.compact,
            member: (plan.scheme.scope() == KeyScope::Member).then(member),
            service: PartyNumber::new(PartyRole::Sealing, 1).unwrap(),
            expires: if stale {
                now().before(3600)
            } else {
                now().after(3600)
            },
        };
        shop().sign(&token).into_bytes()
    }

    fn hand_out(&self, suite: Suite) -> Vec<u8> {
        let plan = self.plan();
        match plan.attack {
            Attack::NestingBomb => return vec![0x81; 200_000],
            Attack::LengthBomb => return vec![0x9b, 0, 0, 0, 255, 255, 255, 255, 255],
            _ => {}
        }
        let text = plan.program.unwrap_or(program());
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let suite = if plan.attack == Attack::Downgrade {
            Suite::Compact
        } else {
            suite
        };
        let own = plan.scheme;
        let scheme = match plan.attack {
            Attack::OtherScheme => Scheme::new(own.scope(), own.kind(), own.layers() ^ 1).unwrap(),
            _ => own,
        };
        let half = OpeningHalf::from_seed(scheme.kind(), suite, &seed);
        let week = if plan.attack == Attack::KeyExpired {
            7 * 86_400
        } else {
            0
        };
        let service_made = plan.maker == Maker::Service || plan.attack == Attack::ServiceMade;
        let other = plan.attack == Attack::OtherShop;
        let long = plan.attack == Attack::LongFallback;
        let key = OrderKey {
            recipient: if other {
                PartyNumber::new(PartyRole::Shop, 8).unwrap()
            } else {
                shop_number()
            },
            id: OrderKeyId::random(&mut UnwrapErr(SysRng)),
            scheme,
            member: (scheme.scope() == KeyScope::Member).then(member),
            part: half.sealing_part(),
            expires: now().before(week).after(if long { 86_401 } else { 86_400 }),
            program: Digest::of(text.as_bytes()),
            maker: if service_made {
                Maker::Service
            } else {
                Maker::Recipient
            },
            source: if long {
                KeySource::Fallback
            } else {
                KeySource::Regular
            },
            made: now().before(week),
        };
        let signer = match plan.attack {
            Attack::KeySubstituted => SigningKey::from_seed(&[9; 32]),
            _ if service_made => service(),
            _ => shop(),
        };
        self.handed
            .lock()
            .unwrap()
            .insert(key.id, (seed, key.clone()));
        let mut program = text.to_owned();
        if plan.attack == Attack::ProgramAltered {
            program.push(' ');
        }
        let key = signer.sign(&key);
        cbor::encode(&HandOut { key, program })
    }

    fn take(&self, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
        let sealed = SealedOrder::parse(bytes).map_err(|_e| "unreadable")?;
        let token =
            Unverified::<CartToken>::parse(sealed.token.clone()).map_err(|_e| "token_invalid")?;
        let token = token
            .verify(&shop().verifying_key())
            .map_err(|_e| "token_invalid")?;
        let handed = self.handed.lock().unwrap();
        let (seed, key) = handed.get(&sealed.key).ok_or("order_key_unknown")?;
        let half = OpeningHalf::of(key, seed).unwrap();
        let signer = if key.maker == Maker::Service {
            service()
        } else {
            shop()
        };
        let key = Unverified::<OrderKey>::parse(signer.sign(key)).unwrap();
        let key = key.verify(&signer.verifying_key()).unwrap();
        let binding = Binding::new(&key, token.order, token.cart);
        let form = half
            .open(key.scheme, &binding, &sealed.sealed)
            .map_err(|_e| "order_unopenable")?;
        let form = OrderForm::parse(&form).map_err(|_e| "form_unreadable")?;
        if cart_digest(&form.lines) != token.cart {
            return Err("cart_changed");
        }
        let wrong = self.plan().attack == Attack::WrongReceipt;
        let receipt = OrderReceipt {
            recipient: shop_number(),
            order: token.order,
            sealed: if wrong {
                Digest::of(b"other")
            } else {
                Digest::of(bytes)
            },
            cart: token.cart,
            total: token.total,
            bill: None,
            received: now(),
        };
        self.orders.lock().unwrap().push(Arrived { form });
        Ok(shop().sign(&receipt).into_bytes())
    }
}

pub(crate) fn member() -> PartyNumber {
    PartyNumber::new(PartyRole::Member, 483_122_075).unwrap()
}

impl Forms for Town {
    fn form(&self, name: &str, language: Language) -> Option<Form> {
        let label = |en: &str, ja: &str| match language {
            Language::En => en.to_owned(),
            Language::Ja => ja.to_owned(),
        };
        let field = |name: &str, label: String, complete: &str| FormField {
            name: name.to_owned(),
            label,
            hint: String::new(),
            kind: FieldKind::Text,
            required: true,
            autocomplete: complete.to_owned(),
        };
        let plan = self.plan();
        (name == "order").then(|| Form {
            title: label("Where to", "お届け先"),
            fields: vec![
                field("name", label("Name", "お名前"), "name"),
                field("address", label("Address", "ご住所"), "street-address"),
            ],
            card: plan.card,
            typed: true,
            button: label("Order", "注文する"),
            erase: plan.erase,
        })
    }

    fn pins(&self) -> Pins {
        let service_made = self.plan().maker == Maker::Service;
        Pins {
            shop_origin: self.origin("shop"),
            recipient: shop_number().wire(),
            shop_key: *shop().verifying_key().as_bytes(),
            service_key: service_made.then(|| *service().verifying_key().as_bytes()),
            root_key: None,
        }
    }
}

fn router(town: &Arc<Town>) -> Router {
    let forms: Arc<dyn Forms> = Arc::clone(town) as _;
    let frames = order::frames(forms);
    let shop = Router::new()
        .route("/checkout", get(checkout))
        .route("/thanks", get(|| async { "Thank you" }))
        .route("/v1/orders", post(take))
        .route("/v1/orders/token", post(fresh_token))
        .with_state(Arc::clone(town))
        .route(order::PAGE_SCRIPT, get(order::page_script));
    let shop = dress(shop);
    let service = Router::new()
        .route("/v1/keys", post(keys))
        .with_state(Arc::clone(town));
    let seen = Arc::clone(town);
    Router::new().fallback(move |request: Request| {
        let host = request.headers().get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let came = format!("{host}{}", request.uri());
        seen.seen.lock().unwrap().push(came);
        let router = match host.split('.').next() {
            Some("forms") => frames.clone(),
            Some("sealing") => service.clone(),
            _ => shop.clone(),
        };
        async move { router.oneshot(request).await }
    })
}

async fn checkout(State(town): State<Arc<Town>>, language: Language) -> Page {
    let plan = town.plan();
    let (frames, service) = (town.origin("forms"), town.origin("sealing"));
    let token = town.token(plan.attack == Attack::TokenExpired);
    let body = order::checkout(&Checkout {
        language,
        frames: &frames,
        form: "order",
        token: &token,
        lines: &plan.lines,
        service: &service,
        certificate: b"",
        done: "#thanks",
    });
    Page::new(language, Role::Shop, "Hanamizuki Books", "Checkout")
        .script(order::PAGE_SCRIPT)
        .embeds(&frames, &service)
        .body(body)
}

async fn fresh_token(State(town): State<Arc<Town>>) -> Vec<u8> {
    town.token(false)
}

async fn take(State(town): State<Arc<Town>>, body: Bytes) -> Response {
    let attack = town.plan().attack;
    let mut sent = town.sent.lock().unwrap();
    *sent += 1;
    let first = *sent == 1;
    drop(sent);
    if attack == Attack::ShopAway && first {
        return (StatusCode::SERVICE_UNAVAILABLE, "{}").into_response();
    }
    let taken = match attack {
        Attack::PriceChanged if first => Err("cart_changed"),
        Attack::OrderDiffers => Err("order_differs"),
        _ => town.take(&body),
    };
    match taken {
        Ok(receipt) => {
            let place = format!("#thanks-{}", town.arrived());
            ([(header::CONTENT_LOCATION, place)], receipt).into_response()
        }
        Err(code) => {
            let text = format!("{{\"error\":\"{code}\"}}");
            (StatusCode::UNPROCESSABLE_ENTITY, text).into_response()
        }
    }
}

async fn keys(
    State(town): State<Arc<Town>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let allow = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let (plan, mut asked) = (town.plan(), town.asked.lock().unwrap());
    *asked += 1;
    let first = *asked == 1;
    drop(asked);
    match plan.attack {
        Attack::ServiceAway if first => (StatusCode::BAD_GATEWAY, allow, "").into_response(),
        Attack::StockEmpty if first => {
            let text = "{\"error\":\"stock_empty\"}";
            (StatusCode::SERVICE_UNAVAILABLE, allow, text).into_response()
        }
        _ => {
            let compact = query.get("suite").is_some_and(|suite| suite == "compact");
            let suite = if compact { Suite::Compact } else { plan.suite };
            (allow, town.hand_out(suite)).into_response()
        }
    }
}
