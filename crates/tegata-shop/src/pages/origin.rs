//! Forms of other sites' pages do nothing here, although the visitor's browser sends our cookies with
//! them from neighbouring host names and ports.
//!
//! A browser says with `Origin` from which page a form came: from this shop's recorded address, or from
//! the very host that was asked. One that leaves it out says `Sec-Fetch-Site: same-origin` at least.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Front;
use crate::settings::{host_of, origin_of};

/// How long browsers remember that this shop speaks TLS only: a year.
const STRICT: &str = "max-age=31536000";

/// What changes something must come from our own pages.
pub(super) async fn same_origin(
    State(front): State<Front>,
    request: Request,
    next: Next,
) -> Response {
    let reading = [Method::GET, Method::HEAD].contains(request.method());
    if reading || is_own(request.headers(), front.shop.registered().address()) {
        return next.run(request).await;
    }
    let text = "This form didn't come from the shop's own page. Nothing was done.\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// Browsers that came by TLS once don't come without it again.
pub(super) async fn strict_transport(
    State(front): State<Front>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if is_secure(front.shop.registered().address()) {
        let value = header::HeaderValue::from_static(STRICT);
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

/// Is it an address with TLS?
pub(super) fn is_secure(address: &str) -> bool {
    address.starts_with("https://")
}

fn is_own(headers: &HeaderMap, address: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let site = HeaderName::from_static("sec-fetch-site");
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), host) => {
            let own = host.map(|host| format!("{}://{host}", scheme(host, address)));
            let own = own.into_iter().chain([origin_of(address)]);
            own.map(|own| plain(&own)).any(|own| own == plain(origin))
        }
        (None, _) => text(site) == Some("same-origin"),
    }
}

/// The scheme of the pages of a host: the recorded address's, except on this machine, where none needs
/// TLS.
fn scheme(host: &str, address: &str) -> &'static str {
    let name = host_of(host);
    let here = ["localhost", "127.0.0.1", "[::1]"].contains(&name) || name.ends_with(".localhost");
    match is_secure(address) && (!here || plain(&origin_of(address)).ends_with(&format!("/{host}")))
    {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn own(address: &str, host: &str, origin: Option<&str>, site: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        if let Some(site) = site {
            headers.insert("sec-fetch-site", site.parse().unwrap());
        }
        is_own(&headers, address)
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
}
