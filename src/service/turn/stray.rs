//! Rules on the base branch that are not in force: nothing opens or runs, everybody is told why, alarm is given once.
//! INVARIANT i02.

use std::sync::PoisonError;

use super::{Bot, NotNow};
use crate::{
    domain::{
        entry::{Digests, Draft, Event, Incident, Role, Stray},
        ids::{AccountId, Digest, PullNumber},
        policy::compile,
    },
    github::PullBrief,
    ledger::Brought,
};

/// How many errors of rules that are none are told in one line.
const TOLD: usize = 3;

impl Bot {
    /// Looks at what brought the rules on the base branch there, unless they are the ones in force: a pull request may
    /// bring them into force, and anything else is told once.
    pub(super) async fn look_at_base(&self) -> Result<(), NotNow> {
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let in_force = |digest: Option<Digest>| self.ledger().read(|book| digest == Some(book.policy()));
        let brought = self.mirror().rules_brought(&base).await?;
        if in_force(brought.digest()) {
            self.note_stray(None);
            return Ok(());
        }
        let alarmed = || self.ledger().read(|book| book.amendments().alarmed(brought.sha));
        if alarmed() {
            return Ok(());
        }
        let pending: Vec<PullNumber> = self.ledger().read(|book| book.amendments().pending().collect());
        let lately = self.github().closed_lately(&base).await?;
        let mut merged: Vec<PullBrief> = lately.into_iter().filter(|pull| pull.merged).collect();
        for number in pending {
            if !merged.iter().any(|pull| pull.number == number) {
                let pull = self.github().pull(number).await?;
                merged.extend(Some(pull).filter(|pull| pull.merged));
            }
        }
        // Oldest first: each is decided by the rules that the one before it brought.
        merged.sort_by_key(|pull| pull.number);
        for pull in merged {
            let known = self.ledger().read(|book| book.by_pull(pull.number).is_some());
            if known {
                continue;
            }
            match self.amend(&pull, &[]).await {
                Err(error) if pull.merge == Some(brought.sha) => return Err(error),
                // It is not what brought these rules, and must not keep the alarm from being given.
                Err(error) => {
                    tracing::warn!(pull = %pull.number, %error, "a merged pull request could not be looked at")
                }
                Ok(_) => {}
            }
        }
        if in_force(brought.digest()) || alarmed() {
            return Ok(());
        }
        let what = format!(
            "{}; it came with commit {} and no approved pull request",
            self.tell_stray(&brought),
            brought.sha.short()
        );
        let stray = Stray {
            sha: brought.sha,
            policy: brought.digest(),
        };
        self.alarm(what, None, stray).await
    }

    /// Records and tells, once for a commit, that rules came around the gate.
    pub(super) async fn alarm(
        &self,
        what: String,
        account: Option<AccountId>,
        stray: Stray,
    ) -> Result<(), NotNow> {
        let sha = stray.sha;
        let alarmed = || self.ledger().read(|book| book.amendments().alarmed(sha));
        if alarmed() {
            return Ok(());
        }
        let policy = self.policy_known().await?;
        let draft = Draft {
            role: Role::Gate,
            person: super::look::person_behind(&policy, account),
            agent: None,
            time: self.now(),
            proposal: None,
            digests: Digests {
                policy: Some(policy.digest()),
                ..Digests::default()
            },
            event: Event::Incident(Incident {
                what: what.clone(),
                account,
                stray: Some(stray),
            }),
            grouped: false,
        };
        match self.append(vec![draft]).await {
            // Another task or replica was faster.
            Err(NotNow::Ledger(_)) if alarmed() => return Ok(()),
            done => done?,
        }
        metrics::counter!("countersign_stray_policies_total").increment(1);
        tracing::error!(commit = %sha, "{what}; nothing opens or runs until it is reverted or landed through the gate");
        Ok(())
    }

    fn tell_stray(&self, brought: &Brought) -> String {
        let active = self.ledger().read(|book| book.policy());
        let holds = match &brought.files {
            Err(why) => return format!("{why} on the base branch"),
            Ok(files) => compile(files),
        };
        let found = brought.digest().map_or_else(String::new, |digest| digest.short());
        let told = format!(
            "`policies/` on the base branch ({found}) is not the policy in force ({})",
            active.short()
        );
        match holds {
            Ok(_) => told,
            Err(errors) => {
                let first: Vec<String> = errors.iter().take(TOLD).map(ToString::to_string).collect();
                let more = errors.len().saturating_sub(TOLD);
                let more = if more == 0 {
                    String::new()
                } else {
                    format!(", and {more} more")
                };
                format!("{told} and has errors: {}{more}", first.join(", "))
            }
        }
    }

    /// Why nothing opens now, in full; kept so that every proposal's status can say it.
    pub(super) async fn why_stray(&self) -> String {
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let told = match self.mirror().rules_brought(&base).await {
            Ok(brought) => self.tell_stray(&brought),
            Err(error) => error.to_string(),
        };
        let told = format!(
            "{told}; nothing opens or runs until it is reverted on the base branch or landed through an approved pull \
             request"
        );
        self.note_stray(Some(told.clone()));
        told
    }

    pub(super) fn note_stray(&self, why: Option<String>) {
        *self.inner.stray.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why nothing opens, as far as this process saw.
    pub(super) fn stray(&self) -> Option<String> {
        self.inner
            .stray
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
