//! What a merge of other rules brings about: they come into force, or alarm is given.

use super::{Bot, NotNow};
use crate::{
    domain::{
        amendment::{Change, Decided},
        entry::{Digests, Draft, Enacted, Event, Role, Stray},
        ids::{AccountId, PullNumber},
        policy::Policy,
        verdict::named,
    },
    service::turn::look::person_behind,
};

impl Bot {
    /// Brings the new rules into force. What ran under the old ones is recorded first, and nothing is claimed meanwhile.
    pub(super) async fn land(
        &self,
        enacted: Enacted,
        by: Option<AccountId>,
        old: &Policy,
    ) -> Result<(), NotNow> {
        let (pull, from, to) = (enacted.pull, enacted.old, enacted.new);
        {
            let _nobody_claims = self.inner.rules.write().await;
            self.store().outbox().end_epoch().await?;
            self.record_before_rules().await?;
            self.append(vec![Draft {
                role: Role::Gate,
                person: person_behind(old, by),
                agent: None,
                time: self.now(),
                proposal: None,
                digests: Digests {
                    policy: Some(to),
                    ..Digests::default()
                },
                event: Event::Policy(enacted),
                grouped: false,
            }])
            .await?;
        }
        tracing::info!(%pull, from = %from.short(), to = %to.short(), "other rules are in force");
        self.policy_known().await?;
        self.note_stray(None);
        self.look_at_all().await?;
        let pending: Vec<PullNumber> = self.ledger().read(|book| book.amendments().pending().collect());
        self.look_again(pending).await?;
        if let Err(error) = self.unopened().await {
            tracing::warn!(%error, "received, not opened yet; the next sweep tries again");
        }
        Ok(())
    }

    pub(super) async fn alarm_about(
        &self,
        number: PullNumber,
        change: &Change,
        decided: &Decided,
        by: Option<AccountId>,
    ) -> Result<(), NotNow> {
        let active = self.ledger().read(|book| book.policy());
        let Some(landed) = change
            .landed
            .as_ref()
            .filter(|landed| landed.after != Some(active))
        else {
            return Ok(());
        };
        let what = format!(
            "pull request {number} changed the rules around the gate ({}); they are not in force",
            named(decided.against())
        );
        let stray = Stray {
            sha: landed.sha,
            policy: landed.after,
        };
        self.alarm(what, by, stray).await
    }
}
