//! Low tier: claimed on disk, run at once, recorded in the next group. INVARIANT i16.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::{Bot, NotNow, Status, execute::incident, status::of_row};
use crate::{
    domain::{
        case::Case,
        entry::{Digests, Draft, Event, Role, Unknown},
        gate::decide,
        ids::{Digest, ProposalId, Seq, Timestamp},
        observation::{Observation, Seen},
        policy::{Policy, Tier},
        proposal::Proposal,
        request::Checked,
        sealed::DataKey,
        warrant::{Warrant, plan},
    },
    execute::Tell,
    github,
    ledger::AppendError,
    service::problem::Problem,
    store::{ClaimError, Ended, Epoch, Row},
};

impl Bot {
    /// Runs a low-tier proposal now and has it recorded; `received` is what the ledger will hold of it. Where it stands then;
    /// nothing where this process did not run it, or could not keep its end.
    /// `counting` keeps others from counting the limits until it is claimed; `key` is that of its sealed values, `signature`
    /// the agent's, `epoch` was read before the rules are looked at here.
    pub(super) async fn run_low(
        &self,
        received: Draft,
        policy: &Policy,
        counting: Option<OwnedMutexGuard<()>>,
        (key, signature): (&DataKey, Option<&Checked>),
        epoch: Epoch,
    ) -> Result<Option<Status>, Problem> {
        self.ledger()
            .read(|book| book.admits(&received))
            .map_err(|illegal| Problem::conflict(illegal.to_string()))?;
        let Event::Received(body) = &received.event else {
            return Err(Problem::unavailable("not a received proposal"));
        };
        self.guarded().await?;
        if !self.executes() {
            self.takes_low(&body.proposal.proof)?;
            self.holds_still(policy).await?;
            self.keep_key(&body.proposal, key).await?;
            self.append(vec![received]).await.map_err(NotNow::into_problem)?;
            return Ok(None);
        }
        // The rules do not change between the claim and the act's end; what was claimed before is recorded before they do.
        // In this process a lock sees to that; in others, that nobody claims what was prepared before they were about to.
        let _same_rules = self.inner.rules.read().await;
        let shut = |error: String| Problem::unavailable(error);
        self.holds_still(policy).await?;
        let proposal = Arc::clone(&body.proposal);
        let case = Case::received(
            Arc::clone(&proposal),
            body.assessment.clone(),
            policy.digest(),
            Seq(0),
        );
        let seen = self.see_low(&proposal, Seen::Known(policy.digest())).await;
        let seen = seen.map_err(|error| Problem::unavailable(error.to_string()))?;
        let now = seen.at;
        let decision = decide(&case, &seen, policy);
        let because = decision.because().to_vec();
        let Some(open) = decision.open() else {
            let rules: Vec<&str> = because
                .iter()
                .filter(|one| one.standing > crate::domain::gate::Standing::Holds)
                .map(|one| one.rule.as_str())
                .collect();
            return Err(Problem::conflict(format!(
                "the gate is not open: {}",
                rules.join(", ")
            )));
        };
        let warrant =
            Warrant::unreviewed(open, Arc::clone(&proposal)).map_err(|error| shut(error.to_string()))?;
        let planned = plan(warrant, policy).map_err(|error| shut(error.to_string()))?;
        let started = planned.started(self.instance().clone(), now);
        self.keep_key(&proposal, key).await?;
        // Nothing that can fail stands between the claim and the act.
        let _acting = self.acting(proposal.id);
        let claim =
            self.store()
                .outbox()
                .claim(body, &started, epoch)
                .await
                .map_err(|error| match error {
                    ClaimError::Already(_) => Problem::conflict(error.to_string()),
                    other => shut(other.to_string()),
                })?;
        drop(counting);
        let claimed = planned
            .claim_low(claim.row(), self.instance(), now)
            .map_err(|error| shut(error.to_string()))?;
        // Recorded with its end: nothing is told on the way.
        let untold: &Tell<'_> = &|_| Box::pin(std::future::ready(()));
        let sealing = (!proposal.sealed.is_empty()).then_some(key);
        let ran = self
            .act(&case, policy, (sealing, signature), claimed, untold)
            .await;
        let ended = match self.ending(&case, key, &ran).await {
            Event::Unknown(unknown) => Some(Ended::Unknown(unknown)),
            Event::Finished(finished) => Some(Ended::Finished(finished)),
            _ => None,
        };
        // From here on it acted: whatever fails now, nobody is told that nothing was executed.
        let row = match ended {
            None => None,
            Some(ended) => match self.store().outbox().finish(claim, ended).await {
                Ok(row) => row,
                Err(error) => {
                    tracing::error!(proposal = %proposal.id, %error, "ran, and its end can't be kept; it becomes unknown");
                    return Ok(None);
                }
            },
        };
        let ran_to = row.as_ref().map(of_row);
        let bot = self.clone();
        self.recording().spawn(async move {
            if let Some(row) = row
                && let Err(error) = bot.record_row(&row).await
            {
                tracing::warn!(%error, "ran, not recorded yet; the sweep tries again");
            }
            let incidents: Vec<Draft> = ran
                .incidents()
                .iter()
                .map(|what| about(&case, what, now))
                .collect();
            if !incidents.is_empty()
                && let Err(error) = bot.append_surely(incidents).await
            {
                tracing::error!(proposal = %proposal.id, %error, "what could not be undone is not recorded");
            }
        });
        Ok(ran_to)
    }

