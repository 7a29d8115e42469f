//! One look at a pull request: see, record, decide, publish. Looking again changes nothing more.

use std::collections::BTreeMap;

use super::{Bot, NotNow, Told, execute::Fit};
use crate::{
    domain::{
        book::Book,
        case::{Case, Life},
        due::due,
        entry::{Denied, Draft, Event, Incident, Merged, Observed, Refusal, Role, VoidReason, Voided, When},
        extent::Extent,
        gate::{Decision, Rule, Standing, Verdict, decide},
        ids::{AccountId, Digest, Login, PersonName, ProposalId, PullNumber, Sha},
        observation::{Pull, PullState},
        policy::{Person, Policy, Tier},
        protection::clock_is_right,
        publish::{Beside, Effect, reconcile, wanted},
        warrant::Warrant,
    },
    github::{Applied, MergeText, Seeing, Texts},
    ledger::MergeReadError,
    render,
};

impl Bot {
    /// Looks at one pull request, with the reviews that its webhooks told of.
    pub(super) async fn look(&self, pull: PullNumber, told: &[Told]) -> Result<(), NotNow> {
        let Some(id) = self.ledger().read(|book| book.by_pull(pull)) else {
            return self.inbox(pull, told).await;
        };
        let policy = self.policy_known().await?;
        self.record_edits(id, &policy, told).await?;
        self.commands(id, &policy, pull, told).await?;
        // A command may have ended it.
        let Some(case) = self.case(id) else {
            self.look_at_ended(id, pull, &policy).await?;
            self.shown(id);
            return Ok(());
        };
        if case.life > Life::Merged {
            return match case.resumable() && self.executes() {
                true => self.execute(id, &policy).await,
                false => self.display(id, &policy).await,
            };
        }
        let seeing = self.see_case(&case, &policy, pull).await?;
        self.record_reviews(&case, &policy, &seeing, told).await?;
        let Some(case) = self.case(id) else { return Ok(()) };
        let pull = seeing.pull();
        if case.life == Life::Open {
            match &pull.state {
                PullState::Merged { by, sha, .. } => {
                    self.merged(&case, &policy, &seeing, pull, *by, *sha).await?
                }
                PullState::Closed => {
                    let account = match told.iter().rev().find_map(Told::closer) {
                        Some(account) => Some(account),
                        None => self.github().closer(pull.number).await?,
                    };
                    self.end(&case, Event::Denied(Denied { account }), account, &policy)
                        .await?;
                }
                PullState::Open => {
                    if let Some(because) = self.void(&case, pull, &policy) {
                        let movers = told.iter().rev().filter_map(|told| told.mover(because));
                        let mover = self.foreign(movers).await?.next();
                        self.void_case(&case, pull, because, mover, &policy).await?;
                    } else if clock_is_right(seeing.observation()) {
                        // Only now: a merge in time that nobody told of is no silence. INVARIANT i12.
                        self.append(due(&case, &policy, self.now())).await?;
                    }
                }
            }
        }
        let Some(case) = self.case(id) else {
            return self.display(id, &policy).await;
        };
        if case.life == Life::Merged && self.executes() {
            return self.execute(id, &policy).await;
        }
        self.publish(&case, &policy, &seeing).await
    }

    /// Whether a pull request may be there that the ledger does not name yet.
    pub(super) fn is_opening(&self) -> bool {
        self.ledger().read(|book| {
            book.cases()
                .any(|(_, case)| case.opened.is_none() && case.tier() > Tier::Low)
        })
    }

    /// What is not as the bot left it, and makes the proposal void. INVARIANT i05.
    fn void(&self, case: &Case, pull: &Pull, policy: &Policy) -> Option<VoidReason> {
        let opened = case.opened.as_ref()?;
        if pull.head != opened.head {
            Some(VoidReason::ForeignHead)
        } else if pull.base_ref != opened.base_ref {
            Some(VoidReason::ForeignBase)
        } else if case.policy != policy.digest() {
            Some(VoidReason::Rules)
        } else {
            None
        }
    }

