//! A shop whose recorded address has TLS has its pages only with it.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use tegata_http::same_origin::is_secure;

use super::Front;

/// How long browsers remember that this shop speaks TLS only: a year.
const STRICT: &str = "max-age=31536000";

/// Browsers that came by TLS once don't come without it again.
pub(super) async fn strict(State(front): State<Front>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if is_secure(front.shop.registered().address()) {
        let value = header::HeaderValue::from_static(STRICT);
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}
