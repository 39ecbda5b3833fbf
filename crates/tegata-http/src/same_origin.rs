//! Forms of other sites' pages do nothing here, although the visitor's browser may send our cookies
//! with them, and although it reaches servers on this machine that the other site can't.
//!
//! A browser says with `Origin` from which page a form or a script's request came, and with
//! `Sec-Fetch-Site` how that page stands to us; no page can set either. What changes something passes
//! when both agree that it came from this server's own page:
//!
//! 1. `Host` and `Origin` stand there once at most, and are text.
//! 2. `Sec-Fetch-Site`, if it's there, is `same-origin` (or `none`: the person's own doing).
//! 3. `Origin`, if it's there, is the scheme and the `Host` that was asked, or the party's recorded
//!    address. `null` is nobody's.
//! 4. Without `Origin`, `Sec-Fetch-Site: same-origin` must be there. Where a form is meant for
//!    programs too, which send neither, both may be missing ([`SameOrigin::or_a_program`]).
//!
//! That `Host` is one of the server's own names is [`host_guard`](crate::serve::host_guard)'s concern.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

use crate::error::{FOREIGN_FORM, HttpError};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rule of one server's pages.
#[derive(Clone, Debug)]
pub struct SameOrigin {
    own: Own,
    silent: Silent,
    refusal: &'static str,
}

/// Which origins a server's own pages have, by the host that was asked.
#[derive(Clone, Debug)]
enum Own {
    /// `http://HOST`
    Plain,
    /// `https://HOST`
    Secure,
    /// Either: a proxy on this machine may speak TLS for us.
    Either,
    /// The recorded address's, or that scheme with `HOST`.
    At(Arc<str>),
}

/// Who says neither where it came from nor what kind of request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Silent {
    Refused,
    Program,
}

impl SameOrigin {
    const fn new(own: Own, refusal: &'static str) -> Self {
        Self {
            own,
            silent: Silent::Refused,
            refusal,
        }
    }

    /// For pages without TLS, on this machine. `refusal` is what others' forms get.
    #[must_use]
    pub const fn plain(refusal: &'static str) -> Self {
        Self::new(Own::Plain, refusal)
    }

    /// For pages that this server speaks TLS for.
    #[must_use]
    pub const fn secure(refusal: &'static str) -> Self {
        Self::new(Own::Secure, refusal)
    }

    /// For pages without TLS, before which a proxy on this machine may stand.
    #[must_use]
    pub const fn plain_or_proxied(refusal: &'static str) -> Self {
        Self::new(Own::Either, refusal)
    }

    /// For the pages of a party with a recorded address.
    #[must_use]
    pub fn at(address: &str, refusal: &'static str) -> Self {
        Self::new(Own::At(address.into()), refusal)
    }

    /// Programs may send these forms as well: nothing rests on who sends them, but a browser that
    /// another site's page uses shall not.
    #[must_use]
    pub fn or_a_program(self) -> Self {
        Self {
            silent: Silent::Program,
            ..self
        }
    }

    /// Did our own page send this?
    #[must_use]
    pub fn accepts(&self, headers: &HeaderMap) -> bool {
        let one = |name| one(headers, name);
        let (Ok(host), Ok(origin), Ok(site)) = (one(header::HOST), one(header::ORIGIN), one(SITE))
        else {
            return false;
        };
        match (origin, site) {
            (_, Some(site)) if !["same-origin", "none"].contains(&site) => false,
            (Some(origin), _) => self.own.contains(origin, host),
            (None, Some(site)) => site == "same-origin",
            (None, None) => self.silent == Silent::Program,
        }
    }

    /// Puts the rule around all of a router's routes.
    pub fn guard<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Router<S> {
        router.layer(from_fn_with_state(self, check))
    }
}

/// What changes something must come from our own pages.
async fn check(State(rule): State<SameOrigin>, request: Request, next: Next) -> Response {
    let reading = [Method::GET, Method::HEAD].contains(request.method());
    if reading || rule.accepts(request.headers()) {
        return next.run(request).await;
    }
    let refused = HttpError::new(StatusCode::FORBIDDEN, FOREIGN_FORM);
    refused.text(rule.refusal).into_response()
}

impl Own {
    fn contains(&self, origin: &str, host: Option<&str>) -> bool {
        let (schemes, recorded): (&[&str], _) = match self {
            Self::Plain => (&["http"], None),
            Self::Secure => (&["https"], None),
            Self::Either => (&["http", "https"], None),
            Self::At(address) => {
                let scheme = host.map_or("https", |host| scheme(host, address));
                (
                    if scheme == "https" {
                        &["https"]
                    } else {
                        &["http"]
                    },
                    Some(origin_of(address)),
                )
            }
        };
        let asked = schemes
            .iter()
            .filter_map(|scheme| Some(format!("{scheme}://{}", host?)));
        let mut own = asked.chain(recorded).map(|own| plain(&own));
        own.any(|own| own == plain(origin))
    }
}

/// A header that may stand there once.
fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Doubtful> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_e| Doubtful),
        (Some(_), Some(_)) => Err(Doubtful),
    }
}

struct Doubtful;

/// The scheme of the pages of a host: the recorded address's, except on this machine, where none needs
/// TLS.
fn scheme(host: &str, address: &str) -> &'static str {
    let recorded = || plain(&origin_of(address)).ends_with(&format!("/{host}"));
    match is_secure(address) && (!is_this_machine(&host_of(host)) || recorded()) {
        true => "https",
        false => "http",
    }
}