    async fn void_case(
        &self,
        case: &Case,
        pull: &Pull,
        because: VoidReason,
        mover: Option<AccountId>,
        policy: &Policy,
    ) -> Result<(), NotNow> {
        let opened = case.opened.as_ref();
        let what = match because {
            VoidReason::ForeignHead => "somebody else pushed to a proposal's branch",
            VoidReason::ForeignBase => "somebody moved a proposal to another base branch",
            VoidReason::Changed => "what was observed changed before the merge",
            VoidReason::Gone => "a proposal's pull request is gone",
            // Nobody's misdeed: there is no incident to tell of.
            VoidReason::Rules => return self.void_by_rules(case).await,
        };
        let now = self.now();
        let incident = Incident {
            what: what.to_owned(),
            account: mover,
            stray: None,
        };
        let person = person_behind(policy, mover);
        let about = |event| Draft {
            person: person.clone(),
            ..Draft::about(case, Role::Gate, event, now)
        };
        let voided = Voided {
            because,
            head: (Some(pull.head) != opened.map(|opened| opened.head)).then_some(pull.head),
        };
        self.append(vec![
            about(Event::Incident(incident)),
            about(Event::Voided(voided)),
        ])
        .await
    }

    /// What was proposed under rules that are not in force any more can't be approved; its agent proposes it anew.
    pub(super) async fn void_by_rules(&self, case: &Case) -> Result<(), NotNow> {
        let voided = Voided {
            because: VoidReason::Rules,
            head: None,
        };
        let event = Event::Voided(voided);
        self.append(vec![Draft::about(case, Role::Gate, event, self.now())])
            .await
    }

    /// A merge was seen: through the gate, or around it. INVARIANT i14.
    async fn merged(
        &self,
        case: &Case,
        policy: &Policy,
        seeing: &Seeing,
        pull: &Pull,
        by: Option<AccountId>,
        sha: Option<Sha>,
    ) -> Result<(), NotNow> {
        let PullState::Merged { at, .. } = pull.state else {
            return Ok(());
        };
        let decision = decide(case, seeing.observation(), policy);
        let against: Vec<_> = decision.against().cloned().collect();
        let only = |rules: &[Rule]| against.iter().all(|one| rules.contains(&one.rule));
        let now = self.now();
        let person = person_behind(policy, by);
        let about = |event| Draft {
            person: person.clone(),
            ..Draft::about(case, Role::Gate, event, now)
        };
        let observed = about(Event::Observed(Observed {
            when: When::Merge,
            observation: Box::new(seeing.observation().clone()),
            gate: decision.verdict(),
            because: decision.because().to_vec(),
        }));
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let head = case.opened.as_ref().map(|opened| opened.head);
        let sha = match (sha, head) {
            (Some(sha), _) => sha,
            (None, Some(head)) => self
                .mirror()
                .merge_of(&base, head)
                .await?
                .ok_or_else(|| NotNow::because("the merge is not on the base branch yet"))?,
            (None, None) => return Ok(()),
        };
        let bypassed = |reason: String| {
            tracing::error!(proposal = %case.proposal.id, %reason, "merged around the gate");
            about(Event::Bypassed(Refusal {
                sha: Some(sha),
                by,
                reason,
                because: against.clone(),
            }))
        };
        if against.iter().any(|one| one.standing == Standing::Errored) {
            return Err(NotNow::because(
                "something about the merge can't be read; it is looked at again",
            ));
        }
        // Rules of the branch that became weak only after the gate had opened: it was merged through it, and waits.
        let was_open = case.verdict == Some(Verdict::Open);
        let late = only(&[Rule::ExecuteWithin, Rule::NotBefore, Rule::Policy])
            || was_open
                && only(&[
                    Rule::ExecuteWithin,
                    Rule::NotBefore,
                    Rule::Policy,
                    Rule::Protection,
                    Rule::Freeze,
                ]);
        if !late {
            let rules: Vec<String> = against.iter().map(|one| one.rule.as_str().to_owned()).collect();
            let reason = format!(
                "merged while the gate was {}: {}",
                decision.verdict(),
                rules.join(", ")
            );
            return self.append(vec![observed, bypassed(reason)]).await;
        }
        let read = self
            .mirror()
            .merge(sha, &base, &case.proposal.directory(), at, by)
            .await;
        let merge = match read {
            Ok(merge) => merge,
            Err(error) if !matches!(error, MergeReadError::Mirror(_)) => {
                return self.append(vec![observed, bypassed(error.to_string())]).await;
            }
            Err(error) => return Err(error.into()),
        };
        let parents = merge.parents.clone();
        let merged = about(Event::Merged(Merged { sha, parents, at, by }));
        if let Some(open) = decision.open() {
            match Warrant::merged(open, merge) {
                Ok(_) => self.append(vec![observed, merged]).await,
                Err(violation) => self.append(vec![observed, bypassed(violation.to_string())]).await,
            }
        } else if against.iter().any(|one| one.rule == Rule::Policy) {
            let reason = "the policy in force is not the one it was approved under".to_owned();
            let refusal = Refusal {
                sha: Some(sha),
                by,
                reason,
                because: against.clone(),
            };
            self.append(vec![observed, merged, about(Event::PolicyChanged(refusal))])
                .await
        } else {
            self.append(vec![observed, merged]).await
        }
    }

