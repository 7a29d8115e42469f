//! What a target would do: asked with what is to be approved, before anybody is asked to approve it. Never right before the
//! act, which finds out for itself.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::Value;

use super::{
    http::{Client, Reply},
    inquiry::{About, place, repeats, sensitive_texts},
    observe::ObserveError,
};
use crate::domain::{
    canonical::canonical,
    checks::secrets,
    ids::{ProposalId, Timestamp},
    policy::{Action, BodyTemplate, HttpDryRun, ParamPath, Policy},
    proposal::DryRun,
    receive::ClearItem,
    source::is_visible,
};

/// The most bytes that what is kept of one answer may have in canonical form: 8 KiB.
const MAX_KEPT: usize = 8 * 1024;
/// The most characters of a refusal that its agent is told.
const EXCERPT: usize = 160;

/// Why nobody can be shown what a target would do; without it nothing opens. INVARIANT i10.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DryRunError {
    /// The target would not do it.
    #[error("`{host}` would refuse it: it answered {status} to a dry run{}", said(.excerpt.as_deref()))]
    Refused {
        /// The host.
        host: String,
        /// The status code.
        status: u16,
        /// The beginning of what it said, where that can be shown.
        excerpt: Option<String>,
    },
    /// Others take all that its target may be asked to do.
    #[error(
        "`{host}` is asked as much as `targets` in the catalog allows, and no room came in time for a dry run"
    )]
    NoRoom {
        /// The host.
        host: String,
    },
    /// A status that says nothing of what the target would do.
    #[error("`{host}` answered {status} to a dry run; 2xx is expected, or 4xx where it would refuse")]
    Status {
        /// The host.
        host: String,
        /// The status code.
        status: u16,
    },
    /// It could not be asked, or its answer can't be used.
    #[error("dry run: {0}")]
    Asked(#[from] ObserveError),
}

fn said(excerpt: Option<&str>) -> String {
    excerpt.map_or_else(String::new, |excerpt| format!(", and said `{excerpt}`"))
}

/// What a status says of what the target would do.
enum Would {
    Do,
    Refuse,
    Unknown,
}

/// 401, 403 and 407 are said to whoever asks, 405 and 415 of how, and 408, 425 and 429 of when.
fn would(status: StatusCode) -> Would {
    match status.as_u16() {
        200..=299 => Would::Do,
        401 | 403 | 405 | 407 | 408 | 415 | 425 | 429 => Would::Unknown,
        400..=499 => Would::Refuse,
        _ => Would::Unknown,
    }
}

/// Asks the target of one item what it would do; `None` when the action has no dry run.
pub async fn dry_run(
    client: &Client,
    policy: &Policy,
    action: &Action,
    proposal: ProposalId,
    item: &ClearItem,
    at: Timestamp,
) -> Result<Option<DryRun>, DryRunError> {
    let Some(declared) = action.dry_run() else {
        return Ok(None);
    };
    let about = About {
        request: declared.request(),
        proposal,
        item,
    };
    let _slot = match policy.bounds(&about.url()?) {
        Some((host, bounds)) => {
            let slot = client.rooms().slot(host, bounds, about.timeout()).await;
            let host = host.to_owned();
            Some(slot.ok_or(DryRunError::NoRoom { host })?)
        }
        None => None,
    };
    let reply = about.send(client).await?;
    let host = about.host().to_owned();
    let status = reply.status.as_u16();
    match would(reply.status) {
        Would::Do => {
            let said = kept(
                declared,
                &about,
                &reply,
                &sensitive_texts(action, &item.parameters),
            )?;
            Ok(Some(DryRun {
                item: item.id.clone(),
                at,
                status,
                said,
            }))
        }
        Would::Refuse => Err(DryRunError::Refused {
            host,
            status,
            excerpt: excerpt(action, &about, &reply),
        }),
        Would::Unknown => Err(DryRunError::Status { host, status }),
    }
}

/// What the catalog keeps of an answer; where that is nothing, the status says it all.
fn kept(
    declared: &HttpDryRun,
    about: &About<'_>,
    reply: &Reply,
    hidden: &[&str],
) -> Result<BTreeMap<String, Value>, ObserveError> {
    if declared.keep().is_empty() {
        return match &reply.body {
            Ok(_) => Ok(BTreeMap::new()),
            Err(error) => Err(about.unusable(error)),
        };
    }
    let answer = about.json(reply)?;
    let mut said = BTreeMap::new();
    for (name, at) in declared.keep() {
        let (name, value): (&String, _) = (name, place(&answer, at, name)?);
        if repeats(value, hidden) {
            return Err(ObserveError::Sensitive { at: name.clone() });
        }
        said.insert(name.clone(), value.clone());
    }
    if canonical(&said)?.len() > MAX_KEPT {
        return Err(about.unusable("what `keep` names is larger than 8 KiB; name smaller parts"));
    }
    Ok(said)
}

/// The beginning of a refusal. Nothing where the target was told a sealed value, which it may repeat in any form, or where
/// it says a secret: the agent's own pull request may be where the agent is told. INVARIANT i29.
fn excerpt(action: &Action, about: &About<'_>, reply: &Reply) -> Option<String> {
    let sent = about.request.body().map(BodyTemplate::params).unwrap_or_default();
    let told = |path: &ParamPath| {
        sent.iter()
            .any(|sent| sent.is_within(path) || path.is_within(sent))
    };
    if action.sensitive().iter().any(told) {
        return None;
    }
    let answer = about.json(reply).ok()?;
    if !secrets::refuse_observed(&answer).is_empty() {
        return None;
    }
    let text = answer.to_string();
    Some(
        text.chars()
            .filter(|c| is_visible(*c) && *c != '`')
            .take(EXCERPT)
            .collect(),
    )
}
