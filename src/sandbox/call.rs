//! One request, taken apart for the routes.
use serde_json::Value;
use url::form_urlencoded;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    Anonymous,
    User {
        id: u64,
    },
    /// An app that showed its JWT.
    App {
        id: u64,
    },
    /// An installation token, by its text.
    Installation {
        id: u64,
        token: String,
    },
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) method: String,
    /// Decoded path segments after `/api/v3`.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) accept: String,
    /// The full URL without its query.
    pub(crate) url: String,
}

impl Call {
    pub(crate) fn new(caller: Caller, method: &str, base: &str, path_and_query: &str, body: Value) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let segments = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(percent_decode)
            .collect();
        Self {
            caller,
            method: method.to_owned(),
            segments,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            body,
            accept: String::new(),
            url: format!("{base}{path}"),
        }
    }

    pub(crate) fn caller_is_user(&self) -> bool {
        matches!(self.caller, Caller::User { .. })
    }

    /// The first value of a query parameter.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.param(name).and_then(|value| value.parse().ok())
    }

    /// A string field of the body.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    /// A list of strings in the body.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.body.get(name).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// This URL with another value for one parameter.
    pub(crate) fn with(&self, name: &str, value: u64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.query.iter().filter(|(key, _)| key != name) {
            query.append_pair(key, value);
        }
        query.append_pair(name, &value.to_string());
        format!("{}?{}", self.url, query.finish())
    }
}

/// Decodes `%xx`; a `+` stays a plus, as paths have it.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if let (b'%', [high, low, after @ ..]) = (*first, tail) {
            let digits = [char::from(*high).to_digit(16), char::from(*low).to_digit(16)];
            if let [Some(high), Some(low)] = digits {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = after;
                continue;
            }
        }
        bytes.push(*first);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