    /// A merge of a proposal that had ended otherwise is a bypass too; it never executes.
    async fn look_at_ended(&self, id: ProposalId, pull: PullNumber, policy: &Policy) -> Result<(), NotNow> {
        let closed = |book: &Book| book.closed(id).map(|closed| (closed.life, closed.action));
        let Some((life, action)) = self.ledger().read(closed) else {
            return Ok(());
        };
        let unexecuted = matches!(
            life,
            Life::Voided | Life::Denied | Life::Expired | Life::Cancelled | Life::Superseded
        );
        let seeing = self.see(id, Vec::new(), BTreeMap::new(), policy, pull).await?;
        if unexecuted && let PullState::Merged { by, sha, .. } = seeing.pull().state {
            let person = person_behind(policy, by);
            let reason = format!("merged after it was {life}");
            let event = Event::Bypassed(Refusal {
                sha,
                by,
                reason,
                because: Vec::new(),
            });
            let draft = Draft {
                role: Role::Gate,
                person,
                agent: None,
                time: self.now(),
                proposal: Some(id),
                digests: crate::domain::entry::Digests {
                    action: Some(action),
                    ..Default::default()
                },
                event,
                grouped: false,
            };
            self.append(vec![draft]).await?;
        }
        self.display(id, policy).await
    }

    /// Makes the pull request show where a proposal stands, recording nothing.
    pub(super) async fn display(&self, id: ProposalId, policy: &Policy) -> Result<(), NotNow> {
        let Some(case) = self
            .ledger()
            .read(|book| book.case(id).or_else(|| book.recent(id)).cloned())
        else {
            return Ok(());
        };
        let Some(pull) = case.opened.as_ref().map(|opened| opened.pull) else {
            return Ok(());
        };
        let seeing = self.see_case(&case, policy, pull).await?;
        let decision = decide(&case, seeing.observation(), policy);
        self.show(&case, policy, &seeing, decision).await
    }

    async fn end(
        &self,
        case: &Case,
        event: Event,
        account: Option<AccountId>,
        policy: &Policy,
    ) -> Result<(), NotNow> {
        let person = person_behind(policy, account);
        self.append(vec![Draft {
            person,
            ..Draft::about(case, Role::Gate, event, self.now())
        }])
        .await
    }

    /// Decides, records a changed verdict, and makes the pull request show it.
    async fn publish(&self, case: &Case, policy: &Policy, seeing: &Seeing) -> Result<(), NotNow> {
        let decision = decide(case, seeing.observation(), policy);
        // What somebody else saw later must not be followed by what was seen before.
        self.publishing().await?;
        if case.verdict != Some(decision.verdict()) {
            let observed = Observed {
                when: When::Verdict,
                observation: Box::new(seeing.observation().clone()),
                gate: decision.verdict(),
                because: decision.because().to_vec(),
            };
            self.append(vec![Draft::about(
                case,
                Role::Gate,
                Event::Observed(observed),
                self.now(),
            )])
            .await?;
        }
        self.show(case, policy, seeing, decision).await
    }

