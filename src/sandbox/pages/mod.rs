//! Pages for people.
mod markdown;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};

pub(crate) use self::markdown::markdown;
use super::running::Shared;
use super::server::plain;

pub(crate) async fn answer(
    shared: Arc<Shared>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response<Body> {
    drop((shared, method, uri, headers, body));
    plain(StatusCode::NOT_FOUND)
}
