//! One answer of GitHub's, and what it says when it refuses.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::error::Error;
use crate::domain::ids::Timestamp;

/// One answer, read to its end.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) date: Option<Timestamp>,
    pub(super) retry_after: Option<u64>,
    pub(super) remaining: Option<u64>,
    pub(super) limit: Option<u64>,
    pub(super) reset: Option<i64>,
    pub(super) link: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            status,
            date: text("date").and_then(http_date),
            retry_after: text("retry-after").and_then(|text| text.parse().ok()),
            remaining: text("x-ratelimit-remaining").and_then(|text| text.parse().ok()),
            limit: text("x-ratelimit-limit").and_then(|text| text.parse().ok()),
            reset: text("x-ratelimit-reset").and_then(|text| text.parse().ok()),
            link: text("link").map(str::to_owned),
            etag: text("etag").map(str::to_owned),
            body,
        }
    }

    /// What GitHub says about it, made fit for one line: the message and the messages of its errors.
    pub(super) fn message(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Said {
            #[serde(default)]
            message: String,
            #[serde(default)]
            errors: serde_json::Value,
        }
        let Ok(said) = serde_json::from_slice::<Said>(&self.body) else {
            return self.status.to_string();
        };
        let mut all = said.message;
        for error in said.errors.as_array().into_iter().flatten() {
            let text = error
                .as_str()
                .or_else(|| error.get("message").and_then(|message| message.as_str()));
            if let Some(text) = text {
                all.push_str("; ");
                all.push_str(text);
            }
        }
        all.chars().take(300).flat_map(char::escape_debug).collect()
    }

    pub(super) fn refusal(&self, doing: String) -> Error {
        let message = self.message();
        match self.status.as_u16() {
            401 => Error::Unauthorised { doing },
            403 => Error::Forbidden { doing, message },
            404 | 410 => Error::NotFound { doing, message },
            405 => Error::NotAllowed { doing, message },
            409 => Error::Conflict { doing, message },
            status @ 500.. => Error::Server { doing, status },
            _ => Error::Unprocessable { doing, message },
        }
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_what_github_said_on_one_line() {
        let answer = Answer {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            body: r#"{"message":"Validation Failed","errors":[{"message":"no\ncommits"},"x",{"code":"custom"}]}"#.into(),
            ..Answer::default()
        };
        assert_eq!(
            answer.refusal("POST /x".into()).to_string(),
            "GitHub can't process `POST /x`: Validation Failed; no\\ncommits; x"
        );
    }

    #[test]
    fn i30_the_date_header_is_read() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap().to_string(),
            "1994-11-06T08:49:37.000Z"
        );
        assert_eq!(http_date("yesterday"), None);
    }
}
