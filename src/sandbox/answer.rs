//! What a route gives back: an answer or a refusal, both in GitHub's shape.
use super::json::field;
use serde_json::{Value, json};

use super::call::Call;

/// A route's result.
pub(crate) type Routed = Result<Answer, Refusal>;

/// A successful answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) link: Option<String>,
    pub(crate) raw: Option<(&'static str, Vec<u8>)>,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::with(201, body)
    }

    pub(crate) fn with(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            link: None,
            raw: None,
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            link: None,
            raw: None,
        }
    }

    pub(crate) fn raw(media: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            status: 200,
            body: None,
            link: None,
            raw: Some((media, bytes)),
        }
    }

    /// One page of a list, with its `Link` header.
    pub(crate) fn list(call: &Call, items: Vec<Value>) -> Self {
        let (items, link) = page(call, items);
        Self {
            status: 200,
            body: Some(Value::Array(items)),
            link,
            raw: None,
        }
    }

    /// One page of a list that GitHub wraps in an object with `total_count`.
    pub(crate) fn counted(call: &Call, name: &str, items: Vec<Value>) -> Self {
        let total = items.len();
        let (items, link) = page(call, items);
        Self {
            status: 200,
            body: Some(json!({ "total_count": total, name: items })),
            link,
            raw: None,
        }
    }
}

fn page(call: &Call, items: Vec<Value>) -> (Vec<Value>, Option<String>) {
    let per_page = call.number("per_page").unwrap_or(30).clamp(1, 100);
    let page = call.number("page").unwrap_or(1).max(1);
    let total = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let last = total.div_ceil(per_page).max(1);
    let skip = usize::try_from(page.saturating_sub(1).saturating_mul(per_page)).unwrap_or(usize::MAX);
    let take = usize::try_from(per_page).unwrap_or(100);
    let shown = items.into_iter().skip(skip).take(take).collect();
    let mut links = Vec::new();
    let mut add =
        |number: u64, rel: &str| links.push(format!("<{}>; rel=\"{rel}\"", call.with("page", number)));
    if page > 1 {
        add(page - 1, "prev");
    }
    if page < last {
        add(page + 1, "next");
        add(last, "last");
    }
    if page > 1 {
        add(1, "first");
    }
    let link = if links.is_empty() {
        None
    } else {
        Some(links.join(", "))
    };
    (shown, link)
}

/// A refusal as GitHub words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) errors: Vec<Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: Vec::new(),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(401, "Requires authentication")
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(401, "Bad credentials")
    }

    pub(crate) fn integration() -> Self {
        Self::new(403, "Resource not accessible by integration")
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// 422 with one error that names resource, field and code.
    pub(crate) fn invalid(resource: &str, field: &str, code: &str) -> Self {
        Self {
            status: 422,
            message: "Validation Failed".to_owned(),
            errors: vec![json!({ "resource": resource, "field": field, "code": code })],
        }
    }

    /// 422 with one error of code `custom` and a message of its own.
    pub(crate) fn custom(resource: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status: 422,
            message: "Validation Failed".to_owned(),
            errors: vec![json!({ "resource": resource, "code": "custom", "message": message })],
        }
    }

    /// 422 where GitHub lists bare strings.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self {
            status: 422,
            message: "Unprocessable Entity".to_owned(),
            errors: vec![Value::String(message.into())],
        }
    }

    pub(crate) fn body(&self, documentation: &str) -> Value {
        let mut body = json!({
            "message": self.message,
            "documentation_url": documentation,
            "status": self.status.to_string(),
        });
        if let (false, Some(fields)) = (self.errors.is_empty(), body.as_object_mut()) {
            fields.insert("errors".to_owned(), Value::Array(self.errors.clone()));
        }
        body
    }

    /// The message with what the errors add to it.
    pub(crate) fn text(&self) -> String {
        let details: Vec<&str> = self
            .errors
            .iter()
            .filter_map(|error| error.as_str().or_else(|| field(error, "message").as_str()))
            .collect();
        if details.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.message, details.join("; "))
        }
    }
}

impl From<git2::Error> for Refusal {
    fn from(error: git2::Error) -> Self {
        match error.code() {
            git2::ErrorCode::NotFound => Self::not_found(),
            _ => Self::new(500, format!("git: {}", error.message())),
        }
    }
}