/// An origin as browsers write it: in small letters, without the scheme's own port.
fn plain(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let usual = if is_secure(&origin) { ":443" } else { ":80" };
    origin.strip_suffix(usual).unwrap_or(&origin).to_owned()
}

/// Is it an address with TLS?
#[must_use]
pub fn is_secure(address: &str) -> bool {
    address.starts_with("https://")
}

/// Scheme, host and port of an address.
#[must_use]
pub fn origin_of(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    format!("{scheme}://{host}").to_ascii_lowercase()
}

/// The host name of an address or a `Host` header, without scheme, port and path.
#[must_use]
pub fn host_of(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split_once('/').map_or(rest, |(host, _)| host);
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let host = match rest.rsplit_once(':') {
        Some((host, port)) if digits(port) && (!host.contains(':') || host.ends_with(']')) => host,
        Some(_) | None => rest,
    };
    host.to_ascii_lowercase()
}

/// Is it a name of this machine's own?
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = address.parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || loopback.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>, site: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        if let Some(site) = site {
            headers.insert(SITE, site.parse().unwrap());
        }
        headers
    }

    fn own(address: &str, host: &str, origin: Option<&str>, site: Option<&str>) -> bool {
        SameOrigin::at(address, "").accepts(&headers(host, origin, site))
    }

    #[test]
    fn scheme_host_and_port_must_be_our_own() {
        let https = "https://shop.example/books";
        let shop = "shop.example";
        assert!(own(https, shop, Some("https://shop.example"), None));
        assert!(own(
            https,
            "shop.example:443",
            Some("https://shop.example"),
            None
        ));
        for bad in [
            "http://shop.example",
            "https://shop.example:8443",
            "https://forms.shop.example",
            "https://evil.example",
            "https://shop.example.evil",
            "null",
            "",
        ] {
            assert!(!own(https, shop, Some(bad), Some("same-origin")), "{bad}");
        }
        let http = "http://shop.localhost:7402";
        let host = "127.0.0.1:7402";
        assert!(own(http, host, Some("http://127.0.0.1:7402"), None));
        assert!(own(http, host, Some("http://shop.localhost:7402"), None));
        assert!(own(https, host, Some("http://127.0.0.1:7402"), None));
        assert!(!own(http, host, Some("http://127.0.0.1:7403"), None));
    }

    #[test]
    fn without_an_origin_the_browser_must_say_that_its_the_same() {
        let http = "http://shop.localhost:7402";
        assert!(own(http, "shop.localhost:7402", None, Some("same-origin")));
        for bad in [None, Some("same-site"), Some("cross-site"), Some("none")] {
            assert!(!own(http, "shop.localhost:7402", None, bad), "{bad:?}");
        }
    }

    #[test]
    fn only_the_own_origin_will_do() {
        let wallet = SameOrigin::plain("");
        let host = "wallet.localhost:7405";
        let accepts = |origin| wallet.accepts(&headers(host, origin, None));
        assert!(accepts(Some("http://wallet.localhost:7405")));
        for bad in [
            None,
            Some("null"),
            Some("http://wallet.localhost:7402"),
            Some("http://shop.localhost:7405"),
            Some("https://wallet.localhost:7405"),
        ] {
            assert!(!accepts(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_program_may_be_silent_where_it_is_meant_and_a_browser_never_is() {
        let gate = SameOrigin::plain_or_proxied("").or_a_program();
        let accepts = |origin, site| gate.accepts(&headers("gate.localhost", origin, site));
        assert!(accepts(None, None), "a program");
        assert!(accepts(Some("http://gate.localhost"), None));
        assert!(accepts(Some("https://gate.localhost"), Some("same-origin")));
        for (origin, site) in [
            (Some("http://evil.example"), None),
            (Some("null"), None),
            (None, Some("cross-site")),
            (None, Some("same-site")),
            (None, Some("none")),
            (Some("http://gate.localhost"), Some("cross-site")),
        ] {
            assert!(!accepts(origin, site), "{origin:?} {site:?}");
        }
        let secure = SameOrigin::secure("").or_a_program();
        let accepts = |origin| secure.accepts(&headers("gate.example", Some(origin), None));
        assert!(accepts("https://gate.example") && !accepts("http://gate.example"));
    }

    #[test]
    fn what_is_said_twice_counts_for_nothing() {
        let good = "http://wallet.localhost:7405";
        for name in [header::HOST, header::ORIGIN, SITE] {
            let mut twice = headers("wallet.localhost:7405", Some(good), Some("same-origin"));
            assert!(SameOrigin::plain("").accepts(&twice));
            let value = twice.get(&name).unwrap().clone();
            twice.append(&name, value);
            assert!(!SameOrigin::plain("").accepts(&twice), "{name}");
        }
    }

    #[test]
    fn hosts_and_origins_are_read_out_of_addresses() {
        assert_eq!(host_of("https://Books.example:8443/shop"), "books.example");
        assert_eq!(host_of("[::1]:7402"), "[::1]");
        assert_eq!(host_of("[::1]"), "[::1]");
        assert_eq!(
            origin_of("https://Shop.example/a:b/"),
            "https://shop.example"
        );
        assert!(is_this_machine("[::1]") && is_this_machine("a.localhost"));
        assert!(!is_this_machine("localhost.example"));
    }
}
