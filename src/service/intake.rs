//! The webhook door: proved, read, stored, answered. Everything else happens later. INVARIANT i24.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    problem::Problem,
    subject::Subject,
    turn::{Bot, NotNow},
};
use crate::{
    domain::ids::{BranchName, DeliveryId, RepoName},
    github::{self, Hint},
    store::StoreError,
};

/// GitHub's own cap on a webhook's body, in bytes. INVARIANT i24.
pub const WEBHOOK_LIMIT: usize = 25 * 1024 * 1024;

/// `POST /webhooks/github`
pub(super) async fn webhook(
    State(bot): State<Bot>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return Problem::body(&rejection, WEBHOOK_LIMIT).into_response(),
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if github::verify(bot.webhook_secret(), &body, text("x-hub-signature-256")).is_err() {
        metrics::counter!("countersign_webhooks_total", "result" => "refused").increment(1);
        return Problem::unauthorised(
            "x-hub-signature-256 does not hold for the body and the app's webhook secret",
        )
        .into_response();
    }
    let Some(event) = text("x-github-event") else {
        return Problem::unreadable("the header x-github-event is missing").into_response();
    };
    let delivery: Option<DeliveryId> = text("x-github-delivery").and_then(|id| id.parse().ok());
    let Some(delivery) = delivery else {
        return Problem::unreadable("the header x-github-delivery is missing or malformed").into_response();
    };
    let heard = match github::parse(event, delivery.clone(), &body) {
        Ok(hint) => bot.take_in(&delivery, &hint).await,
        Err(error) => {
            metrics::counter!("countersign_webhooks_total", "result" => "unreadable").increment(1);
            return Problem::unreadable(error.to_string()).into_response();
        }
    };
    match heard {
        Ok(heard) => {
            metrics::counter!("countersign_webhooks_total", "result" => heard).increment(1);
            StatusCode::ACCEPTED.into_response()
        }
        // Nobody is told that it was taken in: GitHub shows it as failed, and it can be delivered again.
        Err(error) => {
            metrics::counter!("countersign_webhooks_total", "result" => "not stored").increment(1);
            error.into_problem().into_response()
        }
    }
}

impl Bot {
    /// Stores what a webhook said: a reason to look again, never a verdict. Gives what became of it, for the counters.
    async fn take_in(&self, delivery: &DeliveryId, hint: &Hint) -> Result<&'static str, NotNow> {
        if !hint.repo().is_some_and(|repo| self.is_ours(repo)) {
            return Ok("of another repository");
        }
        let Some(subject) = self.subject_of(hint) else {
            return Ok("of nothing");
        };
        let stored = serde_json::to_string(hint).map_err(NotNow::internal)?;
        let inbox = self.store().inbox();
        let new = inbox
            .hear(&subject.to_string(), delivery, stored, self.now())
            .await?;
        Ok(if new { "accepted" } else { "doubled" })
    }

    /// What a hint has looked at.
    fn subject_of(&self, hint: &Hint) -> Option<Subject> {
        match hint {
            Hint::Review { pull, .. } | Hint::Comment { pull, .. } => Some(Subject::Pull(*pull)),
            Hint::Pull(event) => Some(Subject::Pull(event.pull)),
            Hint::Push { branch, .. } => self.moved(branch),
            Hint::CheckRerequested { .. } | Hint::Protection { .. } => Some(Subject::All),
            Hint::Nothing => None,
        }
    }

    /// A branch moved: the base may hold another policy, a proposal's branch must not move, and the ledger moves with
    /// every entry that this process itself records. INVARIANT i31.
    fn moved(&self, branch: &BranchName) -> Option<Subject> {
        self.ledger().read(|book| {
            if book.genesis().base == *branch {
                return Some(Subject::Base);
            }
            let mut opened = book.cases().filter_map(|(_, case)| case.opened.as_ref());
            let of_it = opened.find(|opened| opened.branch == *branch);
            of_it.map(|opened| Subject::Pull(opened.pull))
        })
    }

    /// GitHub takes a repository's name in any case, and so may the operator.
    fn is_ours(&self, repo: &RepoName) -> bool {
        let same = |ours: &RepoName| ours.as_str().eq_ignore_ascii_case(repo.as_str());
        self.ledger().read(|book| same(&book.genesis().repository))
    }

    /// Whether what comes in can be stored now: proved by storing something. Gives how much is due.
    pub(super) async fn stores(&self) -> Result<u64, StoreError> {
        self.store().instances().beat(self.instance(), self.now()).await?;
        self.depth().await
    }
}
