//! The town map: one page whose doors open each party's own.

use std::net::SocketAddr;

use axum::{Router, extract::State, http::Uri, response::IntoResponse, routing::get};
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
            _ => Role::Wallet,
        }
    }
}

/// Serves the map; gives its address.
///
/// # Errors
/// When no port is free.
pub async fn serve(doors: Vec<Door>) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = dress(Router::new().route("/", get(map)).with_state(doors));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn map(State(doors): State<Vec<Door>>, language: Language, uri: Uri) -> impl IntoResponse {
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
