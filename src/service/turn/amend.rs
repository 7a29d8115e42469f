//! A person's pull request that changes the rules: looked at, decided by the old and the new rules, shown, and brought
//! into force when it was merged through the gate. INVARIANT i02.

mod brings;
mod land;
mod past;
mod prove;
mod reviews;
mod show;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use super::{Bot, NotNow, Told, look::logins};
use crate::{
    domain::{
        amendment::{self, Amendment, Change, Decided, decide, teams},
        case::RecordedReview,
        delegation::Delegations,
        gate::Verdict,
        ids::{BranchName, PullNumber},
        observation::PullState,
        policy::{Owner, Policy},
        publish::Effect,
    },
    github::{Applied, Ask, PullBrief, Seeing, Texts},
    ledger::ChangeRead,
};
pub(super) use brings::Brings;
use show::Shown;

impl Bot {
    /// Looks at a pull request that may change the rules; says whether it does.
    pub(super) async fn amend(&self, pull: &PullBrief, told: &[Told]) -> Result<bool, NotNow> {
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let me = self.github().me().await?.account();
        let looked_at = pull.base_ref.as_ref() == Some(&base)
            && pull.author != Some(me)
            && (pull.open || pull.merged)
            && !self.is_beside(pull);
        if !looked_at {
            return Ok(false);
        }
        // One at a time: what one of them brings into force is what the next one is decided by.
        let _alone = self.inner.amending.lock().await;
        let merge = match (pull.merge, pull.merged) {
            (None, true) => self.mirror().merge_of(&base, pull.head).await?,
            (merge, _) => merge,
        };
        let Some(read) = self.mirror().change(&base, pull.number, merge).await? else {
            return Err(NotNow::because(
                "the pull request's head is not in the repository yet",
            ));
        };
        if read.change.head != pull.head {
            return Err(NotNow::because("the pull request moved while it was read"));
        }
        if !read.change.touches_rules() {
            self.note_beside(pull);
            return Ok(false);
        }
        self.amend_rules(pull, &base, read, told).await?;
        Ok(true)
    }

    async fn amend_rules(
        &self,
        pull: &PullBrief,
        base: &BranchName,
        read: ChangeRead,
        told: &[Told],
    ) -> Result<(), NotNow> {
        let number = pull.number;
        if self
            .ledger()
            .read(|book| book.amendments().brought_by(number))
            .is_some()
        {
            let says = "The new rules came into force with this pull request.";
            return self.show_fact(pull, &read.change, "In force", says).await;
        }
        let active = self.ledger().read(|book| book.policy());
        if read.change.restores(active) {
            let says =
                "It puts the rules in force back. That changes no rule, and needs no approval by them.";
            return self
                .show_fact(pull, &read.change, "Restores the rules in force", says)
                .await;
        }
        if let Some(landed) = &read.change.landed
            && landed.before != Some(active)
            && self.mirror().rules_brought(base).await?.sha != landed.sha
        {
            // Of another time: what it brought is not what the base branch holds.
            return Ok(());
        }
        let old = self.policy_known().await?;
        let (change, brings) = self.brings(read).await?;
        let new = brings.policy.as_deref();
        let delegations = self.ledger().read(|book| book.delegations().clone());
        let asked = Asked {
            old: &old,
            new,
            change: &change,
            base,
            home: pull.same_repo && pull.head_ref.is_some(),
            delegations: &delegations,
        };
        let branch = pull.head_ref.as_ref().unwrap_or(base);
        let seeing = self.see_amendment(number, &asked, branch).await?;
        self.record_amendment_reviews(number, &asked, &seeing, branch, told)
            .await?;
        let decided = self.decide_amendment(number, &asked, &seeing);
        let shown = Shown {
            brings: &brings,
            replayed: match &brings.policy {
                Some(new) => Some(self.replayed(&old, new).await?),
                None => None,
            },
        };
        match seeing.pull().state {
            PullState::Merged { by, .. } => {
                if let Some(enacted) = decided.enacted(seeing.observation()) {
                    self.land(enacted, by, &old).await?;
                } else if decided.verdict() == Verdict::Errored {
                    self.show_amendment(&asked, &shown, &seeing, &decided, None)
                        .await?;
                    return Err(NotNow::because(
                        "something about a merged change of the rules can't be read; it is looked at again",
                    ));
                } else {
                    self.alarm_about(number, &change, &decided, by).await?;
                }
            }
            PullState::Open | PullState::Closed => {}
        }
        let effect = decided.to_merge().map(Effect::Merge);
        self.show_amendment(&asked, &shown, &seeing, &decided, effect)
            .await?;
        self.ask_owners(&asked, &seeing, &decided).await
    }