    /// What there is to see of a low-tier proposal: nobody reviews it.
    /// `policy`: what the base branch holds now.
    pub(super) async fn see_low(
        &self,
        proposal: &Proposal,
        policy: Seen<Digest>,
    ) -> Result<Observation, github::Error> {
        let nothing = || "low tier has no pull request".to_owned();
        Ok(Observation {
            at: self.now(),
            me: self.github().me().await?.account(),
            policy,
            pull: Seen::unknown(nothing()),
            commits: Seen::unknown(nothing()),
            pushers: Seen::unknown(nothing()),
            reviews: Seen::unknown(nothing()),
            permissions: std::collections::BTreeMap::new(),
            memberships: std::collections::BTreeMap::new(),
            protection: Seen::unknown(nothing()),
            ledger: Seen::unknown(nothing()),
            app: self.github().app_id(),
            freeze: self.frozen(proposal),
            skew: self.skew().await,
        })
    }

    /// The outbox's row of a proposal that the ledger may not hold yet.
    pub(super) async fn row(&self, id: ProposalId) -> Option<Row> {
        self.store().outbox().row(id).await.ok().flatten()
    }

    /// Records a row that has an end, and lets it go once the remote ledger has it.
    async fn record_row(&self, row: &Row) -> Result<(), NotNow> {
        let Some(ended) = row.ended() else { return Ok(()) };
        let id = row.received().proposal.id;
        let known = self
            .ledger()
            .read(|book| book.case(id).is_some() || book.closed(id).is_some());
        if !known {
            match self.append(drafts(row, ended, self.now())).await {
                Ok(()) => {}
                // Another task or process was faster.
                Err(NotNow::Ledger(AppendError::Refused(_)))
                    if self.ledger().read(|book| book.closed(id).is_some()) => {}
                // One that the ledger will not have must not keep the others from it.
                Err(NotNow::Ledger(error @ AppendError::Refused(_))) => {
                    tracing::error!(proposal = %id, %error, "ran, and the ledger refuses to hold it");
                    metrics::counter!("countersign_unrecorded_total").increment(1);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.store().outbox().recorded(row.name()).await?)
    }

    /// What was claimed and is not acted on any more: without an end nobody can tell; with one it is recorded. What a
    /// process that is alive claimed is its own to record. INVARIANT i21.
    pub(super) async fn recover_low(&self) -> Result<(), NotNow> {
        for row in self.settled().await? {
            if row.started().instance == *self.instance() || self.is_gone(&row).await? {
                self.record_row(&row).await?;
            }
        }
        Ok(())
    }

    /// Goes on with low tier that was given up in mid-call, where its target acts once for one key. INVARIANT i21.
    pub(super) async fn resume_low(&self) -> Result<(), NotNow> {
        let given_up: Vec<ProposalId> = self.ledger().read(|book| {
            let cases = book.cases();
            let low = cases.filter(|(_, case)| case.tier() == Tier::Low && case.resumable());
            low.map(|(id, _)| *id).collect()
        });
        if given_up.is_empty() {
            return Ok(());
        }
        let policy = self.in_force().await?;
        let mut failed = None;
        for id in given_up {
            failed = self.execute_low(id, &policy).await.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Everything that was claimed under the rules in force is on the ledger before others are. INVARIANT i02.
    pub(super) async fn record_before_rules(&self) -> Result<(), NotNow> {
        for row in self.settled().await? {
            if row.ended().is_none() {
                return Err(NotNow::because(
                    "another process runs what was claimed under the rules in force; the new ones wait for its end",
                ));
            }
            self.record_row(&row).await?;
        }
        Ok(())
    }

    /// Every row, those without an end whose process is gone being unknown now.
    async fn settled(&self) -> Result<Vec<Row>, NotNow> {
        let outbox = self.store().outbox();
        for row in outbox.rows().await? {
            let instance = &row.started().instance;
            let goes_on = if instance == self.instance() {
                self.acts_on(row.received().proposal.id)
            } else {
                !self.is_gone(&row).await?
            };
            if row.ended().is_none() && !goes_on {
                let reason =
                    "the executor stopped after it had claimed and before it noted an end".to_owned();
                let unknown = Unknown {
                    instance: instance.clone(),
                    reason,
                    stopped: true,
                    steps: Vec::new(),
                    credentials: Vec::new(),
                };
                let ended = Ended::Unknown(unknown);
                outbox.end(row.name(), &ended).await.map_err(NotNow::internal)?;
            }
        }
        Ok(outbox.rows().await?)
    }

    async fn is_gone(&self, row: &Row) -> Result<bool, NotNow> {
        let (instances, instance) = (self.store().instances(), &row.started().instance);
        Ok(instance != self.instance()
            && instances
                .is_gone(instance, self.store().machine(), self.now())
                .await?)
    }
}

/// What could not be undone of a low-tier proposal.
fn about(case: &Case, what: &str, now: Timestamp) -> Draft {
    Draft::about(case, Role::Executor, Event::Incident(incident(what)), now)
}

/// The three entries of a low-tier proposal: received, started, and how it ended.
fn drafts(row: &Row, ended: &Ended, now: Timestamp) -> Vec<Draft> {
    let received = row.received();
    let proposal = &received.proposal;
    let draft = |role, time, digests, event| Draft {
        role,
        person: None,
        agent: (role == Role::Gate).then(|| proposal.binding.agent.clone()),
        time,
        proposal: Some(proposal.id),
        digests,
        event,
        grouped: true,
    };
    let of_action = Digests {
        action: Some(proposal.action_digest()),
        policy: row.digests().policy,
        ..Digests::default()
    };
    let end = match ended {
        Ended::Finished(finished) => Event::Finished(finished.clone()),
        Ended::Unknown(unknown) => Event::Unknown(unknown.clone()),
    };
    vec![
        draft(
            Role::Gate,
            proposal.created_at,
            of_action.clone(),
            Event::Received(received.clone()),
        ),
        draft(
            Role::Executor,
            row.at(),
            row.digests().clone(),
            Event::Started(row.started().clone()),
        ),
        draft(Role::Executor, now, of_action, end),
    ]
}
