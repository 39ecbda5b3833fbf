//! The town map: one page whose doors open each party's own.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use tegata_pages::{Language, Messages, Page, Role, dress};

static MESSAGES: std::sync::LazyLock<Messages> = std::sync::LazyLock::new(|| {
    Messages::embedded(
        include_str!("../messages/en.toml"),
        include_str!("../messages/ja.toml"),
    )
});

/// A door on the map.
#[derive(Clone, Debug)]
pub struct Door {
    /// The party's name.
    pub name: String,
    /// The key of what is said about it: `centre`, `shop`, `gate`, `wallet`.
    pub kind: &'static str,
    /// Where it leads.
    pub address: String,
}

impl Door {
    fn role(&self) -> Role {
        match self.kind {
            "centre" => Role::Centre,
            "shop" => Role::Shop,
            "gate" => Role::Gate,
            "sealing" => Role::Sealing,
            _ => Role::Wallet,
        }
    }
}

/// Gives the address of a member's wallet, good for one visit.
pub type OpenWallet = Arc<dyn Fn(usize) -> anyhow::Result<String> + Send + Sync>;

/// The address on the map of the door of the wallet with this number.
pub fn wallet_door(number: usize) -> String {
    format!("/wallet/{number}")
}

#[derive(Clone)]
struct Map {
    doors: Arc<[Door]>,
    open: OpenWallet,
}

/// Serves the map; gives its address. `open` is asked each time that somebody is at a wallet's door.
///
/// # Errors
/// When no port is free.
pub async fn serve(doors: Vec<Door>, open: OpenWallet) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = router(doors, open);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn router(doors: Vec<Door>, open: OpenWallet) -> Router {
    let doors = doors.into();
    let routes = Router::new()
        .route("/", get(map))
        .route("/wallet/{number}", get(wallet))
        .with_state(Map { doors, open });
    dress(routes)
}

/// A wallet's page is opened by a link that works once, so each visit gets a fresh one.
async fn wallet(State(map): State<Map>, Path(number): Path<usize>) -> Response {
    let opened = tokio::task::spawn_blocking(move || (map.open)(number)).await;
    match opened {
        Ok(Ok(link)) => {
            ([(header::CACHE_CONTROL, "no-store")], Redirect::to(&link)).into_response()
        }
        Ok(Err(error)) => {
            let why = format!("The wallet's page doesn't open: {error:#}\n");
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn map(State(map): State<Map>, language: Language, uri: Uri) -> impl IntoResponse {
    let doors = map.doors;
    let t = MESSAGES.of(language);
    let town = crate::town::TOWN;
    Page::new(language, Role::Town, town, t.text("map.title"))
        .here(&uri)
        .body(html! {
            p { (t.text("map.intro")) }
            (drawing(&doors))
            (doors_of(language, &doors))
        p.small { (t.text("map.hint")) }
        })
}

fn doors_of(language: Language, doors: &[Door]) -> Markup {
    let t = MESSAGES.of(language);
    let keys: Vec<String> = doors
        .iter()
        .map(|door| format!("map.{}", door.kind))
        .collect();
    let shown = doors
        .iter()
        .zip(&keys)
        .map(|(door, key)| tegata_pages::Door {
            role: door.role(),
            name: &door.name,
            text: t.text(key),
            href: &door.address,
        });
    tegata_pages::doors(language, &shown.collect::<Vec<_>>())
}

/// Houses along a street, each a link. The list below says the same in words.
fn drawing(doors: &[Door]) -> Markup {
    let width = doors.len() * 130 + 20;
    html! {
        svg viewBox=(format!("0 0 {width} 170")) width="100%" role="img" aria-hidden="true" {
            rect x="0" y="140" width=(width) height="14" fill="currentColor" opacity="0.15" {}
            @for (i, door) in doors.iter().enumerate() {
                a href=(door.address) tabindex="-1" {
                    (house(i * 130 + 20, door.kind))
                    text x=(i * 130 + 70) y="166" text-anchor="middle" font-size="11"
                        fill="currentColor" { (door.name) }
                }
            }
        }
    }
}

fn house(x: usize, kind: &str) -> Markup {
    let (roof, sign) = match kind {
        "centre" => ("0,60 50,20 100,60", "央"),
        "shop" => ("0,60 10,35 90,35 100,60", "店"),
        "sealing" => ("4,60 4,44 50,28 96,44 96,60", "封"),
        "gate" => ("-6,48 50,36 106,48 100,60 0,60", "関"),
        _ => ("10,60 50,30 90,60", "財"),
    };
    html! {
        g transform=(format!("translate({x},0)")) {
            polygon points=(roof) fill="currentColor" opacity="0.55" {}
            rect x="8" y="60" width="84" height="80" fill="currentColor" opacity="0.12" {}
            rect x="38" y="95" width="24" height="45" fill="currentColor" opacity="0.45" {}
            text x="50" y="88" text-anchor="middle" font-size="20" fill="currentColor" { (sign) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_wallets_door_leads_to_a_fresh_link_each_time() {
        let opened = AtomicUsize::new(0);
        let open: OpenWallet = Arc::new(move |number| {
            anyhow::ensure!(number == 0, "nobody lives there");
            let time = opened.fetch_add(1, Ordering::SeqCst);
            Ok(format!("http://wallet.localhost:1/open/{time}"))
        });
        let door = Door {
            name: "aiko's wallet".to_owned(),
            kind: "wallet",
            address: wallet_door(0),
        };
        let map = serve(vec![door], open).await.unwrap();
        let ask = |path: &'static str| async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut stream = tokio::net::TcpStream::connect(map).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: town\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        assert!(ask("/").await.contains("href=\"/wallet/0\""));
        for time in ["open/0", "open/1"] {
            let answer = ask("/wallet/0").await;
            assert!(
                answer.starts_with("HTTP/1.1 303") && answer.contains(time),
                "{answer}"
            );
        }
        assert!(ask("/wallet/1").await.contains("nobody lives there"));
    }

    #[test]
    fn both_languages_say_the_same() {
        let (en, ja) = (
            include_str!("../messages/en.toml"),
            include_str!("../messages/ja.toml"),
        );
        assert_eq!(
            tegata_pages::Messages::problems(en, ja),
            Vec::<String>::new()
        );
    }
}
