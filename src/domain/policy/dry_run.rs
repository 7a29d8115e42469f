//! How a target is asked what it would do: the action's own call, with the target's own marker that nothing is to happen.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    action::Action,
    auth::RawReading,
    error::{Errors, Rule},
    http::{HttpExecute, JsonPointer, Method},
    request::{Before, HttpRequest, Kind},
};
use crate::domain::{
    ids::{ActionName, Span},
    source::{Fault, Node},
};

/// The most values of an answer that are kept.
const MAX_KEPT: usize = 20;
const MAX_NAME: usize = 40;
/// Where it stands in an action.
const AT: &str = "/dry_run/http";

const DRY_RUN: Kind<'_> = Kind {
    timeout: (10, 60),
    key: None,
    before: Some(Before {
        no_step: "a dry run is no step",
        no_credential: "nothing is approved when the bot asks what would happen; name a secret that can do no more than that",
    }),
};

/// How the bot asks a target what it would do, before it asks people.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpDryRun {
    request: HttpRequest,
    keep: BTreeMap<String, JsonPointer>,
}

impl HttpDryRun {
    /// The request that it makes; 10 s unless stated, 60 s at most.
    pub const fn request(&self) -> &HttpRequest {
        &self.request
    }
    /// What people are shown of the answer, and where the answer has it.
    pub const fn keep(&self) -> &BTreeMap<String, JsonPointer> {
        &self.keep
    }

    pub(super) fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let (_, http) = super::execute::connector(node, &["http"])?;
        let raw: RawDryRun = http.decode().map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        if raw.method == Method::Get {
            let message = "`GET` only reads; use `observe` for that, or the method of the action's own call";
            faults.push(Fault::new(http.mark_at("/method"), message));
        }
        check_names(http, &raw.keep, &mut faults);
        let request = HttpRequest::read(
            http,
            (raw.method, &raw.url, raw.timeout, raw.allow_private),
            &DRY_RUN,
            &mut faults,
        );
        match request {
            Some(request) if faults.is_empty() => Ok(Self {
                request,
                keep: raw.keep,
            }),
            Some(_) | None => Err(faults),
        }
    }

    /// Whether only what an agent sends could tell it from an act, if anything does: then it would act.
    fn is_like(&self, act: &HttpExecute) -> bool {
        !self.request.is_told_from(act.request())
    }
}

fn check_names(http: &Node, keep: &BTreeMap<String, JsonPointer>, faults: &mut Vec<Fault>) {
    if keep.len() > MAX_KEPT {
        let message = format!("{MAX_KEPT} values at most are kept; name those that an approver needs");
        faults.push(Fault::new(http.mark_at("/keep"), message));
    }
    let well = |name: &str| {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.len() <= MAX_NAME && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(good)
    };
    for (key, _) in http.get("keep").map(Node::entries).unwrap_or_default() {
        if !well(key.text()) {
            let message = format!(
                "`{}` is not a name; use small letters, digits and `_`, {MAX_NAME} at most",
                key.text().escape_debug()
            );
            faults.push(Fault::new(key.mark(), message));
        }
    }
}

/// Finds dry runs that would act, by their own action's calls or another's, and such as have no call to be the dry run of.
pub(super) fn misfits(list: &Node, actions: &BTreeMap<ActionName, Action>, errors: &mut Errors) {
    let acts: Vec<(&ActionName, &HttpExecute)> = actions
        .iter()
        .flat_map(|(name, action)| {
            let placed = action.execute.connectors();
            placed
                .into_iter()
                .filter_map(move |placed| Some((name, placed.connector.http()?)))
        })
        .collect();
    for (name, action) in actions {
        let Some(dry_run) = &action.dry_run else { continue };
        let Some(node) = list.get(name.as_str()) else {
            continue;
        };
        if !acts.iter().any(|(of, _)| *of == name) {
            let message = "`dry_run` asks what an `http` call of the action would do, and `execute` has none; remove it, or \
                           read with `observe` what is affected";
            errors.add(Rule::Connector, node.mark_at("/dry_run"), message);
        }
        if let Some((of, _)) = acts.iter().find(|(_, act)| dry_run.is_like(act)) {
            let message = format!(
                "nothing tells this from what `{of}` does, so it would act before anybody approved; add the target's own \
                 marker as the catalog's own text, as in `?dry_run=true` or `validate_only: true`"
            );
            errors.add(Rule::Connector, node.mark_at(AT), message);
        }
    }
}

/// How the bot asks the target what it would do.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DryRunning {
    /// The action's own call, with the target's own marker that nothing is to happen.
    #[serde(rename = "http")]
    _http: RawDryRun,
}

/// The action's own call, with the target's own marker that nothing is to happen.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawDryRun {
    /// `POST` unless stated; `PUT`, `PATCH` or `DELETE`.
    #[serde(default = "post")]
    method: Method,
    /// Where to ask, as in `https://bank.example/payments?dry_run=true`; `{parameter}` is filled in, in the path and the
    /// query only.
    url: String,
    /// A JSON tree; a leaf that is exactly `${params.x}` is replaced by the whole value.
    #[serde(rename = "body")]
    #[schemars(with = "Option<serde_json::Value>")]
    _body: Option<serde::de::IgnoredAny>,
    /// What approvers are shown of the answer: names, and where the answer has it (JSON pointers); 20 at most.
    #[serde(default)]
    keep: BTreeMap<String, JsonPointer>,
    /// How long to wait; 10s unless stated, 60s at most.
    timeout: Option<Span>,
    /// Whether a private address may be called.
    #[serde(default)]
    allow_private: bool,
    /// What the target is shown, so that it lets the request in.
    #[serde(rename = "auth")]
    #[schemars(with = "Option<RawReading>")]
    _auth: Option<serde::de::IgnoredAny>,
}

const fn post() -> Method {
    Method::Post
}
