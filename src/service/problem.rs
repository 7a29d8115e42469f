//! Errors as clients read them: problem details (RFC 9457) that name the field and the remedy.

use axum::{
    extract::rejection::{BytesRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::domain::{receive::FieldError, source::SourceError};

/// The most fields that one answer names.
const MOST_ERRORS: usize = 100;

/// One problem, as `application/problem+json`.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem of a kind: a short name, the status, what it is, and what to do.
    pub fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:countersign:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }
    /// Fields that are not as they must be.
    pub fn fields(mut errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("`{}`: {}", only.field, only.message),
            many if many.len() > MOST_ERRORS => format!(
                "{} fields are not as they must be; the first {MOST_ERRORS} are named",
                many.len()
            ),
            many => format!("{} fields are not as they must be", many.len()),
        };
        errors.truncate(MOST_ERRORS);
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self {
            errors,
            ..Self::new(
                status,
                "invalid-proposal",
                "the proposal does not fit the catalog",
                detail,
            )
        }
    }
    /// The body can't be read at all.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unreadable",
            "the body can't be read",
            detail,
        )
    }
    /// The body can be read, and is no proposal: one field and its place.
    pub fn unfit(error: &SourceError) -> Self {
        let field = FieldError::new(error.pointer(), error.to_string());
        Self {
            errors: Vec::from_iter((!error.pointer().is_empty()).then_some(field)),
            ..Self::unreadable(error.to_string())
        }
    }
    /// The body is larger than its route takes, or broke off.
    pub fn body(rejection: &BytesRejection, limit: usize) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = format!("the limit is {limit} bytes; send less, or split it");
            Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "the body is too large",
                detail,
            )
        } else {
            Self::unreadable(rejection.body_text())
        }
    }
    /// The door stays shut; strangers are not told more.
    pub fn unauthorised(detail: &'static str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorised",
            "the request is not proved to be an agent's",
            detail,
        )
    }
    /// Not there, or not the caller's.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "no such proposal of this agent",
            detail,
        )
    }
    /// Another proposal stands in the way.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "it conflicts with what is recorded",
            detail,
        )
    }
    /// Nothing has become of it yet.
    pub fn not_yet(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "not-yet", "there is no result yet", detail)
    }
    /// A person had it destroyed.
    pub fn erased(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "erased", "it was erased", detail)
    }
    /// Its time is over.
    pub fn expired(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "expired", "it is not kept any more", detail)
    }
    /// Too many at once.
    pub fn too_many(detail: impl Into<String>) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many",
            "too many proposals wait",
            detail,
        );
        Self {
            retry_after: Some(60),
            ..problem
        }
    }
    /// A limit leaves no room.
    pub fn over_limit(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "over-limit",
            "a limit of the action is over",
            detail,
        )
    }
    /// Not now; asking again later with the same idempotency key is safe.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Self::new(
            status,
            "unavailable",
            "it can't be done now; nothing was executed",
            detail,
        );
        Self {
            retry_after: Some(5),
            ..problem
        }
    }
    /// The status code.
    pub const fn status(&self) -> u16 {
        self.status
    }
    /// One line for logs and the command line.
    pub fn detail(&self) -> &str {
        &self.detail
    }
    /// The fields that are wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        let detail = rejection.body_text();
        Self::new(
            StatusCode::BAD_REQUEST,
            "query",
            "the query can't be read",
            detail,
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
