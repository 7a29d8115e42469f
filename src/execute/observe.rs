//! The connector: what the bot itself reads before anybody is asked, and again right before the act. INVARIANT i13.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    auth::AuthError,
    http::{Client, Reply, SendError},
    inquiry::{self, About, repeats, sensitive_texts},
};
use crate::domain::{
    canonical::{NotCanonical, canonical, digest_of},
    ids::ProposalId,
    policy::{Action, BodyError, HttpObserve, JsonPointer, UrlError},
    proposal::{Affected, ObservedFacts, Precondition},
    receive::ClearItem,
    source::SourceError,
};

/// The most bytes that `before` and `after` may have in canonical form: 64 KiB each.
const MAX_STATE: usize = 64 * 1024;
const MAX_SAMPLE: usize = 10;
const MAX_SAMPLE_BYTES: usize = 16 * 1024;
const MAX_DELTAS: usize = 50;
const MAX_TEXT: usize = 500;

/// Why the facts could not be read; without them nothing opens. INVARIANT i10.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// The request was not answered.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The target can't be shown what the catalog names.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The parameters make no URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The parameters make no body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Another status than 2xx.
    #[error("`{host}` answered {status} to the observation; 200 is expected")]
    Status {
        /// The host.
        host: String,
        /// The status code.
        status: u16,
    },
    /// An answer that is not JSON, broke off, or is too large.
    #[error("the answer of `{host}` can't be used: {why}")]
    Answer {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// JSON that is not read: duplicate keys, too deep.
    #[error("the answer is not JSON that can be used: {0}")]
    Source(#[from] SourceError),
    /// Floats, or integers beyond 2^53 - 1.
    #[error("the answer has no canonical form: {0}")]
    NotCanonical(#[from] NotCanonical),
    /// A place that the catalog names and the answer does not have.
    #[error("the answer has nothing at `{at}`, which the catalog names as `{field}`")]
    Missing {
        /// The pointer.
        at: String,
        /// The catalog's field.
        field: String,
    },
    /// A value that does not fit its field.
    #[error("the answer's `{at}` can't be `{field}`: {rule}")]
    Shape {
        /// The pointer.
        at: String,
        /// The catalog's field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The answer repeats a sensitive value, which must not come into Git. INVARIANT i29.
    #[error("the answer's `{at}` repeats a sensitive parameter; let the target mask it")]
    Sensitive {
        /// The catalog's field.
        at: String,
    },
}

/// Reads what the catalog's connector tells of one item; `None` when the action declares no connector.
pub async fn observe(
    client: &Client,
    action: &Action,
    proposal: ProposalId,
    item: &ClearItem,
) -> Result<Option<ObservedFacts>, ObserveError> {
    let Some(declared) = action.observe() else {
        return Ok(None);
    };
    let about = About {
        request: declared.request(),
        proposal,
        item,
    };
    let reply = about.send(client).await?;
    if !reply.status.is_success() {
        return Err(ObserveError::Status {
            host: about.host().to_owned(),
            status: reply.status.as_u16(),
        });
    }
    let answer = about.json(&reply)?;
    let facts = pick(declared, &reply, &answer)?;
    let hidden = sensitive_texts(action, &item.parameters);
    repeats_nothing(&facts, &hidden)?;
    Ok(Some(facts))
}

fn pick(declared: &HttpObserve, reply: &Reply, answer: &Value) -> Result<ObservedFacts, ObserveError> {
    let digest = digest_of(answer)?;
    let before = place(answer, declared.before(), "before")?
        .cloned()
        .unwrap_or(Value::Null);
    let after = place(answer, declared.after(), "after")?.cloned();
    for (state, at, field) in [
        (Some(&before), declared.before(), "before"),
        (after.as_ref(), declared.after(), "after"),
    ] {
        if let (Some(state), Some(at)) = (state, at)
            && canonical(state)?.len() > MAX_STATE
        {
            return Err(shape(
                at,
                field,
                "64 KiB at most; name a smaller part of the answer",
            ));
        }
    }
    let precondition = reply.etag().map_or(Precondition::Digest(digest), |tag| {
        Precondition::Etag(tag.to_owned())
    });
    Ok(ObservedFacts {
        connector: "http".into(),
        before,
        after,
        affected: affected(declared, answer)?,
        precondition: Some(precondition),
    })
}

fn affected(declared: &HttpObserve, answer: &Value) -> Result<Affected, ObserveError> {
    let places = declared.affected();
    let mut found = Affected::default();
    if let (Some(value), Some(at)) = (place(answer, places.count(), "count")?, places.count()) {
        found.count = Some(
            value
                .as_u64()
                .ok_or_else(|| shape(at, "count", "a whole number, not below 0"))?,
        );
    }
    if let (Some(value), Some(at)) = (place(answer, places.audience(), "audience")?, places.audience()) {
        let text = value.as_str().filter(|text| text.chars().count() <= MAX_TEXT);
        found.audience = Some(
            text.ok_or_else(|| shape(at, "audience", "a text of 500 characters at most"))?
                .to_owned(),
        );
    }
    if let (Some(value), Some(at)) = (place(answer, places.deltas(), "deltas")?, places.deltas()) {
        let rule = "up to 50 names, each with a whole number or a text of 500 characters at most";
        let fields = value.as_object().filter(|fields| fields.len() <= MAX_DELTAS);
        let fields = fields.ok_or_else(|| shape(at, "deltas", rule))?;
        let mut deltas = BTreeMap::new();
        for (name, delta) in fields {
            let short = |text: &str| text.chars().count() <= MAX_TEXT;
            if !short(name) || !(delta.is_i64() || delta.is_u64() || delta.as_str().is_some_and(short)) {
                return Err(shape(at, "deltas", rule));
            }
            deltas.insert(name.clone(), delta.clone());
        }
        found.deltas = deltas;
    }
    if let (Some(value), Some(at)) = (place(answer, places.sample(), "sample")?, places.sample()) {
        let sample = value.as_array().filter(|sample| sample.len() <= MAX_SAMPLE);
        let sample = sample.ok_or_else(|| shape(at, "sample", "a list of 10 records at most"))?;
        if canonical(sample)?.len() > MAX_SAMPLE_BYTES {
            return Err(shape(at, "sample", "16 KiB at most"));
        }
        found.sample.clone_from(sample);
    }
    Ok(found)
}

fn place<'a>(
    answer: &'a Value,
    at: Option<&JsonPointer>,
    field: &'static str,
) -> Result<Option<&'a Value>, ObserveError> {
    at.map(|at| inquiry::place(answer, at, field)).transpose()
}

fn shape(at: &JsonPointer, field: &'static str, rule: &'static str) -> ObserveError {
    ObserveError::Shape {
        at: at.as_str().to_owned(),
        field,
        rule,
    }
}

fn repeats_nothing(facts: &ObservedFacts, hidden: &[&str]) -> Result<(), ObserveError> {
    let audience = facts.affected.audience.clone().map(Value::String);
    let sample = Value::Array(facts.affected.sample.clone());
    let deltas = Value::Object(facts.affected.deltas.clone().into_iter().collect());
    let parts = [
        ("before", Some(&facts.before)),
        ("after", facts.after.as_ref()),
        ("audience", audience.as_ref()),
        ("sample", Some(&sample)),
        ("deltas", Some(&deltas)),
    ];
    match parts
        .iter()
        .find(|(_, part)| part.is_some_and(|part| repeats(part, hidden)))
    {
        Some((at, _)) => Err(ObserveError::Sensitive { at: (*at).to_owned() }),
        None => Ok(()),
    }
}
