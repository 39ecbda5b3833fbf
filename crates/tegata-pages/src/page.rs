//! A page: the whole HTML document around a body.

use std::sync::LazyLock;

use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use crate::dress::{STYLE, STYLE_PATH, policy};
use crate::language::{Language, Messages, PARAMETER, Texts};

const EN: &str = include_str!("../messages/en.toml");
const JA: &str = include_str!("../messages/ja.toml");
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));

/// The kit's own texts.
pub(crate) fn texts(language: Language) -> Texts<'static> {
    MESSAGES.of(language)
}

/// Whose page it is. Each has its own mark and colour, so that nobody takes a shop's page for
/// their wallet's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The centre: register and settlement.
    Centre,
    /// A shop.
    Shop,
    /// A gate.
    Gate,
    /// A sealing service.
    Sealing,
    /// A member's own wallet page.
    Wallet,
    /// The map of a whole town.
    Town,
}

impl Role {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Centre => "centre",
            Self::Shop => "shop",
            Self::Gate => "gate",
            Self::Sealing => "sealing",
            Self::Wallet => "wallet",
            Self::Town => "town",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Centre => "role.centre",
            Self::Shop => "role.shop",
            Self::Gate => "role.gate",
            Self::Sealing => "role.sealing",
            Self::Wallet => "role.wallet",
            Self::Town => "role.town",
        }
    }

    /// The character on its mark.
    const fn character(self) -> &'static str {
        match self {
            Self::Centre => "央",
            Self::Shop => "店",
            Self::Gate => "関",
            Self::Sealing => "封",
            Self::Wallet => "財",
            Self::Town => "町",
        }
    }
}

/// What such a party is called.
pub(crate) fn role_name(language: Language, role: Role) -> &'static str {
    texts(language).text(role.key())
}

/// How wide a page may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// As wide as lines can be read.
    Text,
    /// Wider, for pictures side by side.
    Shelf,
}

/// Where a page's one heading of the first rank stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heading {
    /// Above the body: the title.
    Title,
    /// In the body.
    Own,
}

/// A link in a page's menu.
#[derive(Clone, Debug)]
pub struct Link {
    text: String,
    href: String,
    count: u32,
}

impl Link {
    /// A text and where it leads.
    pub fn new(text: impl Into<String>, href: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            href: href.into(),
            count: 0,
        }
    }

    /// With a number behind it, unless it's zero: how many lie in a cart.
    #[must_use]
    pub const fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }
}

/// What of others' a page may use.
#[derive(Clone, Debug)]
struct Embedded {
    frames: String,
    service: String,
}

/// A page to be shown. It's a response by itself; the status is 200 unless set.
#[derive(Debug)]
pub struct Page {
    language: Language,
    role: Role,
    party: String,
    title: String,
    status: StatusCode,
    here: Option<Uri>,
    menu: Vec<Link>,
    script: Option<&'static str>,
    embedded: Option<Embedded>,
    width: Width,
    heading: Heading,
    refresh: Option<u16>,
    body: Markup,
}

impl Page {
    /// An empty page of a party; `party` is its own name, e.g. "Hanamizuki Books".
    pub fn new(
        language: Language,
        role: Role,
        party: impl Into<String>,
        title: impl Into<String>,
    ) -> Self {
        Self {
            language,
            role,
            party: party.into(),
            title: title.into(),
            status: StatusCode::OK,
            here: None,
            menu: Vec::new(),
            script: None,
            embedded: None,
            width: Width::Text,
            heading: Heading::Title,
            refresh: None,
            body: PreEscaped(String::new()),
        }
    }

    /// What stands on it, below the title.
    #[must_use]
    pub fn body(mut self, body: Markup) -> Self {
        self.body = body;
        self
    }

    /// Another status than 200.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The page's own address, so that the language switch keeps its parameters and the menu
    /// marks where one is.
    #[must_use]
    pub fn here(mut self, uri: &Uri) -> Self {
        self.here = Some(uri.clone());
        self
    }

    /// The menu below the header.
    #[must_use]
    pub fn menu(mut self, links: impl IntoIterator<Item = Link>) -> Self {
        self.menu = links.into_iter().collect();
        self
    }

    /// A script from this server. Only then may scripts run on the page at all.
    #[must_use]
    pub const fn script(mut self, path: &'static str) -> Self {
        self.script = Some(path);
        self
    }

    /// Lets the page show frames of one other origin and its script call one other server: a
    /// sealed form and its sealing service. Both are origins without a path.
    #[must_use]
    pub fn embeds(mut self, frames: &str, service: &str) -> Self {
        self.embedded = Some(Embedded {
            frames: frames.to_owned(),
            service: service.to_owned(),
        });
        self
    }

