//! Reviews become entries when they are heard of, with the head and text they were made on. INVARIANT i06.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bot, NotNow, Told, look::person_behind};
use crate::{
    domain::{
        case::{Case, Life, RecordedReview},
        entry::{Assurance, Draft, Edited, EditedPart, Event, Found, Opened, Reviewed, Role},
        gate::{Rule, decide, teams},
        ids::{AccountId, Digest, Login, ProposalId, PullNumber, Sha, TeamName, Timestamp},
        observation::{LiveReview, Pull, ReviewState},
        policy::{Person, Policy},
        proposal::branch_of,
    },
    github::{Ask, ReviewEvent, Seeing},
};

impl Bot {
    /// One consistent observation of a case's pull request.
    pub(super) async fn see_case(
        &self,
        case: &Case,
        policy: &Policy,
        pull: PullNumber,
    ) -> Result<Seeing, NotNow> {
        self.see_with(case, policy, pull, None).await
    }

    /// The same, with what somebody may do who is about to be heard. INVARIANT i09.
    pub(super) async fn see_with(
        &self,
        case: &Case,
        policy: &Policy,
        pull: PullNumber,
        also: Option<AccountId>,
    ) -> Result<Seeing, NotNow> {
        let granters = case
            .exceptions
            .iter()
            .map(|recorded| recorded.exception.heard.account);
        let known = |account| {
            let person = policy.person_of(account)?;
            let account = person.accounts().iter().find(|known| known.id() == account)?;
            Some((account.id(), account.login().clone()))
        };
        let also = granters.chain(also).filter_map(known).collect();
        let teams = teams(case, policy).into_iter().collect();
        let seeing = self.see(case.proposal.id, teams, also, policy, pull).await?;
        Ok(seeing.with_freeze(self.frozen(&case.proposal)))
    }

    /// One consistent observation of a proposal's pull request.
    pub(super) async fn see(
        &self,
        id: ProposalId,
        teams: Vec<TeamName>,
        also: BTreeMap<AccountId, Login>,
        policy: &Policy,
        pull: PullNumber,
    ) -> Result<Seeing, NotNow> {
        let branch = branch_of(id).parse().map_err(NotNow::internal)?;
        let accounts = policy
            .people()
            .flat_map(|person| person.accounts())
            .map(|account| account.id())
            .collect();
        let ask = Ask {
            branch,
            base: self.ledger().read(|book| book.genesis().base.clone()),
            ledger: self.ledger().read(|book| book.genesis().ledger.clone()),
            watcher: self.watcher().cloned(),
            organization: policy.owners().organization().map(str::to_owned),
            teams,
            accounts: Some(accounts),
            also,
            now: self.now(),
        };
        let seeing = self.github().observe(pull, &ask).await?;
        self.confirmed(&seeing).await?;
        Ok(seeing
            .with_policy(self.policy_on_base().await)
            .with_skew(self.skew().await))
    }

    /// Accounts other than the bot's own.
    pub(super) async fn foreign(
        &self,
        accounts: impl Iterator<Item = AccountId>,
    ) -> Result<impl Iterator<Item = AccountId>, NotNow> {
        let me = self.github().me().await?.account();
        Ok(accounts.filter(move |account| *account != me))
    }

    /// Records whoever edited a proposal's pull request, before anything else that they said is heard. What is known of
    /// them already is not recorded again. INVARIANT i08.
    pub(super) async fn record_edits(
        &self,
        id: ProposalId,
        policy: &Policy,
        told: &[Told],
    ) -> Result<(), NotNow> {
        let may = |case: &Case| matches!(case.life, Life::Open | Life::Merged);
        let Some(case) = self.case(id).filter(may) else {
            return Ok(());
        };
        let mut drafts = Vec::new();
        let mut known: BTreeMap<AccountId, BTreeSet<EditedPart>> = case.edited.clone();
        for event in told.iter().filter_map(Told::edit) {
            let Some(account) = self.foreign(event.sender.into_iter()).await?.next() else {
                continue;
            };
            if known
                .get(&account)
                .is_some_and(|parts| parts.is_superset(&event.edited))
            {
                continue;
            }
            known.entry(account).or_default().extend(&event.edited);
            let edited = Edited {
                account,
                parts: event.edited.clone(),
                delivery: event.delivery.clone(),
            };
            drafts.push(Draft {
                person: person_behind(policy, Some(account)),
                ..Draft::about(&case, Role::Gate, Event::Edited(edited), self.now())
            });
        }
        if drafts.is_empty() {
            Ok(())
        } else {
            self.append(drafts).await
        }
    }

    /// Records what webhooks told of, then what a look found that no webhook told of.
    pub(super) async fn record_reviews(
        &self,
        case: &Case,
        policy: &Policy,
        seeing: &Seeing,
        told: &[Told],
    ) -> Result<(), NotNow> {
        let (Some(opened), Life::Open) = (&case.opened, case.life) else {
            // Whatever is said later is seen live, and needs no record to count against the act.
            return Ok(());
        };
        let (opened, mut case) = (opened.clone(), case.clone());
        let pull = seeing.pull();
        let mut drafts = Vec::new();
        for event in told.iter().filter_map(Told::review) {
            drafts.extend(self.review_draft(&mut case, policy, seeing, Heard::told(event, &opened)));
        }
        let live = seeing
            .observation()
            .reviews
            .known()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let unheard: Vec<&LiveReview> = live
            .iter()
            .filter(|review| review.state != ReviewState::Commented)
            .filter(|review| !case.reviews.iter().any(|known| same(known, review)))
            .collect();
        if !unheard.is_empty() {
            let head_changed_at = self.github().head_changed_at(&opened.branch).await?;
            for review in unheard {
                let heard = Heard::found(review, pull, head_changed_at, &opened);
                drafts.extend(self.review_draft(&mut case, policy, seeing, heard));
            }
        }
        if drafts.is_empty() {
            Ok(())
        } else {
            self.append(drafts).await
        }
    }

