//! A person's pull request that changes the rules: looked at, decided by the old and the new rules, shown, and brought
//! into force when it was merged through the gate. INVARIANT i02.

use std::{collections::BTreeMap, sync::PoisonError};

use super::{
    Bot, NotNow, Told,
    look::{logins, person_behind},
    record::Heard,
};
use crate::{
    domain::{
        amendment::{Amendment, Change, Decided, decide, teams},
        case::RecordedReview,
        entry::{Digests, Draft, Enacted, Event, Role, Stray},
        facts::facts_of,
        gate::Verdict,
        ids::{AccountId, BranchName, Digest, PullNumber},
        observation::{PullState, ReviewState},
        policy::{
            Policy, Tier, cases, compile,
            lint::{Finding, Severity, lint},
        },
        publish::{CheckShown, Conclusion, Effect},
        replay::replay,
        source::SourceFile,
        trial,
    },
    github::{Annotation, Applied, Ask, MOST_ANNOTATIONS, MergeText, PullBrief, Seeing, Texts},
    ledger::ChangeRead,
    render,
};

/// The rules at a head.
struct Brings {
    policy: Option<Policy>,
    findings: Vec<Finding>,
    tested: Option<render::Tested>,
    unreadable: Option<String>,
}

impl Brings {
    fn of(read: &ChangeRead) -> Self {
        let mut brings = Self {
            policy: None,
            findings: Vec::new(),
            tested: None,
            unreadable: None,
        };
        match &read.files {
            Err(why) => brings.unreadable = Some(why.clone()),
            Ok(files) => {
                brings.findings = lint(files);
                brings.policy = compile(files).ok();
                brings.tested = brings.policy.as_ref().map(|policy| tested(files, policy));
            }
        }
        brings
    }
}

