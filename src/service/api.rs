//! The agents' door: propose, ask, wait.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{
        OriginalUri, Path, Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    problem::Problem,
    turn::{Bot, Status, View},
};
use crate::domain::{
    entry::Via,
    ids::{IdempotencyKey, ProposalId},
    receive::FieldError,
    request::Request,
    source::{SourceFile, read_yaml},
};

/// The largest proposal an agent may send, in bytes.
pub(super) const PROPOSAL_LIMIT: usize = 1024 * 1024;

/// The longest a client may wait in one request, in seconds.
const MOST_WAIT: u64 = 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProposeQuery {
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusQuery {
    #[serde(default)]
    wait: u64,
}

/// `POST /api/v1/proposals[?dry_run=true]`
pub(super) async fn propose(
    State(bot): State<Bot>,
    OriginalUri(uri): OriginalUri,
    query: Result<Query<ProposeQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let body = body.map_err(|rejection| Problem::body(&rejection, PROPOSAL_LIMIT))?;
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let caller = bot.admit(&headers, "POST", path, &body).await?;
    let request = read_request(&headers, &body)?;
    if query.dry_run {
        let preview = bot.preview(request, &caller.agent, caller.attestation).await?;
        return Ok(Json(preview).into_response());
    }
    let work = {
        let bot = bot.clone();
        let agent = caller.agent.clone();
        // On a task of its own: a client that hangs up does not leave a proposal half done.
        tokio::spawn(async move { bot.receive(request, &agent, caller.attestation, Via::Api).await })
    };
    let receipt = work
        .await
        .map_err(|_| Problem::unavailable("the proposal was not finished; ask again"))??;
    let status = match receipt.ran {
        Some(status) => status,
        None => bot.status(receipt.id, &View::Agent(&caller.agent)).await?,
    };
    let code = match (receipt.repeated, status.ended) {
        (true, _) => StatusCode::OK,
        (false, true) => StatusCode::CREATED,
        (false, false) => StatusCode::ACCEPTED,
    };
    let location = format!("/api/v1/proposals/{}", receipt.id);
    Ok((code, [(header::LOCATION, location)], Json(status)).into_response())
}

/// `GET /api/v1/proposals/{id}[?wait=30]`
pub(super) async fn status(
    State(bot): State<Bot>,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<String>,
    query: Result<Query<StatusQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Status>, Problem> {
    let Query(query) = query?;
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let caller = bot.admit(&headers, "GET", path, b"").await?;
    let id: ProposalId = id
        .parse()
        .map_err(|error: crate::domain::ids::IdError| Problem::not_found(error.to_string()))?;
    let view = View::Agent(&caller.agent);
    let mut changes = bot.changes();
    let first = bot.status(id, &view).await?;
    if first.ended || query.wait == 0 {
        return Ok(Json(first));
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(query.wait.min(MOST_WAIT));
    loop {
        let status = bot.status(id, &view).await?;
        let moved = (status.state, status.gate) != (first.state, first.gate);
        if moved || tokio::time::timeout_at(until, changes.changed()).await.is_err() {
            return Ok(Json(status));
        }
    }
}

/// `GET /api/v1/proposals/{id}/result`
pub(super) async fn result(
    State(bot): State<Bot>,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let caller = bot.admit(&headers, "GET", path, b"").await?;
    let id: ProposalId = id
        .parse()
        .map_err(|error: crate::domain::ids::IdError| Problem::not_found(error.to_string()))?;
    let result = bot.result(id, &View::Agent(&caller.agent)).await?;
    // Nobody on the way keeps what can be erased here.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(result)).into_response())
}

/// JSON or YAML, by strict reading; an `Idempotency-Key` header names the key when the body does not.
fn read_request(headers: &HeaderMap, body: &[u8]) -> Result<Request, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Problem::unreadable(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let file = SourceFile::new(if json { "proposal.json" } else { "proposal.yaml" }, text);
    let mut request: Request = read_yaml(&file).map_err(|error| Problem::unfit(&error))?;
    if let Some(header) = headers.get("idempotency-key") {
        let wrong = |message: String| Problem::fields(vec![FieldError::new("Idempotency-Key", message)]);
        let key: IdempotencyKey = header
            .to_str()
            .map_err(|error| wrong(error.to_string()))?
            .parse()
            .map_err(|error: crate::domain::ids::IdError| wrong(error.to_string()))?;
        match &request.idempotency_key {
            Some(named) if *named != key => {
                return Err(wrong("differs from `idempotency_key` in the body".into()));
            }
            Some(_) => {}
            None => request.idempotency_key = Some(key),
        }
    }
    Ok(request)
}