    async fn show(
        &self,
        case: &Case,
        policy: &Policy,
        seeing: &Seeing,
        decision: Decision,
    ) -> Result<(), NotNow> {
        let full = match decision.verdict() {
            Verdict::Open if case.life == Life::Open => self.room(case).await?.err(),
            _ => None,
        };
        let undo = self.ledger().read(|book| book.undo(case.proposal.id));
        let mut beside = Beside {
            full: full.as_ref(),
            lacks: None,
            undo,
        };
        let Some(mut want) = wanted(case, &decision, policy, beside) else {
            return Ok(());
        };
        // What can't be looked at now keeps the merge back, and not the check from telling what people decided.
        let (fit, mut left) = match want.merged && self.executes() && !self.is_apart() {
            true => self
                .preflight(case, policy)
                .await
                .map_or_else(|error| (Fit::Waits, Some(error)), |fit| (fit, None)),
            false => (Fit::Now, None),
        };
        if let Fit::Lacks(why) = &fit {
            left = Some(NotNow::Other(why.clone()));
            beside.lacks = Some(why);
            want = wanted(case, &decision, policy, beside).unwrap_or(want);
        }
        let effects = reconcile(&want, &seeing.published(&want));
        if effects.is_empty() {
            return left.map_or(Ok(()), Err);
        }
        let shown = self.presentation(&case.proposal, &case.assessment, policy)?;
        let (body, unmade) = match effects.contains(&Effect::RestoreText) {
            true => match self.as_opened(case, shown.report).await {
                Ok(report) => (report, None),
                Err(error) => (String::new(), Some(error)),
            },
            false => (shown.report, None),
        };
        let check = render::check(case, &decision, policy, beside)?;
        let texts = Texts {
            title: shown.title,
            body,
            check_title: check.title,
            check_summary: check.summary,
            annotations: Vec::new(),
            outcome: match want.outcome {
                Some(_) => render::outcome(case, policy, undo)?,
                None => String::new(),
            },
            extent: Some(self.ledger().read(Extent::of)),
            merge: Some(MergeText {
                title: render::merge_title(case, &decision),
                message: render::merge_message(case, &decision),
            }),
        };
        let logins = logins(policy);
        let unrestored = unmade.is_some();
        left = unmade.or(left);
        for effect in effects {
            // What else is shown tells that the gate is shut meanwhile.
            if effect == Effect::RestoreText && unrestored {
                continue;
            }
            if let Effect::Merge(head) = effect {
                if decision.verdict() != Verdict::Open
                    || fit != Fit::Now
                    || !self.may_merge(case, policy, seeing).await?
                {
                    continue;
                }
                tracing::info!(proposal = %case.proposal.id, head = %head.short(), "merging through the open gate");
            }
            let publishing = self.publishing().await?;
            let applied = match publishing.apply(want.pull, &effect, &texts, &logins).await {
                // Whom GitHub would not ask may still answer: the check tells what is missing all the same.
                Err(error) if matches!(effect, Effect::Ask(_)) => {
                    left = Some(error.into());
                    continue;
                }
                applied => applied?,
            };
            match applied {
                Applied::Done => {}
                Applied::Merged { .. } | Applied::HeadMoved => {
                    self.look_again([want.pull]).await?;
                }
                Applied::LeftOut(owners) => {
                    let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
                    tracing::warn!(proposal = %case.proposal.id, ?owners, "GitHub would not ask these for a review");
                }
                Applied::NotMergeable { because } => {
                    tracing::warn!(proposal = %case.proposal.id, %because, "the gate is open; GitHub does not merge");
                }
            }
        }
        left.map_or(Ok(()), Err)
    }

    /// The text that was opened. What it was rendered from need not be known whole for as long as it is open; its own
    /// commit keeps it. INVARIANT i26.
    async fn as_opened(&self, case: &Case, rendered: String) -> Result<String, NotNow> {
        let is_it = |text: &String| Some(Digest::of(text.as_bytes())) == case.presentation;
        if is_it(&rendered) {
            return Ok(rendered);
        }
        let path = format!("{}/report.md", case.proposal.directory());
        let kept = match &case.opened {
            Some(opened) => self.github().file_at(&path, opened.head).await?,
            None => None,
        };
        let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok());
        kept.filter(is_it).ok_or_else(|| {
            NotNow::because("the text that was opened is nowhere, and nothing else is put in its place")
        })
    }
}

/// The person an account belongs to, when the policy knows one.
pub(super) fn person_behind(policy: &Policy, account: Option<AccountId>) -> Option<PersonName> {
    let person = policy.person_of(account?)?;
    Some(person.name().clone())
}

/// The login under which each person is asked.
pub(super) fn logins(policy: &Policy) -> BTreeMap<PersonName, Login> {
    let login = |person: &Person| Some((person.name().clone(), person.accounts().first()?.login().clone()));
    policy.people().filter_map(login).collect()
}