    /// As wide as a shop's shelves are.
    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.width = Width::Shelf;
        self
    }

    /// The body has the heading of the first rank itself: exactly one.
    #[must_use]
    pub const fn own_heading(mut self) -> Self {
        self.heading = Heading::Own;
        self
    }

    /// Loads the page anew every so many seconds: for a page that shows what is going on.
    #[must_use]
    pub const fn refresh(mut self, seconds: u16) -> Self {
        self.refresh = Some(seconds);
        self
    }

    /// The page as a file that needs no server: its stylesheet stands in it, and it has neither
    /// menu nor language switch. For letters, and whatever else is printed or sent.
    #[must_use]
    pub fn into_file(self) -> String {
        let t = texts(self.language);
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " – " (self.party) }
                    style { (PreEscaped(STYLE)) }
                }
                body class=(self.role.class()) {
                    header { div.inside { div.party { (self.sign(t)) } } }
                    main { h1 { (self.title) } (self.body) }
                }
            }
        };
        page.into_string()
    }

    fn document(&self) -> Markup {
        let t = texts(self.language);
        html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " – " (self.party) }
                    link rel="stylesheet" href=(&**STYLE_PATH);
                    link rel="icon" href="data:,";
                    @if let Some(seconds) = self.refresh {
                        meta http-equiv="refresh" content=(seconds);
                    }
                    @if let Some(path) = self.script { script type="module" src=(path) {} }
                }
                body.(self.role.class()).wide[self.width == Width::Shelf] {
                    a.skip href="#content" { (t.text("skip")) }
                    (self.header(t))
                    main id="content" tabindex="-1" {
                        @if self.heading == Heading::Title { h1 { (self.title) } }
                        (self.body)
                    }
                    footer { div.inside { p { (t.text("footer")) } } }
                }
            }
        }
    }

    fn header(&self, t: Texts<'_>) -> Markup {
        html! {
            header {
                div.inside {
                    a.party href="/" { (self.sign(t)) }
                    nav.languages aria-label=(t.text("language")) {
                        @for language in Language::ALL {
                            a href=(self.in_language(language)) lang=(language.tag())
                                hreflang=(language.tag())
                                aria-current=[(language == self.language).then_some("true")] {
                                (language.name())
                            }
                        }
                    }
                }
                @if !self.menu.is_empty() { (self.menu_bar(t)) }
            }
        }
    }

    /// Whose page it is.
    fn sign(&self, t: Texts<'_>) -> Markup {
        html! {
            (mark(self.role))
            span {
                span.role { (t.text(self.role.key())) }
                span.name { (self.party) }
            }
        }
    }

    fn menu_bar(&self, t: Texts<'_>) -> Markup {
        let path = self.here.as_ref().map(Uri::path);
        html! {
            nav.menu aria-label=(t.text("menu")) {
                ul.inside {
                    @for link in &self.menu {
                        @let current = path == Some(link.href.as_str());
                        li {
                            a href=(link.href) aria-current=[current.then_some("page")] {
                                (link.text)
                                @if link.count > 0 { " " span.count { (link.count) } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// This page's address with another language.
    fn in_language(&self, language: Language) -> String {
        let query = self.here.as_ref().and_then(Uri::query).unwrap_or("");
        let others = query
            .split('&')
            .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(PARAMETER));
        let pairs: Vec<String> = others
            .map(str::to_owned)
            .chain([format!("{PARAMETER}={}", language.tag())])
            .collect();
        format!("?{}", pairs.join("&"))
    }
}

impl Render for Page {
    fn render(&self) -> Markup {
        self.document()
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let content = HeaderValue::from_static("text/html; charset=utf-8");
        let own = policy(self.script.is_some());
        let policy = self.embedded.as_ref().map(|others| {
            let connect = format!("connect-src 'self' {};", others.service);
            let own = own.replace("connect-src 'self';", &connect);
            format!("{own}; frame-src {}", others.frames)
        });
        // An origin that no header can hold leaves the page without others.
        let policy = policy
            .and_then(|policy| HeaderValue::from_str(&policy).ok())
            .unwrap_or(HeaderValue::from_static(own));
        let headers: [(HeaderName, HeaderValue); 2] = [
            (header::CONTENT_TYPE, content),
            (header::CONTENT_SECURITY_POLICY, policy),
        ];
        (self.status, headers, self.document().into_string()).into_response()
    }
}

/// The wooden pass that once opened a barrier gate, with the party's character.
pub(crate) fn mark(role: Role) -> Markup {
    html! {
        svg.mark viewBox="0 0 40 44" aria-hidden="true" focusable="false" {
            path d="M20 1.5 L38 11 L36 42.5 L4 42.5 L2 11 Z" {}
            circle cx="20" cy="9.5" r="2.2" {}
            text x="20" y="34" text-anchor="middle" lang="ja" { (role.character()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_texts_are_the_same_in_both_languages() {
        assert_eq!(Messages::problems(EN, JA), [""; 0]);
    }

    #[test]
    fn the_language_switch_keeps_the_other_parameters() {
        let uri: Uri = "/find?lang=en&q=a%26b&lang=ja".parse().unwrap();
        let page = Page::new(Language::En, Role::Shop, "S", "T").here(&uri);
        assert_eq!(page.in_language(Language::Ja), "?q=a%26b&lang=ja");
    }

    #[test]
    fn what_a_party_calls_itself_is_escaped() {
        let page = Page::new(Language::En, Role::Shop, "<script>", "\"><b>");
        let html = page.render().into_string();
        assert!(
            !html.contains("<script>") && !html.contains("<b>"),
            "{html}"
        );
    }

    #[test]
    fn others_are_let_in_by_name_only() {
        let page = Page::new(Language::En, Role::Shop, "S", "T").script("/a.js");
        let page = page.embeds("https://forms.example", "https://sealing.example");
        let response = page.into_response();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str();
        let policy = policy.unwrap();
        assert!(
            policy.contains("connect-src 'self' https://sealing.example;"),
            "{policy}"
        );
        assert!(
            policy.ends_with("frame-src https://forms.example"),
            "{policy}"
        );
    }

    #[test]
    fn scripts_run_only_on_pages_that_have_one() {
        let plain = Page::new(Language::En, Role::Shop, "S", "T").into_response();
        let scripted = Page::new(Language::En, Role::Shop, "S", "T").script("/a.js");
        let policy = |response: Response| {
            response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert!(!policy(plain).contains("script-src"));
        assert!(policy(scripted.into_response()).contains("script-src 'self';"));
    }
}
