//! A server's routes, each with what it costs whoever asks.
//!
//! [`Routes`] is the only way to a router for our servers: no route can be added without a [`Cost`],
//! and none is served without a rule for what other sites' pages send ([`Posts`]). What is counted
//! gets a [`Permit`], which the handler takes as an argument and hands to the function that signs,
//! opens or keeps something: a route that says it's free can't call that function.
//!
//! The list of routes with their costs can be read ([`Routes::list`]): a test asks each of them until
//! its limit bites.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Request};
use axum::handler::Handler;
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, options, post};

use crate::error::HttpError;
use crate::rate_limit::{Permit, TooMany};
use crate::same_origin::SameOrigin;

/// What a route costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost<C> {
    /// It isn't counted, for this reason.
    Free(&'static str),
    /// It counts against the limit of its class.
    Counted(C),
}

/// Who counts a server's requests.
pub trait Counter: Send + Sync + 'static {
    /// What is counted together.
    type Class: Copy + fmt::Debug + Send + Sync + 'static;

    /// Counts a request.
    ///
    /// # Errors
    /// [`TooMany`].
    fn count(&self, class: Self::Class, sender: IpAddr) -> Result<Permit, TooMany>;

    /// Whose request it is: the other end of the connection, unless somebody trusted says better.
    fn sender(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        peer.map(|ConnectInfo(peer)| peer.ip())
    }
}

/// Counts nothing: for servers all of whose routes are free.
#[derive(Clone, Copy, Debug)]
pub struct Uncounted;

impl Counter for Uncounted {
    type Class = Infallible;

    fn count(&self, class: Infallible, _: IpAddr) -> Result<Permit, TooMany> {
        match class {}
    }
}

/// What a server does with what other sites' pages send.
#[derive(Clone, Debug)]
pub enum Posts {
    /// Only its own pages may change something.
    OwnPages(SameOrigin),
    /// Anybody may, for this reason.
    Anybodys(&'static str),
}

/// A route, as tests see it.
#[derive(Clone, Debug)]
pub struct Listed<C> {
    /// GET, POST or OPTIONS.
    pub method: Method,
    /// Its path, with `{name}` for what may vary.
    pub path: &'static str,
    /// What it costs.
    pub cost: Cost<C>,
}

/// Routes that share state `S` and are counted by `C`.
pub struct Routes<S, C: Counter> {
    router: Router<S>,
    counter: Arc<C>,
    list: Vec<Listed<C::Class>>,
}

impl<S, C: Counter> fmt::Debug for Routes<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Routes").field(&self.list).finish()
    }
}

impl<S: Clone + Send + Sync + 'static, C: Counter> Routes<S, C> {
    /// No routes yet.
    #[must_use]
    pub fn new(counter: Arc<C>) -> Self {
        Self {
            router: Router::new(),
            counter,
            list: Vec::new(),
        }
    }

    /// A route for GET and HEAD.
    #[must_use]
    pub fn get<H, T>(self, path: &'static str, cost: Cost<C::Class>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add(Method::GET, path, cost, get(handler))
    }

    /// A route for POST.
    #[must_use]
    pub fn post<H, T>(self, path: &'static str, cost: Cost<C::Class>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add(Method::POST, path, cost, post(handler))
    }

    /// A route for OPTIONS: what browsers ask before a request of another site's page.
    #[must_use]
    pub fn options<H, T>(self, path: &'static str, cost: Cost<C::Class>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add(Method::OPTIONS, path, cost, options(handler))
    }

    fn add(
        mut self,
        method: Method,
        path: &'static str,
        cost: Cost<C::Class>,
        handler: MethodRouter<S>,
    ) -> Self {
        let handler = match cost {
            Cost::Free(_) => handler,
            Cost::Counted(class) => {
                let counter = Arc::clone(&self.counter);
                handler.route_layer(from_fn(move |request, next| {
                    counted(Arc::clone(&counter), class, request, next)
                }))
            }
        };
        self.router = self.router.route(path, handler);
        self.list.push(Listed { method, path, cost });
        self
    }

    /// What is answered at every other path. It can't be counted, so it may only say that there's
    /// nothing.
    #[must_use]
    pub fn fallback<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.router = self.router.fallback(handler);
        self
    }

    /// The most bytes of a body, for all routes that there are so far.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.router = self.router.layer(DefaultBodyLimit::max(bytes));
        self
    }

    /// Changes every answer of the routes that there are so far, that of the rate limit too.
    #[must_use]
    pub fn answers(mut self, change: fn(&mut Response)) -> Self {
        let changed = move |request: Request, next: Next| async move {
            let mut response = next.run(request).await;
            change(&mut response);
            response
        };
        self.router = self.router.layer(from_fn(changed));
        self
    }

    /// The routes of both.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.list.extend(others.list);
        self
    }

    /// The routes with their costs.
    #[must_use]
    pub fn list(&self) -> &[Listed<C::Class>] {
        &self.list
    }

    /// The router, behind the rule for what other sites' pages send.
    pub fn into_router(self, posts: Posts) -> Router<S> {
        match posts {
            Posts::OwnPages(rule) => rule.guard(self.router),
            Posts::Anybodys(_) => self.router,
        }
    }
}

