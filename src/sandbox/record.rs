//! The strict record of what the API was asked and answered.
use serde_json::Value;

/// One API request with its answer.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The HTTP method.
    pub method: String,
    /// The path after `/api/v3`, without the query.
    pub path: String,
    /// The query, as sent.
    pub query: String,
    /// The login of the user, bot or app that asked; `None` when anonymous.
    pub caller: Option<String>,
    /// The request's JSON body; null when there was none.
    pub request: Value,
    /// The status that was sent.
    pub status: u16,
    /// The JSON body that was sent; null when there was none.
    pub response: Value,
    /// How many requests that change something were on their way when it came.
    pub beside: usize,
    /// Whether a planned fault shaped the answer.
    pub faulty: bool,
}