/// The cases of the new rules, run by them.
fn tested(files: &[SourceFile], policy: &Policy) -> render::Tested {
    let (all, _) = cases::read(files, policy);
    let mut tested = render::Tested {
        cases: all.len(),
        failed: Vec::new(),
    };
    for case in &all {
        let outcome = trial::run(case, policy);
        if outcome.passed() {
            continue;
        }
        let line = case.mark.map_or(1, |mark| mark.place().line);
        let came_out = outcome
            .differences
            .iter()
            .map(|one| format!("{}: {} instead of {}", one.what, one.found, one.expected));
        let came_out: Vec<String> = came_out.collect();
        let place = format!("{}:{line}", case.file);
        tested
            .failed
            .push((place, case.name.clone(), came_out.join("; ")));
    }
    tested
}

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
        self.amend_rules(pull, &base, &read, told).await?;
        Ok(true)
    }

    async fn amend_rules(
        &self,
        pull: &PullBrief,
        base: &BranchName,
        read: &ChangeRead,
        told: &[Told],
    ) -> Result<(), NotNow> {
        let number = pull.number;
        if self
            .ledger()
            .read(|book| book.amendments().enacted(number))
            .is_some()
        {
            let says = "The new rules came into force with this pull request.";
            return self.show_fact(pull, read, "In force", says).await;
        }
        let active = self.ledger().read(|book| book.policy());
        if read.change.restores(active) {
            let says =
                "It puts the rules in force back. That changes no rule, and needs no approval by them.";
            return self
                .show_fact(pull, read, "Restores the rules in force", says)
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
        let brings = Brings::of(read);
        let new = brings.policy.as_ref();
        let accounts = [Some(&*old), new].into_iter().flatten();
        let accounts = accounts
            .flat_map(Policy::people)
            .flat_map(|person| person.accounts());
        let ask = Ask {
            branch: pull.head_ref.clone().unwrap_or_else(|| base.clone()),
            base: base.clone(),
            organization: old.owners().organization().map(str::to_owned),
            teams: teams(&read.change.paths, &old, new).into_iter().collect(),
            accounts: Some(accounts.map(|account| account.id()).collect()),
            also: BTreeMap::new(),
            now: self.now(),
        };
        let seeing = self.github().observe(number, &ask).await?;
        let seeing = seeing.with_policy(self.policy_on_base().await);
        if seeing.pull().head != read.change.head {
            return Err(NotNow::because("the pull request moved while it was looked at"));
        }
        let asked = Asked {
            old: &old,
            new,
            change: &read.change,
            base,
            home: pull.same_repo && pull.head_ref.is_some(),
        };
        self.record_amendment_reviews(number, &asked, &seeing, &ask.branch, told)
            .await?;
        let decided = self.decide_amendment(number, &asked, &seeing);
        match seeing.pull().state {
            PullState::Merged { by, .. } => {
                if let Some(enacted) = decided.enacted(seeing.observation()) {
                    self.land(enacted, by, &old).await?;
                } else if decided.verdict() == Verdict::Errored {
                    self.show_amendment(&asked, &brings, &seeing, &decided, None)
                        .await?;
                    return Err(NotNow::because(
                        "something about a merged change of the rules can't be read; it is looked at again",
                    ));
                } else {
                    self.alarm_about(number, &read.change, &decided, by).await?;
                }
            }
            PullState::Open | PullState::Closed => {}
        }
        let effect = decided.to_merge().map(Effect::Merge);
        self.show_amendment(&asked, &brings, &seeing, &decided, effect)
            .await
    }

    fn decide_amendment(&self, number: PullNumber, asked: &Asked<'_>, seeing: &Seeing) -> Decided {
        let reviews: Vec<RecordedReview> = self
            .ledger()
            .read(|book| book.amendments().reviews(number).to_vec());
        decide(&Amendment {
            old: asked.old,
            new: asked.new,
            change: asked.change,
            reviews: &reviews,
            seen: seeing.observation(),
            base: asked.base,
            home: asked.home,
        })
    }

    /// Records what webhooks told of, then what a look found that no webhook told of. INVARIANT i06.
    async fn record_amendment_reviews(
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
                !told && !known.iter().any(|known| super::record::same(known, review))
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
            let said = |known: &RecordedReview| {
                known.review.review == review.review && known.review.decision == review.decision
            };
            // Whoever may read may review, and strangers must not fill the ledger.
            if !person(review.account) || review.decision == ReviewState::Commented || known.iter().any(said)
            {
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
        let decided = decide(&Amendment {
            old: asked.old,
            new: asked.new,
            change: asked.change,
            reviews,
            seen: seeing.observation(),
            base: asked.base,
            home: asked.home,
        });
        let old: Vec<_> = decided
            .approvers()
            .iter()
            .filter(|approver| approver.under == crate::domain::entry::Under::Old)
            .collect();
        let Some(approver) = old.iter().find(|approver| Some(approver.account) == account) else {
            return (None, None);
        };
        let have = u32::try_from(old.len()).unwrap_or(u32::MAX);
        let need = u32::from(asked.old.gate(Tier::High).approvals());
        (Some(approver.requirement.clone()), Some((have, need)))
    }

    /// Brings the new rules into force. What ran under the old ones is recorded first, and nothing is claimed meanwhile.
    async fn land(&self, enacted: Enacted, by: Option<AccountId>, old: &Policy) -> Result<(), NotNow> {
        let (pull, from, to) = (enacted.pull, enacted.old, enacted.new);
        {
            let _nobody_claims = self.inner.rules.write().await;
            self.recover_low().await?;
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
        self.look_at_all();
        let pending: Vec<PullNumber> = self.ledger().read(|book| book.amendments().pending().collect());
        for other in pending {
            self.queue().say(other, []);
        }
        if let Err(error) = self.unopened().await {
            tracing::warn!(%error, "received, not opened yet; the next sweep tries again");
        }
        Ok(())
    }

    async fn alarm_about(
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
        let mut rules: Vec<&str> = decided.against().map(|one| one.rule.as_str()).collect();
        rules.dedup();
        let what = format!(
            "pull request {number} changed the rules around the gate ({}); they are not in force",
            rules.join(", ")
        );
        let stray = Stray {
            sha: landed.sha,
            policy: landed.after,
        };
        self.alarm(what, by, stray).await
    }

    /// Makes the pull request show where it stands, and merges it when told to.
    async fn show_amendment(
        &self,
        asked: &Asked<'_>,
        brings: &Brings,
        seeing: &Seeing,
        decided: &Decided,
        merge: Option<Effect>,
    ) -> Result<(), NotNow> {
        let active = asked.old.digest();
        let replayed = asked.new.map(|new| self.replayed(asked.old, new));
        let text = render::amendment(&render::AmendmentText {
            decided,
            state: &seeing.pull().state,
            active,
            brings: asked.change.to,
            gate: asked.old.gate(Tier::High),
            findings: &brings.findings,
            unreadable: brings.unreadable.as_deref(),
            tested: brings.tested.as_ref(),
            replayed: replayed.as_ref(),
        })?;
        let merged = matches!(seeing.pull().state, PullState::Merged { .. });
        let conclusion = match (decided.verdict(), merged) {
            (Verdict::Open, _) => Conclusion::Success,
            (Verdict::Waiting, false) => Conclusion::ActionRequired,
            (Verdict::Waiting, true) | (Verdict::Blocked | Verdict::Errored, _) => Conclusion::Failure,
        };
        let (title, message) =
            render::amendment_merge(active, asked.change.to.unwrap_or(active), decided.approvers());
        let texts = Texts {
            annotations: annotations(&brings.findings),
            merge: Some(MergeText { title, message }),
            ..check_texts(text)
        };
        let check = shown(asked.change, conclusion, &texts);
        let pull = seeing.pull().number;
        let logins = logins(asked.old);
        if seeing.check() != Some(&check) {
            let put = Effect::PutCheck(check);
            self.github().apply(pull, &put, &texts, &logins).await?;
        }
        let Some(effect) = merge else { return Ok(()) };
        tracing::info!(%pull, "merging a change of the rules through the open gate");
        match self.github().apply(pull, &effect, &texts, &logins).await? {
            Applied::Merged { .. } | Applied::HeadMoved => {
                self.queue().say(pull, []);
            }
            Applied::NotMergeable { because } => {
                tracing::warn!(%pull, %because, "the gate is open; GitHub does not merge");
            }
            Applied::Done | Applied::LeftOut(_) => {}
        }
        Ok(())
    }

    /// Shows what is so whatever anybody approves.
    async fn show_fact(
        &self,
        pull: &PullBrief,
        read: &ChangeRead,
        title: &str,
        says: &str,
    ) -> Result<(), NotNow> {
        let texts = Texts {
            check_title: title.to_owned(),
            check_summary: says.to_owned(),
            ..Texts::default()
        };
        let check = shown(&read.change, Conclusion::Success, &texts);
        if self.github().check_on(pull.head).await?.as_ref() == Some(&check) {
            return Ok(());
        }
        let put = Effect::PutCheck(check);
        self.github()
            .apply(pull.number, &put, &texts, &BTreeMap::new())
            .await?;
        Ok(())
    }

    /// The proposals of the recent past, judged by both.
    fn replayed(&self, old: &Policy, new: &Policy) -> render::Replayed {
        self.ledger().read(|book| {
            let mut replayed = render::Replayed::default();
            let open = book.cases().map(|(_, case)| case);
            for case in open.chain(book.recently_ended()) {
                replayed.judged += 1;
                if let Some(difference) = replay(&facts_of(case, None), old, new) {
                    replayed.differences.push((case.proposal.id, difference));
                }
            }
            replayed
        })
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
}

fn check_texts(text: render::CheckText) -> Texts {
    Texts {
        check_title: text.title,
        check_summary: text.summary,
        ..Texts::default()
    }
}

fn shown(change: &Change, conclusion: Conclusion, texts: &Texts) -> CheckShown {
    let says = format!("{}\n{}", texts.check_title, texts.check_summary);
    CheckShown {
        head: change.head,
        conclusion,
        says: Digest::of(says.as_bytes()),
    }
}

/// The findings as GitHub shows them beside the lines; those beyond what it takes are counted in the last one.
fn annotations(findings: &[Finding]) -> Vec<Annotation> {
    let one = |finding: &Finding| {
        let line = finding.place().map_or(1, |place| place.line);
        let message = match finding.remedy() {
            Some(remedy) => format!("{}; {remedy}", finding.message()),
            None => finding.message().to_owned(),
        };
        let is_error = finding.severity() == Severity::Error;
        Annotation::at(format!("policies/{}", finding.file()), line, is_error, message)
    };
    let listed = findings.len().min(MOST_ANNOTATIONS);
    let mut all: Vec<Annotation> = findings.iter().take(listed).map(one).collect();
    let more = findings.len() - listed;
    if let (Some(last), 1..) = (all.last_mut(), more) {
        last.message = format!("{} (and {more} more; the check lists them)", last.message);
    }
    all
}