async fn counted<C: Counter>(
    counter: Arc<C>,
    class: C::Class,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(sender) = counter.sender(&request) else {
        return HttpError::fault("counting a request", Uncountable).into_response();
    };
    match counter.count(class, sender) {
        Ok(permit) => {
            request.extensions_mut().insert(Granted::new(permit));
            next.run(request).await
        }
        Err(too_many) => HttpError::from(too_many).into_response(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nobody knows whose request it is")]
struct Uncountable;

#[derive(Debug, thiserror::Error)]
#[error("the route says that it costs nothing, and its handler wants a permit")]
struct Unpaid;

/// A permit on its way from the limit to the handler, who takes it out once.
#[derive(Clone)]
struct Granted(Arc<Mutex<Option<Permit>>>);

impl Granted {
    fn new(permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    fn take(&self) -> Option<Permit> {
        let mut permit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        permit.take()
    }
}

impl<S: Sync> FromRequestParts<S> for Permit {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpError> {
        let granted = parts.extensions.get::<Granted>().and_then(Granted::take);
        granted.ok_or_else(|| HttpError::fault("counting a request", Unpaid))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{HeaderValue, StatusCode, header};
    use tower::ServiceExt as _;

    use super::*;
    use crate::rate_limit::RateLimiter;

    /// One request in a minute of each class and address.
    struct One(RateLimiter<(&'static str, u8)>);

    impl Counter for One {
        type Class = &'static str;

        fn count(&self, class: &'static str, sender: IpAddr) -> Result<Permit, TooMany> {
            let IpAddr::V4(sender) = sender else {
                return Err(TooMany { seconds: 1 });
            };
            self.0.count((class, sender.octets()[3]), 0)
        }
    }

    async fn signs(_: Permit) -> &'static str {
        "signed"
    }

    fn routes() -> Routes<(), One> {
        Routes::new(Arc::new(One(RateLimiter::per_minute(1))))
            .get("/paid", Cost::Counted("token"), signs)
            .get("/unpaid", Cost::Free("somebody forgot"), signs)
            .post("/form", Cost::Counted("form"), || async { "done" })
            .answers(|answer| {
                let value = HeaderValue::from_static("*");
                let headers = answer.headers_mut();
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
            })
    }

    async fn ask(router: &Router, method: &str, path: &str, peer: Option<u8>) -> Response {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "a.localhost")
            .body(Body::empty())
            .unwrap();
        if let Some(peer) = peer {
            let peer = SocketAddr::from(([192, 0, 2, peer], 1));
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn each_address_and_class_is_counted_and_told_when_to_come_again() {
        let router = routes().into_router(Posts::Anybodys("a test"));
        let status = async |path, peer| ask(&router, "GET", path, peer).await.status().as_u16();
        assert_eq!(status("/paid", Some(1)).await, 200);
        let late = ask(&router, "GET", "/paid", Some(1)).await;
        assert_eq!(late.status(), 429);
        assert_eq!(late.headers()[header::RETRY_AFTER], "60");
        assert_eq!(
            late.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            "*",
            "other sites' pages may read that, too"
        );
        assert_eq!(ask(&router, "HEAD", "/paid", Some(1)).await.status(), 429);
        assert_eq!(status("/paid", Some(2)).await, 200, "another address");
        let form = ask(&router, "POST", "/form", Some(1)).await;
        assert_eq!(form.status(), 200, "another class");
        assert_eq!(status("/paid", None).await, 500, "nobody can be counted");
    }

    #[tokio::test]
    async fn a_route_that_says_its_free_has_no_permit_to_give() {
        let router = routes().into_router(Posts::Anybodys("a test"));
        let answer = ask(&router, "GET", "/unpaid", Some(1)).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn the_rule_for_forms_stands_around_every_route() {
        let rule = SameOrigin::plain("Not ours.\n");
        let router = routes().into_router(Posts::OwnPages(rule));
        for path in ["/form", "/nowhere"] {
            let answer = ask(&router, "POST", path, Some(1)).await;
            assert_eq!(answer.status(), 403, "{path}");
        }
        assert_eq!(ask(&router, "GET", "/paid", Some(1)).await.status(), 200);
    }

    #[test]
    fn the_list_has_every_route_with_its_cost() {
        let list: Vec<_> = routes()
            .list()
            .iter()
            .map(|route| format!("{} {} {:?}", route.method, route.path, route.cost))
            .collect();
        assert_eq!(
            list,
            [
                "GET /paid Counted(\"token\")",
                "GET /unpaid Free(\"somebody forgot\")",
                "POST /form Counted(\"form\")",
            ]
        );
    }
}
