//! The host names that a server answers to.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

/// The names a server answers to, without ports, e.g. `shop.localhost`. `localhost`,
/// `127.0.0.1` and `[::1]` are always among them: no name server gives those away.
#[derive(Clone, Debug)]
pub struct Hosts(Arc<BTreeSet<String>>);

impl Hosts {
    /// The party's own names.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let always = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let own = names
            .into_iter()
            .map(|name| name.as_ref().to_ascii_lowercase());
        Self(Arc::new(own.chain(always).collect()))
    }

    /// Whether a `Host` header, with or without port, is one of them.
    #[must_use]
    pub fn accept(&self, host: &str) -> bool {
        self.0
            .contains(without_port(host).to_ascii_lowercase().as_str())
    }

    /// Whether a request is meant for this server.
    #[must_use]
    pub fn accept_headers(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        hosts.next().is_none() && host.is_some_and(|host| self.accept(host))
    }
}

fn without_port(host: &str) -> &str {
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if digits(port) && (!name.contains(':') || name.ends_with(']')) => name,
        Some(_) | None => host,
    }
}

/// Lets only requests through whose `Host` is one of `hosts`; others get 421.
pub fn host_guard(router: Router, hosts: Hosts) -> Router {
    router.layer(from_fn_with_state(hosts, check_host))
}

async fn check_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts.accept_headers(request.headers()) {
        return next.run(request).await;
    }
    let text = "This server doesn't answer to that name. Check the address you typed.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_accepted_with_any_port_and_others_never() {
        let hosts = Hosts::new(["Shop.localhost"]);
        for good in [
            "shop.localhost",
            "SHOP.localhost:7402",
            "127.0.0.1:1",
            "[::1]:7402",
            "[::1]",
        ] {
            assert!(hosts.accept(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "shop.localhost.evil.example",
            "shop.localhost:x",
            "evil.example:7402",
            "127.0.0.1.evil.example",
            "localhost:1:2",
            "::1",
        ] {
            assert!(!hosts.accept(bad), "{bad}");
        }
    }

    #[test]
    fn two_host_headers_or_none_are_refused() {
        let hosts = Hosts::new(["a"]);
        let mut headers = HeaderMap::new();
        assert!(!hosts.accept_headers(&headers));
        headers.append(header::HOST, "a".parse().unwrap());
        assert!(hosts.accept_headers(&headers));
        headers.append(header::HOST, "a".parse().unwrap());
        assert!(!hosts.accept_headers(&headers));
    }
}