    fn review_draft(&self, case: &mut Case, policy: &Policy, seeing: &Seeing, heard: Heard) -> Option<Draft> {
        let person = heard.review.account.and_then(|account| policy.person_of(account));
        // Whoever may read may comment, and a stranger's comments must not fill the ledger.
        let idle = person.is_none() && heard.review.decision == ReviewState::Commented;
        if idle || case.reviews.iter().any(|known| says(known, &heard.review)) {
            return None;
        }
        let now = self.now();
        let mut draft = Draft {
            person: person.map(|person| person.name().clone()),
            ..Draft::about(case, Role::Gate, Event::Reviewed(heard.review.clone()), now)
        };
        draft.digests.presentation = heard.presentation;
        let recorded = RecordedReview {
            at: now,
            digests: draft.digests.clone(),
            review: heard.review.clone(),
        };
        case.reviews.push(recorded);
        let mut review = heard.review;
        if let (ReviewState::Approved, Some(person)) = (review.decision, person) {
            let decision = decide(case, seeing.observation(), policy);
            let counted = decision.because().iter().find(|one| {
                one.rule == Rule::Approvals && one.who.iter().any(|who| who == person.name().as_str())
            });
            if let Some(counted) = counted {
                review.requirement = Some(requirement(case, policy, person));
                review.progress = counted.have.zip(counted.need);
            }
        }
        draft.event = Event::Reviewed(review);
        Some(draft)
    }
}

/// A review and the text it was made on.
pub(super) struct Heard {
    review: Reviewed,
    /// None when the title beside the text was not the bot's: then it is not what was to be approved. INVARIANT i26.
    presentation: Option<Digest>,
}

impl Heard {
    fn told(event: &ReviewEvent, opened: &Opened) -> Self {
        Self {
            review: reviewed_by_event(event),
            presentation: (event.title == opened.title).then_some(event.body),
        }
    }

    pub(super) fn found(live: &LiveReview, pull: &Pull, head_changed_at: Timestamp, opened: &Opened) -> Self {
        Self {
            review: reviewed_by_look(live, pull, head_changed_at),
            presentation: (pull.title == opened.title).then_some(pull.body),
        }
    }
}

/// Reviews of a change of the rules: what they were made on is the commit, and no text of the bot's.
impl Heard {
    pub(super) fn of_rules(event: &ReviewEvent) -> Self {
        Self {
            review: reviewed_by_event(event),
            presentation: None,
        }
    }
    pub(super) fn found_on_rules(live: &LiveReview, pull: &Pull, head_changed_at: Timestamp) -> Self {
        Self {
            review: reviewed_by_look(live, pull, head_changed_at),
            presentation: None,
        }
    }
    pub(super) const fn presentation(&self) -> Option<Digest> {
        self.presentation
    }
    pub(super) const fn review(&self) -> &Reviewed {
        &self.review
    }
    pub(super) fn into_review(self) -> Reviewed {
        self.review
    }
}

fn reviewed_by_event(event: &ReviewEvent) -> Reviewed {
    Reviewed {
        pull: None,
        review: event.review,
        account: event.account,
        login: event.login.clone(),
        decision: event.state,
        head: event.head,
        base: event.base,
        commit: event.commit,
        submitted_at: event.submitted_at,
        reason: event.reason.clone(),
        found: Found::Event {
            delivery: event.delivery.clone(),
        },
        requirement: None,
        progress: None,
        assurance: Assurance::GateAttested,
    }
}

fn reviewed_by_look(live: &LiveReview, pull: &Pull, head_changed_at: Timestamp) -> Reviewed {
    let commit: Option<Sha> = live.commit;
    Reviewed {
        pull: None,
        review: live.id,
        account: live.account,
        login: live.login.clone(),
        decision: live.state,
        head: pull.head,
        base: pull.base,
        commit,
        submitted_at: live.submitted_at,
        reason: None,
        found: Found::Sweep { head_changed_at },
        requirement: None,
        progress: None,
        assurance: Assurance::GateAttested,
    }
}

/// Whether a live review is recorded as it is now; a comment needs no record to stay without effect.
pub(super) fn same(known: &RecordedReview, live: &LiveReview) -> bool {
    known.review.review == live.id
        && (known.review.decision == live.state || known.review.decision == ReviewState::Edited)
}

/// Whether a record says all that another would. One that a look made and that can't show when it was heard does not:
/// the review's own event, when it comes after all, is recorded too. INVARIANT i06.
pub(super) fn says(known: &RecordedReview, heard: &Reviewed) -> bool {
    known.review.review == heard.review
        && known.review.decision == heard.decision
        && (known.review.is_in_time() || !heard.is_in_time())
}

/// What an approver stands for: the owning team they belong to, or their own name.
fn requirement(case: &Case, policy: &Policy, person: &Person) -> String {
    let owning = teams(case, policy);
    let team = person.teams().iter().find(|team| owning.contains(team));
    team.map_or_else(|| person.name().to_string(), ToString::to_string)
}
