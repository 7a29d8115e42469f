//! Acting once for one key.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The `Idempotency-Key` it was asked with.
    pub key: String,
    /// The proposal it was asked for, as `Countersign-Proposal` says.
    pub proposal: Option<String>,
    /// What happened, in a line.
    pub what: String,
}

/// Status and JSON of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Reply {
    pub(super) fn refuse(status: StatusCode, why: impl Into<String>) -> Self {
        let why: String = why.into();
        Self {
            status,
            body: json!({ "error": why }),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) key: Option<String>,
    pub(super) proposal: Option<String>,
    pub(super) body: Value,
}

/// Remembers the answer to each key, so that a repetition has no second effect.
#[derive(Debug, Default)]
pub(super) struct Once {
    answered: BTreeMap<String, (Value, Reply)>,
    effects: Vec<Effect>,
    asked: BTreeMap<String, usize>,
}

impl Once {
    /// Acts, or repeats the answer that the key had before. `act` gives the answer and what happened, in a line.
    pub(super) fn act(
        &mut self,
        asked: &Asked,
        act: impl FnOnce() -> Result<(Value, String), Reply>,
    ) -> Reply {
        let Some(key) = &asked.key else {
            return Reply::refuse(StatusCode::BAD_REQUEST, "an `Idempotency-Key` is needed");
        };
        *self.asked.entry(key.clone()).or_default() += 1;
        if let Some((body, reply)) = self.answered.get(key) {
            return if *body == asked.body {
                reply.clone()
            } else {
                Reply::refuse(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "the key was used for another request",
                )
            };
        }
        let reply = match act() {
            Ok((body, what)) => {
                self.effects.push(Effect {
                    key: key.clone(),
                    proposal: asked.proposal.clone(),
                    what,
                });
                Reply {
                    status: StatusCode::CREATED,
                    body,
                }
            }
            Err(refused) => refused,
        };
        self.answered
            .insert(key.clone(), (asked.body.clone(), reply.clone()));
        reply
    }
    pub(super) fn effects(&self) -> &[Effect] {
        &self.effects
    }
    pub(super) const fn asked(&self) -> &BTreeMap<String, usize> {
        &self.asked
    }
}
