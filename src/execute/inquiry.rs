//! A request by which the bot learns something before anybody is asked: how it is sent, and what of its answer can be used.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{
    http::{Client, Outgoing, Reply},
    observe::ObserveError,
    unseal::Clear,
};
use crate::domain::{
    ids::ProposalId,
    policy::{Action, Filling, HttpRequest, JsonPointer},
    receive::ClearItem,
    source::{SourceFile, read_value},
};

/// What is asked about one item.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) proposal: ProposalId,
    pub(super) item: &'a ClearItem,
}

impl About<'_> {
    pub(super) fn host(&self) -> &str {
        self.request.url().host()
    }

    /// The address.
    pub(super) fn url(&self) -> Result<Url, ObserveError> {
        Ok(self.request.url().fill(&self.item.parameters)?)
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.request.timeout().millis()).unwrap_or(0))
    }

    pub(super) fn unusable(&self, why: impl ToString) -> ObserveError {
        ObserveError::Answer {
            host: self.host().to_owned(),
            why: why.to_string(),
        }
    }

    /// Sends it, once.
    pub(super) async fn send(&self, client: &Client) -> Result<Reply, ObserveError> {
        let url = self.url()?;
        let id = self.proposal.to_string();
        let with = Filling {
            params: &self.item.parameters,
            proposal: &id,
            item: self.item.id.as_str(),
            key: "",
        };
        let body = match self.request.body() {
            Some(template) => Some(
                Clear::new(template.fill(with)?)
                    .to_bytes()
                    .map_err(|error| self.unusable(error))?,
            ),
            None => None,
        };
        let pass = self
            .request
            .auth()
            .map(|auth| client.wallet().for_observation(auth, &url))
            .transpose()?;
        let sent = client.send(Outgoing {
            method: self.request.method().as_str(),
            url: &url,
            body,
            proposal: self.proposal,
            idempotency: None,
            headers: &[],
            timeout: self.timeout(),
            allow_private: self.request.allow_private(),
            kept_connection: false,
            pass,
        });
        Ok(sent.await?)
    }

    /// The JSON of an answer.
    pub(super) fn json(&self, reply: &Reply) -> Result<Value, ObserveError> {
        if !reply.is_json() {
            return Err(self.unusable("its `Content-Type` is not `application/json`"));
        }
        let text = reply.body.as_ref().map_err(|error| self.unusable(error))?;
        let text = std::str::from_utf8(text).map_err(|_| self.unusable("it is not UTF-8"))?;
        Ok(read_value(&SourceFile::new("answer.json", text))?)
    }
}

/// What stands in a place of an answer that the catalog names.
pub(super) fn place<'a>(answer: &'a Value, at: &JsonPointer, field: &str) -> Result<&'a Value, ObserveError> {
    at.find(answer).ok_or_else(|| ObserveError::Missing {
        at: at.as_str().to_owned(),
        field: field.to_owned(),
    })
}

/// The sensitive texts of an item; those of three characters and fewer would be found everywhere.
pub(super) fn sensitive_texts<'a>(action: &Action, params: &'a Value) -> Vec<&'a str> {
    fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::String(text) if text.chars().count() > 3 => found.push(text),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(fields) => fields.values().for_each(|item| texts(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    for value in action.sensitive().iter().filter_map(|path| path.find(params)) {
        texts(value, &mut found);
    }
    found
}

/// Whether a value repeats a sensitive text, which must not come into Git. INVARIANT i29.
pub(super) fn repeats(value: &Value, hidden: &[&str]) -> bool {
    let holds = |text: &str| hidden.iter().any(|secret| text.contains(secret));
    match value {
        Value::String(text) => holds(text),
        Value::Array(items) => items.iter().any(|item| repeats(item, hidden)),
        Value::Object(fields) => fields
            .iter()
            .any(|(key, item)| holds(key) || repeats(item, hidden)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
