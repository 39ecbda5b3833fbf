//! Addresses of other parties: written whole, and `localhost` always this machine.
//!
//! A demonstration gives every party a name of its own (`shop.localhost`), since cookies and origins
//! go by names. Browsers know that `*.localhost` is this machine (RFC 6761, section 6.3); many
//! systems' resolvers don't. So we look nobody up for those names, which is also safer: no name
//! server can lead such a call elsewhere.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use crate::client::CallError;

/// Is this a whole web address, with its scheme?
///
/// # Errors
/// [`CallError::Address`], which says what to write instead.
pub fn check_address(address: &str) -> Result<(), CallError> {
    let wrong = || CallError::Address(address.to_owned());
    let uri: Uri = address.trim().parse().map_err(|_e| wrong())?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    let named = uri.host().is_some_and(|host| !host.is_empty());
    if web && named { Ok(()) } else { Err(wrong()) }
}

/// What is wrong with an address, and how it's written.
pub(crate) fn advice(address: &str) -> String {
    match address.split_once("://") {
        Some(_) => {
            format!("{address:?} isn't a web address: write it as http://HOST or https://HOST")
        }
        None if address.trim().is_empty() => {
            "the web address is empty: write it as http://HOST or https://HOST".to_owned()
        }
        None => {
            let address = address.trim();
            format!(
                "{address:?} isn't a whole web address: write http://{address} or https://{address}"
            )
        }
    }
}

/// The system's resolver, but for names that mean this machine.
#[derive(Debug, Default)]
pub(crate) struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if !uri.host().is_some_and(is_localhost) {
            return self.0.resolve(uri, config, timeout);
        }
        let usual = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(usual);
        let mut found = self.empty();
        found.push(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        found.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        Ok(found)
    }
}

/// `localhost`, or a name under it; with or without the root's dot.
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::client::Client;

    #[test]
    fn names_under_localhost_are_this_machine_and_no_others() {
        for name in [
            "localhost",
            "shop.localhost",
            "a.b.LocalHost",
            "shop.localhost.",
        ] {
            assert!(is_localhost(name), "{name}");
        }
        for name in [
            "localhost.example",
            "notlocalhost",
            "",
            ".",
            "127.0.0.1",
            "[::1]",
        ] {
            assert!(!is_localhost(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_no_name_server_knows_is_reached_here() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let address = format!("http://a-shop.of.tegata.localhost:{port}");
        let body = Client::default().get(&address, "/v1/record").unwrap();
        assert_eq!(body, b"hello");
        let request = server.join().unwrap();
        assert!(request.contains("a-shop.of.tegata.localhost"), "{request}");
    }

    #[test]
    fn an_address_without_a_scheme_says_what_to_write() {
        for (address, instead) in [
            ("shop.localhost:7402", "write http://shop.localhost:7402 or"),
            ("127.0.0.1:7402", "write http://127.0.0.1:7402 or"),
            ("shop.example/tickets", "https://shop.example/tickets"),
            ("ftp://shop.example", "http://HOST"),
            ("http://", "http://HOST"),
            ("", "is empty"),
        ] {
            let error = Client::default().get(address, "/v1/record").unwrap_err();
            assert!(matches!(error, CallError::Address(_)), "{address}: {error}");
            assert!(error.to_string().contains(instead), "{error}");
        }
        assert!(check_address("https://shop.example/").is_ok());
    }

    #[test]
    fn what_went_wrong_is_said_once() {
        let nobody = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let error = Client::default()
            .get(&format!("http://{nobody}"), "/")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("http://{nobody} can't be reached")
        );
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("refused"), "{cause}");
    }
}