    /// One consistent observation of a pull request that changes the rules.
    async fn see_amendment(
        &self,
        number: PullNumber,
        asked: &Asked<'_>,
        branch: &BranchName,
    ) -> Result<Seeing, NotNow> {
        let (old, new) = (asked.old, asked.new);
        let accounts = [Some(old), new].into_iter().flatten();
        let accounts = accounts
            .flat_map(Policy::people)
            .flat_map(|person| person.accounts());
        let ask = Ask {
            branch: branch.clone(),
            base: asked.base.clone(),
            ledger: self.ledger().read(|book| book.genesis().ledger.clone()),
            watcher: self.watcher().cloned(),
            organization: old.owners().organization().map(str::to_owned),
            teams: teams(&asked.change.paths, old, new).into_iter().collect(),
            accounts: Some(accounts.map(|account| account.id()).collect()),
            also: BTreeMap::new(),
            now: self.now(),
        };
        let seeing = self.github().observe(number, &ask).await?;
        let seeing = seeing
            .with_policy(self.policy_on_base().await)
            .with_skew(self.skew().await);
        if seeing.pull().head != asked.change.head {
            return Err(NotNow::because("the pull request moved while it was looked at"));
        }
        Ok(seeing)
    }

    /// Asks the owners of what changes for a review, once for each head.
    async fn ask_owners(&self, asked: &Asked<'_>, seeing: &Seeing, decided: &Decided) -> Result<(), NotNow> {
        let pull = seeing.pull();
        if pull.state != PullState::Open || decided.verdict() == Verdict::Open {
            return Ok(());
        }
        let owners = amendment::asked(&asked.with(&[], seeing), decided);
        let unasked: BTreeSet<Owner> = seeing.unasked_on_head(&owners).into_keys().collect();
        if unasked.is_empty() {
            return Ok(());
        }
        let mut known = asked.new.map(logins).unwrap_or_default();
        known.extend(logins(asked.old));
        let ask = Effect::Ask(unasked);
        let applied = self
            .publishing()
            .await?
            .apply(pull.number, &ask, &Texts::default(), &known)
            .await?;
        if let Applied::LeftOut(owners) = applied {
            let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
            tracing::warn!(pull = %pull.number, ?owners, "GitHub would not ask these for a review of the rules");
        }
        Ok(())
    }

    fn decide_amendment(&self, number: PullNumber, asked: &Asked<'_>, seeing: &Seeing) -> Decided {
        let reviews: Vec<RecordedReview> = self
            .ledger()
            .read(|book| book.amendments().reviews(number).to_vec());
        asked.decide(&reviews, seeing)
    }

    /// Whether a pull request was found to leave the rules alone, at this head.
    fn is_beside(&self, pull: &PullBrief) -> bool {
        let beside = self.inner.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.get(&pull.number) == Some(&(pull.head, pull.merged))
    }

    fn note_beside(&self, pull: &PullBrief) {
        let mut beside = self.inner.beside.lock().unwrap_or_else(PoisonError::into_inner);
        if beside.len() >= MOST_BESIDE {
            beside.clear();
        }
        beside.insert(pull.number, (pull.head, pull.merged));
    }
}

/// Pull requests that are remembered to leave the rules alone; what is forgotten is read again.
const MOST_BESIDE: usize = 10_000;

/// What is decided on, without what GitHub shows.
#[derive(Clone, Copy)]
struct Asked<'a> {
    old: &'a Policy,
    new: Option<&'a Policy>,
    change: &'a Change,
    base: &'a BranchName,
    home: bool,
    delegations: &'a Delegations,
}

impl Asked<'_> {
    fn decide(&self, reviews: &[RecordedReview], seeing: &Seeing) -> Decided {
        decide(&self.with(reviews, seeing))
    }

    fn with<'s>(&'s self, reviews: &'s [RecordedReview], seeing: &'s Seeing) -> Amendment<'s> {
        Amendment {
            old: self.old,
            new: self.new,
            change: self.change,
            reviews,
            seen: seeing.observation(),
            base: self.base,
            home: self.home,
            delegations: self.delegations,
        }
    }
}
