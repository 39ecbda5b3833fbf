//! The shop's pages.

use std::sync::Arc;

use axum::Router;

use crate::shop::Shop;

/// The pages' routes.
pub fn router(_shop: &Arc<Shop>) -> Router {
    Router::new()
}
