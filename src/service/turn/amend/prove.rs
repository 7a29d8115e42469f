//! How the rules in force came about, proved by an executor apart: every change of them since the genesis was merged, and
//! people whom the rules before it and those that it brought let approve it did so, as GitHub itself shows. What the gate
//! recorded says only where to look. INVARIANT i02, i06.

use std::sync::Arc;

use super::{Asked, Bot, NotNow};
use crate::{
    domain::{
        case::RecordedReview,
        entry::{Digests, Draft, Event, Incident, Role},
        gate::Verdict,
        ids::{Digest, PullNumber},
        observation::ReviewState,
        policy::{Policy, compile},
        verdict::named,
    },
    service::turn::record::Heard,
    store::{Proven, ProvenRules},
};

/// A change of the rules that was not approved as the gate says, in words for people.
pub(in crate::service::turn) type Disproved = String;

impl Bot {
    /// Whether the rules in force came about as they have to. Errors inside: what did not.
    pub(in crate::service::turn) async fn prove_rules(&self) -> Result<Result<(), Disproved>, NotNow> {
        let (genesis, first, active, changes) = self.ledger().read(|book| {
            let changes: Vec<(PullNumber, Digest)> = book.amendments().enacted().collect();
            (
                book.genesis_digest(),
                book.genesis().policy,
                book.policy(),
                changes,
            )
        });
        if self.inner.parts.settings.trusted_policy() == Some(active) {
            return Ok(Ok(()));
        }
        let file = ProvenRules::in_dir(self.inner.parts.settings.data_dir());
        let known = *self.inner.apart.proven();
        let before = match known {
            Some(known) => Some(known),
            None => file.read()?.filter(|proven| proven.genesis == genesis),
        };
        let mut proven = before.unwrap_or(Proven {
            genesis,
            changes: 0,
            policy: first,
        });
        *self.inner.apart.proven() = Some(proven);
        let reached = match proven.changes.checked_sub(1) {
            None => Some(first),
            Some(last) => changes.get(last).map(|(_, policy)| *policy),
        };
        if reached != Some(proven.policy) {
            return Ok(Err(
                "the ledger does not tell of the rules that were proved before".to_owned(),
            ));
        }
        for (pull, policy) in changes.iter().skip(proven.changes) {
            if let Err(why) = self.prove_change(*pull, proven.policy, *policy).await? {
                return Ok(Err(why));
            }
            proven.changes = proven.changes.saturating_add(1);
            proven.policy = *policy;
            file.keep(proven)?;
            *self.inner.apart.proven() = Some(proven);
            tracing::info!(%pull, policy = %policy.short(), "people approved these rules");
        }
        Ok(Ok(()))
    }

    async fn prove_change(
        &self,
        number: PullNumber,
        from: Digest,
        to: Digest,
    ) -> Result<Result<(), Disproved>, NotNow> {
        let not = |why: &str| -> Result<(), Disproved> {
            Err(format!(
                "the rules {} are said to have come into force with pull request {number}, and {why}",
                to.short()
            ))
        };
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let pull = match self.github().pull(number).await {
            Ok(pull) => pull,
            Err(crate::github::Error::NotFound { .. }) => return Ok(not("there is no such pull request")),
            Err(error) => return Err(error.into()),
        };
        if !pull.merged {
            return Ok(not("it is not merged"));
        }
        let merge = match pull.merge {
            Some(merge) => Some(merge),
            None => self.mirror().merge_of(&base, pull.head).await?,
        };
        let Some(read) = self.mirror().change(&base, number, merge).await? else {
            return Err(NotNow::because(
                "the pull request's head is not in the repository yet",
            ));
        };
        let new = match read.files.as_deref().map(compile) {
            Ok(Ok(policy)) if policy.digest() == to => policy,
            Ok(Ok(_) | Err(_)) | Err(_) => return Ok(not("its head holds others")),
        };
        let old = self.policy_of(from).await?;
        let delegations = self.ledger().read(|book| book.delegations().clone());
        let asked = Asked {
            old: &old,
            new: Some(&new),
            change: &read.change,
            base: &base,
            home: pull.same_repo && pull.head_ref.is_some(),
            delegations: &delegations,
        };
        let branch = pull.head_ref.as_ref().unwrap_or(&base);
        let seeing = self.see_amendment(number, &asked, branch).await?;
        let moved = self.github().head_changed_at(branch).await?;
        let digests = Digests {
            policy: Some(from),
            ..Digests::default()
        };
        let live = seeing.observation().reviews.known();
        let reviews: Vec<RecordedReview> = live
            .into_iter()
            .flatten()
            .filter(|review| review.state != ReviewState::Commented)
            .map(|review| RecordedReview {
                at: review.submitted_at,
                digests: digests.clone(),
                review: Heard::found_on_rules(review, seeing.pull(), moved).into_review(),
            })
            .collect();
        let approvals = reviews.iter().map(|recorded| recorded.at);
        let delegations = self.delegations_proved(&delegations, approvals, &old).await?;
        let asked = Asked {
            delegations: &delegations,
            ..asked
        };
        let decided = asked.decide(&reviews, &seeing);
        if decided.enacted(seeing.observation()).is_some() {
            return Ok(Ok(()));
        }
        let rules = named(decided.against());
        match decided.verdict() {
            Verdict::Errored => Err(NotNow::Other(format!(
                "whether people approved the rules in force can't be read: {rules}"
            ))),
            Verdict::Open | Verdict::Waiting | Verdict::Blocked => Ok(not(&format!(
                "GitHub does not show that people approved it: {rules}"
            ))),
        }
    }

    async fn policy_of(&self, digest: Digest) -> Result<Arc<Policy>, NotNow> {
        if let Some(known) = self.known().filter(|known| known.digest() == digest) {
            return Ok(known);
        }
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let files = self.mirror().policy_of_digest(&base, digest).await?;
        let files = files
            .ok_or_else(|| NotNow::because("rules that were in force are nowhere on the base branch"))?;
        compile(&files)
            .map(Arc::new)
            .map_err(|errors| NotNow::Other(format!("{} errors in rules that were in force", errors.len())))
    }

    /// Records, once for each process, that the rules in force are not trusted.
    pub(in crate::service::turn) async fn tell_disproved(&self, why: &str) -> Result<(), NotNow> {
        let what = format!("{why}; the executor carries nothing out under them");
        tracing::error!("{what}");
        if !self.inner.apart.is_new(&what) {
            return Ok(());
        }
        self.append(vec![Draft {
            role: Role::Executor,
            person: None,
            agent: None,
            time: self.now(),
            proposal: None,
            digests: Digests::default(),
            event: Event::Incident(Incident {
                what,
                account: None,
                stray: None,
            }),
            grouped: false,
        }])
        .await
    }
}
