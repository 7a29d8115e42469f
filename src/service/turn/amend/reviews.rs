//! Reviews of a change of the rules become entries when they are heard of, with the head they were made on.
//! INVARIANT i06.

use super::{Asked, Bot, NotNow, Told};
use crate::{
    domain::{
        case::RecordedReview,
        entry::{Digests, Draft, Event, Role, Under},
        ids::{AccountId, BranchName, PullNumber},
        observation::ReviewState,
        policy::Tier,
    },
    github::Seeing,
    service::turn::{
        look::person_behind,
        record::{Heard, same, says},
    },
};

impl Bot {
    /// Records what webhooks told of, then what a look found that no webhook told of. INVARIANT i06.
    pub(super) async fn record_amendment_reviews(
        &self,
        number: PullNumber,
        asked: &Asked<'_>,
        seeing: &Seeing,
        branch: &BranchName,
        told: &[Told],
    ) -> Result<(), NotNow> {
        let mut known: Vec<RecordedReview> = self
            .ledger()
            .read(|book| book.amendments().reviews(number).to_vec());
        let person = |account: Option<AccountId>| {
            let policies = [Some(asked.old), asked.new].into_iter().flatten();
            account.is_some_and(|account| {
                let mut policies = policies.into_iter();
                policies.any(|policy| policy.person_of(account).is_some())
            })
        };
        let mut heard: Vec<Heard> = Vec::new();
        heard.extend(told.iter().filter_map(Told::review).map(Heard::of_rules));
        let live = seeing.observation().reviews.known();
        let unheard: Vec<_> = live
            .into_iter()
            .flatten()
            .filter(|review| review.state != ReviewState::Commented && person(review.account))
            .filter(|review| {
                let told = heard.iter().any(|heard| heard.review().review == review.id);
                !told && !known.iter().any(|known| same(known, review))
            })
            .collect();
        if !unheard.is_empty() && asked.home {
            let head_changed_at = self.github().head_changed_at(branch).await?;
            let found = unheard
                .into_iter()
                .map(|review| Heard::found_on_rules(review, seeing.pull(), head_changed_at));
            heard.extend(found);
        }
        let mut drafts = Vec::new();
        for heard in heard {
            let mut review = heard.into_review();
            // Whoever may read may review, and strangers must not fill the ledger.
            let said = known.iter().any(|known| says(known, &review));
            if !person(review.account) || review.decision == ReviewState::Commented || said {
                continue;
            }
            review.pull = Some(number);
            let digests = Digests {
                policy: Some(asked.old.digest()),
                ..Digests::default()
            };
            known.push(RecordedReview {
                at: self.now(),
                digests: digests.clone(),
                review: review.clone(),
            });
            let counted = self.counted(&known, asked, seeing, review.account);
            (review.requirement, review.progress) = counted;
            drafts.push(Draft {
                role: Role::Gate,
                person: person_behind(asked.old, review.account),
                agent: None,
                time: self.now(),
                proposal: None,
                digests,
                event: Event::Reviewed(review),
                grouped: false,
            });
        }
        if drafts.is_empty() {
            return Ok(());
        }
        self.append(drafts).await
    }

    /// What an account's approval counts for, by the rules in force: its requirement, and how many there are then.
    fn counted(
        &self,
        reviews: &[RecordedReview],
        asked: &Asked<'_>,
        seeing: &Seeing,
        account: Option<AccountId>,
    ) -> (Option<String>, Option<(u32, u32)>) {
        let decided = asked.decide(reviews, seeing);
        let old: Vec<_> = decided
            .approvers()
            .iter()
            .filter(|approver| approver.under == Under::Old)
            .collect();
        let Some(approver) = old.iter().find(|approver| Some(approver.account) == account) else {
            return (None, None);
        };
        let have = u32::try_from(old.len()).unwrap_or(u32::MAX);
        let need = u32::from(asked.old.gate(Tier::High).approvals());
        (Some(approver.requirement.clone()), Some((have, need)))
    }
}
